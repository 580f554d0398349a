# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra without a measurable redshift: blank sky, and blazars without lines."""

import math

import torch

from astro_spectok.simulate.dust import CURVES, attenuate, compute_curves
from astro_spectok.simulate.objects import Objects, RestGrid
from astro_spectok.simulate.profiles import normalize_flux

__all__ = ["BlankSky", "Blazars"]

#: 800 Angstrom to 5.5 micron: nothing here has structure
_GRID = RestGrid(math.log(800.0), 1e-3, int(math.log(55000 / 800) / 1e-3) + 1)


def _make_unmeasurable(flux, kind):
    """`Objects` at z = 0 without class, lines or redshift."""
    n, device = len(flux), flux.device
    zeros = torch.zeros(n, device=device, dtype=torch.float32)
    none = torch.zeros(n, 0, device=device, dtype=torch.float32)
    return Objects(
        grid=_GRID, flux=flux, z=zeros.double(), cls=torch.full((n,), -1, device=device), kind=[kind] * n,
        # no features, hence no resolution to be worse than that of any instrument
        template_sigma=zeros, sigma=zeros.clone(), rotation=zeros.clone(), line_ln_wavelength=none.double(),
        line_flux=none, line_sigma=none.clone(), measurable=torch.zeros(n, dtype=torch.bool, device=device),
    )  # fmt: skip


class BlankSky:
    """Fibres that point at nothing: the flux is 0, and all that is seen is noise.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`, optional
        Not looked at.
    device : str or `torch.device`, optional
    """

    def __init__(self, store=None, device="cpu"):
        self.device = torch.device(device)

    def draw(self, n, random):
        """Draw ``n`` objects without any flux; ``random`` is not used."""
        return _make_unmeasurable(torch.zeros(n, _GRID.size, device=self.device, dtype=torch.float32), "sky")


class Blazars:
    """Power laws with curvature, behind the dust of the Milky Way, without a line.

    The spectral index in wavelength is normal around -1.2 with scatter 0.7, the curvature 0.15 per e-fold squared.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`, optional
        Not looked at.
    device : str or `torch.device`, optional
    """

    def __init__(self, store=None, device="cpu"):
        x = _GRID.ln_wavelength(device)
        self.position = (x - math.log(5500.0)).float()
        self.curve = compute_curves(torch.exp(x))[CURVES.index("milky way")]

    def draw(self, n, random):
        """Draw ``n`` blazars.

        Parameters
        ----------
        n : int
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        Objects
            ``measurable`` is False and ``cls`` -1.
        """
        slope, bend = random.normal(-1.2, 0.7, n, 1), random.normal(0.0, 0.15, n, 1)
        power = (slope + bend * self.position) * self.position
        a_v = random.normal(0.0, 0.3, n).abs()
        flux, _ = normalize_flux(attenuate(torch.exp(power.clamp(-20, 20)), a_v, self.curve))
        return _make_unmeasurable(flux, "blazar")
