# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of stars from their spectra by kernel regression: labelled stars label those of other sets."""

import numpy as np

from astro_spectok.utils.constants import SIGMA_PER_MAD

__all__ = ["STEPS", "LabelTransfer", "flatten_log_flux", "kernel"]

#: what counts as one step in log10(Teff), logg and [Fe/H]
STEPS = np.array([0.03, 0.5, 0.3])
#: square of the length of the kernel over the median squared distance of two stars, half of it; variance of a label,
#: in steps, that spectra explain; that of the noise of labels over it; what a constant is allowed
_LENGTH, _VARIANCE, _NOISE, _CONSTANT = 3.0, 25.0, 0.01, 100.0
#: deviation, in robust standard deviations, at which a star counts half; least weight; rounds
_HALF, _LEAST, _ROUNDS = 2.0, 0.02, 5
#: boxes of this range in ln(wavelength), twice, make the continuum
_CONTINUUM = 0.02


def flatten_log_flux(log_flux, step):
    """Logarithm of flux over continuum.

    Parameters
    ----------
    log_flux : ndarray, shape (n, N)
        Natural logarithm of the flux on an even grid, NaN where unknown; such bins become 0.
    step : float
        Of the grid in ln(wavelength).

    Returns
    -------
    ndarray, shape (n, N)
    """
    known = np.isfinite(log_flux)
    level = _smooth(np.where(known, log_flux, 0.0), step) / np.maximum(_smooth(known.astype(float), step), 1e-6)
    return np.where(known, log_flux - level, 0.0)


def _smooth(values, step):
    from scipy.ndimage import uniform_filter1d

    width = round(_CONTINUUM / step) // 2 * 2 + 1
    for _ in range(2):
        values = uniform_filter1d(values, width, axis=1, mode="constant")
    return values


def kernel(a, b, length):
    """Gaussian kernel of rows of ``a`` (n, K) and of ``b`` (m, K); ``length`` is a number or one for each column."""
    a, b = a / length, b / length
    square = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.exp(-0.5 * np.maximum(square, 0))


class LabelTransfer:
    """Gaussian-process regression of labels on spectra that outliers among the labels do not lead astray.

    Published labels of a library scatter more about what their own spectra say than other libraries' do; one in ten
    is off by several standard deviations. Labels count by a Student-like weight from their leave-one-out residual.

    Parameters
    ----------
    spectra : ndarray, shape (n, N)
        Of labelled stars, as `flatten_log_flux` makes them.
    labels : ndarray, shape (n, 3)
        log10(Teff), logg and [Fe/H].

    Attributes
    ----------
    left_out : ndarray, shape (n, 3)
        Predicted for each star from all others.
    """

    def __init__(self, spectra, labels):
        self.mean = spectra.mean(0)
        self.spectra = spectra - self.mean
        n = len(spectra)
        square = (self.spectra**2).sum(1)
        distance = square[:, None] + square - 2 * self.spectra @ self.spectra.T
        self.length = np.sqrt(_LENGTH * np.median(distance))
        covariance = _VARIANCE * kernel(self.spectra, self.spectra, self.length) + _CONSTANT
        self.weights = np.empty((n, labels.shape[1]))
        self.left_out = np.empty(labels.shape)
        for k, step in enumerate(STEPS):
            y, trust = labels[:, k] / step, np.ones(n)
            for _ in range(_ROUNDS):
                inverse = np.linalg.inv(covariance + _VARIANCE * _NOISE * np.diag(1 / trust))
                solved = inverse @ y
                residual = solved / np.diag(inverse)
                scatter = SIGMA_PER_MAD * np.median(np.abs(residual))
                trust = np.maximum(1 / (1 + (residual / (_HALF * scatter)) ** 2), _LEAST)
            self.weights[:, k] = solved * step
            self.left_out[:, k] = (y - residual) * step

    def predict(self, spectra):
        """Labels (m, 3) of other stars (m, N), and how near the nearest labelled star is, (m,) from 0 (far) to 1."""
        near = kernel(spectra - self.mean, self.spectra, self.length)
        return (_VARIANCE * near + _CONSTANT) @ self.weights, near.max(1)
