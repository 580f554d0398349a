# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the spectrum itself, independent of a network: whether there is light, and enough coverage."""

import numpy as np

__all__ = ["has_little_coverage", "has_negative_continuum", "lacks_signal"]

#: standard deviations by which the mean flux must be below zero, or that of a stretch
NEGATIVE, NEGATIVE_STRETCH = 3.0, 5.0
#: stretches that a spectrum is divided into, and share of them that may be significantly negative
STRETCHES, MOST_NEGATIVE = 32, 0.2
#: standard deviations of chi squared by which the means of stretches, less the highest, must exceed noise
SIGNAL = 4.0
#: good pixels, and width in ln(wavelength) that they fill, of which one must be there: 200 pixels of SDSS or an eighth
#: of an order of an echelle are too few, a prism's hundred over an octave, or 2000 of one arm, are enough
FEWEST_PIXELS, NARROWEST = 300, 0.1


def _average_stretches(flux, ivar):
    """Mean of the good pixels of each stretch over its standard deviation, (32,) or fewer."""
    good = np.asarray(ivar) > 0
    flux, ivar = np.asarray(flux, np.float64)[good], np.asarray(ivar, np.float64)[good]
    if not len(flux):
        return np.zeros(0)
    size = -(-len(flux) // STRETCHES)
    starts = np.arange(0, len(flux), size)
    return np.add.reduceat(flux * ivar, starts) / np.sqrt(np.add.reduceat(ivar, starts))


def lacks_signal(flux, ivar):
    """Whether nothing is seen but noise, and perhaps one spike.

    Parameters
    ----------
    flux, ivar : ndarray, shape (n,)
        Pixels with an inverse variance of 0 are not counted.

    Returns
    -------
    bool
        True without a good pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.signal import lacks_signal
    >>> noise = np.random.default_rng(0).normal(0, 1, 1000)
    >>> lacks_signal(noise, np.ones(1000)), lacks_signal(noise + 0.5, np.ones(1000))
    (True, False)
    """
    means = np.sort(_average_stretches(flux, ivar) ** 2)[:-1]
    if not len(means):
        return True
    # the highest is left out: a hot pixel is no spectrum
    return bool(means.sum() < len(means) + SIGNAL * np.sqrt(2 * len(means)))


def has_negative_continuum(flux, ivar):
    """Whether the mean flux of a spectrum, or of a good part of it, is negative beyond its error.

    Means are weighted by inverse variance. Where too much was subtracted, it often was at one end.
    """
    weight = np.asarray(ivar, np.float64)
    if np.sum(np.asarray(flux, np.float64) * weight) < -NEGATIVE * np.sqrt(np.sum(weight)):
        return True
    means = _average_stretches(flux, ivar)
    return bool(len(means) and np.mean(means < -NEGATIVE_STRETCH) > MOST_NEGATIVE)


def has_little_coverage(wavelength, ivar):
    """Whether the good pixels are few and fill little of the spectrum.

    Parameters
    ----------
    wavelength, ivar : ndarray, shape (n,)
        Pixels with an inverse variance of 0 are not counted.

    Returns
    -------
    bool
    """
    good = np.asarray(ivar) > 0
    count = np.count_nonzero(good)
    if not 2 <= count < FEWEST_PIXELS:
        return bool(count < 2)
    return bool(count * np.median(np.diff(np.log(np.asarray(wavelength, np.float64)[good]))) < NARROWEST)
