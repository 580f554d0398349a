# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The mean of several exposures of an object with one instrument, as one more spectrum of a batch."""

from dataclasses import replace

import numpy as np

from astro_spectok.spectra import InputFlag, SpectrumBatch

__all__ = ["add_exposures", "find_usable", "share_grid"]

#: least share of the range of the longest that all have; greatest ratio of the widths of their pixels
LEAST_COMMON, SAME_PIXEL = 0.8, 1.05
#: S/N of the mean level from which exposures are brought to one scale, and greatest ratio of two
MEASURED, LARGEST = 10.0, 20.0
#: standard deviations from the median of all beyond which a pixel of one exposure is left out, of three or more
OUTLIER = 6.0


def share_grid(batch, places):
    """Whether spectra of a batch have about the same range and pixels, and fluxes of one kind."""
    grids = [batch.wavelength[batch.grid(i)] for i in places]
    first, last = max(x[0] for x in grids), min(x[-1] for x in grids)
    longest = max(np.log(x[-1] / x[0]) for x in grids)
    pixels = [np.median(np.diff(np.log(x))) for x in grids]
    kinds = {str(batch.info[i].flux_unit) for i in places}
    if last <= first or len(kinds) > 1:
        return False
    return np.log(last / first) >= LEAST_COMMON * longest and max(pixels) <= SAME_PIXEL * min(pixels)


def add_exposures(batch, places):
    """A batch with one more spectrum: the mean of some of its spectra, weighted by their inverse variances.

    It has the pixels of the one with the highest signal; others are interpolated linearly, which changes nothing where
    they have the same. Each is brought to the same mean level, if that is well measured, and pixels that are far from
    the median of three or more are left out.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    places : sequence of int
        Of the spectra; all usable.

    Returns
    -------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    best : int
        Place of the spectrum whose pixels it has.
    """
    parts = [_take(batch, i) for i in places]
    levels = [_measure_level(flux, ivar) for _, flux, ivar in parts]
    best = int(np.argmax([snr for _, snr in levels]))
    x, level = parts[best][0], levels[best][0]
    flux, ivar = np.zeros((2, len(places), len(x)))
    for k, ((own, values, weight), (mean, snr)) in enumerate(zip(parts, levels, strict=True)):
        ratio = level / mean if min(snr, levels[best][1]) > MEASURED else 1.0
        ratio = ratio if 1 / LARGEST < ratio < LARGEST else 1.0
        flux[k], ivar[k] = _interpolate(x, own, ratio * values, weight / ratio**2)
    if len(places) > 2:
        middle = np.median(flux, axis=0)
        ivar[(flux - middle) ** 2 * ivar > OUTLIER**2 * (1 + 1 / len(places))] = 0
    total = ivar.sum(axis=0)
    mean = (ivar * flux).sum(axis=0) / np.where(total > 0, total, 1)
    one = batch.take([places[best]])
    scale = float(one.scale[0])
    one = replace(one, flux=(mean / scale).astype(np.float32), ivar=(total * scale**2).astype(np.float32))
    return SpectrumBatch.concatenate([batch, one]), places[best]


def find_usable(batch):
    """Places of the spectra of a batch that can be used: list of int."""
    return [i for i in range(len(batch)) if batch.lengths[i] and not InputFlag(int(batch.flags[i])).unusable]


def _take(batch, i):
    """ln(wavelength), flux and ivar of a spectrum in its own unit, float64."""
    pixels, scale = batch.pixels(i), float(batch.scale[i])
    flux, ivar = batch.flux[pixels].astype(float), batch.ivar[pixels].astype(float)
    return np.log(batch.wavelength[batch.grid(i)]), flux * scale, ivar / scale**2


def _measure_level(flux, ivar):
    """Mean flux weighted by inverse variance, and its S/N."""
    total = ivar.sum()
    mean = float(ivar @ flux / total) if total > 0 else 0.0
    return mean, mean * float(np.sqrt(total))


def _interpolate(x, own, flux, ivar):
    """Flux and ivar at other places; ivar is 0 outside, and next to bad pixels."""
    variance = np.where(ivar > 0, 1 / np.where(ivar > 0, ivar, 1), 0.0)
    good = np.interp(x, own, (ivar > 0).astype(float), left=0, right=0) > 1 - 1e-6
    values, spread = np.interp(x, own, flux), np.interp(x, own, variance)
    return np.where(good, values, 0.0), np.where(good & (spread > 0), 1 / np.where(spread > 0, spread, 1), 0.0)
