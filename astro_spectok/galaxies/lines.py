# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The emission lines that are measured, and those that are only kept away from starlight."""

from typing import NamedTuple

__all__ = ["HIDDEN", "LINES", "Line"]


class Line(NamedTuple):
    """An emission line, or a blend that is given as one.

    Attributes
    ----------
    description : str
    members : tuple of (float, float or None)
        Rest wavelength in vacuum Angstrom of each line, and its flux over that of the first where atomic physics fixes
        it; None where both are free. Only free members count in what is given.
    """

    description: str
    members: tuple

    @property
    def wavelength(self):
        """Mean of the free members, in Angstrom."""
        free = [one for k, (one, share) in enumerate(self.members) if k == 0 or share is None]
        return sum(free) / len(free)


#: wavelengths: NIST, in vacuum; ratios: Storey & Zeippen 2000, MNRAS 312, 813, and atomic data
LINES = {
    "oii": Line("[O II] 3727, 3730", ((3727.092, None), (3729.875, None))),
    "neiii": Line("[Ne III] 3870", ((3869.86, None), (3968.59, 1 / 3.32))),
    "hdelta": Line("H delta", ((4102.892, None),)),
    "hgamma": Line("H gamma", ((4341.684, None),)),
    "hbeta": Line("H beta", ((4862.683, None),)),
    "oiii": Line("[O III] 5008", ((5008.240, None), (4960.295, 1 / 2.98))),
    "oi": Line("[O I] 6302", ((6302.046, None), (6365.536, 1 / 3.10))),
    "halpha": Line("H alpha", ((6564.614, None),)),
    "nii": Line("[N II] 6585", ((6585.27, None), (6549.85, 1 / 3.05))),
    "sii": Line("[S II] 6718, 6733", ((6718.29, None), (6732.67, None))),
}
#: Angstrom, vacuum: others that galaxies may show, and sodium between the stars
HIDDEN = (
    3426.86, 3771.70, 3798.98, 3836.47, 3890.16, 3971.20, 4069.75, 4364.435, 4472.73, 4687.02, 5201.70, 5756.19,
    5877.25, 5891.58, 5897.56, 6680.0, 7067.14, 7137.77,
)  # fmt: skip
