# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Oversampled pixels: native ones averaged to those that a network knows, or that are independent."""

from dataclasses import replace

import numpy as np

from astro_spectok.spectra.batch import InputFlag, SpectrumBatch
from astro_spectok.spectra.noise import estimate_noise
from astro_spectok.spectra.scatter import find_correlation

__all__ = ["average_fine_pixels", "average_pixels"]

#: share of the steps from pixel to pixel that may be finer than what a network knows
FINER = 0.05
#: pixels over which the local step is taken, blind to gaps
WINDOW = 64
#: square of the FWHM, in pixels, of what a mean over one pixel does to a line
PIXEL_FWHM2 = 8 * np.log(2) / 12


def average_fine_pixels(batch, finest):
    """Average the pixels of spectra that are finer than a network has learned, or than their noise is independent.

    Everything is conserved: the integral of the flux, the inverse variance (less what noise that neighbours share
    counts twice), masks, which leave out of a mean what is bad, and the resolving power, which a wider pixel lowers.
    Grids stay as regular as they are: so many native pixels make one everywhere.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    finest : float
        Least step in ln(wavelength) that is left as it is.

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        The one given if there is nothing to average; else one in which the spectra concerned have fewer pixels and
        the bit `InputFlag.PIXELS_AVERAGED`.
    """
    native = {}  # by grid: spectra of a survey share it
    number = []
    for i in range(len(batch)):
        key = int(batch.wave_start[i]), int(batch.lengths[i])
        if key not in native:
            native[key] = _count_fine(batch.wavelength[batch.grid(i)], finest)
        number.append(_choose_number(batch, i, native[key]))
    chosen = [i for i, (k, _) in enumerate(number) if k > 1]
    if not chosen:
        return batch
    # stretches of spectra that stay, and single ones that do not, in order
    parts, start = [], 0
    for i in chosen:
        if i > start:
            parts.append(_cut(batch, start, i))
        parts.append(_average_one(_cut(batch, i, i + 1), *number[i]))
        start = i + 1
    if start < len(batch):
        parts.append(_cut(batch, start, len(batch)))
    return SpectrumBatch.concatenate(parts)


def _cut(batch, start, stop):
    """The spectra from ``start`` up to ``stop`` as a batch of their own; grids are views where they are shared."""
    used = [batch.grid(i) for i in range(start, stop) if batch.lengths[i]]
    low = min((x.start for x in used), default=0)
    high = max((x.stop for x in used), default=0)
    pixels = slice(int(batch.offsets[start]), int(batch.offsets[stop]))
    return SpectrumBatch(
        wavelength=batch.wavelength[low:high],
        wave_start=np.where(batch.lengths[start:stop] > 0, batch.wave_start[start:stop] - low, 0),
        flux=batch.flux[pixels],
        ivar=batch.ivar[pixels],
        offsets=batch.offsets[start : stop + 1] - batch.offsets[start],
        scale=batch.scale[start:stop],
        flags=batch.flags[start:stop],
        resolution=None if batch.resolution is None else batch.resolution[low:high],
        info=batch.info[start:stop],
        axis=batch.axis,
    )


def _count_fine(wavelength, finest):
    """Number of native pixels of a grid, (n,), that make one as wide as ``finest``."""
    if len(wavelength) < 2:
        return 1
    steps = np.diff(np.log(wavelength))
    # the quantile, which takes longer than all else here, is seldom needed
    least = np.quantile(steps, FINER) if steps.min() < finest else finest
    return int(np.ceil(finest / least * (1 - 1e-6))) if least < finest else 1


def _choose_number(batch, i, number):
    """Number of native pixels averaged into one in spectrum ``i``, and length over which its noise is correlated."""
    if batch.lengths[i] < 2:
        return 1, 1
    shared = find_correlation(batch.flux[batch.pixels(i)], batch.ivar[batch.pixels(i)])
    return max(number, shared), shared


def _average_one(one, number, shared):
    """A batch of one spectrum with ``number`` native pixels to one."""
    wavelength, flux, ivar, resolution = average_pixels(one.wavelength, one.flux, one.ivar, number, one.resolution)
    if shared > 1:
        ivar = ivar / shared
        if InputFlag(int(one.flags[0])) & InputFlag.UNCERTAINTY_ESTIMATED:
            sigma, good = estimate_noise(flux, ivar > 0)
            ivar = np.where(good & (ivar > 0), sigma**-2, 0.0)
    flags = one.flags | int(InputFlag.PIXELS_AVERAGED)
    return replace(
        one, wavelength=wavelength, wave_start=np.zeros(1, np.int64), flux=flux.astype(np.float32),
        ivar=ivar.astype(np.float32), offsets=np.array([0, len(flux)]), flags=flags,
        resolution=None if resolution is None else resolution.astype(np.float32),
    )  # fmt: skip


def average_pixels(wavelength, flux, ivar, number, resolution=None):
    """Means of ``number`` neighbouring pixels each.

    Parameters
    ----------
    wavelength : ndarray of float64, shape (m,)
        Strictly increasing; gaps are left as they are.
    flux, ivar : ndarray, shape (m,)
        Per unit wavelength; ``ivar`` 0 marks a bad pixel.
    number : int
    resolution : ndarray, shape (m,), optional
        Resolving power, NaN where unknown.

    Returns
    -------
    wavelength, flux, ivar : ndarray of float64, shape (n,)
        The flux is weighted by inverse variance, as a fit would be, where errors within a pixel are alike; it is 0,
        and so is ``ivar``, where all are bad.
    resolution : ndarray, shape (n,), or None

    Examples
    --------
    A bad pixel is left out, and one that is missing leaves its place:

    >>> import numpy as np
    >>> from astro_spectok.spectra.sampling import average_pixels
    >>> wavelength = 5000.0 + np.delete(np.arange(8), 6)
    >>> flux, ivar = np.array([1.0, 99, 3, 3, 5, 5, 7]), np.array([1.0, 0, 1, 1, 1, 1, 1])
    >>> x, mean, weight, _ = average_pixels(wavelength, flux, ivar, 2)
    >>> x.round(2).tolist(), mean.tolist(), weight.tolist()
    ([5000.5, 5002.5, 5004.5, 5006.5], [1.0, 3.0, 5.0, 7.0], [1.0, 2.0, 2.0, 1.0])
    """
    x = np.log(wavelength)
    slot = _count_slots(x)
    group = slot // number
    kept, index = np.unique(group, return_inverse=True)
    places = kept * number + 0.5 * (number - 1)
    # beyond the last pixel the grid goes on as before
    step = (x[-1] - x[-2]) / (slot[-1] - slot[-2])
    centre = np.interp(places, slot, x) + np.maximum(places - slot[-1], 0) * step
    weight = np.bincount(index, ivar, len(kept)).astype(np.float64)
    total = np.bincount(index, flux.astype(np.float64) * ivar, len(kept))
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    if resolution is not None:
        resolution = _widen(resolution.astype(np.float64), x, index, len(kept), number)
    return np.exp(centre), mean, weight, resolution


def _count_slots(x):
    """The place of each pixel on its grid as if none were missing, (m,) int64, from 0."""
    steps = np.diff(x)
    size = max(1, len(steps) // WINDOW)
    parts = np.array_split(steps, size)
    centres = np.cumsum([len(part) for part in parts]) - 0.5 * len(parts[0])
    local = np.interp(np.arange(len(steps)), centres, [np.median(part) for part in parts])
    return np.concatenate([[0], np.cumsum(np.maximum(np.rint(steps / local), 1))]).astype(np.int64)


def _widen(resolution, x, index, n, number):
    """Resolving power of wider pixels: in quadrature with what the mean adds to what the native pixel had."""
    known = np.isfinite(resolution)
    count = np.bincount(index, known, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        width2 = np.bincount(index, np.where(known, resolution**-2.0, 0.0), n) / count
        step = np.bincount(index, np.gradient(x), n) / np.bincount(index, minlength=n)
        return np.where(count > 0, (width2 + PIXEL_FWHM2 * step**2 * (number**2 - 1)) ** -0.5, np.nan)
