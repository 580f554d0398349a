# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The night sky: lines of OH and oxygen, absorption by water and oxygen, and real sky fibres."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch

from astro_spectok.simulate.randomness import choose
from astro_spectok.utils.constants import SIGMA_PER_MAD

__all__ = ["SKY_GRID", "SkyFibres", "make_absorption", "make_emission", "oh_lines"]

#: ln(vacuum Angstrom) of the first bin, step and number of bins of the model of the sky: 2950 to 26000 A
SKY_GRID = (np.log(2950.0), 2e-5, 108_900)

# OH X 2Pi: vibration (cm-1), rotation and spin-orbit constants; NIST WebBook, Huber & Herzberg;
# the last vibrational constant is set so that high bands lie where they are seen
_OMEGA, _OMEGA_X, _OMEGA_Y, _OMEGA_Z, _OMEGA_A = 3737.761, 84.8813, 0.5409, -0.0213, -0.00117
_B, _ALPHA, _D, _SPIN_ORBIT = 18.9108, 0.7242, 19.38e-4, -139.2
#: h c / k in cm K, and the rotational temperature of the emitting layer
_HC_OVER_K, _T_ROTATION = 1.4388, 190.0
#: A coefficients per s of the bands v' -> v' - 2, 3, 4, 5 for v' of 2 to 9; rounded, after Mies 1974 (JMoSp 53, 150)
_BANDS = {
    2: (15.0, 34.0, 58.0, 80.0, 101.0, 113.0, 115.0, 107.0),
    3: (0.0, 1.3, 4.4, 8.9, 14.7, 21.0, 27.0, 32.0),
    4: (0.0, 0.0, 0.11, 0.45, 1.1, 2.0, 3.2, 4.6),
    5: (0.0, 0.0, 0.0, 0.012, 0.055, 0.15, 0.31, 0.55),
}
#: other lines: vacuum Angstrom, equivalent width in Angstrom of the sky continuum (Osterbrock+1996, PASP 108, 277)
_OTHER = (
    (4047.7, 3.0), (4359.6, 6.0), (5462.3, 6.0), (5578.9, 200.0), (5891.6, 40.0), (5897.6, 20.0), (6302.0, 110.0),
    (6365.5, 36.0), (8647.0, 12.0), (8660.0, 8.0), (8675.0, 5.0), (12687.0, 600.0), (12700.0, 300.0), (12720.0, 150.0),
)  # fmt: skip
#: bands of water and carbon dioxide: first and last vacuum Angstrom, mean optical depth at the centre
_WATER = (
    (5880, 5990, 0.03), (6470, 6600, 0.03), (6940, 7080, 0.04), (7160, 7340, 0.18), (8130, 8360, 0.22),
    (8930, 9290, 0.45), (9290, 9820, 0.9), (10700, 11100, 0.06), (11100, 11650, 1.0), (11650, 12200, 0.15),
    (13350, 13500, 0.8), (13500, 14300, 4.0), (14300, 14900, 0.9), (17400, 18100, 0.6), (18100, 19400, 5.0),
    (19400, 19900, 0.7), (19900, 20250, 0.6), (20450, 20800, 0.4), (23600, 24600, 0.25), (24600, 26000, 1.8),
)  # fmt: skip


def _find_levels(v, j, upper):
    """Energy in cm-1 of vibration ``v``, rotation ``j`` in the lower (3/2) or upper (1/2) ladder (Hill & Van Vleck)."""
    u = v + 0.5
    b = _B - _ALPHA * u
    y = _SPIN_ORBIT / b
    half = 0.5 * np.sqrt(4 * (j + 0.5) ** 2 + y * (y - 4))
    rotation = b * ((j + 0.5) ** 2 - 1 + (half if upper else -half)) - _D * (j + (1.0 if upper else 0.0)) ** 4
    return _OMEGA * u - _OMEGA_X * u**2 + _OMEGA_Y * u**3 + _OMEGA_Z * u**4 + _OMEGA_A * u**5 + rotation


@lru_cache(maxsize=1)
def oh_lines():
    """Lines of the Meinel bands of OH between 6000 and 24000 A.

    Made of molecular constants; strong lines are good to an Angstrom.

    Returns
    -------
    wavelength : ndarray of float64, shape (L,)
        Vacuum Angstrom.
    strength : ndarray of float64, shape (L,)
        Equivalent width in Angstrom of the sky continuum.

    References
    ----------
    Rousselot et al. 2000, A&A 354, 1134.
    """
    wave, strength = [], []
    for change, rates in _BANDS.items():
        for v, rate in zip(range(2, 10), rates, strict=True):
            if rate == 0:
                continue
            for upper, omega in ((False, 1.5), (True, 0.5)):
                j = omega + np.arange(5)
                energy = _find_levels(v, j, upper)
                lowest = _find_levels(v, 1.5, False)
                people = (2 * j + 1) * np.exp(-_HC_OVER_K * (energy - lowest) / _T_ROTATION)
                share = {
                    1: ((j + 1) ** 2 - omega**2) / ((j + 1) * (2 * j + 1)),
                    0: omega**2 / (j * (j + 1)),
                    -1: (j**2 - omega**2) / (j * (2 * j + 1)),
                }
                for branch, part in share.items():
                    ok = j + branch >= omega
                    below = _find_levels(v - change, (j + branch)[ok], upper)
                    wave.append(1e8 / (energy[ok] - below))
                    # upper levels hold fewer molecules the higher they are
                    strength.append(90 * rate * np.exp(-0.22 * (v - 2)) * (people * part)[ok])
    wave, strength = np.concatenate(wave), np.concatenate(strength)
    # beyond a micron the background between the lines is several times brighter, and detectors noisier
    strength /= 1 + 7 / (1 + np.exp(-(wave - 11000) / 800))
    keep = (wave > 6000) & (wave < 24000) & (strength > 1)
    order = np.argsort(wave[keep])
    return wave[keep][order], strength[keep][order]


@lru_cache(maxsize=4)
def make_emission(device="cpu"):
    """Cumulative emission by sky lines at the edges of `SKY_GRID`, Angstrom of the continuum, float64 (N + 1,)."""
    start, step, size = SKY_GRID
    wave, strength = oh_lines()
    wave = np.concatenate([wave, [w for w, _ in _OTHER]])
    strength = np.concatenate([strength, [s for _, s in _OTHER]])
    bins = ((np.log(wave) - start) / step + 0.5).astype(int)
    comb = np.bincount(bins, strength, size)[:size]
    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(comb)])).to(device)


def _draw_lines(rng, depth, low, high, *, step, mean, spacing):
    """Add narrow lines of random strength to ``depth`` from ``low`` to ``high`` Angstrom, ``mean`` in all."""
    start = SKY_GRID[0]
    i, j = int((np.log(low) - start) / step), int((np.log(high) - start) / step)
    x = np.linspace(-1, 1, j - i)
    count = max(3, int((high - low) / spacing))
    comb = np.bincount(rng.integers(j - i, size=count), rng.lognormal(0, 1.2, count), minlength=j - i)
    width = np.exp(-0.5 * (np.arange(-8, 9) / 1.5) ** 2)
    comb = np.convolve(comb, width, "same")
    # half of the absorption is smooth: lines too weak and too many to be seen
    profile = (0.5 * comb / comb.mean() + 0.5) * np.exp(-1.2 * x**2)
    depth[i:j] += mean * profile


@lru_cache(maxsize=4)
def make_absorption(device="cpu"):
    """Cumulative absorbed part of light at the edges of `SKY_GRID` at unit air mass, bins, float64 (N + 1,).

    Bands of oxygen by their rotational spacing; water as bands of random narrow lines, always the same.
    """
    start, step, size = SKY_GRID
    rng = np.random.default_rng(20240611)
    depth = np.zeros(size)
    for low, high, mean in _WATER:
        _draw_lines(rng, depth, low, high, step=step, mean=mean, spacing=2.0 * low / 7000)
    x = start + step * np.arange(size)
    for head, mean in ((6278.0, 0.06), (6869.0, 0.9), (7596.0, 2.6), (12650.0, 0.35)):
        # R branch folded at the head, then the pairs of the P branch, ever wider apart
        n = np.arange(1, 28)
        red = 1e8 / (1e8 / head - 10.0 - 2.9 * n - 0.045 * n**2)
        blue = 1e8 / (1e8 / head - 9.0 * (1 - n / 9.0) ** 2 - 0.5)
        strength = n * np.exp(-((n / 11.0) ** 2))
        for w, s in zip(np.concatenate([red, blue]), np.concatenate([strength, strength]), strict=True):
            middle = int((np.log(w) - start) / step)
            part = slice(middle - 12, middle + 13)
            depth[part] += mean * s / 4 * np.exp(-0.5 * ((x[part] - np.log(w)) / (2.2 * step)) ** 2)
    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(1 - np.exp(-depth))])).to(device)


class SkyFibres:
    """Real fibres that looked at empty sky: their noise, and what sky subtraction left.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Without the set ``sdss_sky_real`` there are none.
    device : str or `torch.device`

    Attributes
    ----------
    pattern : float32 tensor, shape (n, M)
        Flux over its standard deviation; 0 in bad pixels.
    sigma : float32 tensor, shape (n, M)
        Standard deviation over its median; 0 in bad pixels.
    """

    ln_start, ln_step, size = np.log(3780.0), np.log(10) * 1e-4, 3900

    def __init__(self, store, device="cpu"):
        rows = []
        if store.has("sdss_sky_real"):
            data = store.read("sdss_sky_real")
            offsets = data["offsets"]
            for i, j in pairwise(offsets):
                rows.append(self._lay(data["wave"][i:j], data["flux"][i:j], data["ivar"][i:j]))
        both = np.stack(rows) if rows else np.zeros((0, 2, self.size), np.float32)
        self.pattern, self.sigma = torch.from_numpy(both).to(device).unbind(1)

    def __len__(self):
        return len(self.pattern)

    def _lay(self, wave, flux, ivar):
        """One fibre on the common grid, which is that of the survey: (pattern, sigma)."""
        good = (ivar > 0) & np.isfinite(flux)
        index = np.rint((np.log(wave) - self.ln_start) / self.ln_step).astype(int)
        good &= (index >= 0) & (index < self.size)
        out = np.zeros((2, self.size), np.float32)
        error = 1 / np.sqrt(ivar[good])
        # scatter of quiet pixels sets the scale: stated errors of sky fibres are some 20 % too large
        scatter = SIGMA_PER_MAD * np.median(np.abs(np.diff(flux[good] / error))) / np.sqrt(2)
        out[0, index[good]] = np.clip(flux[good] / error / scatter, -30, 30)
        out[1, index[good]] = error / np.median(error)
        return out

    def draw(self, random, ln_wavelength):
        """A random fibre for each object, on its pixels.

        Parameters
        ----------
        random : `~astro_spectok.simulate.randomness.Randomness`
        ln_wavelength : float64 tensor, shape (B, P)

        Returns
        -------
        pattern, sigma : float32 tensor, shape (B, P)
            Of the nearest pixel; 0 where the fibre knows nothing.
        """
        if self.pattern.device != ln_wavelength.device:
            self.pattern, self.sigma = self.pattern.to(ln_wavelength.device), self.sigma.to(ln_wavelength.device)
        index = torch.round((ln_wavelength - self.ln_start) / self.ln_step).long()
        outside = (index < 0) | (index >= self.size)
        row = random.integers(len(self), len(index), 1)
        flat = (row * self.size + index.clamp(0, self.size - 1)).flatten()
        pattern = self.pattern.flatten()[flat].view(index.shape).masked_fill(outside, 0.0)
        sigma = self.sigma.flatten()[flat].view(index.shape).masked_fill(outside, 0.0)
        sign = choose(random.chance(0.5, len(index), 1), 1.0, -1.0)
        return pattern * sign, sigma
