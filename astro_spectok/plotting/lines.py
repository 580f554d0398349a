# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The spectral lines that pictures are labelled with."""

from astro_spectok.utils.spectypes import STAR

__all__ = ["list_lines"]

#: vacuum Angstrom (Morton 2003; NIST): resonance and fine-structure lines of the ultraviolet, which the simulator has
#: without names, and absorption of stars, which it has in its templates only; the strongest diagnostics first
ULTRAVIOLET = {
    "Lyα": 1215.67, "CIV": 1549.06, "MgII": 2798.75, "CIII]": 1908.73, "SiIV": 1396.76, "HeII": 1640.42,
    "FeII2600": 2600.17, "FeII2382": 2382.77, "NV": 1240.15, "Lyβ": 1025.72, "SiII1526": 1526.71, "AlII": 1670.79,
}  # fmt: skip
ABSORPTION = {
    "CaK": 3934.78, "CaH": 3969.59, "Mgb": 5176.0, "NaD": 5894.6, "G": 4305.6, "CaT8544": 8544.44, "CaT8664": 8664.52,
    "CaT8500": 8500.36,
}  # fmt: skip
HYDROGEN = ("Halpha", "Hbeta", "Hgamma", "Hdelta", "Hepsilon", "H8+HeI", "H9", "H10", "H11")
#: flux over H-beta in star-forming galaxies below which an emission line is left out
WEAKEST = 0.05
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε"}


def list_lines(spectype):
    """Lines that a class of objects shows.

    Parameters
    ----------
    spectype : str
        ``'STAR'``: hydrogen and the strongest metals in absorption. Anything else: also the emission lines of the
        simulator, ``astro_spectok.simulate.nebular.LINES``, strongest first, and the ultraviolet.

    Returns
    -------
    dict of str to float
        Rest wavelength in vacuum (Angstrom) by name; the strongest diagnostics first.

    Examples
    --------
    Where the strongest lines of a galaxy at redshift 0.5 are seen:

    >>> from astro_spectok.plotting.lines import list_lines
    >>> lines = list_lines("GALAXY")
    >>> [(name, round(1.5 * lines[name])) for name in list(lines)[:2]]
    [('Hα', 9847), ('[OIII]5007', 7512)]
    """
    from astro_spectok.simulate.nebular import LINES

    hydrogen = {_write_greek(name): LINES[name][0] for name in HYDROGEN}
    if spectype == STAR:
        return hydrogen | ABSORPTION
    strongest = sorted(LINES, key=lambda name: -LINES[name][1])
    nebular = {_write_greek(name): LINES[name][0] for name in strongest if LINES[name][1] >= WEAKEST}
    if spectype == "QSO":
        return ULTRAVIOLET | nebular | ABSORPTION
    # calcium and magnesium before the weaker emission lines
    return dict(list(nebular.items())[:12]) | ABSORPTION | ULTRAVIOLET | nebular


def _write_greek(name):
    for word, letter in GREEK.items():
        name = name.replace(word, letter)
    return name
