# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kind of an error column, from its statistics: standard deviation, variance, inverse variance, relative error."""

import numpy as np

from astro_spectok.spectra.fill_values import FILLS
from astro_spectok.spectra.noise import estimate_noise

__all__ = ["KIND_NAMES", "judge_error_kind", "match_error_kind", "to_deviation"]

KIND_NAMES = {
    "err": "standard deviation", "var": "variance", "ivar": "inverse variance", "rel": "relative error",
    "snr": "signal-to-noise ratio",
}  # fmt: skip
#: a stated error this much off the scatter of the flux is absurd (chi2 off by its square) ...
_ABSURD = 30.0
#: ... and another kind is right if it comes this close
_RIGHT = 4.0
#: a stated error this far off can only be in another unit than the flux
_ANOTHER_UNIT = 1e5
#: fewest pixels that say something; most that are looked at; those of a first glance
_LEAST_PIXELS, _MOST_PIXELS, _GLANCE_PIXELS = 48, 2048, 512
#: median of second differences over the error by which a glance believes it: of white noise it is 1.65
_NEAR = (0.5, 5.0)


def to_deviation(error, kind, flux):
    """An error of any kind as standard deviation; NaN where it says nothing."""
    with np.errstate(all="ignore"):
        if kind == "var":
            return np.sqrt(error)
        if kind == "ivar":
            return np.where(error > 0, error, np.nan) ** -0.5
        if kind == "rel":
            return error * np.abs(flux)
        if kind == "snr":
            return np.abs(flux / np.where(error > 0, error, np.nan))
        return np.asarray(error, float)


def judge_error_kind(flux, error, stated="err"):
    """The kind of error in a column.

    The name is believed unless it is absurd: off the scatter from pixel to pixel by more than a factor of 30, so that
    chi2 against the smoothed flux is off by a thousand, while another kind comes within a factor of 4 (120 where it
    is off by 1e5, as only another unit can be).

    Parameters
    ----------
    flux, error : ndarray, shape (m,)
        Of one spectrum.
    stated : {'err', 'var', 'ivar', 'snr'}
        What the name says.

    Returns
    -------
    {'err', 'var', 'ivar', 'rel', 'snr'}
        ``stated`` where the data do not contradict, or do not suffice.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.loaders._error_kind import judge_error_kind
    >>> rng = np.random.default_rng(0)
    >>> flux = 1e-15 * (3 + rng.normal(0, 0.1, 500))
    >>> judge_error_kind(flux, np.full(500, 1e-32)), judge_error_kind(flux, np.full(500, 1e-16))
    ('var', 'err')
    """
    if _is_near(flux, error, stated):
        return stated
    off = _measure_misfit(flux, error, (stated,))
    if off is None or not off[stated] > np.log(_ABSURD):
        return stated
    off = _measure_misfit(flux, error, {stated, "err", "var", "ivar", "rel"})
    best = min((kind for kind in off if kind != stated), key=off.get)
    # off by powers of ten, it is another unit: then the best is good enough if it is not absurd itself
    enough = _RIGHT if off[stated] < np.log(_ANOTHER_UNIT) else _ABSURD * _RIGHT
    return best if off[best] < np.log(enough) else stated


def _is_near(flux, error, kind):
    """Whether an error is near the scatter of the flux from pixel to pixel, by a glance at a few pixels."""
    middle = slice(max(len(flux) // 2 - _GLANCE_PIXELS // 2, 0), len(flux) // 2 + _GLANCE_PIXELS // 2)
    flux, error = (
        np.asarray(flux[middle], np.float64),
        to_deviation(np.asarray(error[middle], np.float64), kind, flux[middle]),
    )
    second = np.abs(2 * flux[1:-1] - flux[:-2] - flux[2:])
    with np.errstate(all="ignore"):
        ratio = second / error[1:-1]
    ratio = ratio[np.isfinite(ratio)]
    return len(ratio) >= _LEAST_PIXELS and _NEAR[0] < np.median(ratio) < _NEAR[1]


def match_error_kind(flux, values):
    """Whether unnamed values are the error of a flux.

    Parameters
    ----------
    flux, values : ndarray, shape (m,)

    Returns
    -------
    {'err', 'ivar', 'var', 'snr'} or None
        The first if it agrees with the scatter of the flux within a factor of 4, else that of the others which agrees
        best; None if none does.
    """
    with np.errstate(invalid="ignore"):
        if np.any((np.asarray(values) < 0) & ~np.isin(np.abs(values), FILLS)):
            return None
    off = _measure_misfit(flux, values, ("err", "ivar", "var", "snr"))
    if off is None:
        return None
    best = "err" if off["err"] < np.log(_RIGHT) else min(off, key=off.get)
    return best if off[best] < np.log(_RIGHT) else None


def _measure_misfit(flux, error, kinds):
    """Logarithm of the median error over the scatter of the flux, for each kind it may be of; or None."""
    flux, error = np.asarray(flux, np.float64), np.asarray(error, np.float64)
    if len(flux) > _MOST_PIXELS:  # the middle is enough to see whether an error is absurd
        middle = slice(len(flux) // 2 - _MOST_PIXELS // 2, len(flux) // 2 + _MOST_PIXELS // 2)
        if np.count_nonzero(error[middle] > 0) > _MOST_PIXELS // 2:
            flux, error = flux[middle], error[middle]
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if np.count_nonzero(good) < _LEAST_PIXELS:
        return None
    scale = np.median(np.abs(flux[good]))
    if not scale > 0:
        return None
    sigma, kept = estimate_noise(np.where(good, flux, 0.0) / scale, good)
    good &= kept
    if np.count_nonzero(good) < _LEAST_PIXELS:
        return None
    ratios = {kind: to_deviation(error[good], kind, flux[good]) / (sigma[good] * scale) for kind in kinds}
    with np.errstate(divide="ignore", invalid="ignore"):
        return {kind: float(np.nan_to_num(abs(np.log(np.median(r))), nan=np.inf)) for kind, r in ratios.items()}
