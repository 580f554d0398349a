# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The estimators for labels of one's own as scikit-learn's checks can use them: rows of numbers drawn as spectra."""

import numpy as np
from astropy import units as u
from sklearn.utils.validation import check_is_fitted, validate_data

from astro_spectok.adapt import SpectrumClassifier, SpectrumEmbedder, SpectrumRegressor

PIXELS = 8


def draw(x):
    """Rows of numbers (n, d) as spectra, each number the height of a few pixels."""
    flux = np.pad(10 + np.arctan(np.asarray(x, float)), ((0, 0), (4, 4)), constant_values=10).repeat(PIXELS, axis=1)
    wavelength = np.linspace(5000, 5000 + 2 * flux.shape[1], flux.shape[1]) * u.AA
    return wavelength, flux * u.Jy, np.full(flux.shape, 0.01) * u.Jy


class _Numbers:
    """Takes rows of numbers in place of spectra."""

    def _draw(self, X, reset):
        return draw(validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite=True))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.allow_nan, tags.no_validation = True, False, False
        return tags

    def fit(self, X, y=None, groups=None):
        if y is None and self.__sklearn_tags__().target_tags.required:
            msg = "requires y to be passed, but the target y is None"
            raise ValueError(msg)
        return super().fit(
            self._draw(X, reset=True), y, **({} if isinstance(self, SpectrumEmbedder) else {"groups": groups})
        )

    def predict(self, X):
        check_is_fitted(self)
        return super().predict(self._draw(X, reset=False))

    def score(self, X, y, sample_weight=None):
        check_is_fitted(self)
        return super().score(self._draw(X, reset=False), y, sample_weight)


class Regressor(_Numbers, SpectrumRegressor):
    """Of rows of numbers."""


class Classifier(_Numbers, SpectrumClassifier):
    """Of rows of numbers."""

    def predict_proba(self, X):
        check_is_fitted(self)
        return SpectrumClassifier.predict_proba(self, self._draw(X, reset=False))
