# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Values that stand for none, and those that no instrument gives: bad pixels, whoever forgot to mask them."""

import numpy as np

__all__ = ["find_fill_values"]

#: what stands for no value: netCDF (float, double), IRAF and SDSS (-99 to -9999), 16-bit FITS, "infinity" of many,
#: points that were taken out of planetary spectra (-1.23e34)
FILLS = (
    9.969209968386869e36, 9.96921e36, 1.23e34, 1e20, 1e30, 1e35, 1e36, 1e37, 1e38, 3.4028234663852886e38,
    99.0, 999.0, 9999.0, 99999.0, 999999.0, 32768.0, 32767.0, 2147483648.0, 2147483647.0,
)  # fmt: skip
_FILLS = np.array(FILLS)
#: pixels that must have exactly that value, and how far it must lie outside the range of 98 per cent of the others, in
#: units of that range
REPEATED, OUTSIDE = 2, 1.0
#: times the median absolute flux that is a damaged byte: the brightest line of a spectrum without continuum stands some
#: thousand times above its noise
DAMAGED = 1e7
#: pixels of a row that its usual size is first read from
SAMPLE = 32


def find_fill_values(flux):
    """Find pixels whose flux is none: fill values, and numbers as damaged bytes make them.

    A fill value is one of those in use, with either sign, that occurs more than once and lies far outside the range of
    the other fluxes, as -999 among fluxes of about 3, but not among counts of about 5000.

    Parameters
    ----------
    flux : ndarray, shape (n, m)
        As given, in any unit; NaN is left to others.

    Returns
    -------
    ndarray of bool, shape (n, m), or None
        None if there is no such pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.fill_values import find_fill_values
    >>> flux = np.random.default_rng(0).normal(3, 1, (1, 100))
    >>> find_fill_values(flux) is None
    True
    >>> flux[0, [7, 8]] = -999
    >>> np.flatnonzero(find_fill_values(flux)[0]).tolist()
    [7, 8]
    """
    if not flux.size or flux.dtype.kind not in "iuf":
        return None
    found = None
    with np.errstate(all="ignore"):
        low, high = flux.min(axis=1), flux.max(axis=1)
        holes = np.flatnonzero(np.isnan(low))
        if len(holes):
            # several times as slow, so that only rows with NaN are gone through again
            low[holes], high[holes] = np.fmin.reduce(flux[holes], axis=1), np.fmax.reduce(flux[holes], axis=1)
        extreme = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
        # a fill value is the lowest or the highest; anything else is seldom that far out
        suspect = _is_fill(low) | _is_fill(high) | ~(extreme <= DAMAGED * _measure_size(flux))
        for row in np.flatnonzero(suspect).tolist():
            bad = _search_row(flux[row])
            if bad.any():
                found = np.zeros(flux.shape, bool) if found is None else found
                found[row] = bad
    return found


def _measure_size(flux):
    """Median absolute value of some pixels of each row, (n,)."""
    seen = np.abs(flux[:, :: max(1, flux.shape[1] // SAMPLE)].astype(np.float64))
    # NumPy's nanmedian of rows as short as these goes through masked arrays, thirty times as slow; NaN is sorted last
    ordered, count, rows = np.sort(seen, axis=1), np.count_nonzero(~np.isnan(seen), axis=1), np.arange(len(seen))
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, seen.shape[1] - 1)
    middle = 0.5 * (ordered[rows, low] + ordered[rows, high])
    return np.where(np.isfinite(seen).any(axis=1), middle, 0.0)


def _is_fill(values):
    """Mask of the fill values, within the rounding of the type that holds them."""
    size = np.abs(np.asarray(values, np.float64))
    return (np.abs(size[..., None] - _FILLS) <= 1e-6 * _FILLS).any(axis=-1)


def _search_row(flux):
    """Bad pixels of one spectrum."""
    bad = np.zeros(len(flux), bool)
    values = flux.astype(np.float64)
    for fill in FILLS:
        for sign in (-1, 1):
            same = np.abs(values - sign * fill) <= 1e-6 * fill
            if np.count_nonzero(same) >= REPEATED and _lies_outside(sign * fill, values[~same & ~bad]):
                bad |= same
    usual = values[~bad & np.isfinite(values)]
    if len(usual):
        size = np.median(np.abs(usual))
        size = size if size > 0 else np.mean(np.minimum(np.abs(usual), np.quantile(np.abs(usual), 0.98)))
        if size > 0:
            bad |= np.abs(values) > DAMAGED * size
    return bad


def _lies_outside(value, others):
    """Whether a value lies far outside the range of the others."""
    others = others[np.isfinite(others)]
    if not len(others):
        return True
    low, high = np.quantile(others, [0.01, 0.99])
    reach = OUTSIDE * (high - low)
    return not low - reach <= value <= high + reach
