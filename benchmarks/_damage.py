# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Common faults of spectra, applied to single spectra: each by its name, and what it is compared with."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.polynomial import chebyshev

from astro_spectok.spectra.medium import convert_to_air

__all__ = ["COMPARED", "FAULTS", "LEAST_PIXELS", "Exposure", "damage", "has_both_arms", "measure_features"]

#: share of the pixels that are hot, and their height over the noise, drawn evenly in its logarithm
HOT_SHARE, HOT_HEIGHT = 0.03, (5.0, 100.0)
#: height of the spurious line over the noise, likewise, and its FWHM in pixels: that of an unresolved line
LINE_HEIGHT, LINE_FWHM = (20.0, 100.0), 3.0
#: amplitude of the wave in the flux calibration, and its period in ln(wavelength), drawn evenly in its logarithm
WAVE, WAVE_PERIOD = 0.05, (0.02, 0.3)
#: good pixels that must be left without the bluest or the reddest arm
LEAST_PIXELS = 256
#: order of the polynomial that has no features, and most that noise is raised by
SMOOTH, MOST_NOISE = 3, 30.0


@dataclass(frozen=True)
class Exposure:
    """One spectrum as plain arrays of shape (P,).

    Attributes
    ----------
    wavelength : ndarray of float64
        Vacuum Angstrom, increasing.
    flux, ivar : ndarray of float32
        Inverse variance 0 marks a bad pixel.
    arm : ndarray of int
        Number of the arm of the spectrograph that a pixel belongs to.
    truth : ndarray of float32
        The flux without noise.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    arm: np.ndarray
    truth: np.ndarray

    @property
    def good(self):
        """Pixels that count."""
        return self.ivar > 0

    @property
    def arrays(self):
        """What a survey gives: wavelength, flux and ivar."""
        return self.wavelength, self.flux, self.ivar


def has_both_arms(exposure):
    """Whether enough good pixels are left without the bluest arm, and without the reddest."""
    first, last = exposure.arm.min(), exposure.arm.max()
    return min(np.count_nonzero(exposure.good & (exposure.arm != k)) for k in (first, last)) >= LEAST_PIXELS


def damage(name, exposure, seed):
    """One spectrum with a fault.

    Parameters
    ----------
    name : str
        Out of `FAULTS` and `COMPARED`.
    exposure : `Exposure`
    seed : int or sequence of int
        The same seed gives the same damage, whatever errors the spectrum has.

    Returns
    -------
    tuple of ndarray
        Wavelength, flux and ivar.
    """
    return (FAULTS | COMPARED)[name](exposure, np.random.default_rng(seed))


def _find_arm(exposure, blue):
    """Pixels of the bluest or the reddest arm."""
    return exposure.arm == (exposure.arm.min() if blue else exposure.arm.max())


def _calibrate(exposure, flux, factor):
    """Flux, and ivar of what was multiplied by ``factor``."""
    return exposure.wavelength, flux.astype(np.float32), (exposure.ivar / factor**2).astype(np.float32)


def _draw_log(rng, limits, size=None):
    return np.exp(rng.uniform(*np.log(limits), size))


def _noise(exposure):
    """Standard deviation of the good pixels, 0 in the others."""
    return np.where(exposure.good, np.where(exposure.good, exposure.ivar, 1.0) ** -0.5, 0.0)


def _heat_pixels(exposure, rng):
    hot = rng.random(len(exposure.flux)) < HOT_SHARE
    height = hot * _draw_log(rng, HOT_HEIGHT, len(hot)) * _noise(exposure)
    return exposure.wavelength, (exposure.flux + height).astype(np.float32), exposure.ivar


def _add_line(exposure, rng):
    place = rng.choice(np.flatnonzero(exposure.good)) + rng.uniform(-0.5, 0.5)
    height = _draw_log(rng, LINE_HEIGHT)
    sigma = LINE_FWHM / np.sqrt(8 * np.log(2))
    profile = np.exp(-0.5 * np.square((np.arange(len(exposure.flux)) - place) / sigma))
    # as high as it is in the noise where it stands, and of one shape however the noise runs
    level = _noise(exposure)[int(np.clip(np.round(place), 0, len(profile) - 1))]
    flux = np.where(exposure.good, exposure.flux + height * level * profile, exposure.flux)
    return exposure.wavelength, flux.astype(np.float32), exposure.ivar


def _wave_calibration(exposure, rng):
    phase = rng.uniform(0, 2 * np.pi)
    period = _draw_log(rng, WAVE_PERIOD)
    factor = 1 + WAVE * np.sin(2 * np.pi * np.log(exposure.wavelength) / period + phase)
    # calibration multiplies the noise too, and pipelines know that
    return _calibrate(exposure, exposure.flux * factor, factor)


def _mask_arm(exposure, rng, *, blue):
    gone = _find_arm(exposure, blue)
    return exposure.wavelength, np.where(gone, np.float32(0), exposure.flux), np.where(gone, 0, exposure.ivar)


def _cut_arm(exposure, rng, *, blue):
    kept = ~_find_arm(exposure, blue)
    return tuple(x[kept] for x in exposure.arrays)


def measure_features(exposure, used):
    """How far a spectrum without noise is from a smooth one, in chi2: the information on class and redshift.

    Parameters
    ----------
    exposure : `Exposure`
    used : ndarray of bool, shape (P,)
        Pixels that count, all of them good. The smooth spectrum is the nearest polynomial in ln(wavelength).

    Returns
    -------
    float
    """
    weight = np.sqrt(exposure.ivar[used].astype(np.float64))
    x = np.log(exposure.wavelength[used])
    basis = chebyshev.chebvander(2 * (x - x[0]) / (x[-1] - x[0]) - 1, SMOOTH) * weight[:, None]
    features = exposure.truth[used] * weight
    return float(np.sum(np.square(features - basis @ np.linalg.lstsq(basis, features, rcond=None)[0])))


def _raise_noise(exposure, rng, *, blue):
    """All of the spectrum, with noise until its features stand out of it as much as those left without the arm."""
    whole = measure_features(exposure, exposure.good)
    left = measure_features(exposure, exposure.good & ~_find_arm(exposure, blue))
    ratio = np.sqrt(whole / max(left, whole / MOST_NOISE**2, 1e-9)).clip(1.0, MOST_NOISE)
    more = rng.normal(size=len(exposure.flux)) * _noise(exposure) * np.sqrt(ratio**2 - 1)
    return _calibrate(exposure, exposure.flux + more, ratio)


def _scale_ivar(exposure, rng, *, factor):
    return exposure.wavelength, exposure.flux, exposure.ivar * np.float32(factor)


def _state_air(exposure, rng):
    """Wavelengths in air, which whoever reads them takes for those in vacuum."""
    return convert_to_air(exposure.wavelength), exposure.flux, exposure.ivar


#: faults, in words
FAULTS = {
    "3 % unmasked hot pixels": _heat_pixels,
    "one bright spurious line": _add_line,
    "blue arm missing": partial(_mask_arm, blue=True),
    "red arm missing": partial(_mask_arm, blue=False),
    "5 % calibration wave": _wave_calibration,
    "ivar twice too large": partial(_scale_ivar, factor=2.0),
    "ivar twice too small": partial(_scale_ivar, factor=0.5),
    "air taken as vacuum": _state_air,
}
#: what a missing arm is compared with: spectra that never had it, and whole ones with as little to see
COMPARED = {
    "no blue arm to begin with": partial(_cut_arm, blue=True),
    "no red arm to begin with": partial(_cut_arm, blue=False),
    "whole, features as without blue arm": partial(_raise_noise, blue=True),
    "whole, features as without red arm": partial(_raise_noise, blue=False),
}
