# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a survey measures: an estimator or embeddings, with its settings, for many batches one after the other."""

import copy
import hashlib
import inspect
import json
import pickle
import sys
import warnings
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from astro_spectok.embedding import embed_table
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.galaxies.estimator import GalaxyPropertyEstimator
from astro_spectok.interface import Estimator
from astro_spectok.interface.inputs import find_source
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.stellar.estimator import StellarParameterEstimator
from astro_spectok.transients.estimator import TransientEstimator
from astro_spectok.weights.integrity import compute_sha256

if TYPE_CHECKING:
    from astro_spectok.adapt.base import SpectrumModel

__all__ = ["TASKS", "Task", "make_task"]

#: names of what can be measured
TASKS = ("redshift", "stellar", "galaxy", "transient", "embed", "predict")
ESTIMATORS: dict[str, type] = {
    "redshift": RedshiftEstimator,
    "stellar": StellarParameterEstimator,
    "galaxy": GalaxyPropertyEstimator,
    "transient": TransientEstimator,
}
#: options of ``estimate`` rather than of an estimator
ESTIMATE_OPTIONS = ("posterior",)
#: options of the task ``predict``
PREDICT_OPTIONS = ("model", "redshift")


class Task:
    """Measures batches in the same way; can be pickled.

    Parameters
    ----------
    name : str
    estimator : `~astro_spectok.interface.Estimator`, optional
        None embeds.
    options : dict
        Of ``estimate``, or of `~astro_spectok.embed_table`.

    Attributes
    ----------
    sha256 : str
        Digest of the weights, and ``weights`` their name: None until `load` is called.
    """

    def __init__(self, name: str, estimator: Estimator | None, options: dict[str, Any]) -> None:
        self.name, self.estimator, self.options = name, estimator, options
        self.sha256: str | None = None
        self.weights: str | None = None

    def load(self) -> None:
        """Find the weights, once for the whole run: what a registry or a path means must not change within it.

        Raises
        ------
        `~astro_spectok.exceptions.WeightsError`
            They cannot be had.
        """
        from astro_spectok.weights import load_weights

        given = self.options["weights"] if self.estimator is None else getattr(self.estimator, "weights", None)
        loaded = load_weights(given)
        self.weights, self.sha256 = loaded.name, loaded.sha256
        source = find_source(loaded)
        if self.estimator is None:
            self.options["weights"] = source
        elif "weights" in self.estimator.get_params():
            self.estimator = type(self.estimator)(**self.estimator.get_params() | {"weights": source})

    def measure(self, batch: Any) -> Any:
        """The table of a batch, a row for each spectrum.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`

        Returns
        -------
        `~astropy.table.QTable`
        """
        with warnings.catch_warnings():
            # each row says so by itself
            warnings.simplefilter("ignore", SpectokWarning)
            if self.estimator is None:
                return embed_table(batch, progress=False, **self.options)
            return self.estimator.estimate(batch, progress=False, **self.options)

    def describe(self) -> dict[str, str]:
        """All settings that results depend on, as text that is the same for the same settings.

        Returns
        -------
        dict of str to str

        Raises
        ------
        TypeError
            A setting cannot be pickled, which workers need.
        """
        settings = self.options if self.estimator is None else self.estimator.get_params() | self.options
        # weights are compared by their digest, and batches change nothing
        settings = {name: x for name, x in settings.items() if name not in ("weights", "batch_tokens")}
        kind = self.name if self.estimator is None else type(self.estimator).__qualname__
        return {"task": kind} | {name: _describe_value(name, x) for name, x in settings.items()}


class PredictTask(Task):
    """Predicts what was learned from labels of one's own; can be pickled.

    Parameters
    ----------
    model : `~astro_spectok.adapt.SpectrumRegressor` or `~astro_spectok.adapt.SpectrumClassifier`
        Fitted.
    options : dict
        Of its ``estimate``.
    digest : str
        Of the model.
    """

    def __init__(self, model: "SpectrumModel", options: dict[str, Any], digest: str) -> None:
        super().__init__("predict", None, options)
        self.model, self.digest = model, digest

    def load(self) -> None:
        """Find the weights that the model was fitted with; see `Task.load`."""
        from astro_spectok.weights import load_weights

        loaded = load_weights(self.model.weights)
        self.weights, self.sha256 = loaded.name, loaded.sha256
        self.model.weights = find_source(loaded)

    def measure(self, batch: Any) -> Any:
        """The table of a batch, a row for each spectrum; see `Task.measure`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SpectokWarning)
            return self.model.estimate(batch, progress=False, **self.options)

    def describe(self) -> dict[str, str]:
        """The digest of the model, and the options; see `Task.describe`."""
        settings = {name: _describe_value(name, x) for name, x in self.options.items()}
        return {"task": "predict", "model": self.digest} | settings


def _make_predict_task(model, options, redshift=None):
    """The task of a fitted model, or of the file that it was saved to."""
    if _is_model(model):
        model._check_fitted()
        with TemporaryDirectory() as folder:
            digest = compute_sha256(model.save(Path(folder) / "model.safetensors"))
        return PredictTask(copy.copy(model), {"redshift": redshift}, digest)
    if not isinstance(model, str | PathLike):
        msg = f"model must be what 'spectok fit' wrote, or a fitted estimator; got {model!r}"
        raise TypeError(msg)
    from astro_spectok.adapt.base import SpectrumModel

    return PredictTask(SpectrumModel.load(model, **options), {"redshift": redshift}, compute_sha256(model))


def _is_model(what):
    """Whether it is a fitted estimator of labels of one's own."""
    # scikit-learn is an extra, and large: where nobody has imported what needs it, nothing is made of it
    adapt = sys.modules.get("astro_spectok.adapt.base")
    return adapt is not None and isinstance(what, adapt.SpectrumModel)


def _describe_value(name, value):
    """Plain values as JSON, others by their digest."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        pass
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception as error:
        msg = f"{name} must be something that can be pickled, such as a function of a module; got {value!r}"
        raise TypeError(msg) from error


def make_task(
    what: str | Estimator, *, weights: Any = None, device: str = "auto", batch_tokens: int | None = None, **options: Any
) -> Task:
    """What to measure, from its name or an estimator.

    Parameters
    ----------
    what : {'redshift', 'stellar', 'galaxy', 'transient', 'embed', 'predict'} or an estimator
        Also one of `astro_spectok.adapt` that is fitted.
    weights, device, batch_tokens : optional
        As for `~astro_spectok.tokenize`; an estimator has its own.
    **options
        Of the estimator or its ``estimate``; ``model`` of the task ``predict``, what ``spectok fit`` wrote, and
        ``redshift`` of all spectra.

    Returns
    -------
    Task

    Raises
    ------
    TypeError
        There is no such option.
    ValueError
        There is no such task, or options are given beside an estimator.
    """
    common = {"weights": weights, "device": device, "batch_tokens": batch_tokens}
    if _is_model(what) or what == "predict":
        wanted = PREDICT_OPTIONS if what == "predict" else PREDICT_OPTIONS[1:]
        if unknown := sorted(set(options) - set(wanted)):
            msg = f"predict has no option {', '.join(unknown)}; there are {', '.join(wanted)}"
            raise TypeError(msg)
        if what == "predict" and "model" not in options:
            msg = "predict needs model, the file that 'spectok fit' wrote"
            raise TypeError(msg)
        if what != "predict" and any(value not in (None, "auto") for value in common.values()):
            msg = f"weights, device and batch_tokens are those of the estimator, got others beside {what!r}"
            raise ValueError(msg)
        return _make_predict_task(options.get("model", what), common, options.get("redshift"))
    if isinstance(what, Estimator):
        known = [name for name in ESTIMATE_OPTIONS if name in inspect.signature(what.estimate).parameters]
        extra = {name for name in options if name not in known}
        if weights is not None or batch_tokens is not None or device != "auto" or extra:
            given = ", ".join([*sorted(extra), *(["weights, device or batch_tokens"] if not extra else [])])
            msg = f"an estimator has its own parameters, got {given} beside {what!r}; give them when it is made"
            raise ValueError(msg)
        return Task(type(what).__name__, what, options)
    if what not in TASKS:
        msg = f"task must be one of {', '.join(TASKS)}, or an estimator, got {what!r}"
        raise ValueError(msg)
    if what == "embed":
        if options:
            msg = f"embed has no option {', '.join(sorted(options))}"
            raise TypeError(msg)
        return Task("embed", None, common)
    later = {name: options.pop(name) for name in ESTIMATE_OPTIONS if name in options and what == "redshift"}
    known = [name for name in inspect.signature(ESTIMATORS[what]).parameters if name not in common]
    if unknown := sorted(set(options) - set(known)):
        msg = f"{what} has no option {', '.join(unknown)}; there are {', '.join(known)}"
        raise TypeError(msg)
    return Task(what, ESTIMATORS[what](**common, **options), later)
