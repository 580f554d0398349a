# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Absorption before quasars: broad troughs, narrow absorbers of metals, damped systems."""

import math

import torch

from astro_spectok.simulate.constants import LIGHT_SPEED
from astro_spectok.simulate.intergalactic import LYMAN_ALPHA, compute_damping_optical_depth
from astro_spectok.simulate.profiles import add_gaussians, find_bins

__all__ = ["QuasarAbsorbers"]

#: broad absorption: vacuum wavelength, depth over that of C IV, whether only low-ionisation ones have it
TROUGHS = ((1032.0, 0.9, 0), (1240.15, 0.8, 0), (1396.76, 0.6, 0), (1549.06, 1.0, 0), (1857.4, 0.6, 1),
           (2600.0, 0.2, 1), (2798.75, 0.7, 1))  # fmt: skip
#: narrow absorption: vacuum wavelength, optical depth over that of the strongest of its kind, whether of low ions
NARROW = (
    (1031.93, 0.8, 0), (1037.62, 0.5, 0), (1238.82, 0.5, 0), (1242.80, 0.3, 0), (1393.76, 0.7, 0), (1402.77, 0.4, 0),
    (1548.20, 1.0, 0), (1550.78, 0.6, 0), (1260.42, 0.9, 1), (1302.17, 0.7, 1), (1334.53, 0.9, 1), (1526.71, 0.7, 1),
    (1608.45, 0.4, 1), (1670.79, 0.8, 1), (1854.72, 0.4, 1), (1862.79, 0.3, 1), (2344.21, 0.5, 1), (2374.46, 0.35, 1),
    (2382.77, 0.7, 1), (2586.65, 0.5, 1), (2600.17, 0.7, 1), (2796.35, 1.0, 1), (2803.53, 0.8, 1), (2852.96, 0.3, 1),
)  # fmt: skip
#: how many narrow absorbers are drawn for each quasar; most of them have no depth
NUMBER = 3


class QuasarAbsorbers:
    """Random absorbers, applied to continuum and broad lines alike.

    Parameters
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`

    References
    ----------
    Trump et al. 2006, ApJS 165, 1 for broad absorption; Noterdaeme et al. 2012, A&A 547, L1 for damped systems.
    """

    def __init__(self, grid, device="cpu"):
        self.grid = grid
        self.ln_wavelength = grid.ln_wavelength(device)
        self.stop = find_bins(grid, 1, 3000).stop
        self.troughs = torch.tensor(TROUGHS, dtype=torch.float64, device=device)
        self.narrow = torch.tensor(NARROW, dtype=torch.float64, device=device)
        self.hydrogen = find_bins(grid, 1, 1300)

    def absorb_broad(self, flux, chosen, random):
        """Broad troughs in the rows of flux (B, N) that are ``chosen``, in place."""
        rows = torch.nonzero(chosen)[:, 0]
        if len(rows) == 0:
            return flux
        n, parts = len(rows), 6
        fastest = random.uniform(5000, 25000, n, 1)
        slowest = random.uniform(0, 1, n, 1) * (fastest - 3000).clamp(max=15000) + 1500
        # each trough is several clouds side by side; all ions share them
        velocity = slowest + (fastest - slowest) * random.uniform(0, 1, n, parts)
        sigma = random.uniform(400, 2500, n, parts).minimum((fastest - slowest) / 4)
        depth = random.uniform(0.1, 1.5, n, 1) * random.uniform(0.2, 1, n, parts)
        low_ions = random.chance(0.15, n, 1)
        wavelength, relative, low = self.troughs.T
        strength = relative.float() * (~low.bool() | low_ions) * torch.exp(random.normal(0, 0.3, n, len(relative)))
        centre = wavelength.log()[None, :, None] - velocity[:, None] / LIGHT_SPEED  # (n, ions, parts)
        peak = strength[..., None] * depth[:, None]
        sigma = (sigma / LIGHT_SPEED)[:, None].expand_as(peak)
        total = flux.new_zeros(n, self.stop)
        add_gaussians(total, self.grid, centre.flatten(1), sigma.flatten(1), peak.flatten(1), reach=3.5)
        flux[rows, : self.stop] *= torch.exp(-total)
        return flux

    def absorb_narrow(self, flux, z, random):
        """Narrow metal lines near the quasar and far before it, in place."""
        n = len(flux)
        associated = random.uniform(-500, 3000, n, 1) / LIGHT_SPEED
        # an intervening absorber may lie anywhere between here and the quasar
        between = -torch.log((1 + z[:, None] * random.uniform(0, 1, n, NUMBER - 1)) / (1 + z[:, None]))
        shift = torch.cat([associated, between.float()], 1)  # (n, NUMBER) in ln(wavelength)
        present = torch.cat([random.chance(0.2, n, 1), random.chance(0.15, n, NUMBER - 1)], 1)
        rows = torch.nonzero(present.any(1))[:, 0]
        if len(rows) == 0:
            return flux
        present, shift, m = present[rows], shift[rows], len(rows)
        wavelength, relative, low = self.narrow.T
        mixture = random.uniform(0, 1, m, NUMBER, 1)  # of low and high ions
        ions = torch.where(low.bool(), mixture, 1 - mixture) * relative.float()
        peak = present[..., None] * ions * 10 ** random.uniform(-0.7, 0.8, m, NUMBER, 1)
        sigma = (random.uniform(35, 150, m, NUMBER, 1) / LIGHT_SPEED).expand_as(peak)
        centre = wavelength.log() - shift[..., None]
        total = flux.new_zeros(m, self.stop)
        add_gaussians(total, self.grid, centre.flatten(1), sigma.flatten(1), peak.flatten(1))
        flux[rows, : self.stop] *= torch.exp(-total)
        return flux

    def absorb_damped(self, flux, z, random, *, chance=0.08):
        """Damped Lyman-alpha systems before quasars beyond redshift 2, in place."""
        rows = torch.nonzero((z > 2) & random.chance(chance, len(z)))[:, 0]
        if len(rows) == 0:
            return flux
        n = len(rows)
        distance = random.uniform(0, 0.15, n) ** 1.0
        centre = math.log(LYMAN_ALPHA) - distance.double()
        column = 20.3 + 1.4 * random.uniform(0, 1, n) ** 2
        depth = compute_damping_optical_depth(self.ln_wavelength[self.hydrogen], centre, column)
        limit = self.ln_wavelength[self.hydrogen] < (math.log(911.76) - distance.double())[:, None]
        flux[rows, self.hydrogen] *= torch.exp(-depth) * ~limit
        return flux
