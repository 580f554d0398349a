# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The ultraviolet of star-forming galaxies: interstellar and photospheric absorption, Lyman alpha, the Lyman limit."""

import math

import torch

from astro_spectok.simulate.constants import GAUSS_AREA, LIGHT_SPEED
from astro_spectok.simulate.intergalactic import LYMAN_ALPHA, LYMAN_LIMIT, compute_damping_optical_depth
from astro_spectok.simulate.profiles import add_gaussians, find_bins

__all__ = ["EMISSION", "INTERSTELLAR", "STELLAR", "Ultraviolet"]

#: vacuum wavelength and rest equivalent width (Angstrom) in the mean Lyman-break galaxy (Shapley et al. 2003,
#: table 3; beyond 1700 Angstrom Erb et al. 2012), and whether the ion is a high one
INTERSTELLAR = (
    (972.54, 1.5, 0), (977.02, 1.8, 1), (1025.72, 2.0, 0), (1031.93, 0.9, 1), (1036.34, 1.2, 0), (1037.62, 0.6, 1),
    (1083.99, 0.9, 0), (1190.42, 0.8, 0), (1193.29, 0.9, 0), (1199.9, 0.5, 0), (1206.50, 0.9, 1), (1260.42, 1.63, 0),
    (1302.17, 1.2, 0), (1304.37, 1.0, 0), (1334.53, 1.72, 0), (1393.76, 1.3, 1), (1402.77, 0.8, 1),
    (1526.71, 1.5, 0), (1548.20, 1.1, 1), (1550.78, 0.8, 1), (1608.45, 0.91, 0), (1670.79, 1.04, 0),
    (1854.72, 0.7, 1), (1862.79, 0.5, 1), (2026.14, 0.25, 0), (2260.78, 0.25, 0), (2344.21, 1.6, 0),
    (2374.46, 1.3, 0), (2382.77, 1.8, 0), (2586.65, 1.6, 0), (2600.17, 1.9, 0), (2796.35, 1.9, 0), (2803.53, 1.7, 0),
    (2852.96, 0.5, 0), (5891.58, 0.25, 0), (5897.56, 0.18, 0),
)  # fmt: skip
#: photospheric lines: vacuum wavelength, rest equivalent width
STELLAR = ((1175.7, 1.1), (1247.4, 0.3), (1343.4, 0.3), (1417.2, 0.3), (1427.9, 0.25), (1501.8, 0.4), (1718.5, 0.3))
#: resonance lines of stellar winds: vacuum wavelength, rest equivalent width of the broad absorption
WINDS = ((1240.8, 1.6), (1397.5, 0.8), (1549.5, 2.4))
#: nebular and fine-structure emission: vacuum wavelength, rest equivalent width
EMISSION = (
    (1264.74, 0.25), (1309.28, 0.25), (1533.43, 0.25), (1640.42, 0.9), (1660.81, 0.15), (1666.15, 0.4),
    (1892.03, 0.15), (1906.68, 0.95), (1908.73, 0.65), (2365.55, 0.3), (2396.36, 0.4), (2612.65, 0.4), (2626.45, 0.5),
)  # fmt: skip


class Ultraviolet:
    """Random ultraviolet features of galaxies.

    Parameters
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`

    Attributes
    ----------
    ln_emission : float64 tensor, shape (E,)
        Where the emission lines of `draw_emission` lie: `EMISSION` and three parts of Lyman alpha.

    References
    ----------
    Shapley et al. 2003, ApJ 588, 65; Erb et al. 2012, ApJ 759, 26.
    """

    def __init__(self, grid, device="cpu"):
        self.grid = grid
        wavelength, width, high = torch.tensor(INTERSTELLAR, dtype=torch.float64, device=device).T
        self.ln_interstellar, self.interstellar = wavelength.log(), width.float()
        self.interstellar_wavelength, self.high = wavelength.float(), high.bool()
        self.stellar, self.winds = (torch.tensor(rows, dtype=torch.float64, device=device) for rows in (STELLAR, WINDS))
        self.emission = torch.tensor(EMISSION, dtype=torch.float64, device=device)
        self.alpha_bins = find_bins(grid, 1050, 1400)
        self.ln_alpha_bins = grid.ln_wavelength(device)[self.alpha_bins]
        self.limit_bins = find_bins(grid, 1, LYMAN_LIMIT)

    def absorb(self, flux, strength, random):
        """Absorb flux by gas and stars.

        Parameters
        ----------
        flux : float32 tensor, shape (B, N)
        strength : float32 tensor, shape (B,)
            1 as in the mean Lyman-break galaxy, 0 for none.
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        float32 tensor, shape (B, N)
        """
        n, number = len(flux), len(self.ln_interstellar)
        stop = find_bins(self.grid, 1, 6000).stop
        depth = torch.zeros(n, stop, device=flux.device, dtype=torch.float32)
        outflow = random.normal(-150, 100, n, 1)
        # low ions share one strength (covering fraction), high ions another that follows it loosely
        low = strength[:, None] * torch.exp(random.normal(0, 0.4, n, 1))
        high = low * torch.exp(random.normal(0, 0.35, n, 1))
        width = low + (high - low) * self.high
        width = width * self.interstellar * torch.exp(random.normal(0, 0.2, n, number))
        sigma = (torch.exp(random.normal(math.log(170), 0.35, n, 1)) / LIGHT_SPEED).clamp(1e-4, 2e-3)
        share = width / (self.interstellar_wavelength * sigma * GAUSS_AREA)  # depth of an unsaturated line
        depth_peak = -torch.log1p(-(1 - torch.exp(-share)) * 0.95)  # gas covers at most 95 %
        add_gaussians(depth, self.grid, self.ln_interstellar + outflow / LIGHT_SPEED, sigma, depth_peak)
        self._add_stars(depth, strength * torch.exp(random.normal(0, 0.3, n)), random)
        flux[:, :stop] *= torch.exp(-depth)
        return flux

    def _add_stars(self, depth, strength, random):
        """Photospheric lines, which stand at the systemic velocity, and P Cygni profiles of winds."""
        n = len(depth)
        wavelength, width = self.stellar.T
        sigma = 250 / LIGHT_SPEED
        peak = strength[:, None] * (width / (wavelength * sigma * GAUSS_AREA)).float()
        add_gaussians(depth, self.grid, wavelength.log(), torch.full_like(peak, sigma), peak)
        wavelength, width = self.winds.T
        terminal = random.uniform(1000, 2200, n, 1) / LIGHT_SPEED
        wind = strength[:, None] * torch.exp(random.normal(0, 0.5, n, 1))
        absorbed = wind * width.float() / (wavelength.float() * 0.45 * terminal * GAUSS_AREA)
        add_gaussians(depth, self.grid, wavelength.log() - 0.8 * terminal, 0.45 * terminal, absorbed)
        add_gaussians(depth, self.grid, wavelength.log() + 0.35 * terminal, 0.4 * terminal, -0.4 * absorbed)

    def absorb_hydrogen(self, flux, log_column, escape):
        """Damped Lyman-alpha absorption in the galaxy, and what the gas leaves below the Lyman limit.

        Parameters
        ----------
        flux : float32 tensor, shape (B, N)
        log_column : float32 tensor, shape (B,)
            log10 of the neutral column in cm-2.
        escape : float32 tensor, shape (B,)
            Share of the Lyman continuum that comes out.

        Returns
        -------
        float32 tensor, shape (B, N)
        """
        centre = torch.full((len(flux),), math.log(LYMAN_ALPHA), dtype=torch.float64, device=flux.device)
        flux[:, self.alpha_bins] *= torch.exp(-compute_damping_optical_depth(self.ln_alpha_bins, centre, log_column))
        flux[:, self.limit_bins] *= escape[:, None]
        return flux

    @property
    def ln_emission(self):
        return torch.cat([self.emission[:, 0], self.emission.new_full((3,), LYMAN_ALPHA)]).log()

    def draw_emission(self, strength, alpha_width, mean_transmission, sigma, random):
        """Emission lines as equivalent widths.

        Parameters
        ----------
        strength : float32 tensor, shape (B,)
            1 as in the mean Lyman-break galaxy.
        alpha_width : float32 tensor, shape (B,)
            Rest equivalent width of Lyman alpha in Angstrom.
        mean_transmission : float32 tensor, shape (B,)
            Of the intergalactic medium, for the part of Lyman alpha blueward of the systemic velocity.
        sigma : float32 tensor, shape (B,)
            Width of the nebular lines in ln(wavelength).
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        ln_wavelength : float64 tensor, shape (B, E)
        equivalent_width, sigma : float32 tensor, shape (B, E)
        """
        n, number = len(strength), len(self.emission)
        width = strength[:, None] * self.emission[:, 1].float() * torch.exp(random.normal(0, 0.4, n, number))
        shift = random.normal(300, 150, n).clamp(0, 800) / LIGHT_SPEED
        blue = random.chance(0.3, n) * random.uniform(0, 0.4, n) * mean_transmission
        tail = random.uniform(0.2, 0.7, n)  # the red wing falls slowly
        parts = torch.stack([1 - tail, tail, blue], 1) * alpha_width[:, None]
        offsets = torch.stack([shift, shift + 200 / LIGHT_SPEED, -0.8 * shift], 1)
        narrow = random.uniform(80, 180, n) / LIGHT_SPEED
        sigmas = torch.stack([narrow, 2 * narrow, narrow], 1)
        ln_wavelength = self.ln_emission.expand(n, -1).clone()
        ln_wavelength[:, number:] += offsets
        return (
            ln_wavelength,
            torch.cat([width, parts], 1),
            torch.cat([sigma[:, None].expand(-1, number), sigmas], 1),
        )
