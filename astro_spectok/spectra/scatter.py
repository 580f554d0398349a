# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scatter between pixels: its size, its tails, and how far it is correlated."""

import numpy as np

from astro_spectok.utils.constants import SIGMA_PER_MAD
from astro_spectok.utils.medians import find_median

__all__ = [
    "count_interpolated", "find_correlation", "measure_scatter", "measure_tail", "measure_windows", "take_differences",
]  # fmt: skip

#: median |2 f(i) - f(i-L) - f(i+L)| times this is the standard deviation of white noise (Stoehr+2008)
TO_SIGMA = SIGMA_PER_MAD / np.sqrt(6.0)
#: good pixels that share one value of the noise; linear in between
WINDOW = 192
#: 0.9 over 0.5 quantile of the absolute value of a Gaussian variable
GAUSSIAN_TAIL = 2.4387
#: scatter at a lag over that at twice the lag below which pixels must lie between others: neither noise nor lines fall
#: below 1/4; and above which they no longer do
BETWEEN, INDEPENDENT = 0.15, 0.6
#: most pixels to one that are counted, and fewest good ones of a spectrum that is looked at
LONGEST, FEWEST = 64, 64
#: second differences over the flux that are rounding to single precision, or at most that and a change of units; no
#: noise is so small. Share of pixels on slopes if of every three one bends
ROUNDING, STRAIGHT = (1e-6, 2e-5), 0.3
#: scatter from pixel to pixel over that of the next but one, above which pixels are as independent as those of archives
#: that smooth what they show, which networks have seen
SMOOTH = 0.3
#: share of the median of a sample that that of all exceeds, and one in so many pixels that are a sample
GUESS, SAMPLED = 0.7, 16
#: lag from which smoothed noise is independent that no such archive reaches
USUAL = 16
#: how much heavier than a Gaussian's the tail of the differences of noise may be, and their scatter over the stated one
GAUSSIAN, STATED = 1.2, 2.0


def take_differences(flux, lag):
    """Absolute second differences at a lag, (m - 2 lag,)."""
    return np.abs(2.0 * flux[lag:-lag] - flux[: -2 * lag] - flux[2 * lag :])


def measure_scatter(flux, lag):
    """Standard deviation of noise that is independent at a lag, from the median of second differences."""
    return TO_SIGMA * float(find_median(take_differences(flux, lag)))


def measure_windows(difference, lag):
    """Medians of windows along a spectrum: (centres in good pixels, sigma if the noise were white)."""
    count = max(1, len(difference) // WINDOW)
    size = len(difference) // count
    # the windows are one array; the few pixels left over at the end go without
    medians = np.median(difference[: count * size].reshape(count, size), axis=1)
    return (np.arange(count) + 0.5) * size + lag, TO_SIGMA * medians


def measure_tail(difference, lag):
    """Weight of the tail of differences, over that of Gaussian noise of slowly varying strength."""
    centres, sigma = measure_windows(difference, lag)
    local = np.interp(np.arange(len(difference)) + lag, centres, np.maximum(sigma, 1e-3 * sigma.max()))
    if local.min() <= 0:
        return np.inf
    middle, high = np.quantile(difference / local, [0.5, 0.9])
    return high / middle / GAUSSIAN_TAIL if middle > 0 else np.inf


def count_interpolated(flux):
    """Pixels of a finer grid to each of the one that a flux was interpolated from; 1 if it was not.

    Between the pixels of the coarser grid a flux is as straight as no noise and no line is: where it bends shows these.

    Parameters
    ----------
    flux : ndarray of float64, shape (m,)
        Of good pixels.

    Returns
    -------
    int
        Up to 64; two, or a part of one, are indistinguishable from none.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.scatter import count_interpolated
    >>> noise = np.random.default_rng(1).normal(10, 1, 1000)
    >>> count_interpolated(noise), count_interpolated(np.interp(np.arange(8000) / 8, np.arange(1000), noise))
    (1, 8)
    """
    if len(flux) < FEWEST:
        return 1
    difference, step = take_differences(flux, 1), np.abs(np.diff(flux))[1:]
    size = np.maximum(np.abs(flux[1:-1]), step)
    slopes = step > ROUNDING[0] * size
    # nearly all spectra end here, before what takes longer: as many are not straight by the widest limit either
    if np.count_nonzero(slopes & (difference <= 1.001 * ROUNDING[1] * size)) < STRAIGHT * len(size):
        return 1
    with np.errstate(invalid="ignore", divide="ignore"):
        bend = np.nan_to_num(difference / size, posinf=0)
    # a change of units bends straight lines a little
    straight = bend <= np.clip(0.01 * np.quantile(bend, 0.99), *ROUNDING)
    sloped = straight & slopes
    if np.count_nonzero(sloped) < STRAIGHT * len(straight):
        # constants, few digits and zeros of padding are no slopes
        return 1
    bends = np.count_nonzero(straight[:-1] & ~straight[1:])
    return int(min(max(round(len(straight) / bends), 1), LONGEST)) if bends >= FEWEST / 4 else 1


def _is_rough(flux):
    """Whether the scatter from pixel to pixel is more than a share of that of the next but one."""
    first, second = take_differences(flux, 1), take_differences(flux, 2)
    # two medians, which take most of the time here, where counting the pixels on either side of a guess does not tell
    guess = GUESS * find_median(first[::SAMPLED])
    if 2 * np.count_nonzero(first > guess) > len(first) and 2 * np.count_nonzero(second * SMOOTH < GUESS * guess) > len(
        second
    ):
        return True
    return bool(find_median(first) > SMOOTH * find_median(second))


def find_correlation(flux, ivar):
    """Number of neighbouring pixels that hold the information of one.

    Second differences at growing lags show it: those of independent noise are all alike, those of what was interpolated
    or smoothed grow up to the lag at which pixels no longer share. Growth by spectral lines is recognised by its
    tail, and by stated errors that it exceeds.

    Parameters
    ----------
    flux, ivar : ndarray, shape (m,)
        ``ivar`` 0 marks a bad pixel.

    Returns
    -------
    int
        Up to 64; 1 for pixels that are as independent as those of an instrument.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.scatter import find_correlation
    >>> noise = np.random.default_rng(1).normal(10, 1, 1000)
    >>> finer = np.interp(np.arange(8000) / 8, np.arange(1000), noise)
    >>> find_correlation(noise, np.ones(1000)), find_correlation(finer, np.ones(8000))
    (1, 8)
    """
    good = ivar > 0
    used = flux[good].astype(np.float64)
    shared = count_interpolated(used)
    if shared > 1 or len(used) < 4 * USUAL + FEWEST or _is_rough(used):
        return shared
    lag = USUAL
    while lag <= LONGEST and len(used) > 4 * lag + FEWEST:
        scatter = measure_scatter(used, lag)
        if measure_scatter(used, lag // 2) > INDEPENDENT * scatter:
            return 1
        if scatter > INDEPENDENT * measure_scatter(used, 2 * lag):
            noise = measure_tail(take_differences(used, lag), lag) < GAUSSIAN
            return lag // 2 if noise and scatter < STATED * np.median(ivar[good] ** -0.5) else 1
        lag *= 2
    return 1
