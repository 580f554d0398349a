# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Blends: two objects at different redshifts in one aperture."""

import torch

from astro_spectok.simulate.galaxies import Galaxies
from astro_spectok.simulate.objects import Objects
from astro_spectok.simulate.profiles import normalize_flux
from astro_spectok.simulate.quasars import Quasars

__all__ = ["Blends"]


class Blends:
    """A galaxy and, behind or beside it, another galaxy or a quasar.

    ``cls`` is -1, as neither of the two is meant alone; ``z`` is that of the first.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    device : str or `torch.device`, optional
    """

    def __init__(self, store, device="cpu"):
        self.front = store.make(Galaxies, device)
        self.behind = (self.front, store.make(Quasars, device))

    def draw(self, n, random):
        """Draw ``n`` blends.

        Parameters
        ----------
        n : int
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        Objects
            On the grid of galaxies; NaN where either of the two is unknown.
        """
        one = self.front.draw(n, random)
        other = self.behind[int(random.host.integers(2))].draw(n, random)
        share = random.uniform(0.2, 1.5, n, 1)
        # the second, seen in the rest frame of the first
        shift = torch.log1p(other.z) - torch.log1p(one.z)
        flux, scale = normalize_flux(one.flux + share * _shift(other.flux, shift / one.grid.ln_step))
        return Objects(
            grid=one.grid,
            flux=flux,
            z=one.z,
            cls=torch.full_like(one.cls, -1),
            kind=["blend"] * n,
            template_sigma=torch.minimum(one.template_sigma, other.template_sigma),
            sigma=torch.minimum(one.sigma, other.sigma),
            rotation=one.rotation,
            line_ln_wavelength=torch.cat([one.line_ln_wavelength, other.line_ln_wavelength + shift[:, None]], 1),
            line_flux=torch.cat([one.line_flux, share * other.line_flux], 1) / scale,
            line_sigma=torch.cat([one.line_sigma, other.line_sigma], 1),
            measurable=one.measurable,
        )


def _shift(flux, bins):
    """Flux (B, N) moved to the red by a number of bins (B,), linear between two; NaN beyond the ends."""
    position = torch.arange(flux.shape[1], device=flux.device) - bins[:, None]  # (B, N)
    left = position.floor()
    inside = (left >= 0) & (left < flux.shape[1] - 1)
    left = left.clamp(0, flux.shape[1] - 2)
    part = (position - left).float()
    below, above = (flux.gather(1, left.long() + k) for k in (0, 1))
    return torch.where(inside, torch.lerp(below, above, part), torch.nan)
