# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors that cannot be those of the flux they come with: far larger than it, and than its scatter."""

import numpy as np

from astro_spectok.spectra.noise import estimate_noise

__all__ = ["replace_wrong_errors"]

#: median of the absolute flux over its error below which errors are looked at: noise alone, with right errors, has 0.67
_DOUBTFUL = 0.1
#: times the scatter from pixel to pixel that errors must then have on the median to be replaced
_TOO_LARGE = 10.0
#: pixels of each row that the first look takes, and fewest good ones that a scatter is measured of
_SAMPLE, _LEAST_PIXELS = 128, 32


def replace_wrong_errors(flux, ivar):
    """Estimate the errors of spectra whose stated ones are wrong beyond doubt, in a wrong unit say.

    A spectrum whose errors are more than ten times its flux, and more than ten times the scatter of its pixels, would
    be taken for one without any information.

    Parameters
    ----------
    flux : ndarray of float32, shape (n, m)
        Finite.
    ivar : ndarray of float32, shape (n, m)
        0 in bad pixels, which stay bad; changed in place.

    Returns
    -------
    ndarray of bool, shape (n,)
        Rows whose inverse variances were replaced, by those of `~astro_spectok.spectra.estimate_noise`.
    """
    replaced = np.zeros(len(flux), bool)
    if not flux.size:
        return replaced
    step = max(1, flux.shape[1] // _SAMPLE)
    seen, weight = flux[:, ::step].astype(np.float64), ivar[:, ::step].astype(np.float64)
    # few pixels above the limit are enough to leave a spectrum alone
    high = np.count_nonzero(seen**2 * weight > _DOUBTFUL**2, axis=1)
    for row in np.flatnonzero(2 * high < np.count_nonzero(weight, axis=1)).tolist():
        good = ivar[row] > 0
        if np.count_nonzero(good) < _LEAST_PIXELS or not flux[row, good].any():
            continue
        stated = ivar[row, good].astype(np.float64) ** -0.5
        sigma, kept = estimate_noise(flux[row], good)
        if np.median(np.abs(flux[row, good]) / stated) < _DOUBTFUL and np.median(stated / sigma[good]) > _TOO_LARGE:
            ivar[row] = np.where(kept, sigma**-2, 0)
            replaced[row] = True
    return replaced
