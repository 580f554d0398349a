# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors that cannot be those of the flux they come with: far larger or far smaller than its scatter."""

import numpy as np

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.noise import estimate_noise
from astro_spectok.spectra.scatter import TO_SIGMA, measure_tail, take_differences

__all__ = ["correct_errors"]

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
