# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is taken from scikit-learn, which is an extra."""

__all__ = [
    "UNUSED",
    "BaseEstimator",
    "ClassifierMixin",
    "NotFittedError",
    "RegressorMixin",
    "TransformerMixin",
]

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.metadata_routing import UNUSED
except ImportError as error:
    msg = "estimators for labels of one's own need scikit-learn: pip install 'astro_spectok[adapt]'"
    raise ImportError(msg) from error
