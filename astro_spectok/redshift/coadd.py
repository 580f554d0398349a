# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The mean of several exposures of an object, also on unlike grids, as one more spectrum of a batch."""

from dataclasses import replace

import numpy as np

from astro_spectok.spectra import InputFlag, SpectrumBatch

__all__ = ["add_exposures", "find_usable", "have_mean"]

#: least share of the range of the shortest that all have; greatest ratio of the widths of their pixels
LEAST_COMMON, COARSER = 0.5, 2.5
#: S/N of the mean level from which exposures are brought to one scale, and greatest ratio of two
MEASURED, LARGEST = 10.0, 20.0
#: standard deviations from the median of all beyond which a pixel of one exposure is left out, of three or more
OUTLIER = 6.0
#: least share of a pixel of the mean that good pixels of an exposure cover
COVERED = 0.7


def have_mean(batch, places):
    """Whether spectra of a batch share enough of their range, with pixels alike enough and fluxes of one kind: bool."""
    grids = [batch.wavelength[batch.grid(i)] for i in places]
    first, last = max(x[0] for x in grids), min(x[-1] for x in grids)
    shortest = min(np.log(x[-1] / x[0]) for x in grids)
    pixels = [np.median(np.diff(np.log(x))) for x in grids]
    kinds = {str(batch.info[i].flux_unit) for i in places}
    if last <= first or len(kinds) > 1:
        return False
    return np.log(last / first) >= LEAST_COMMON * shortest and max(pixels) <= COARSER * min(pixels)


def add_exposures(batch, places):
    """A batch with one more spectrum: the mean of some of its spectra, weighted by their inverse variances.

    It has the pixels of the coarsest, and beyond its ends those of the others, so that no pixel is divided among
    several. The parts of pixels that lie in one of these are averaged, and its variance is such that no information is
    made, though neighbours hang together where grids are shifted. Each spectrum is brought to the level that the one
    with the highest signal has where both are seen, if that is well measured, and pixels that are far from the median
    of three or more are left out.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    places : sequence of int
        Of the spectra; all usable.

    Returns
    -------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    best : int
        Place of the spectrum with the highest signal, whose facts it has.
    """
    parts = [_take(batch, i) for i in places]
    best = int(np.argmax([_measure_signal(flux, ivar) for _, flux, ivar in parts]))
    x, owner = _lay_grid([own for own, _, _ in parts])
    edges = _find_edges(x)
    flux, ivar = (np.array(rows) for rows in zip(*(_average(edges, *one) for one in parts), strict=True))
    for k in range(len(parts)):
        ratio = _compare_levels(flux[[best, k]], ivar[[best, k]])
        flux[k], ivar[k] = ratio * flux[k], ivar[k] / ratio**2
    ivar[_find_outliers(flux, ivar)] = 0
    total = ivar.sum(axis=0)
    mean = (ivar * flux).sum(axis=0) / np.where(total > 0, total, 1)
    one = batch.take([places[best]])
    scale, resolution = float(one.scale[0]), None
    if batch.resolution is not None:
        own = [batch.resolution[batch.grid(i)] for i in places]
        resolution = np.array([own[k][pixel] for k, pixel in owner], np.float32)
    one = replace(
        one, wavelength=np.exp(x), wave_start=np.zeros(1, np.int64), offsets=np.array([0, len(x)]),
        flux=(mean / scale).astype(np.float32), ivar=(total * scale**2).astype(np.float32), resolution=resolution,
    )  # fmt: skip
    return SpectrumBatch.concatenate([batch, one]), places[best]


def find_usable(batch):
    """Places of the spectra of a batch that can be used: list of int."""
    return [i for i in range(len(batch)) if batch.lengths[i] and not InputFlag(int(batch.flags[i])).unusable]


def _take(batch, i):
    """ln(wavelength), flux and ivar of a spectrum in its own unit, float64."""
    pixels, scale = batch.pixels(i), float(batch.scale[i])
    flux, ivar = batch.flux[pixels].astype(float), batch.ivar[pixels].astype(float)
    return np.log(batch.wavelength[batch.grid(i)]), flux * scale, ivar / scale**2


def _lay_grid(grids):
    """Pixels of the coarsest grid, and beyond it those of the next; and the grid and pixel that each is of, (n, 2)."""
    order = np.argsort([-np.median(np.diff(x)) for x in grids], kind="stable")
    x, owner = np.empty(0), np.empty((0, 2), np.int64)
    for k in order:
        own = grids[k]
        # half a pixel of either, so that none is narrow
        apart = np.median(np.diff(own))
        beyond = (own < x.min() - apart) | (own > x.max() + apart) if len(x) else np.ones(len(own), bool)
        pixel = np.flatnonzero(beyond)
        x, owner = np.append(x, own[pixel]), np.concatenate([owner, np.stack([np.full(len(pixel), k), pixel], axis=1)])
    order = np.argsort(x)
    return x[order], owner[order]


def _find_edges(x):
    """Lower and upper edges of pixels, (n, 2), each as far as the nearer neighbour allows: gaps stay gaps."""
    apart = np.diff(x) / 2
    half = np.minimum(np.append(apart[0], apart), np.append(apart, apart[-1]))
    return np.stack([x - half, x + half], axis=1)


def _average(edges, own, flux, ivar):
    """Flux and ivar in pixels with given edges; ivar is 0 where good pixels cover too little."""
    ours, good = _find_edges(own), ivar > 0
    variance = np.where(good, 1 / np.where(good, ivar, 1), 0.0)
    sums = np.stack([good * (ours[:, 1] - ours[:, 0]), good, good * flux, variance])
    total = np.cumsum(sums, axis=1)
    # nothing is added in the gaps between pixels
    steps = np.stack([total - sums, total], axis=2).reshape(len(sums), -1)
    length, number, light, spread = (np.diff(np.interp(edges, ours.ravel(), one), axis=1)[:, 0] for one in steps)
    seen = (length >= COVERED * (edges[:, 1] - edges[:, 0])) & (spread > 0)
    mean = np.where(seen, light / np.where(seen, number, 1), 0.0)
    return mean, np.where(seen, number**2 / np.where(seen, spread, 1), 0.0)


def _measure_signal(flux, ivar):
    """S/N of the mean flux weighted by inverse variance."""
    total = ivar.sum()
    return float(ivar @ flux / np.sqrt(total)) if total > 0 else 0.0


def _compare_levels(flux, ivar):
    """Level of the first of two spectra over that of the second, where both are seen; 1 if not well measured."""
    both = (ivar > 0).all(axis=0)
    if not both.any():
        return 1.0
    weight = 1 / (1 / ivar[:, both]).sum(axis=0)
    first, second = flux[:, both] @ weight
    errors = np.sqrt((weight**2 / ivar[:, both]).sum(axis=1))
    if not (first > MEASURED * errors[0] and second > MEASURED * errors[1]):
        return 1.0
    return first / second if 1 / LARGEST < first / second < LARGEST else 1.0


def _find_outliers(flux, ivar):
    """Which pixels are far from the median of three or more: bool, (spectra, n)."""
    seen = ivar > 0
    number = seen.sum(axis=0)
    several = number > 2
    out = np.zeros(flux.shape, bool)
    middle = np.nanmedian(np.where(seen, flux, np.nan)[:, several], axis=0)
    limit = OUTLIER**2 * (1 + 1 / number[several])
    out[:, several] = (flux[:, several] - middle) ** 2 * ivar[:, several] > limit
    return out
