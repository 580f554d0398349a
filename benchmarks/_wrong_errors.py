# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra whose stated errors are wrong, or whose pixels share their noise, each way by its name."""

from functools import partial

import numpy as np

__all__ = ["AS_STATED", "WAYS", "lower_snr"]

#: what errors are multiplied by
FACTORS = (0.1, 0.2, 0.5, 2.0, 5.0, 10.0)
#: pixels that are averaged into each, and finer pixels to one
SMOOTHED, FINER = 3, 4
AS_STATED = "as stated"


def _scale(wavelength, flux, ivar, *, factor, red=False):
    """Errors of all pixels, or of the redder half, times ``factor``."""
    wrong = ivar.astype(np.float64)
    wrong[len(ivar) // 2 if red else 0 :] *= factor**-2.0
    return wavelength, flux, wrong, ivar


def _smooth(wavelength, flux, ivar):
    """A running mean, with the errors of one mean each, as if others did not share its pixels."""
    good, box = ivar > 0, np.ones(SMOOTHED)
    count = np.maximum(np.convolve(good, box, "same"), 1)
    mean = np.convolve(np.where(good, flux, 0), box, "same") / count
    variance = np.convolve(1 / np.where(good, ivar, np.inf), box, "same") / count**2
    ivar = np.where(good, 1 / np.where(good, variance, 1), 0)
    return wavelength, np.where(good, mean, 0), ivar, ivar


def _interpolate(wavelength, flux, ivar):
    """Flux and errors interpolated linearly to finer pixels."""
    good, place = ivar > 0, np.arange(len(flux))
    fine = np.arange(0, len(flux) - 1, 1 / FINER)
    known = good[np.floor(fine).astype(int)] & good[np.ceil(fine).astype(int)]
    finer = (np.interp(fine, place[good], values[good]) for values in (flux, 1 / np.sqrt(np.where(good, ivar, 1))))
    flux, sigma = (np.where(known, values, 0) for values in finer)
    ivar = np.where(known, 1 / np.where(known, sigma, 1) ** 2, 0)
    return np.interp(fine, place, wavelength), flux, ivar, ivar


#: wavelength, flux and inverse variance to these and the right inverse variance
WAYS = {
    AS_STATED: partial(_scale, factor=1.0),
    **{f"times {factor:g}": partial(_scale, factor=factor) for factor in FACTORS},
    **{f"red half times {factor:g}": partial(_scale, factor=factor, red=True) for factor in FACTORS},
    f"mean of {SMOOTHED} pixels": _smooth,
    f"interpolated to {FINER} pixels": _interpolate,
}


def lower_snr(flux, ivar, share, rng):
    """Flux and inverse variance with noise added, until the signal-to-noise ratio is ``share`` of what it was."""
    good = ivar > 0
    sigma = np.where(good, 1 / np.sqrt(np.where(good, ivar, 1)), 0)
    return flux + rng.normal(size=len(flux)) * sigma * np.sqrt(share**-2.0 - 1), ivar * share**2
