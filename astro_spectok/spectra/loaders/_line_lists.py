# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lists of lines, such as those of lamps, which have wavelengths and intensities and are no spectra."""

import numpy as np

__all__ = ["is_line_list"]

#: wavelengths whose spacings are added up before they are compared, so that rounding matters little; fewest wavelengths
_LAG, _FEWEST = 8, 40
#: of fewer: spacings that say something, and the scatter of their logarithm from which they are uneven
_FEWEST_STEPS, _UNEVEN = 6, 0.6
#: median change of spacing (ln) from which wavelengths stand at random: detectors have up to 0.05, curves that were
#: traced by hand from plates up to 0.3, random ones 0.35
_IRREGULAR = 0.15
#: correlation of neighbouring values (of their ranks) from which they trace a curve: noise alone has none, but then
#: spacings are even; traced curves have 1.0, intensities of lines 0.1 to 0.5
_SMOOTH = 0.7
#: median difference of neighbours over their errors up to which they are of one curve: intensities of lines differ by
#: many times their errors
_AGREE = 3.0


def is_line_list(wave, values, error=None):
    """Whether wavelengths are as irregular as those of spectral lines, and values do not trace a curve.

    Parameters
    ----------
    wave, values : ndarray, shape (m,)
    error : ndarray, shape (m,), optional
        Standard deviations: values that agree with their neighbours trace a curve, as those of many narrow bands.

    Returns
    -------
    bool
        Of fewer than 40 values by their wavelengths alone.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.loaders._line_lists import is_line_list
    >>> rng = np.random.default_rng(1)
    >>> lines = np.sort(rng.uniform(3000, 10000, 300))
    >>> is_line_list(lines, rng.exponential(100, 300)), is_line_list(np.linspace(3000, 9000, 300), rng.normal(size=300))
    (True, False)
    """
    with np.errstate(invalid="ignore"):
        good = np.isfinite(wave) & (wave > 0) & np.isfinite(values)
    wave, first = np.unique(wave[good], return_index=True)
    if error is not None and len(wave) >= _FEWEST and _agree(values[good][first], error[good][first]):
        return False
    x = np.log(wave)
    if len(wave) < _FEWEST:
        # too few to compare neighbours: but for gaps between arms, the pixels of a spectrum are of one size
        steps = np.sort(np.log(np.diff(x)))[: -max(len(x) // 8, 1)]
        return len(steps) >= _FEWEST_STEPS and bool(np.std(steps) > _UNEVEN)
    spacing = np.log(x[_LAG:] - x[:-_LAG])
    if np.median(np.abs(spacing[_LAG:] - spacing[:-_LAG])) < _IRREGULAR:
        return False
    ranks = np.argsort(np.argsort(values[good][first], kind="stable")) - 0.5 * (len(wave) - 1)
    return bool(ranks[1:] @ ranks[:-1] < _SMOOTH * (ranks @ ranks))


def _agree(values, error):
    """Whether neighbouring values agree within their errors."""
    with np.errstate(divide="ignore", invalid="ignore"):  # bad pixels may have an error of zero
        apart = np.abs(np.diff(values)) / np.hypot(error[1:], error[:-1])
    return bool(np.isfinite(apart).all() and np.median(apart) < _AGREE)
