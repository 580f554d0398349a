# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labelled stars as the windows of the stellar head show them, without instruments: fifteen times as many a second."""

import math

import torch
from scipy.fft import next_fast_len

from astro_spectok.simulate.constants import FWHM, LIGHT_SPEED
from astro_spectok.simulate.observe import fill_unknown, transform_rotation

__all__ = [
    "average_bins", "broaden_stars", "cut_range", "draw_calibration", "draw_corruption", "draw_fluxes", "draw_sigma",
    "draw_windows", "flag_bad",
]  # fmt: skip

#: resolving powers of spectra, below that of the library; share of spectra that are as sharp as the library
LEAST_RESOLUTION, _SHARP = 100.0, 0.6
#: pixels per FWHM
SAMPLING = (1.5, 4.0)
#: standard deviation that some have besides at one end, over that of the library
_UNEVEN = 0.9
#: signal-to-noise ratio per bin of a window, and noise of one end over that of the middle at most, as a logarithm
_SNR, _NOISIER = (8.0, 400.0), 0.7
#: how often light fades towards the blue end, by how much noise rises there at most, as a logarithm, and within which
#: shares of half the window
_FADING, _FADED, _FADE_WIDTHS = 0.3, 2.3, (0.1, 0.5)
#: how often pixels are flagged as bad here and there, which share of all, and in runs of how many bins
_FLAGGED, _FLAGGED_SHARE, _RUNS = 0.4, (1e-3, 0.15), (1, 2, 3, 5, 9, 15)
#: how often those below a signal-to-noise ratio are flagged, as surveys do in the cores of lines, and which
_CLIPPED, _CLIPPED_SNR = 0.25, (0.5, 5.0)
#: errors of velocities: the least in km/s, and the largest over the standard deviation of the lines
_LEAST_ERROR, _ERROR = 0.2, 0.5
#: light that is added or taken away over all wavelengths, over the mean flux: scattered light, sky
VEIL = 0.03
#: stretches that air or sky may have corrupted: how many, how often each, widths in bins, and relative errors
_CORRUPTED, _OFTEN, _WIDTHS, CORRUPTED_DEPTH = 4, 0.3, (2.0, 100.0), 0.15
#: amplitude of the wrong calibration: of its slope, and of the first of its waves, the others in proportion
_SLOPE, _WAVE, _WAVES = 0.3, 0.12, 8
#: how often a window is seen whole, and the least part of it otherwise; how often there is a gap, and the widest
_WHOLE, _LEAST_PART = 0.6, 0.1
_GAPS, _WIDEST_GAP = 0.3, 0.03
#: least share of the bins of a window that a spectrum must reach
_LEAST_BINS = 0.05


def draw_windows(family, n, random, readers, *, faults=1.0, blur=1.0, least_resolution=LEAST_RESOLUTION):
    """Contrasts of labelled stars in the windows of the stellar head.

    Parameters
    ----------
    family
        Draws stars with labels, as `~astro_spectok.simulate.stellar_grid.GridStars` does.
    n : int
    random : `~astro_spectok.simulate.randomness.Randomness`
    readers : sequence of `~astro_spectok.heads.line_windows.WindowReader`
    faults : float, optional
        Size, over the usual one, of what is wrong besides noise and a smooth calibration.
    blur : float, optional
        Size, over the usual one, of the largest errors of velocities and of how far resolving powers are uneven.
    least_resolution : float, optional
        Resolving powers are drawn between this one and that of the family.

    Returns
    -------
    windows : list of (tensor, tensor)
        Contrast and coverage (n, N) of each window.
    labels : dict of str to tensor, shape (n,)
    """
    windows = [reader.window for reader in readers]
    options = {"faults": faults, "blur": blur, "least_resolution": least_resolution}
    fluxes, labels = draw_fluxes(family, n, random, windows, **options)
    pairs = zip(readers, fluxes, strict=True)
    return [(reader.normalise(values, covered), covered) for reader, (values, covered) in pairs], labels


def draw_fluxes(family, n, random, windows, *, faults=1.0, blur=1.0, least_resolution=LEAST_RESOLUTION):
    """Fluxes of labelled stars in the bins of windows, before their continuum is taken out.

    Parameters
    ----------
    family, n, random, faults, blur, least_resolution
        As of `draw_windows`.
    windows : sequence of `~astro_spectok.heads.line_windows.Window`

    Returns
    -------
    fluxes : list of (tensor, tensor)
        Flux, of the order of one, and coverage (n, N) in each window.
    labels : dict of str to tensor, shape (n,)
    """
    objects = family.draw(n, random)
    known = torch.isfinite(objects.flux)
    # zeros would be smeared over the ends by rotation, which a network would read there
    flux, fwhm = broaden_stars(fill_unknown(objects.flux, known), objects, random, blur, least_resolution)
    pixel = fwhm / random.uniform(*SAMPLING, n, 1)
    fluxes = [_lay(window, objects.grid, flux, known, pixel, random, faults) for window in windows]
    return fluxes, objects.labels


def broaden_stars(flux, objects, random, blur, least_resolution):
    """Rotation, a resolving power and a small shift: flux, float32 (n, N), and FWHM in ln(wavelength), (n, 1)."""
    grid, n = objects.grid, len(flux)
    pad = 512
    more = next_fast_len(grid.size + 2 * pad, real=True) - grid.size - pad
    level = torch.nn.functional.pad(flux[:, None], (pad, more), mode="replicate")[:, 0]
    size = level.shape[1]
    omega = 2 * math.pi * torch.fft.rfftfreq(size, d=grid.ln_step).to(flux.device)
    sharpest = 1 / (FWHM * objects.template_sigma)
    resolution = least_resolution * (sharpest / least_resolution) ** random.uniform(0, 1, n)
    resolution = torch.where(random.chance(_SHARP, n), sharpest, resolution)
    variance = ((1 / (FWHM * resolution)) ** 2 - objects.template_sigma**2).clamp_min(0)
    low, high = _LEAST_ERROR, blur * _ERROR * LIGHT_SPEED / (FWHM * resolution)
    shift = random.normal(0, 1, n) * low * (high / low) ** random.uniform(0, 1, n) / LIGHT_SPEED
    hat = torch.fft.rfft(level) * transform_rotation(omega * objects.rotation[:, None])
    hat = hat * torch.exp(-0.5 * omega**2 * variance[:, None] - 1j * omega * shift[:, None])
    # instruments do not have the resolution of the library at all wavelengths
    uneven = (blur * _UNEVEN * objects.template_sigma * random.uniform(0, 1, n)) ** 2
    softer = torch.fft.irfft(hat * torch.exp(-0.5 * omega**2 * uneven[:, None]), n=size)[:, pad : pad + grid.size]
    position = torch.linspace(0, 1, grid.size, device=flux.device).expand(n, -1)
    position = torch.where(random.chance(0.5, n, 1), position, 1 - position)
    flux = torch.lerp(torch.fft.irfft(hat, n=size)[:, pad : pad + grid.size], softer, position).clamp_min(0)
    return flux, 1 / resolution[:, None]


def _lay(window, grid, flux, known, pixel, random, faults):
    """Flux and coverage in one window."""
    n = len(flux)
    edges = math.log(window.low) + window.step * torch.arange(window.size + 1, dtype=torch.float64) - grid.ln_start
    place = (edges / grid.ln_step + 0.5).to(flux.device)  # in bins, from the edge of the first
    inside = (place[:-1] >= 0) & (place[1:] <= grid.size)
    if inside.float().mean() < _LEAST_BINS:
        return (torch.zeros(n, window.size, device=flux.device),) * 2
    place = place.clamp(0, grid.size)
    known = known if known.any(0).ne(known.all(0)).any() else known[:1]  # mostly the same bins of all stars
    covered = inside & (average_bins(known.float(), place) > 0.99)
    values = average_bins(flux, place)
    covered = covered & cut_range(window.size, n, random)
    level = (values * covered).sum(1, keepdim=True) / covered.sum(1, keepdim=True).clamp_min(1)
    values = values / level.clamp_min(1e-6)
    values = values * draw_corruption(values, random, faults * CORRUPTED_DEPTH) + faults * VEIL * random.normal(
        0, 1, n, 1
    )
    # where pixels are wider than bins, it is pixels that have this noise
    width = (pixel / window.step).clamp_min(1.0)
    sigma = draw_sigma(values, random)
    values = values + width.sqrt() * sigma * random.normal(0, 1, n, window.size)
    wide = (width > 1)[:, 0]
    values[wide] = _average_pixels(values[wide], width[wide], random)
    covered = (covered & ~flag_bad(values, sigma, random)).float()
    return values * draw_calibration(values, random) * covered, covered


def _average_pixels(values, width, random):
    """Bins (n, N) as pixels of some widths (n, 1), in bins, show them: all that lie in one hold its mean."""
    n, size = values.shape
    total = torch.nn.functional.pad(torch.cumsum(values, 1, dtype=torch.float64), (1, 0))  # (n, N + 1)
    edge = torch.arange(size + 1, device=values.device, dtype=torch.float64)
    offset = width * random.uniform(0, 1, n, 1) - width
    number = ((edge - offset) / width).floor()  # of the pixel that each edge of a bin lies in
    low, high = number * width + offset, (number + 1) * width + offset

    def integrate(place):
        place = place.clamp(0, size)
        index = place.long().clamp(max=size - 1)
        return torch.lerp(total.gather(1, index), total.gather(1, index + 1), place - index)

    below, above = integrate(low), integrate(high)
    share = (edge - low.clamp_min(0)) / (high.clamp(max=size) - low.clamp_min(0)).clamp_min(1e-9)
    return torch.lerp(below, above, share).diff(dim=1).float()


def draw_sigma(values, random):
    """Standard deviation of the noise of spectra (n, N) whose mean is one."""
    n, size = values.shape
    low, high = _SNR
    sigma = 1 / (low * (high / low) ** random.uniform(0, 1, n, 1))
    own = random.uniform(0, 1, n, 1)  # share of the variance that follows the light
    position = torch.linspace(-1, 1, size, device=values.device)
    edge = _NOISIER * random.uniform(-1, 1, n, 1) * position
    faded = _FADED * random.uniform(0, 1, n, 1) * random.chance(_FADING, n, 1)
    edge = edge + faded * torch.exp(-(position + 1) / random.uniform(*_FADE_WIDTHS, n, 1))
    return sigma * torch.exp(edge) * torch.sqrt(1 - own + own * values.clamp(0, 3))


def flag_bad(values, sigma, random):
    """Bins (n, N) that a survey flags: here and there, and where there is little light."""
    n, size = values.shape
    low, high = _FLAGGED_SHARE
    share = low * (high / low) ** random.uniform(0, 1, n, 1) * random.chance(_FLAGGED, n, 1)
    choice = (random.uniform(0, 1, n) * len(_RUNS)).long()
    start = random.uniform(0, 1, n, size)
    flagged = torch.zeros(n, size, dtype=torch.bool, device=values.device)
    for number, run in enumerate(_RUNS):
        rows = choice == number
        begins = (start[rows] < share[rows] / run).float()[:, None]
        flagged[rows] = torch.nn.functional.max_pool1d(begins, run, 1, run // 2)[:, 0, :size] > 0
    least = torch.where(random.chance(_CLIPPED, n, 1), random.uniform(*_CLIPPED_SNR, n, 1), -torch.inf)
    return flagged | (values < least * sigma)


def draw_corruption(values, random, depth):
    """Factors (n, N) near one but for a few stretches."""
    n, size = values.shape
    position = torch.arange(size, device=values.device)
    factor = torch.ones_like(values)
    for _ in range(_CORRUPTED):
        low, high = _WIDTHS
        width = low * (high / low) ** random.uniform(0, 1, n, 1)
        off = depth * random.normal(0, 1, n, 1) * random.chance(_OFTEN, n, 1)
        factor += off * torch.exp(-0.5 * ((position - size * random.uniform(0, 1, n, 1)) / width) ** 2)
    return factor.clamp_min(0)


def draw_calibration(values, random):
    """Smooth factors (n, N) that a wrong calibration multiplies flux by."""
    n, size = values.shape
    position = torch.linspace(0, 1, size, device=values.device)
    number = torch.arange(1, _WAVES + 1, device=values.device)[:, None]
    waves = (_WAVE * random.normal(0, 1, n, _WAVES) / number.T) @ torch.cos(math.pi * number * position)
    return torch.exp(waves + _SLOPE * random.normal(0, 1, n, 1) * (2 * position - 1))


def average_bins(values, place):
    """Means of rows (n, N) between neighbouring places (M + 1,), in bins."""
    total = torch.nn.functional.pad(torch.cumsum(values, 1, dtype=torch.float64), (1, 0))
    index = place.long().clamp(max=values.shape[1] - 1)
    integral = torch.lerp(total[:, index], total[:, index + 1], place - index)
    return (integral.diff(dim=1) / place.diff().clamp_min(1e-9)).float()


def cut_range(size, n, random):
    """Mask of the bins (n, size) that a spectrum covers: all, or some stretch."""
    length = torch.where(random.chance(_WHOLE, n, 1), 1.0, random.uniform(_LEAST_PART, 1, n, 1))
    first = random.uniform(0, 1, n, 1) * (1 - length)
    number = (torch.arange(size, device=length.device) + 0.5) / size
    gap, width = random.uniform(0, 1, n, 1), _WIDEST_GAP * random.uniform(0, 1, n, 1) * random.chance(_GAPS, n, 1)
    return (number >= first) & (number <= first + length) & ((number < gap) | (number >= gap + width))
