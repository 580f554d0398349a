# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of one's own: estimators after scikit-learn, learned from few spectra; neighbours and outliers."""

import importlib
from typing import TYPE_CHECKING

from astro_spectok.adapt.flags import AdaptFlag
from astro_spectok.adapt.index import SpectrumIndex
from astro_spectok.adapt.outliers import OutlierScores, outlier_score
from astro_spectok.adapt.spectrum_set import SpectrumSet

if TYPE_CHECKING:
    from astro_spectok.adapt.classifier import SpectrumClassifier
    from astro_spectok.adapt.embedder import SpectrumEmbedder
    from astro_spectok.adapt.regressor import SpectrumRegressor

__all__ = [
    "AdaptFlag",
    "OutlierScores",
    "SpectrumClassifier",
    "SpectrumEmbedder",
    "SpectrumIndex",
    "SpectrumRegressor",
    "SpectrumSet",
    "outlier_score",
]

#: where what needs scikit-learn, which is an extra, is imported from once it is asked for
_LATE = {"SpectrumClassifier": "classifier", "SpectrumEmbedder": "embedder", "SpectrumRegressor": "regressor"}


def __getattr__(name):
    if name in _LATE:
        return getattr(importlib.import_module(f"astro_spectok.adapt.{_LATE[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__():
    return sorted({*globals(), *_LATE})
