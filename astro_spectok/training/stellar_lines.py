# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labelled stars as the windows of the stellar head show them, without instruments: fifteen times as many a second."""

import math

import torch

from astro_spectok.simulate.constants import FWHM, LIGHT_SPEED
from astro_spectok.simulate.observe import _transform_rotation

__all__ = ["average_bins", "draw_windows"]

#: resolving powers of spectra, below that of the library; share of spectra that are as sharp as the library
_LEAST_RESOLUTION, _SHARP = 400.0, 0.5
#: signal-to-noise ratio per bin of a window
_SNR = (7.0, 400.0)
#: km/s: errors of velocities
_ERROR = (0.2, 12.0)
#: how often a window is seen whole, and the least part of it otherwise
_WHOLE, _LEAST_PART = 0.5, 0.1
#: least share of the bins of a window that a spectrum must reach
_LEAST_BINS = 0.05


def draw_windows(family, n, random, readers):
    """Contrasts of labelled stars in the windows of the stellar head.

    Parameters
    ----------
    family
        Draws stars with labels, as `~astro_spectok.simulate.stellar_grid.GridStars` does.
    n : int
    random : `~astro_spectok.simulate.randomness.Randomness`
    readers : sequence of `~astro_spectok.network.stellar_head.WindowReader`

    Returns
    -------
    windows : list of (tensor, tensor)
        Contrast and coverage (n, N) of each window.
    labels : dict of str to tensor, shape (n,)
    """
    objects = family.draw(n, random)
    known = torch.isfinite(objects.flux)
    flux = _broaden(torch.where(known, objects.flux, 0.0), objects, random)
    windows = [_lay(reader, objects.grid, flux, known, random) for reader in readers]
    return windows, objects.labels


def _broaden(flux, objects, random):
    """Rotation, a resolving power and a small shift, float32 (n, N)."""
    grid, n = objects.grid, len(flux)
    pad = 512
    level = torch.nn.functional.pad(flux[:, None], (pad, pad), mode="replicate")[:, 0]
    size = level.shape[1]
    omega = 2 * math.pi * torch.fft.rfftfreq(size, d=grid.ln_step).to(flux.device)
    sharpest = 1 / (FWHM * objects.template_sigma)
    resolution = _LEAST_RESOLUTION * (sharpest / _LEAST_RESOLUTION) ** random.uniform(0, 1, n)
    resolution = torch.where(random.chance(_SHARP, n), sharpest, resolution)
    variance = ((1 / (FWHM * resolution)) ** 2 - objects.template_sigma**2).clamp_min(0)
    low, high = _ERROR
    shift = random.normal(0, 1, n) * low * (high / low) ** random.uniform(0, 1, n) / LIGHT_SPEED
    hat = torch.fft.rfft(level) * _transform_rotation(omega * objects.rotation[:, None])
    hat = hat * torch.exp(-0.5 * omega**2 * variance[:, None] - 1j * omega * shift[:, None])
    return torch.fft.irfft(hat, n=size)[:, pad:-pad].clamp_min(0)


def _lay(reader, grid, flux, known, random):
    """Contrast and coverage of one window."""
    window, n = reader.window, len(flux)
    edges = math.log(window.low) + window.step * torch.arange(window.size + 1, dtype=torch.float64) - grid.ln_start
    place = (edges / grid.ln_step + 0.5).to(flux.device)  # in bins, from the edge of the first
    inside = (place[:-1] >= 0) & (place[1:] <= grid.size)
    if inside.float().mean() < _LEAST_BINS:
        return (torch.zeros(n, window.size, device=flux.device),) * 2
    place = place.clamp(0, grid.size)
    # what a family does not know, it does not know of any star
    covered = inside & (average_bins(known.all(0, keepdim=True).float(), place) > 0.99)
    values = average_bins(flux, place)
    covered = (covered & _cut(window.size, n, random)).float()
    level = (values * covered).sum(1, keepdim=True) / covered.sum(1, keepdim=True).clamp_min(1)
    values = values / level.clamp_min(1e-6)
    low, high = _SNR
    noise = 1 / (low * (high / low) ** random.uniform(0, 1, n, 1))
    own = random.uniform(0, 1, n, 1)  # share of the variance that follows the light
    sigma = noise * torch.sqrt(1 - own + own * values.clamp(0, 3))
    course = torch.linspace(-1, 1, window.size, device=flux.device)
    tilt = torch.exp(random.normal(0, 0.15, n, 1) * course + random.normal(0, 0.1, n, 1) * torch.cos(5 * course))
    values = (values + sigma * random.normal(0, 1, *values.shape)) * tilt * covered
    return reader.normalise(values, covered), covered


def average_bins(values, place):
    """Means of rows (n, N) between neighbouring places (M + 1,), in bins."""
    total = torch.nn.functional.pad(torch.cumsum(values, 1, dtype=torch.float64), (1, 0))
    index = place.long().clamp(max=values.shape[1] - 1)
    integral = torch.lerp(total[:, index], total[:, index + 1], place - index)
    return (integral.diff(dim=1) / place.diff().clamp_min(1e-9)).float()


def _cut(size, n, random):
    """Which bins (n, size) a spectrum covers: all, or some stretch."""
    length = torch.where(random.chance(_WHOLE, n, 1), 1.0, random.uniform(_LEAST_PART, 1, n, 1))
    first = random.uniform(0, 1, n, 1) * (1 - length)
    number = (torch.arange(size, device=length.device) + 0.5) / size
    return (number >= first) & (number <= first + length)
