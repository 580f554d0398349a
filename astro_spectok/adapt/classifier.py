# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectrumClassifier`: classes with probabilities from spectra, learned from a few with labels."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from astro_spectok.adapt.base import SpectrumModel
from astro_spectok.adapt.groups import check_sample_weight
from astro_spectok.adapt.labels import AFTER, BEFORE, read_classes
from astro_spectok.adapt.sklearn_parts import ClassifierMixin
from astro_spectok.adapt.spectrum_set import SpectrumSet
from astro_spectok.interface.columns import Column
from astro_spectok.utils.host import own_state

__all__ = ["SpectrumClassifier"]

#: of the offsets of classes: how far they are believed to be from zero
PRIOR = 1.0


class SpectrumClassifier(ClassifierMixin, SpectrumModel):
    """Classify spectra, with probabilities, after training on labelled spectra.

    It works with scikit-learn, like `SpectrumRegressor`. Spectra without a class ('', None or NaN) are used where no
    class is needed.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Most tokens that go through the network at once.
    adapt : {'linear', 'probe', 'lora', 'full'}
        Depth, as for `SpectrumRegressor`.
    frame : {'observed', 'rest'}
        'rest' reads spectra in the rest frame, and needs their redshifts.
    class_weight : {None, 'balanced'} or dict, optional
        'balanced' has rare classes count as much as frequent ones; a dict holds the weight of each, 1 where absent.
    blocks, options
        As for `SpectrumRegressor`.

    Attributes
    ----------
    classes_ : ndarray, shape (k,)
    validation_ : dict of str to float
        Of folds that were left out: ``n``, ``accuracy``, ``balanced_accuracy`` and ``log_loss``.
    n_labelled_ : int

    Notes
    -----
    Ridge regression of one column for each class gives scores; the probabilities that scores of left-out folds stand
    for are fitted by one temperature and an offset for each class (Platt scaling; Guo et al. 2017, arXiv:1706.04599).

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.adapt import SpectrumClassifier
    >>> rng = np.random.default_rng(1)
    >>> wavelength, y = np.linspace(5000, 5600, 400), np.tile(["absorption", "emission"], 15)
    >>> line = np.exp(-0.5 * ((wavelength - 5270) / 8) ** 2) * np.where(y == "emission", 0.5, -0.5)[:, None]
    >>> spectra = [(wavelength * u.AA, f * u.Jy) for f in 1 + line + rng.normal(0, 0.02, (30, 400))]
    >>> model = SpectrumClassifier(device="cpu").fit(spectra[:20], y[:20], medium="vacuum")
    >>> model.predict(spectra[20:24]).tolist(), bool(model.predict_proba(spectra[20:]).max(axis=1).min() > 0.8)
    (['absorption', 'emission', 'absorption', 'emission'], True)
    """

    _kind = "classifier"

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        adapt: str = "linear",
        frame: str = "observed",
        class_weight: str | Mapping[Any, float] | None = None,
        blocks: str | Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.adapt = adapt
        self.frame = frame
        self.class_weight = class_weight
        self.blocks = blocks
        self.options = options

    @own_state
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        simulated: Any = None,
        medium: Any = None,
        resolution: Any = None,
        redshift: Any = None,
        progress: bool | None = None,
    ) -> Self:
        """Learn classes from spectra.

        Parameters
        ----------
        X, medium, resolution, redshift
            Spectra, as for `SpectrumSet`.
        y : array_like of str or int
            One class for each spectrum; '', None or NaN where unknown.
        groups : array_like, optional
            Object that each spectrum is of: those of one object are left out together.
        simulated : (spectra, y), optional
            What the deeper parts learn from first: simulated spectra with the same classes, such as
            `~astro_spectok.adapt.simulated.simulate_like` makes. They learn clean physics; then what these spectra are.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Returns
        -------
        SpectrumClassifier
            The same one.

        Raises
        ------
        ValueError
            Classes do not fit the spectra, there is one class alone, or one of spectra that cannot be used.

        Warns
        -----
        FlaggedSpectraWarning
            Some spectra cannot be used.
        RepeatedObjectsWarning
            Some spectra are of the same object, and ``groups`` is not given.
        """
        if not (self.class_weight in (None, "balanced") or isinstance(self.class_weight, Mapping)):
            msg = f"class_weight must be None, 'balanced' or a dict of class to weight; got {self.class_weight!r}"
            raise ValueError(msg)
        spectra = SpectrumSet(X, medium=medium, resolution=resolution, redshift=redshift, weights=self.weights)
        classes, number = read_classes(y, len(spectra))
        if len(classes) < 2:
            got = f"the class {classes[0]!s} alone" if len(classes) else "none"
            msg = f"y must hold more than one class; got {got}"
            raise ValueError(msg)
        usable, groups, candidates = self._begin(spectra, groups, number >= 0, None, None, None, progress)
        known = usable & (number >= 0)
        counts = np.bincount(number[known], minlength=len(classes))
        if (counts < 1).any():
            few = ", ".join(map(str, classes[counts < 1]))
            msg = f"y must hold each class among the spectra that can be used; got none of {few}"
            raise ValueError(msg)
        self.classes_ = classes
        own = number[known]
        weights = self._weigh(classes, counts)[own] if self.class_weight else None
        scored, _ = self.reading_.add_map(
            np.flatnonzero(known), np.eye(len(classes))[own], candidates,
            weights=weights, groups=None if groups is None else groups[known],
        )  # fmt: skip
        weights = np.ones(len(own)) if weights is None else weights / weights.mean()
        self.temperature_, self.offsets_ = _fit_probabilities(scored, own, weights)
        self.validation_ = _judge(self._to_probability(scored), own)
        self._begun = self._learn_simulated(simulated, progress, self._read_simulated)
        if self.adapt != "linear":
            self._add_depth(np.flatnonzero(known), scored, own, weights, groups, progress)
        self._end(usable)
        return self

    def _add_depth(self, rows, scored, own, weights, groups, progress):
        """Train a depth on top of what the linear reading says of spectra that it has not seen."""
        import torch

        logits = self.temperature_ * scored + self.offsets_
        base, number, weight = (
            torch.from_numpy(logits).float(),
            torch.from_numpy(own),
            torch.from_numpy(weights).float(),
        )

        def loss(some, output):
            each = torch.nn.functional.cross_entropy(base[some] + output, number[some], reduction="none")
            return (each * weight[some]).mean()

        def validate(some, output):
            logp = log_softmax(logits[some] + output, axis=1)
            return -weights[some] * logp[np.arange(len(some)), own[some]]

        self._deepen(rows, scored - np.eye(scored.shape[1])[own], loss, validate, groups, progress)

    def _read_simulated(self, y, n):
        """Classes of simulated spectra, which must be the same."""
        classes, number = read_classes(y, n)
        if classes.tolist() != self.classes_.tolist():
            msg = (
                f"simulated: y must hold the classes {', '.join(map(str, self.classes_))}, as y does; got "
                f"{', '.join(map(str, classes))}"
            )
            raise ValueError(msg)
        return np.where(number < 0, "", classes[number].astype(str)) if (number < 0).any() else classes[number]

    def _weigh(self, classes, counts):
        """Weight of a spectrum of each class."""
        if self.class_weight == "balanced":
            return 1 / counts
        if unknown := [str(name) for name in self.class_weight if name not in classes.tolist()]:
            msg = f"class_weight must name classes of y, {', '.join(map(str, classes))}; got {', '.join(unknown)}"
            raise ValueError(msg)
        weights = np.array([self.class_weight.get(name, 1.0) for name in classes.tolist()], dtype=float)
        if not (np.isfinite(weights) & (weights > 0)).all():
            msg = f"class_weight must hold positive numbers; got {self.class_weight!r}"
            raise ValueError(msg)
        return weights

    def _get_state(self):
        """What else must be kept to predict: plain values, and arrays."""
        return {"classes": self.classes_.tolist()}, {
            "labels.offsets": self.offsets_,
            "labels.temperature": np.array([self.temperature_]),
        }

    def _set_state(self, state, arrays):
        """The reverse of `_get_state`."""
        self.classes_, self.offsets_ = np.array(state["classes"]), arrays["labels.offsets"]
        (self.temperature_,) = arrays["labels.temperature"].tolist()
        wanted = self.reading_.maps[0].offset.shape
        if not self.classes_.shape == self.offsets_.shape == wanted or self.classes_.dtype.kind not in "Uiubf":
            msg = f"classes must be text or numbers, one for each of the {wanted[0]} columns; got {self.classes_.shape}"
            raise ValueError(msg)

    def _to_probability(self, scores, added=0.0):
        return softmax(self.temperature_ * scores + self.offsets_ + added, axis=1)

    def _find(self, X, medium=None, resolution=None, redshift=None, progress=None):
        """Probabilities (n, k), with batch, flags and messages."""
        batch, usable, flags, messages, (scores,), _, added = self._apply(X, medium, resolution, redshift, progress)
        probability = self._to_probability(scores, 0.0 if added is None else added)
        probability[~usable] = np.nan
        return batch, usable, flags, messages, probability

    def _name(self, probability, usable):
        """The most probable class of each spectrum."""
        if usable.all():
            return self.classes_[probability.argmax(1)]
        best = np.where(usable, np.nan_to_num(probability, nan=-1).argmax(1), 0)
        if self.classes_.dtype.kind == "U":
            return np.where(usable, self.classes_[best], "")
        return np.where(usable, self.classes_[best].astype(float), np.nan)

    @own_state
    def predict(self, X: Any, *, medium: Any = None, resolution: Any = None, redshift: Any = None) -> np.ndarray:
        """Most probable class of each spectrum.

        Parameters
        ----------
        X, medium, resolution, redshift
            Spectra, as for `SpectrumSet`.

        Returns
        -------
        ndarray, shape (n,)
            '' (NaN, where classes are numbers) for spectra that cannot be used.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Nothing was fitted yet.
        `~astro_spectok.exceptions.WeightsError`
            The weights are others than those it was fitted with.
        """
        _, usable, _, messages, probability = self._find(X, medium, resolution, redshift)
        self._complain(messages, usable)
        return self._name(probability, usable)

    @own_state
    def predict_proba(self, X: Any, *, medium: Any = None, resolution: Any = None, redshift: Any = None) -> np.ndarray:
        """Probability of each class, calibrated on folds that were left out.

        Parameters
        ----------
        X, medium, resolution, redshift
            Spectra, as for `SpectrumSet`.

        Returns
        -------
        ndarray, shape (n, k)
            In the order of ``classes_``; NaN for spectra that cannot be used.
        """
        _, usable, _, messages, probability = self._find(X, medium, resolution, redshift)
        self._complain(messages, usable)
        return probability

    @own_state
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the spectra whose class is right.

        Parameters
        ----------
        X
            Spectra, as for `SpectrumSet`.
        y
            Classes; unknown ones do not count.
        sample_weight : array_like, shape (n,), optional

        Returns
        -------
        float

        Raises
        ------
        ValueError
            No class is known of a spectrum that can be used.
        """
        _, usable, _, _, probability = self._find(X)
        classes, number = read_classes(y, len(probability))
        known = usable & (number >= 0)
        if not known.any():
            msg = "y must hold the class of at least one spectrum that can be used; got none"
            raise ValueError(msg)
        right = self.classes_[probability[known].argmax(1)] == classes[number[known]]
        return float(np.average(right, weights=check_sample_weight(sample_weight, len(known))[known]))

    def _tabulate(self, obj, medium, resolution, redshift, progress):
        """Columns, arrays and metadata of a table of predictions."""
        batch, usable, flags, messages, probability = self._find(obj, medium, resolution, redshift, progress)
        columns, arrays = dict(BEFORE), {"name": np.array([info.name for info in batch.info], dtype=str)}
        columns["class"] = Column("most probable class", kind="text")
        columns["p_best"] = Column("its probability", digits=3)
        arrays["class"] = np.where(usable, self._name(probability, usable).astype(str), "")
        arrays["p_best"] = np.where(usable, np.nan_to_num(probability, nan=-1).max(1), np.nan)
        for k, name in enumerate(self.classes_):
            columns[f"p_{name}"] = Column(f"probability of {name}", digits=3)
            arrays[f"p_{name}"] = probability[:, k]
        arrays |= {"warn": flags, "message": np.array(messages, dtype=str)}
        return columns | AFTER, arrays, self._describe()

    def _describe(self):
        """Provenance of predictions, as plain text and numbers."""
        meta = {key: self.provenance_[key] for key in ("weights", "weights_sha256", "astro_spectok", "date")}
        figures = {name: self.validation_[name] for name in ("accuracy", "balanced_accuracy")}
        return meta | {"n_labelled": self.n_labelled_, "adapt": self.adapt} | figures


def _fit_probabilities(scores, number, weights):
    """Temperature and offsets (k,) with which the softmax of left-out scores is most probable."""
    k = scores.shape[1]

    def loss(x):
        a, b = np.exp(x[0]), x[1:]
        logp = log_softmax(a * scores + b, axis=1)
        p = np.exp(logp)
        residual = weights[:, None] * (p - np.eye(k)[number])
        value = -(weights * logp[np.arange(len(number)), number]).sum() + 0.5 * (
            (x[0] - 1.5) ** 2 + (b**2).sum() / PRIOR**2
        )
        gradient = np.concatenate([[a * (residual * scores).sum() + x[0] - 1.5], residual.sum(0) + b / PRIOR**2])
        return value, gradient

    found = minimize(
        loss, np.concatenate([[1.5], np.zeros(k)]), jac=True, method="L-BFGS-B", bounds=[(-3, 6)] + [(-20, 20)] * k
    )
    return float(np.exp(found.x[0])), found.x[1:]


def _judge(probability, number):
    """Figures of probabilities of left-out spectra."""
    right = probability.argmax(1) == number
    each = [right[number == k].mean() for k in np.unique(number)]
    own = np.maximum(probability[np.arange(len(number)), number], 1e-12)
    return {
        "n": len(number),
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(each)),
        "log_loss": float(-np.log(own).mean()),
    }
