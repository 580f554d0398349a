# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Air or vacuum, from where the lines of the night sky make a spectrum from the ground noisy."""

from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter1d

from astro_spectok.spectra.medium import convert_to_vacuum
from astro_spectok.spectra.telluric import REACH, ROWS, STEP, weigh_media
from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED

__all__ = ["SKY_LINES", "find_medium_by_sky"]

#: strong lines of the night sky that stand alone at a resolving power of 2000: [O I] and OH, Angstrom in air
#: (Osterbrock et al. 1996, PASP 108, 277)
SKY_LINES = (
    5577.338, 6300.304, 6363.776, 6498.729, 6533.044, 6553.617, 6863.955, 6923.220, 6939.521, 7276.405, 7303.716,
    7316.282, 7329.148, 7340.885, 7369.248, 7750.640, 7794.112, 7808.467, 7821.503, 7841.266, 7853.244, 7913.708,
    7949.204, 7964.650, 7993.332, 8344.602, 8382.392, 8399.170, 8415.231, 8430.174, 8452.250, 8465.208, 8493.389,
    8504.628, 8791.186, 8827.096, 8867.6, 8885.850, 8903.114, 8919.640, 8943.395, 8957.9, 8988.366, 9001.1,
)  # fmt: skip
#: fewest of them that must be covered, and margin in ln(wavelength) around them
FEWEST_LINES, MARGIN = 6, 4e-3
#: step in ln(wavelength) that finer pixels are averaged to, and widest pixels: beyond 78 km/s flexure is as large
FINEST, WIDEST = 6e-5, 2.6e-4
#: pixels per resolution element that are tried, where the resolving power is not known
ELEMENTS = (2.0, 3.0, 4.0)
#: pixels of the running mean that the noise is compared with, and fewest; ln of the noise beyond which more is not
WINDOW, FEWEST, CLIPPED = 61, 400, (-1.5, 3.0)
#: of the shifts that a first glance takes, one in so many, and what makes it worth a second
GLANCE, SEEN = 8, 15.0
#: fall of the variance by the lines over what is left, from which they are there
DETECTED = 40.0
#: share of the lines that must stand out of the noise beside them, and median of ln of the noise by which they do
MOST_SEEN, EXCESS = 0.85, 0.1
#: standard deviation of zero points in pixels: spectrographs bend
FLEXURE = 0.3
#: km/s by which wavelengths in air are shifted at the lines
AIR_SHIFT = 82.7


@lru_cache(maxsize=1)
def _list_lines():
    """ln of the vacuum wavelengths of the lines."""
    return np.log(convert_to_vacuum(np.array(SKY_LINES)))


def find_medium_by_sky(wavelength, flux, ivar, *, resolution=None, has_errors=True):
    """The medium of wavelengths, from where pixels are noisy: at the lines of [O I] and OH of the night sky.

    Errors, or without any the scatter from pixel to pixel that imperfect subtraction leaves, are compared with a
    running mean, and with lines at shifts up to 400 km/s. Where they stand as they do in vacuum, or 83 km/s to the blue
    as they do in air, but for the motion of the Earth, the medium is found; of spectra from space, and of bright ones,
    it is not.

    Parameters
    ----------
    wavelength : ndarray, shape (m,)
        Increasing, in Angstrom as given.
    flux, ivar : ndarray, shape (n, m)
        Of spectra on this grid, of which the first few count together; ``ivar`` 0 marks a bad pixel.
    resolution : float, optional
        Resolving power; some are tried if not given.
    has_errors : bool, optional
        Whether ``ivar`` was stated, rather than estimated from the flux.

    Returns
    -------
    `~astro_spectok.spectra.telluric.FoundMedium` or None
        None if it remains unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.sky_lines import find_medium_by_sky
    >>> wavelength = np.linspace(5500, 9200, 4000)
    >>> find_medium_by_sky(wavelength, np.ones((1, 4000)), np.ones((1, 4000))) is None
    True
    """
    lines = _list_lines()
    ln_wavelength = np.log(np.asarray(wavelength, np.float64))
    first, last = np.searchsorted(ln_wavelength, [lines[0] - MARGIN, lines[-1] + MARGIN])
    if last - first < FEWEST or np.count_nonzero((lines > ln_wavelength[first]) & (lines < ln_wavelength[last - 1])) < (
        FEWEST_LINES
    ):
        return None
    part = slice(first, last)
    x, noise = _measure_noise(ln_wavelength[part], flux[:ROWS, part], ivar[:ROWS, part], has_errors)
    if len(x) < FEWEST:
        return None
    pixel = float(np.median(np.diff(x)))
    if pixel > WIDEST:
        return None
    widths = [1 / resolution] if resolution else [count * pixel for count in ELEMENTS]
    shifts = np.arange(-REACH, REACH + STEP / 2, STEP)
    # to a hundredth, so that spectra of one survey, of which other pixels are masked, share what is drawn
    sigmas = [float(f"{max(width, 2 * pixel) / FWHM_PER_SIGMA:.1e}") for width in widths]
    widest = _match(x, noise, lines, sigmas[-1], shifts[::GLANCE]).max()
    if widest < SEEN:
        return None
    seen = [*(_match(x, noise, lines, sigma, shifts[::GLANCE]).max() for sigma in sigmas[:-1]), widest]
    best = _match(x, noise, lines, sigmas[int(np.argmax(seen))], shifts)
    if best.max() < DETECTED or not _are_seen(x, noise, lines + shifts[np.argmax(best)] / LIGHT_SPEED, pixel):
        return None
    return weigh_media(shifts, best, AIR_SHIFT, calibration=FLEXURE * pixel * LIGHT_SPEED)


def _are_seen(x, noise, lines, pixel):
    """Whether nearly all of the lines stand out, rather than some of something else."""
    # the pixels around each line: all others are neither on it nor beside it
    low, high = np.searchsorted(x, [lines - 8 * pixel, lines + 8 * pixel])
    near = low + np.arange((high - low).max())[:, None]  # (pixels, lines)
    inside, near = near < high, near.clip(max=len(x) - 1)
    apart, noise = np.where(inside, np.abs(x[near] - lines), np.inf), noise[near]
    on, beside = apart < pixel, (apart > 3 * pixel) & (apart < 7 * pixel)
    known = on.any(axis=0) & beside.any(axis=0)
    peak, level = (np.sum(where * noise, axis=0) / np.maximum(where.sum(axis=0), 1) for where in (on, beside))
    excess = (peak - level)[known]
    return bool(known.any() and np.mean(excess > 0) > MOST_SEEN and np.median(excess) > EXCESS)


def _measure_noise(x, flux, ivar, has_errors):
    """ln(wavelength) and logarithm of the noise over its running mean, of pixels that are good in some rows."""
    good = ivar > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        if has_errors:
            noise = np.where(good, -0.5 * np.log(ivar.astype(np.float64)), 0.0)
        else:
            values = np.where(good, flux, np.nan).astype(np.float64)
            second = np.full(flux.shape, np.nan)
            second[:, 1:-1] = np.abs(2 * values[:, 1:-1] - values[:, :-2] - values[:, 2:])
            good = second > 0
            noise = np.where(good, np.log(second), 0.0)
    # rows differ in brightness, and not in where the sky is bright
    level = np.array([np.median(row[ok]) if ok.any() else 0.0 for row, ok in zip(noise, good, strict=True)])
    count = good.sum(axis=0)
    used = count > 0
    x, noise = x[used], (np.where(good, noise - level[:, None], 0.0).sum(axis=0) / np.maximum(count, 1))[used]
    if len(x) < FEWEST:
        return x, noise
    index = ((x - x[0]) / FINEST).astype(np.int64)
    if index[-1] + 1 < len(x):
        filled = np.bincount(index)
        x, noise = (np.bincount(index, one)[filled > 0] / filled[filled > 0] for one in (x, noise))
    noise = np.clip(noise, *CLIPPED)
    return x, noise - uniform_filter1d(noise, WINDOW, mode="nearest")


def _match(x, noise, lines, sigma, shifts):
    """Fall of the variance of the noise by lines at each shift, over what the best leaves, (shifts,)."""
    grid, profile = _draw_lines(sigma)
    left = noise - noise.mean()
    # no shift brings a line to the other pixels
    after = np.searchsorted(lines, x).clip(1, len(lines) - 1)
    reached = np.minimum(np.abs(x - lines[after - 1]), np.abs(x - lines[after])) < 5 * sigma + shifts[-1] / LIGHT_SPEED
    model = np.interp(x[reached, None] - shifts / LIGHT_SPEED, grid, profile, left=0.0, right=0.0)  # (m, shifts)
    spread = np.einsum("ms,ms->s", model, model) - np.sum(model, axis=0) ** 2 / len(x)
    gained = np.maximum(left[reached] @ model, 0.0) ** 2 / np.maximum(spread, 1e-30)
    return gained / max(float(left @ left - gained.max()) / len(x), 1e-6)


@lru_cache(maxsize=16)
def _draw_lines(sigma):
    """A fine grid in ln(wavelength), and all lines on it at unit height."""
    lines, fine = _list_lines(), sigma / 4
    grid = lines[0] - 2 * MARGIN + fine * np.arange(int((lines[-1] - lines[0] + 4 * MARGIN) / fine))
    profile = np.zeros(len(grid))
    for line in lines:
        near = slice(*np.searchsorted(grid, [line - 4 * sigma, line + 4 * sigma]))
        profile[near] += np.exp(-0.5 * ((grid[near] - line) / sigma) ** 2)
    return grid, profile
