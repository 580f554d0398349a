# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lone bright pixels that no line of an object can make: cosmic rays and hot pixels that nobody masked."""

import numpy as np

__all__ = ["find_hot_pixels"]

#: pixels on either side that one is compared with
_REACH = 4
_NEIGHBOURS = np.array([k for k in range(-_REACH, _REACH + 1) if k])
#: of these so many must be good, the two beside it among them
_FEWEST = 5
#: how far it must stand above their median: in standard deviations, and over the range of all but their highest
_SIGMAS, _RANGES = 6.0, 3.0
#: rise of the two pixels beside the highest of a line, together and over its own: a line whose FWHM is two pixels makes
#: them rise by 1.0, one of 1.2 pixels by 0.5
_SHARED = 0.4
#: standard deviations by which these must rise less than that; noise is 1.4 of them
_MARGIN = 4.0


def find_hot_pixels(flux, ivar, *, lengths=None):
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
    lengths : ndarray of int, optional
        Pixels of each of several spectra that stand one after the other; all is one spectrum if not given.

    Returns
    -------
    ndarray of bool, shape (m,)

    Notes
    -----
    Of hot pixels that are 5 to 100 standard deviations high it finds three quarters, nearly all above 15.

    References
    ----------
    van Dokkum 2001, PASP 113, 1420, for recognising cosmic rays by their sharpness.
    """
    if lengths is not None and len(lengths) > 1:
        # so far apart none is a neighbour of another's
        places = np.arange(len(flux)) + np.repeat(_REACH * np.arange(len(lengths)), lengths)
        apart = np.zeros((2, len(flux) + _REACH * len(lengths)), np.result_type(flux, ivar))
        apart[:, places] = flux, ivar
        return find_hot_pixels(*apart)[places]
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
    padded = np.pad(level, _REACH, constant_values=np.nan)
    around = padded[places[:, None] + _REACH + _NEIGHBOURS].astype(np.float64)  # (k, 8)
    ordered = np.sort(around, axis=1)  # NaN last
    number = np.count_nonzero(np.isfinite(around), axis=1)
    rows = np.arange(len(places))
    median = 0.5 * (ordered[rows, (number - 1) // 2] + ordered[rows, number // 2])
    height = level[places] - median
    # the highest may itself be hot
    span = ordered[rows, number - 2] - ordered[:, 0]
    beside = around[:, _REACH - 1] + around[:, _REACH] - 2 * median
    return (
        (number >= _FEWEST)
        & (height > _SIGMAS * sigma)
        & (height > _RANGES * span)
        & (beside < _SHARED * height - _MARGIN * sigma)
    )  # fmt: skip
