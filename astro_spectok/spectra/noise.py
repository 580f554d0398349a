# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The noise of a spectrum without errors, estimated from its own pixel-to-pixel scatter."""

import numpy as np

from astro_spectok.spectra.scatter import (
    BETWEEN,
    TO_SIGMA,
    count_interpolated,
    measure_tail,
    measure_windows,
    take_differences,
)

__all__ = ["estimate_noise"]

_LAGS = (1, 2, 4, 8)
_MIN_PIXELS = 2 * _LAGS[-1] + 16
#: no calibration is better than this fraction of the flux, not even that of a noise-free template
_MIN_FRACTION = 1e-3
#: so many exact zeros in a row are padding, not data
_PADDING = 32
#: second differences of a smooth signal fall by about 1/8 (squared) from lag 2 to lag 1: stars of MILES, 1/6 to 1/10
_SIGNAL_RATIO = 1.0 / 8.0


def _growth(width, lag):
    """Variance of second differences over that of white noise, for noise smoothed by a Gaussian of ``width`` pixels."""
    rho = np.exp(-np.square(np.array([lag, 2.0 * lag])[:, None] / (2.0 * width)))
    return (6.0 - 8.0 * rho[0] + 2.0 * rho[1]) / 6.0


_WIDTHS = np.geomspace(0.2, 16.0, 128)
#: n(1) / n(2) over the width of the smoothing: falls from 1 to 1/4
_RATIO_TABLE = np.sqrt(_growth(_WIDTHS, 1) / _growth(_WIDTHS, 2))


def _find_padding(flux):
    """Mask of the pixels where ``flux`` is exactly zero for 32 pixels or more in a row."""
    zero = np.concatenate(([False], flux == 0, [False]))
    edges = np.flatnonzero(zero[1:] != zero[:-1])
    padding = np.zeros(len(flux), dtype=bool)
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= _PADDING:
            padding[start:stop] = True
    return padding


def _find_width(sigma, lag):
    """Width in pixels of the Gaussian that smoothed noise, from its scatter at ``lag`` and twice that."""
    ratio = np.clip(sigma[lag] / sigma[2 * lag], _RATIO_TABLE[-1], 1.0)
    return lag * np.interp(ratio, _RATIO_TABLE[::-1], _WIDTHS[::-1])


def _correct_correlation(sigma):
    """Noise that was smoothed, from ``sigma`` (dict by lag) at white-noise calibration.

    Returns sigma, the lag that shows it best, and how well (0 to 1) the lags agree on one width.
    """
    # take the shortest lags whose ratio still depends on the width: towards 1/4 it saturates
    base = next((lag for lag in (1, 2) if sigma[lag] > 0.35 * sigma[2 * lag]), 4)
    width = _find_width(sigma, base)
    agree = 1.0
    if base == 1:
        # white noise on top of lines has a small width at short lags, that of the lines at longer ones
        agree = float(np.clip((1.45 - _find_width(sigma, 2) / width) / 0.25, 0.0, 1.0))
    return sigma[2 * base] / np.sqrt(_growth(width, 2 * base)[0]), 2 * base, agree


def _decide(flux, least):
    """Return (sigma over all, lag at which its run along the spectrum is best seen); not below ``least``."""
    differences = {lag: take_differences(flux, lag) for lag in _LAGS}
    sigma = {lag: max(TO_SIGMA * float(np.median(d)), least) for lag, d in differences.items()}
    # how much of the scatter at lag 2 is white: what lag 1 holds beyond its share of a smooth signal
    white = (sigma[1] ** 2 / sigma[2] ** 2 - _SIGNAL_RATIO) / (1.0 - _SIGNAL_RATIO)
    correlated = np.clip((0.55 - white) / 0.15, 0.0, 1.0)
    if correlated == 0:
        return sigma[1], 1
    smoothed, lag, agree = _correct_correlation(sigma)
    if sigma[1] < BETWEEN * sigma[2]:
        # neither noise nor lines fall below 1/4: pixels that were interpolated between others
        return smoothed, lag
    # smooth scatter is noise if it is Gaussian; lines are few and strong
    correlated *= agree * np.clip((1.2 - measure_tail(differences[2], 2)) / 0.15, 0.0, 1.0)
    blend = sigma[1] ** (1.0 - correlated) * smoothed**correlated
    return blend, lag if correlated > 0.5 else 1


def _estimate_coarser(used, finer, good):
    """Noise of pixels that were interpolated: that of every so manieth one, as if these were all."""
    # those that lie between two have less of it than those at which both grids meet
    parts = [estimate_noise(used[first::finer], np.ones(len(used[first::finer]), bool))[0] for first in (0, finer // 2)]
    best = int(np.median(parts[1]) > np.median(parts[0]))
    places = np.arange(len(parts[best])) * finer + best * (finer // 2)
    return np.interp(np.cumsum(good) - 1.0, places, parts[best])


def estimate_noise(flux: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the standard deviation of the noise in each pixel of one spectrum.

    The median of second differences (DER_SNR) is taken in windows of 192 good pixels, so that
    noise may vary along the spectrum and lines do not matter. Its lag is 1 pixel; if longer
    lags show more scatter, and that scatter is Gaussian rather than lines, the flux was
    smoothed or resampled, and the estimate is corrected for the correlation of its noise. Where it was interpolated to
    many times as many pixels, what counts is the scatter of every so manieth one.
    Lines that fill the spectrum of a bright star as densely as noise does are indistinguishable from
    it: the noise is then overestimated. It is never below 0.1 % of the flux. Unit: that of the flux.

    Parameters
    ----------
    flux : ndarray, shape (m,)
        Finite; increasing or decreasing wavelength.
    good : ndarray of bool, shape (m,)
        The flux of other pixels is not used.

    Returns
    -------
    sigma : ndarray of float64, shape (m,)
        Positive everywhere.
    good : ndarray of bool, shape (m,)
        As given, less long runs of exact zeros: padding.

    References
    ----------
    Stoehr et al. 2008, ASP Conf. Ser. 394, 505 (DER_SNR).

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra import estimate_noise
    >>> x = np.arange(2000)
    >>> flux = 10 + np.sin(x / 50) + np.random.default_rng(1).normal(0, 0.2, 2000)
    >>> sigma, good = estimate_noise(flux, np.ones(2000, bool))
    >>> print(f"{np.median(sigma):.1f}")
    0.2
    """
    padding = _find_padding(np.where(good, flux, 0.0)) & good
    if padding.any() and not np.array_equal(padding, good):
        good = good & ~padding
    used = flux[good].astype(np.float64)
    if not used.any():
        return np.ones(len(flux)), good
    least = _MIN_FRACTION * max(np.median(np.abs(used)), 1e-3 * np.abs(used).max())
    if len(used) < _MIN_PIXELS:
        return np.full(len(flux), max(float(used.std()), least)), good
    finer = count_interpolated(used)
    if finer > 1:
        return _estimate_coarser(used, finer, good), good
    sigma, lag = _decide(used, least)
    difference = take_differences(used, lag)
    overall = TO_SIGMA * float(np.median(difference))
    if overall <= 0:
        # more than half of the pixels repeat their neighbours: counts of zero, or few digits
        return np.full(len(flux), max(float(np.diff(used).std()) / np.sqrt(2.0), least)), good
    centres, local = measure_windows(difference, lag)
    local = np.maximum(local * (sigma / overall), max(0.1 * sigma, least))
    # windows count good pixels; bad ones take the value of their neighbours
    place = np.cumsum(good) - 1.0
    return np.exp(np.interp(place, centres, np.log(local))), good
