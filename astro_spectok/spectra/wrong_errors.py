# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors that cannot be those of the flux they come with, by its scatter, and by that of what a model leaves of it."""

import itertools

import numpy as np

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.noise import estimate_noise
from astro_spectok.spectra.scatter import TO_SIGMA, measure_tail, take_differences
from astro_spectok.utils.constants import SIGMA_PER_MAD
from astro_spectok.utils.medians import find_median

__all__ = ["correct_errors", "find_error_scale"]

#: pixels from the middle of each row that the first look takes, and fewest good ones that a scatter is measured of
SAMPLE, LEAST_PIXELS = 384, 32
#: scatter from pixel to pixel over the stated errors outside which they are looked at
LOW, HIGH = 0.3, 1.7
#: times the scatter that errors must have on the median to be replaced
TOO_LARGE = 6.0
#: median signal-to-noise ratio per pixel above which no errors are believed: no calibration is that good
BELIEVED = 1000.0
#: times the stated errors that the scatter must have to be that of errors too small, and what shows that it is noise:
#: scatter over that at twice the lag, at lags 1 and 2, and its tail over a Gaussian's; lines grow with the lag
TOO_SMALL, WHITE, GAUSSIAN = 1.8, (0.8, 0.75), 1.3
#: stretches in which the scatter of what a model leaves is measured, fewest pixels of one, and of all
STRETCHES, STRETCH, LEAST_LEFT = 8, 128, 256
#: scatter over the stated errors outside which these are wrong (those of good spectra are off by up to 1.4), and share
#: of the stretches that must have it: an arm, as one red end is often worse than stated
BELOW, ABOVE, SHARE = 0.6, 1.7, 0.375
#: scatter at lags 1 and 2 over that at twice the lag above which it is noise: pixels share some of it with the next, as
#: resampling leaves it, and none beyond; what a model misses has 0.6 at lag 1 at most, or 0.7 at lag 2
PIXELS_OWN = (0.62, 0.85)
#: of that, for one stretch alone, which shows less
LOCAL = 0.8
#: of limits that are looked at without medians: rounding
NEARLY = 1 + 1e-9
#: pixels whose sums are compared where many share, and scatter of these over the stated one that makes errors wrong
SUMMED, SHARED = 8, ABOVE


def correct_errors(flux, ivar):
    """Correct the errors of spectra whose stated ones are clearly wrong: variances, relative ones, another unit.

    Errors many times as large as the scatter from pixel to pixel, or so small that no calibration is as good, are
    replaced by those of `~astro_spectok.spectra.estimate_noise`. Errors that are smaller than a scatter that is noise,
    since it is Gaussian and the same at all lags, are multiplied by what they lack. Where lines make the scatter,
    nothing can be said.

    Parameters
    ----------
    flux : ndarray of float32, shape (n, m)
        Finite.
    ivar : ndarray of float32, shape (n, m)
        0 in bad pixels, which stay bad; changed in place.

    Returns
    -------
    ndarray of int64, shape (n,)
        Bits of `InputFlag`: ``UNCERTAINTY_ESTIMATED`` where they were replaced, ``UNCERTAINTY_RAISED`` where they were
        raised.

    Examples
    --------
    Variances that were stored as standard deviations, in a unit in which fluxes are small:

    >>> import numpy as np
    >>> from astro_spectok.spectra import InputFlag
    >>> from astro_spectok.spectra.wrong_errors import correct_errors
    >>> noise = np.random.default_rng(0).normal(0, 1e-3, (1, 500))
    >>> flux, ivar = (1e-2 + noise).astype(np.float32), np.full((1, 500), 1e12, np.float32)
    >>> [flag.name for flag in InputFlag(int(correct_errors(flux, ivar)[0]))]
    ['UNCERTAINTY_ESTIMATED']
    >>> print(f"{np.median(ivar) ** -0.5:.3f}")
    0.001
    """
    flags = np.zeros(len(flux), np.int64)
    if flux.shape[1] < LEAST_PIXELS:
        return flags
    for row in _find_suspect(flux, ivar):
        good = ivar[row] > 0
        if np.count_nonzero(good) < LEAST_PIXELS:
            continue
        values, stated = flux[row, good].astype(np.float64), ivar[row, good].astype(np.float64) ** -0.5
        if not values.any():
            continue
        sigma, kept = estimate_noise(flux[row], good)
        if np.median(stated / sigma[good]) > TOO_LARGE or np.median(np.abs(values) / stated) > BELIEVED:
            ivar[row] = np.where(kept, sigma**-2, 0)
            flags[row] = InputFlag.UNCERTAINTY_ESTIMATED
            continue
        lacking = _measure_lack(values, stated)
        if lacking > TOO_SMALL:
            ivar[row] /= lacking**2
            flags[row] = InputFlag.UNCERTAINTY_RAISED
    return flags


def _find_suspect(flux, ivar):
    """Rows in whose middle scatter and stated errors do not go together, list of int."""
    middle = slice(max(0, (flux.shape[1] - SAMPLE) // 2), (flux.shape[1] + SAMPLE) // 2)
    seen, weight = flux[:, middle].astype(np.float64), ivar[:, middle].astype(np.float64)
    second = 2 * seen[:, 1:-1] - seen[:, :-2] - seen[:, 2:]
    known = np.minimum(np.minimum(weight[:, :-2], weight[:, 2:]), weight[:, 1:-1])
    scatter = TO_SIGMA * np.sqrt(_median_where(second**2 * known, known > 0))
    size = np.sqrt(_median_where(seen**2 * weight, weight > 0))
    # few good pixels in the middle say nothing: those rows are looked at as a whole
    return np.flatnonzero(~((scatter > LOW) & (scatter < HIGH) & (size < BELIEVED))).tolist()


def _median_where(values, where):
    """Medians of rows over some of their pixels, (n,); NaN without any."""
    ordered = np.sort(np.where(where, values, np.inf), axis=1)
    count = np.count_nonzero(where, axis=1)
    out = ordered[np.arange(len(values)), np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, out, np.nan)


def _measure_lack(values, stated):
    """Times the stated errors that noise scatters; 0 where the scatter is not noise alone."""
    if len(values) < 8 + LEAST_PIXELS:
        return 0.0
    excess = [
        TO_SIGMA * np.median(take_differences(values, lag) / stated[lag:-lag]) for lag in (1, 2, 4)
    ]  # fmt: skip
    white = all(low > least * high for low, high, least in zip(excess, excess[1:], WHITE, strict=False))
    if not white or excess[0] <= TOO_SMALL:
        return 0.0
    return excess[0] if measure_tail(take_differences(values, 1) / stated[1:-1], 1) < GAUSSIAN else 0.0


def find_error_scale(left, sigma):
    """Times the stated errors that noise scatters, by what a model leaves of a spectrum; its lines are then no noise.

    Scatter is that of second differences, robustly, in stretches of the spectrum, so that one arm may be wrong. What a
    model misses is smooth, and grows with the lag; noise is the same from lag 2. Where it grows, the errors are too
    large only if the scatter is smaller at all lags. Where neighbours differ too little, and pixels farther apart do
    not, they share their noise, and what is said of it is that of sums over them.

    Parameters
    ----------
    left : ndarray of float64, shape (n,)
        Of the good pixels, in order.
    sigma : ndarray of float64, shape (n,)
        Their stated errors, positive.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        None where the errors can be believed, or nothing can be said.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.wrong_errors import find_error_scale
    >>> noise, half = np.random.default_rng(0).normal(0, 1, 2000), np.repeat([1.0, 0.2], 1000)
    >>> find_error_scale(noise, np.ones(2000)) is None
    True
    >>> scale = find_error_scale(noise, half)
    >>> print(f"{np.median(scale[:1000]):.0f} {np.median(scale[1000:]):.0f}")
    1 5
    """
    if len(left) < LEAST_LEFT:
        return None
    count = min(STRETCHES, len(left) // STRETCH)
    # nearly all spectra end here
    if not any(_may_be_wrong(left, sigma, lag, count) for lag in (1, 2)):
        return None
    first, second = (_measure_stretches(left, sigma, lag, count) for lag in (1, 2))
    if not (_is_wrong(first) or _is_wrong(second)):
        return None
    fourth, eighth = (_measure_stretches(left, sigma, lag, count) for lag in (4, 8))
    noise = _find_noise(first / second, second / fourth)
    if noise is not None and measure_tail(take_differences(left, 1) / sigma[1:-1], 1) < GAUSSIAN:
        # the forest of a quasar, say, is no noise, and tells nothing of the errors there
        scale = np.exp(np.interp(np.arange(count), noise, np.log(second[noise])))
        return _spread(scale, len(left)) if _is_wrong(scale) else None
    most = np.max([first, second, fourth, eighth], axis=0)
    if np.mean(most < BELOW) >= SHARE:
        return _spread(np.minimum(most, 1.0), len(left))
    if np.median(first) < BELOW < np.median(fourth) < ABOVE and np.median(first / fourth) < PIXELS_OWN[0]:
        scale = _measure_sums(left, sigma)
        return np.full(len(left), scale) if scale > SHARED else None
    return None


def _find_noise(*ratios):
    """The stretches in which pixels have noise of their own, by the ratios of scatter at lags 1 and 2; None if few."""
    found = np.flatnonzero(
        np.all([ratio > LOCAL * least for ratio, least in zip(ratios, PIXELS_OWN, strict=True)], axis=0)
    )
    if len(found) < SHARE * len(ratios[0]):
        return None
    own = all(np.median(ratio[found]) > least for ratio, least in zip(ratios, PIXELS_OWN, strict=True))
    return found if own else None


def _is_wrong(scale):
    """Whether scatter and stated errors do not go together in a good part of the stretches."""
    return max(np.mean(scale < BELOW), np.mean(scale > ABOVE)) >= SHARE


def _spread(scale, n):
    """What holds for stretches for each of ``n`` pixels."""
    return np.repeat(scale, -(-n // len(scale)))[:n]


def _may_be_wrong(left, sigma, lag, count):
    """What `_is_wrong` says of `_measure_stretches`, or True, in a tenth of its time: by counting pixels.

    A median is not below a limit if less than half of the numbers are.
    """
    ratio, ends = _divide_differences(left, sigma, lag, count)
    half = (np.diff(np.append(ends[:-1], len(ratio))) - 1) // 2
    return any(
        np.mean(np.add.reduceat(beyond, ends[:-1], dtype=np.int64) > half) >= SHARE
        for beyond in (ratio < NEARLY * BELOW / SIGMA_PER_MAD, ratio > ABOVE / SIGMA_PER_MAD / NEARLY)
    )


def _measure_stretches(left, sigma, lag, count):
    """Scatter of differences at a lag over the stated one, (count,)."""
    ratio, ends = _divide_differences(left, sigma, lag, count)
    return np.array([SIGMA_PER_MAD * find_median(ratio[start:stop]) for start, stop in itertools.pairwise(ends)])


def _divide_differences(left, sigma, lag, count):
    """Differences at a lag over their stated scatter, and where stretches begin and end."""
    size = -(-len(left) // count)
    ratio = take_differences(left, lag) / _add_errors(sigma**2, lag)
    return ratio, np.maximum(np.arange(count + 1) * size - lag, 0)


def _measure_sums(left, sigma):
    """Scatter of the differences of sums over neighbours over the stated one."""
    whole = len(left) // SUMMED * SUMMED
    sums, variance = (values[:whole].reshape(-1, SUMMED).sum(axis=1) for values in (left, sigma**2))
    return SIGMA_PER_MAD * float(find_median(take_differences(sums, 1) / _add_errors(variance, 1)))


def _add_errors(variance, lag):
    """Standard deviation of second differences at a lag."""
    return np.sqrt(4 * variance[lag:-lag] + variance[: -2 * lag] + variance[2 * lag :])
