# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Celestial objects as arrays: what leaves them, in their rest frame, before any instrument."""

from dataclasses import dataclass, field, fields

import torch

__all__ = ["CLASSES", "GALAXY_LABELS", "STELLAR_LABELS", "STELLAR_TYPES", "SUPERNOVA_LABELS", "Objects", "RestGrid"]

#: names of the classes, in the order of their numbers
CLASSES = ("GALAXY", "QSO", "STAR")
#: teff is log10(Teff / K), logg log10(g / (cm s-2)), the others dex relative to the Sun
STELLAR_LABELS = ("teff", "logg", "fe_h", "alpha_fe")
#: coarse types of stars, in the order of their numbers: white dwarfs, cataclysmic variables and carbon stars come last
STELLAR_TYPES = ("O", "B", "A", "F", "G", "K", "M", "L", "T", "WD", "CV", "C")
#: age is log10(light-weighted age / Gyr), metallicity [M/H], a_v in mag, sigma_v log10(sigma / (km/s)); ew_* are
#: asinh(rest equivalent width / Angstrom), positive in emission
GALAXY_LABELS = ("age", "metallicity", "a_v", "sigma_v", "ew_halpha", "ew_oiii", "ew_hbeta", "ew_oii")
#: sn_phase is days since maximum light
SUPERNOVA_LABELS = ("sn_phase",)


@dataclass(frozen=True)
class RestGrid:
    """A grid even in ln(vacuum wavelength / Angstrom).

    Attributes
    ----------
    ln_start, ln_step : float
        Centre of the first bin, and the width of all.
    size : int
        Number of bins, N.

    Examples
    --------
    >>> import math
    >>> from astro_spectok.simulate import RestGrid
    >>> grid = RestGrid(ln_start=math.log(5000.0), ln_step=1e-4, size=1000)
    >>> print(f"{grid.ln_wavelength()[-1].exp():.1f}")
    5525.3
    """

    ln_start: float
    ln_step: float
    size: int

    def ln_wavelength(self, device="cpu"):
        """Centres of the bins.

        Parameters
        ----------
        device : str or `torch.device`, optional

        Returns
        -------
        float64 tensor, shape (N,)
        """
        return self.ln_start + self.ln_step * torch.arange(self.size, dtype=torch.float64, device=device)


@dataclass
class Objects:
    """B objects on one rest-frame grid.

    Attributes
    ----------
    grid : `RestGrid`
        Wavelengths at rest, the same for all.
    flux : float32 tensor, shape (B, N)
        Continuum with its absorption features, per unit wavelength, any positive scale; NaN where nothing is known.
    z : float64 tensor, shape (B,)
        Redshift; for stars the radial velocity over c.
    cls : int64 tensor, shape (B,)
        Index into ``CLASSES``, -1 where none of them is meant (supernovae, sky, blazars).
    kind : list of str
        What it is in words, e.g. ``'passive'``, ``'lyman-break'``, ``'white dwarf'``, ``'sky'``.
    template_sigma : float32 tensor, shape (B,)
        Width in ln(wavelength) of the broadening that ``flux`` has already (the resolution of its templates).
    sigma : float32 tensor, shape (B,)
        Gaussian width in ln(wavelength) by which ``flux`` is yet to be broadened (velocity dispersion over c).
    rotation : float32 tensor, shape (B,)
        v sin i over c by which ``flux`` is yet to be broadened.
    line_ln_wavelength : float64 tensor, shape (B, L)
        Emission lines, drawn at the resolution of the instrument; L may be 0.
    line_flux, line_sigma : float32 tensor, shape (B, L)
        Integrated flux (units of ``flux`` times Angstrom; 0 for none), Gaussian width in ln(wavelength).
    measurable : bool tensor, shape (B,)
        False for what has no redshift to be found (sky, featureless blazars).
    labels : dict of str to float32 tensor, shape (B,)
        Any of ``STELLAR_LABELS``, ``GALAXY_LABELS`` and ``SUPERNOVA_LABELS``; NaN or absent where unknown.
    stellar_type : int64 tensor, shape (B,)
        Index into ``STELLAR_TYPES``; -1, as when not given, for what is no star, and where the type is unknown.

    Examples
    --------
    >>> from astro_spectok.simulate import CLASSES, Survey
    >>> (group,) = Survey(families=["quasars"]).draw(1, seed=1)
    >>> objects = group.objects
    >>> len(objects), CLASSES[objects.cls[0]], objects.flux.shape[1] == objects.grid.size, bool(objects.z[0] > 0)
    (1, 'QSO', True, True)
    """

    grid: RestGrid
    flux: torch.Tensor
    z: torch.Tensor
    cls: torch.Tensor
    kind: list
    template_sigma: torch.Tensor
    sigma: torch.Tensor
    rotation: torch.Tensor
    line_ln_wavelength: torch.Tensor
    line_flux: torch.Tensor
    line_sigma: torch.Tensor
    measurable: torch.Tensor
    labels: dict = field(default_factory=dict)
    stellar_type: torch.Tensor | None = None

    def __post_init__(self):
        if self.stellar_type is None:
            self.stellar_type = torch.full_like(self.cls, -1)

    def __len__(self):
        return len(self.z)

    def take(self, index):
        """Some of the objects.

        Parameters
        ----------
        index : int64 tensor, shape (n,)
            Their positions.

        Returns
        -------
        Objects
        """
        parts = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name not in ("grid", "kind", "labels")}
        labels = {name: values[index] for name, values in self.labels.items()}
        return Objects(grid=self.grid, kind=[self.kind[i] for i in index.tolist()], labels=labels, **parts)
