# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lone bright pixels that no line of an object can make: cosmic rays and hot pixels that nobody masked."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["find_hot_pixels"]

#: pixels on either side that one is compared with
_REACH = 4
#: of these so many must be good, the two beside it among them
_FEWEST = 5
#: how far it must stand above their median: in standard deviations, and over the range of all but their highest
_SIGMAS, _RANGES = 6.0, 3.0
#: rise of the two pixels beside the highest of a line, together and over its own: a line whose FWHM is two pixels makes
#: them rise by 1.0, one of 1.2 pixels by 0.5
_SHARED = 0.4
#: standard deviations by which these must rise less than that; noise is 1.4 of them
_MARGIN = 4.0


def find_hot_pixels(flux, ivar):
    """Find good pixels that are bright alone.

    The light of a line is spread over pixels, by the instrument if by nothing else. A pixel is hot if it stands out of
    the four on either side, by ten standard deviations or more, while the two beside it rise by less than any
    instrument with 1.2 pixels or more per FWHM would leave in them. Two that are hot beside each other are not found,
    nor the first and the last of a spectrum, nor one beside a bad pixel. Units do not matter; NaN counts as bad.

    Parameters
    ----------
    flux : ndarray, shape (m,)
        In order of wavelength.
    ivar : ndarray, shape (m,)
        Inverse variance, 0 for bad pixels, whose flux is not used.

    Returns
    -------
    ndarray of bool, shape (m,)

    Notes
    -----
    Of hot pixels that are 5 to 100 standard deviations high it finds three quarters, nearly all above 15.

    References
    ----------
    van Dokkum 2001, PASP 113, 1420, for telling cosmic rays by their sharpness.
    """
    hot = np.zeros(len(flux), dtype=bool)
    good = (ivar > 0) & np.isfinite(flux)
    if np.count_nonzero(good) <= _FEWEST:
        return hot
    level = np.where(good, flux, np.nan)
    # most pixels are out at once: not so far above both neighbours
    rise = level[1:-1] - np.fmax(level[:-2], level[2:])
    known = good[:-2] & good[1:-1] & good[2:]
    with np.errstate(invalid="ignore", over="ignore"):
        maybe = 1 + np.flatnonzero(known & (rise > 0) & (rise**2 * ivar[1:-1] > (0.5 * _SIGMAS) ** 2))
    if len(maybe):
        hot[maybe] = _stand_out(level, maybe, ivar[maybe].astype(np.float64) ** -0.5)
    return hot


def _stand_out(level, places, sigma):
    """Whether the pixels at ``places`` are hot; ``level`` is NaN where it is bad."""
    padded = np.pad(level.astype(np.float64), _REACH, constant_values=np.nan)
    around = np.delete(sliding_window_view(padded, 2 * _REACH + 1)[places], _REACH, axis=1)  # (k, 8)
    median = np.nanmedian(around, axis=1)
    height = level[places] - median
    # the highest may itself be hot
    second = np.sort(np.nan_to_num(around, nan=-np.inf), axis=1)[:, -2]
    span = second - np.nanmin(around, axis=1)
    beside = around[:, _REACH - 1] + around[:, _REACH] - 2 * median
    enough = np.count_nonzero(np.isfinite(around), axis=1) >= _FEWEST
    return (
        enough
        & (height > _SIGMAS * sigma)
        & (height > _RANGES * span)
        & (beside < _SHARED * height - _MARGIN * sigma)
    )  # fmt: skip
