# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Intergalactic hydrogen: a random Lyman-alpha forest with the observed mean, and Lyman-limit absorption."""

import numpy as np
import torch

from astro_spectok.simulate.profiles import find_bins

__all__ = ["IntergalacticMedium", "compute_damping_optical_depth", "compute_mean_optical_depth"]

LYMAN_ALPHA = 1215.67
LYMAN_LIMIT = 911.76
#: wavelength of the Lyman lines and their f lambda over that of Lyman alpha (the ratio of optical depths)
SERIES = ((1215.670, 1.0), (1025.722, 0.1603), (972.537, 0.0557), (949.743, 0.0262), (937.803, 0.0145),
          (930.748, 0.0088), (926.226, 0.0058))  # fmt: skip
#: scatter of ln(optical depth) in the forest, and its spacing in ln(optical depth) in the table of `_tabulate`
SCATTER = 1.8
TABLE = (-9.0, 4.0, 256)
#: correlation of the forest in bins: sigma of its fine part, length of its coarse part
FINE, COARSE = 1.5, 16


def compute_mean_optical_depth(z):
    """Effective Lyman-alpha optical depth of the forest and of damped systems at redshift ``z``.

    Parameters
    ----------
    z : float tensor

    Returns
    -------
    tensor of the same shape

    References
    ----------
    Inoue et al. 2014, MNRAS 442, 1805, eqs. 21-22 with the coefficients of table 2.
    """
    x = 1 + z
    forest = torch.where(
        z < 1.2, 1.690e-2 * x**1.2, torch.where(z < 4.7, 2.354e-3 * x**3.7, 1.026e-4 * x**5.5)
    )  # fmt: skip
    return forest + torch.where(z < 2, 1.617e-4 * x**2, 5.390e-5 * x**3)


def compute_damping_optical_depth(ln_wavelength, ln_centre, log_column):
    """Optical depth of the damping wings of Lyman alpha.

    Parameters
    ----------
    ln_wavelength : float64 tensor, shape (N,)
    ln_centre : float64 tensor, shape (B,)
        ln(1215.67 Angstrom), or redshifted as the absorber is.
    log_column : float32 tensor, shape (B,)
        log10 of the neutral hydrogen column density in cm-2.

    Returns
    -------
    float32 tensor, shape (B, N)
        The Lorentzian alone: the Doppler core lies deep in its saturated centre.
    """
    distance = (ln_wavelength - ln_centre[:, None]).float()
    # pi e^2 / (m c) f Gamma / (4 pi^2 nu^2), in cm2
    return 10 ** (log_column[:, None] - 25.54) / (distance.square() + 1e-9)


class IntergalacticMedium:
    """Transmission of the intergalactic medium in the rest frame of the source.

    Parameters
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`
    """

    def __init__(self, grid, device="cpu"):
        self.grid = grid
        self.bins = find_bins(grid, 1.0, LYMAN_ALPHA * 1.004)  # all that hydrogen at or before the source absorbs
        self.ln_wavelength = grid.ln_wavelength(device)[self.bins]
        self.table = torch.from_numpy(self._tabulate()).to(device)
        kernel = np.exp(-0.5 * (np.arange(-4, 5) / FINE) ** 2)
        self.kernel = torch.tensor(kernel / np.sqrt(np.sum(kernel**2)), dtype=torch.float32, device=device)

    @staticmethod
    def _tabulate():
        """ln of the median optical depth by ln of the effective one: a lognormal field has another mean."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        weights = weights / weights.sum()
        median = np.linspace(-14, 9, 1500)
        mean = np.exp(-np.exp(median[:, None] + SCATTER * nodes)) @ weights
        effective = np.log(-np.log(np.clip(mean, 1e-300, 1 - 1e-12)))
        return np.interp(np.linspace(*TABLE), effective, median).astype(np.float32)

    def _draw_forest(self, z, random):
        """Lyman-alpha optical depth (B, M) of a random line of sight."""
        ratio = torch.exp(self.ln_wavelength - np.log(LYMAN_ALPHA)).float()
        absorber = (1 + z.float()[:, None]) * ratio - 1  # (B, M)
        mean = compute_mean_optical_depth(absorber.clamp(min=0))
        low, high, number = TABLE
        place = ((mean.log() - low) * ((number - 1) / (high - low))).clamp(0, number - 1.001)
        index = place.long()
        median = torch.lerp(self.table[index], self.table[index + 1], place - index)
        noise = self._draw_field(len(z), random)
        # hydrogen may fall in from the near side of the source by a little, and none lies at negative redshift
        inside = (self.ln_wavelength < np.log(LYMAN_ALPHA)) & (absorber > 0)
        return torch.exp(median + SCATTER * noise) * inside

    def _draw_field(self, n, random):
        """Normal field (n, M) of unit scatter, correlated over some 50 km/s and, by a quarter, over some 500."""
        size, edge = len(self.ln_wavelength), len(self.kernel) // 2
        fine = torch.nn.functional.conv1d(random.normal(0, 1, n, 1, size + 2 * edge), self.kernel[None, None])
        coarse = random.normal(0, 1, n, size // COARSE + 1).repeat_interleave(COARSE, 1)[:, :size]
        return 0.87 * fine[:, 0] + 0.49 * coarse

    def _draw_limit(self, z, random):
        """Optical depth of Lyman-limit systems before the source and of weaker absorbers, below 912 Angstrom."""
        slope = 1.94  # Songaila & Cowie 2010: 2.8 ((1 + z) / 4.5)^1.94 systems per unit of z
        path = 2.8 / 4.5**slope / (slope + 1)
        below = self.ln_wavelength < np.log(LYMAN_LIMIT)
        distance = (self.ln_wavelength[below] - np.log(LYMAN_LIMIT)).float()
        depth = (0.8 * ((1 + z.float()) / 4) ** 3)[:, None] * (1 - torch.exp(1.5 * distance)).clamp(min=0)
        reach = (1 + z.float()) ** (slope + 1)
        for _ in range(3):
            reach = reach + torch.log(random.uniform(1e-6, 1, len(z))) / path
            shift = torch.log(reach.clamp(min=1e-6)) / (slope + 1) - torch.log1p(z.float())
            column = random.uniform(0.05, 1, len(z)) ** -2  # optical depths above 1, distributed as N^-1.5
            before = (distance < shift[:, None]) & (reach > 1)[:, None]
            depth = depth + before * (column * torch.exp(-3 * shift))[:, None] * torch.exp(3 * distance)
        return depth

    def draw_transmission(self, z, random):
        """Transmission of one random line of sight to each source.

        Parameters
        ----------
        z : float64 tensor, shape (B,)
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        float32 tensor, shape (B, M)
            For the bins ``self.bins``; nothing is absorbed redward of them.

        References
        ----------
        Mean: Inoue et al. 2014, MNRAS 442, 1805. Lyman-limit systems: Songaila & Cowie 2010, ApJ 721, 1448.
        """
        alpha = self._draw_forest(z, random)
        depth = alpha.clone()
        for wavelength, ratio in SERIES[1:]:
            # the same hydrogen seen in a higher line: the same field, moved in ln(wavelength)
            shift = round(np.log(LYMAN_ALPHA / wavelength) / self.grid.ln_step)
            depth[:, : depth.shape[1] - shift] += ratio * alpha[:, shift:]
        limit = self._draw_limit(z, random)
        depth[:, : limit.shape[1]] += limit
        return torch.exp(-depth)

    def absorb(self, flux, z, random):
        """Multiply flux (B, N) by `draw_transmission`, in place, and return it."""
        rows = torch.nonzero(z > 0.3)[:, 0]  # nearer by there is next to nothing
        if len(rows):
            flux[rows, self.bins] *= self.draw_transmission(z[rows], random)
        return flux
