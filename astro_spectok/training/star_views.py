# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars without noise, and what instruments make of them: as many views as are wanted, in a millisecond each."""

import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.stellar_effects import draw_velocity
from astro_spectok.simulate.stellar_library import LIBRARIES, read_library
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training.rest_templates import make_instrument
from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED

__all__ = ["StarViews", "draw_stars", "read_real_stars"]

#: bins of a star without noise to one of the head, bins beyond either end, and resolving power
FINER, MARGIN, RESOLUTION = 2, 96, 6000.0
#: families of stars that the optical window says nothing of; how often those are drawn of which it says little
UNSEEN, FAINT = ("apogee",), {"ultracool": 0.4}
#: stars drawn at a time; share of the bins that is known at least
CHUNK, LEAST = 20, 0.25
#: vacuum Angstrom between which surveys and libraries see, and how often each is drawn
RANGES = (
    (3805, 9215),
    (3600, 9824),
    (3695, 9095),
    (3590, 10390),
    (3740, 8880),
    (4750, 9350),
    (3525, 7500),
    (3800, 9500),
)
SHARES = (0.2, 0.25, 0.13, 0.12, 0.08, 0.05, 0.1, 0.07)
#: signal-to-noise ratio of a bin; of two fifths of the draws it is that of libraries
SNR, BRIGHT = (4.0, 60.0), (30.0, 400.0)
#: km/s: errors of the velocities that tokens say, log-uniform; share of those that are not known, and far off
ERRORS, UNKNOWN, ASTRAY = (10.0, 120.0), 0.15, 0.03
#: size of errors of calibration, and that of the worst three in ten
CALIBRATION, WARPED = 0.05, 0.25


class StarViews:
    """A quick simulator of surveys of stars, on the bins of `~astro_spectok.heads.EmbeddingHead.view_stars`.

    It broadens, shifts, cuts, warps and adds noise, many spectra at once. What instruments do wrong besides, such as
    sky lines and joints of arms, is left to `~astro_spectok.simulate.Survey`, which takes twenty times as long.

    Parameters
    ----------
    head : `~astro_spectok.heads.EmbeddingHead`
        With a part of stars.
    seed : int

    Attributes
    ----------
    ln_wavelength : float64 ndarray, shape (M,)
        Bins of stars without noise.
    """

    def __init__(self, head, seed):
        edges = head.config.star_edges
        self.head, self.step, self.n_bins = head, head.config.step, len(edges) - 1
        size = FINER * self.n_bins + 2 * MARGIN
        self.ln_wavelength = float(edges[0]) + self.step / FINER * (np.arange(size) - MARGIN + 0.5)
        self.centres = ((edges[1:] + edges[:-1]) / 2)[None]
        self.place = torch.linspace(-1, 1, self.n_bins)
        self.waves = 2 * math.pi * torch.fft.rfftfreq(size) * FINER / self.step
        self.random = torch.Generator().manual_seed(seed)

    def draw(self, flux, velocity, *, snr=SNR):
        """Views of stars.

        Parameters
        ----------
        flux : float32 tensor, shape (B, M)
            On `ln_wavelength`, NaN where unknown.
        velocity : tensor, shape (B,)
            km/s.
        snr : (float, float), optional

        Returns
        -------
        seen : tuple of tensor, shape (B, N)
            As of `~astro_spectok.heads.EmbeddingHead.view_stars`.
        guess : tensor, shape (B,)
            The velocity, km/s, that these were shifted by.
        lines : tuple of tensor, shape (B, M)
            The same spectra in the bins of lines, as they are observed.
        """
        guess = self._guess(velocity)
        flux, known = self._see(flux, velocity[:, None] / LIGHT_SPEED)
        known &= self._cover(len(flux))
        flux, sigma = self._add_noise(flux, known, snr)
        stated = torch.exp(self._choose(0.4, self._normal() * 0.2, 0.0, len(flux)))
        factor = self._warp(len(flux))
        good = (known & ~self._chance(self._choose(0.4, 0.01, 0.0, len(flux)), self.n_bins)).float()
        sums = torch.stack([flux * factor * good, (sigma * factor * stated) ** 2 * good, good], -1)
        lines = self.head.find_lines(sums[:, self.head.config.lines_of_stars])
        return self.head.find_lines(self._shift(sums, guess)), guess, lines

    def draw_velocity(self, number):
        """Velocities (number,) in km/s."""
        seed = int(torch.randint(2**31, (1,), generator=self.random))
        return (draw_velocity(number, Randomness(seed)) * LIGHT_SPEED).float()

    def _uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(*shape, generator=self.random)

    def _spread(self, low, high, *shape):
        return torch.exp(self._uniform(math.log(low), math.log(high), *shape))

    def _normal(self, *shape):
        return torch.randn(*(shape or (1,)), generator=self.random)

    def _chance(self, share, width=1):
        return torch.rand(len(share), width, generator=self.random) < share

    def _choose(self, share, yes, no, number):
        """``yes`` for a share of the rows, else ``no``: (number, 1)."""
        return torch.where(torch.rand(number, 1, generator=self.random) < share, yes, no)

    def _guess(self, velocity):
        n = len(velocity)
        guess = velocity + self._normal(n) * self._spread(*ERRORS, n)
        kind = torch.rand(n, generator=self.random)
        astray = velocity + self._uniform(-250, 250, n)
        return torch.where(kind < UNKNOWN, 0.0, torch.where(kind < UNKNOWN + ASTRAY, astray, guess))

    def _see(self, flux, shift):
        """Flux (B, N) at the resolution of an instrument, shifted, and which bins are known."""
        n, known = len(flux), torch.isfinite(flux)
        flux = torch.where(known, flux, 0.0)
        known = 1 - F.max_pool1d(1 - known.float()[:, None], 21, 1, 10)[:, 0]  # not within the broadening of a gap
        sharp = self._choose(0.8, self._spread(1500, 5000, n, 1), self._spread(800, RESOLUTION, n, 1), n)
        variance = ((1 / sharp) ** 2 - (1 / RESOLUTION) ** 2).clamp_min(0) / FWHM_PER_SIGMA**2
        change = torch.exp(torch.complex(-0.5 * self.waves**2 * variance, -self.waves * shift))
        flux = torch.fft.irfft(torch.fft.rfft(flux) * change, n=flux.shape[1])
        flux = flux[:, MARGIN:-MARGIN].unflatten(1, (-1, FINER)).mean(2)
        return flux, known[:, MARGIN:-MARGIN:FINER] > 0.5

    def _shift(self, sums, velocity):
        """Sums of bins (B, N, 3) at rest for a velocity in km/s (B,): each bin is of the two that it lies on."""
        place = torch.arange(self.n_bins) + (velocity / LIGHT_SPEED / self.step)[:, None]
        left = place.floor()
        inside = (left >= 0) & (left < self.n_bins - 1)
        at = left.long().clamp(0, self.n_bins - 2)[..., None].expand(-1, -1, sums.shape[2])
        return torch.lerp(sums.gather(1, at), sums.gather(1, at + 1), (place - left)[..., None]) * inside[..., None]

    def _cover(self, n):
        """Which bins an instrument sees, (n, N): a survey's range, some with a gap, some in part."""
        which = torch.multinomial(torch.tensor(SHARES), n, replacement=True, generator=self.random)
        ends = torch.tensor(RANGES, dtype=torch.float64).log()[which]
        seen = (self.centres >= ends[:, :1]) & (self.centres <= ends[:, 1:])
        place = (self.place + 1) / 2
        for share, low, high in ((0.12, 0.004, 0.06), (0.2, 0.3, 0.9)):
            width = self._uniform(low, high, n, 1)
            start = torch.rand(n, 1, generator=self.random) * (1 - width)
            inside = (place >= start) & (place <= start + width)
            wanted = inside if low > 0.1 else ~inside  # a part of the range, or all but a gap
            seen &= wanted | ~self._chance(torch.full((n, 1), share))
        return seen

    def _add_noise(self, flux, known, snr):
        """Flux over its median with noise, and its standard deviation, (B, N) each."""
        n = len(flux)
        level = torch.where(known, flux, torch.nan).nanmedian(1, keepdim=True).values.nan_to_num(1.0)
        flux = flux / level.abs().clamp_min(1e-3)
        ratio = self._spread(*snr, n, 1)
        own = torch.rand(n, 1, generator=self.random) * ratio / (ratio + 5)
        sky = torch.exp(1.5 * self._normal(1, self.n_bins) - 3) * torch.sigmoid((self.place - 0.3) * 8)
        light = own * flux.clamp(0, 1e4) + (1 - own) * (1 + self._spread(0.1, 3, n, 1) * sky)
        variance = light / self._draw_efficiency(n)
        reached = torch.where(known, flux.clamp_min(0) / variance.sqrt(), torch.nan).nanmedian(1, keepdim=True).values
        sigma = variance.sqrt() * reached.nan_to_num(1.0).clamp_min(1e-3) / ratio
        noise = self._normal(n, self.n_bins)
        share = self._choose(0.5, self._uniform(0.1, 0.5, n, 1), 0.0, n)
        sides = F.pad(noise, (1, 1))
        noise = (noise + share * (sides[:, :-2] + sides[:, 2:])) / (1 + 2 * share**2).sqrt()
        hit = self._chance(self._choose(0.25, 1e-3, 0.0, n), self.n_bins)
        return flux + (noise + hit * self._spread(5, 40, n, 1)) * sigma, sigma

    def _draw_efficiency(self, n):
        """Throughput (n, N) of one arm or two, which falls towards their ends."""
        cut = self._choose(0.7, self._uniform(-0.3, 0.3, n, 1), 2.0, n)
        left = 2 * (self.place + 1) / (cut + 1) - 1
        right = 2 * (self.place - cut) / (1 - cut).abs().clamp_min(0.05) - 1
        x = torch.where(self.place < cut, left, right).clamp(-1, 1)
        blue, red = (
            self._uniform(0.1, 1.2, n, 1) + self._choose(0.45, self._uniform(0, 2, n, 1), 0.0, n) for _ in "br"
        )
        return torch.exp(-torch.where(x < 0, blue, red) * x.abs() ** self._uniform(2, 8, n, 1))

    def _warp(self, n):
        """Errors of calibration, a factor (n, N)."""
        wave, before, now = torch.zeros(n, self.n_bins), torch.ones(self.n_bins), self.place
        for order in range(1, 7):
            wave = wave + self._normal(n, 1) * now / order**0.7
            before, now = now, 2 * self.place * now - before
        return torch.exp((self._choose(0.7, CALIBRATION, WARPED, n) * wave).clamp(-3, 3))


def draw_stars(data, number, seed, ln_wavelength):
    """Simulated stars at rest without noise, as sharp as they are known: float16 ndarray (number, M), some NaN."""
    step = ln_wavelength[1] - ln_wavelength[0]
    limits = np.exp(ln_wavelength[0]), np.exp(ln_wavelength[0] + step * len(ln_wavelength))
    instrument = make_instrument(limits, step, RESOLUTION)
    stars, random = Survey(data, families=("stars",)).families["stars"], Randomness([seed, 0])
    names = [name for name in stars.families if name not in UNSEEN]
    shares = np.array([stars.shares[list(stars.families).index(name)] * FAINT.get(name, 1.0) for name in names])
    rows = []
    while len(rows) < number:
        objects = stars.families[names[random.host.choice(len(names), p=shares / shares.sum())]].draw(CHUNK, random)
        objects.z = torch.zeros_like(objects.z)
        truth = observe(objects, [instrument] * CHUNK, 1e5, random, clean=True).truth.numpy()
        rows += [_scale(row) for row in truth if np.isfinite(row).mean() > LEAST]
    return np.array(rows[:number])


def read_real_stars(data, ln_wavelength):
    """Stars of MILES and CFLIB, float16 ndarray (n, M), NaN where unknown, and names; none where they are absent."""
    if data is None or not (Path(data) / f"{LIBRARIES[0]}.npz").is_file():
        return np.zeros((0, len(ln_wavelength)), np.float16), []
    library = read_library(TemplateStore.of(data))
    x = library.grid.ln_wavelength().numpy()
    rows = []
    for log_flux in library.log_flux:
        known = np.isfinite(log_flux)
        flux = np.interp(ln_wavelength, x[known], np.exp(log_flux[known]))
        inside = np.interp(ln_wavelength, x, known.astype(float), left=0, right=0) > 0.99
        rows.append(_scale(np.where(inside, flux, np.nan)))
    return np.array(rows), library.names


def _scale(flux):
    """A spectrum over its median, within the reach of half precision."""
    return np.clip(flux / np.nanmedian(np.abs(flux)), -60, 6e4).astype(np.float16)
