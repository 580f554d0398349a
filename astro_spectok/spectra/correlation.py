# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Over how many pixels the noise of a spectrum is shared: fluxes that were interpolated to a finer grid or smoothed."""

import numpy as np

from astro_spectok.spectra.scatter import (
    FEWEST,
    INDEPENDENT,
    LONGEST,
    count_interpolated,
    measure_scatter,
    measure_tail,
    take_differences,
)

__all__ = ["find_correlation"]

#: scatter from pixel to pixel over that of the next but one, above which pixels are as independent as those of archives
#: that smooth what they show, which networks have seen
SMOOTH = 0.3
#: lag from which smoothed noise is independent that no such archive reaches
USUAL = 16
#: how much heavier than a Gaussian's the tail of the differences of noise may be, and their scatter over the stated one
GAUSSIAN, STATED = 1.2, 2.0


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
    >>> from astro_spectok.spectra.correlation import find_correlation
    >>> noise = np.random.default_rng(1).normal(10, 1, 1000)
    >>> finer = np.interp(np.arange(8000) / 8, np.arange(1000), noise)
    >>> find_correlation(noise, np.ones(1000)), find_correlation(finer, np.ones(8000))
    (1, 8)
    """
    good = ivar > 0
    used = flux[good].astype(np.float64)
    shared = count_interpolated(used)
    if shared > 1 or len(used) < 4 * USUAL + FEWEST or measure_scatter(used, 1) > SMOOTH * measure_scatter(used, 2):
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
