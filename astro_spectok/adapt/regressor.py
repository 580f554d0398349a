# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectrumRegressor`: numbers with units and errors from spectra, learned from a few with labels."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np

from astro_spectok.adapt.base import FEWEST, SpectrumModel
from astro_spectok.adapt.files import read_unit, write_unit
from astro_spectok.adapt.flags import AdaptFlag
from astro_spectok.adapt.groups import check_sample_weight
from astro_spectok.adapt.labels import AFTER, BEFORE, Labels, error_unit, list_logarithms, read_labels, take_logarithms
from astro_spectok.adapt.sklearn_parts import RegressorMixin
from astro_spectok.adapt.spectrum_set import SpectrumSet
from astro_spectok.interface.columns import Column
from astro_spectok.utils.constants import SIGMA_PER_MAD
from astro_spectok.utils.host import own_state

__all__ = ["SpectrumRegressor"]

#: fewest left-out errors whose quantile is taken in place of their mean square
FEW = 20


class SpectrumRegressor(RegressorMixin, SpectrumModel):
    """Predict numbers with units and errors from spectra, after training on labelled spectra.

    It works with scikit-learn's `sklearn.pipeline.Pipeline`, `sklearn.model_selection.GridSearchCV` and
    `sklearn.base.clone`. Spectra without a label (NaN) are used where no label is needed.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Most tokens that go through the network at once.
    adapt : {'linear', 'probe', 'lora', 'full'}
        Depth. A linear reading of what the frozen network makes of a spectrum; the others add to it what lessens the
        errors on a fifth of the spectra (or groups) that is left out: a small read-out that attends to the tokens,
        with low-rank changes of the encoder, or with all of its blocks trained.
    frame : {'observed', 'rest'}
        'rest' reads spectra in the rest frame, and needs their redshifts.
    log : str or sequence of str, optional
        Labels that are learned as their logarithm, which must be positive.
    options : dict, optional
        For the deeper ones: ``rank`` (4), ``epochs``, ``patience`` (8), ``rate``, ``seed`` (0), ``checkpoint``, a
        folder from which a training that was cut short goes on, and ``augment``, what
        happens to spectra while the encoder is trained: ``noise``, ``calibration``, ``cuts``, and if labels do not
        depend on them ``resolution`` and ``velocity``.
    blocks : str or sequence of str, optional
        What is read: of ``tokens``, ``embedding``, ``levels``, ``lines``, ``contrast``, ``flux``, ``heads`` where the
        weights have some that say what labels may begin with, and ``vectors`` where a `SpectrumSet` has them; all of
        these if not given. A model that reads ``heads`` needs the same heads whenever it predicts.

    Attributes
    ----------
    labels_ : tuple of str
        Names of the labels; ``label`` of one that came without.
    units_ : tuple of `~astropy.units.UnitBase` or None
    validation_ : dict of str to dict
        For each label of folds that were left out: ``n``, ``r2``, ``rms`` and ``scatter`` (1.48 times the median
        absolute deviation).
    n_labelled_ : int

    Notes
    -----
    Learned values of the tokens around 24 wavelengths, the embedding, levels, lines over a continuum (also over their
    usual size nearby, so that weak ones count), the flux, and what the heads of the weights say (class, redshift, type,
    parameters of stars and galaxies; nothing where a head does not apply) are each reduced to principal components.
    Ridge regressions of the label on some of these blocks, each with the penalty that predicts left-out spectra (or
    groups) best, are averaged; those with smaller errors on these count more.

    Examples
    --------
    Made-up spectra whose line grows with their label, some of them without one:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.adapt import SpectrumRegressor
    >>> rng = np.random.default_rng(1)
    >>> wavelength, depth = np.linspace(5000, 5600, 400), rng.uniform(0.1, 0.9, 40)
    >>> line = np.exp(-0.5 * ((wavelength - 5270) / 8) ** 2)
    >>> flux = 1 - depth[:, None] * line + rng.normal(0, 0.02, (40, 400))
    >>> spectra = [(wavelength * u.AA, f * u.Jy, np.full(400, 0.02) * u.Jy) for f in flux]
    >>> y = np.where(np.arange(40) < 30, 10 * depth, np.nan) * u.AA
    >>> model = SpectrumRegressor(device="cpu").fit(spectra, y, medium="vacuum")
    >>> width, error = model.predict(spectra[30:], return_std=True)
    >>> print(width.unit, bool(np.all(np.abs(width.value - 10 * depth[30:]) < 1)), bool(np.all(error < 0.5 * u.AA)))
    Angstrom True True
    """

    _kind = "regressor"

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        adapt: str = "linear",
        frame: str = "observed",
        log: str | Sequence[str] = (),
        blocks: str | Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.adapt = adapt
        self.frame = frame
        self.log = log
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
        """Learn labels from spectra.

        Parameters
        ----------
        X, medium, resolution, redshift
            Spectra, as for `SpectrumSet`.
        y : array_like, `~astropy.units.Quantity`, `~astropy.table.QTable`, dict, data frame or structured array
            One number for each spectrum, or a column for each label; NaN or masked where unknown. In scikit-learn's
            cross-validation several labels must be a data frame or a structured array, as ``table.as_array()`` makes.
        groups : array_like, optional
            Object that each spectrum is of: those of one object are left out together.
        simulated : (spectra, y), optional
            What the deeper parts learn from first: simulated spectra with the same labels, such as
            `~astro_spectok.adapt.simulated.simulate_like` makes. They learn clean physics; then what these spectra are.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Returns
        -------
        SpectrumRegressor
            The same one.

        Raises
        ------
        TypeError, ValueError
            Labels do not fit the spectra, or are too few.
        `~astropy.units.UnitsError`
            A unit does not convert.

        Warns
        -----
        FlaggedSpectraWarning
            Some spectra cannot be used.
        RepeatedObjectsWarning
            Some spectra are of the same object, and ``groups`` is not given.
        """
        spectra = SpectrumSet(X, medium=medium, resolution=resolution, redshift=redshift, weights=self.weights)
        labels = read_labels(y, len(spectra))
        targets = take_logarithms(labels, list_logarithms(self.log))
        given = np.isfinite(targets).any(axis=1)
        usable, groups, candidates = self._begin(spectra, groups, given, None, None, None, progress)
        self.labels_, self.units_, self.form_ = labels.names, labels.units, labels.form
        self.validation_, self.scales_ = {}, []
        left_out = np.full(targets.shape, np.nan)
        for k, name in enumerate(labels.names):
            known = np.flatnonzero(usable & np.isfinite(targets[:, k]))
            if len(known) < FEWEST:
                got = len(known)
                msg = f"y: the label {name!r} must be known of at least {FEWEST} spectra that can be used; got {got}"
                raise ValueError(msg)
            target = targets[known, k]
            centre, scale = target.mean(), target.std()
            if not scale > 1e-12 * abs(centre):
                value = f"{labels.values[known[0], k]:g}"
                msg = f"y: the label {name!r} must differ from spectrum to spectrum; got {value} for all"
                raise ValueError(msg)
            predicted, spread = self.reading_.add_map(
                known, ((target - centre) / scale)[:, None], candidates,
                groups=None if groups is None else groups[known], scale=scale,
            )  # fmt: skip
            left_out[known, k] = predicted[:, 0]
            predicted = predicted[:, 0] * scale + centre
            ratio = np.abs(predicted - target) / spread
            # the share of left-out errors within one standard deviation is that of a Gaussian
            noise = np.quantile(ratio, 0.6827) if len(ratio) >= FEW else np.sqrt((ratio**2).mean())
            self.scales_.append((centre, scale, noise, target.min(), target.max()))
            self.validation_[name] = _judge(target, predicted)
        self._begun = self._learn_simulated(
            simulated, progress, lambda more, n: labels.give_back(read_labels(more, n, like=labels).values)
        )
        if self.adapt != "linear":
            self._add_depth(targets, left_out, groups, progress)
        self._end(usable)
        return self

    def _add_depth(self, targets, left_out, groups, progress):
        """Train a depth on what the linear reading leaves of spectra that it has not seen."""
        import torch

        from astro_spectok.adapt.deep import measure_fall

        centre, scale = np.array(self.scales_)[:, :2].T
        rest = (targets - centre) / scale - left_out
        rows = np.flatnonzero(np.isfinite(rest).any(axis=1))
        rest = rest[rows]
        known, wanted = torch.from_numpy(np.isfinite(rest)), torch.from_numpy(np.nan_to_num(rest)).float()

        def loss(some, output):
            error = torch.nn.functional.smooth_l1_loss(output, wanted[some], reduction="none")
            return (error * known[some]).sum() / known[some].sum().clamp_min(1)

        def validate(some, output):
            return np.nanmean((rest[some] - output) ** 2, axis=1)

        held, objects = self._deepen(rows, rest, loss, validate, groups, progress)
        batch, _, runner, _ = self._fitting
        if self.deep_.gain:
            part = SpectrumSet(batch.take(rows[held]), redshift=0.0)
            added = self.deep_.predict(part, runner, "observed")
            for k, name in enumerate(self.labels_):
                fine = np.isfinite(rest[held, k])
                if fine.sum() > 1:
                    before, after = (x[fine] ** 2 for x in (rest[held, k], rest[held, k] - added[:, k]))
                    # errors shrink by what is surely gained on spectra by which it was chosen, and no more
                    fall = max(measure_fall(before, after, objects[fine]), 0.0) / max(before.mean(), 1e-24)
                    *others, noise, low, high = self.scales_[k]
                    self.scales_[k] = (*others, noise * np.sqrt(1 - fall), low, high)
                    rms, linear = (others[1] * float(np.sqrt(x.mean())) for x in (after, before))
                    self.validation_[name] |= {"n_held": int(fine.sum()), "rms_held": rms, "rms_held_linear": linear}

    def _get_state(self):
        """What else must be kept to predict: plain values, and arrays."""
        units = [write_unit(unit) for unit in self.units_]
        state = {"labels": list(self.labels_), "units": units, "form": self.form_}
        return state, {"labels.scales": np.array(self.scales_)}

    def _set_state(self, state, arrays):
        """The reverse of `_get_state`."""
        self.labels_, self.units_ = tuple(map(str, state["labels"])), tuple(map(read_unit, state["units"]))
        self.form_, scales = state["form"], arrays["labels.scales"]
        if scales.shape != (len(self.reading_.maps), 5) or not len(self.labels_) == len(scales) == len(self.units_):
            msg = f"labels.scales must have five values for each of the {len(self.labels_)} labels; got {scales.shape}"
            raise ValueError(msg)
        if self.form_ not in ("array", "matrix", "quantity", "table"):
            msg = f"form must be array, matrix, quantity or table; got {self.form_!r}"
            raise ValueError(msg)
        self.scales_ = [tuple(row) for row in scales]

    def _find(self, X, medium=None, resolution=None, redshift=None, progress=None):
        """Predictions and errors in the units of the labels, (n, k) each, with batch, flags and messages."""
        batch, usable, flags, messages, predicted, (spread, moved), added = self._apply(
            X, medium, resolution, redshift, progress
        )
        centre, scale, noise, low, high = np.array(self.scales_).T
        values = np.concatenate([p[:, :1] for p in predicted], axis=1) + (0 if added is None else added)
        values = values * scale + centre
        errors = np.hypot(np.stack(spread, axis=1) * noise, moved * scale)
        outside = ((values < low - errors) | (values > high + errors)).any(axis=1)
        flags = np.where(usable & outside, flags | int(AdaptFlag.LABEL_OUTSIDE), flags)
        wanted = list_logarithms(self.log)
        for k, name in enumerate(self.labels_):
            if name in wanted:
                values[:, k] = np.exp(np.clip(values[:, k], -700, 700))
                errors[:, k] *= values[:, k]
        values[~usable], errors[~usable] = np.nan, np.nan
        return batch, usable, flags, messages, values, errors

    @own_state
    def predict(
        self, X: Any, return_std: bool = False, *, medium: Any = None, resolution: Any = None, redshift: Any = None
    ) -> Any:
        """Labels of spectra.

        Parameters
        ----------
        X, medium, resolution, redshift
            Spectra, as for `SpectrumSet`.
        return_std : bool, optional
            Whether errors are wanted too: standard deviations, calibrated on folds that were left out. Those of noisier
            spectra, and of spectra of another instrument, hold besides what noise, calibration and resolution did to
            labels when the spectra learned from were altered.

        Returns
        -------
        ndarray, `~astropy.units.Quantity` or `~astropy.table.QTable`
            In the form and units that labels were given in; NaN for spectra that cannot be used. With ``return_std``
            a tuple of two such.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Nothing was fitted yet.
        `~astro_spectok.exceptions.WeightsError`
            The weights are others than those it was fitted with.
        """
        _, usable, _, messages, values, errors = self._find(X, medium, resolution, redshift)
        self._complain(messages, usable)
        labels = self._labels
        if not return_std:
            return labels.give_back(values)
        return labels.give_back(values), labels.give_back(errors, errors=True)

    @property
    def _labels(self):
        return Labels(np.zeros((0, len(self.labels_))), self.labels_, self.units_, self.form_)

    @own_state
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination R2, the mean over the labels; of logarithms where these are learned.

        Parameters
        ----------
        X
            Spectra, as for `SpectrumSet`.
        y
            Labels, as for ``fit``; unknown ones do not count.
        sample_weight : array_like, shape (n,), optional

        Returns
        -------
        float

        Raises
        ------
        ValueError
            A label is known of no spectrum that can be used, or is not there.
        `~astropy.units.UnitsError`
            A unit does not convert to that of ``fit``.
        """
        _, usable, _, _, values, _ = self._find(X)
        labels = read_labels(y, len(values), like=self._labels)
        wanted, predicted = list_logarithms(self.log), Labels(values, labels.names, labels.units, labels.form)
        true, found = take_logarithms(labels, wanted), take_logarithms(predicted, wanted)
        weight = check_sample_weight(sample_weight, len(true))
        out = []
        for k in range(true.shape[1]):
            known = usable & np.isfinite(true[:, k])
            y_true, w = true[known, k], weight[known]
            if not len(y_true):
                msg = f"y must hold {self.labels_[k]!r} of at least one spectrum that can be used; got none"
                raise ValueError(msg)
            spread = (w * (y_true - np.average(y_true, weights=w)) ** 2).sum()
            out.append(1 - (w * (y_true - found[known, k]) ** 2).sum() / spread if spread > 0 else np.nan)
        return float(np.mean(out))

    def _tabulate(self, obj, medium, resolution, redshift, progress):
        """Columns, arrays and metadata of a table of predictions."""
        batch, _, flags, messages, values, errors = self._find(obj, medium, resolution, redshift, progress)
        columns, arrays = dict(BEFORE), {"name": np.array([info.name for info in batch.info], dtype=str)}
        for k, (name, unit) in enumerate(zip(self.labels_, self.units_, strict=True)):
            columns[name] = Column("as learned", unit, digits=f"{name}_err")
            columns[f"{name}_err"] = Column(f"error of {name}", error_unit(unit), digits=f"{name}_err")
            arrays[name], arrays[f"{name}_err"] = values[:, k], errors[:, k]
        arrays |= {"warn": flags, "message": np.array(messages, dtype=str)}
        return columns | AFTER, arrays, self._describe()

    def _describe(self):
        """Provenance of predictions, as plain text and numbers."""
        meta = {key: self.provenance_[key] for key in ("weights", "weights_sha256", "astro_spectok", "date")}
        figures = {f"rms_{name}": figure["rms"] for name, figure in self.validation_.items()}
        return meta | {"n_labelled": self.n_labelled_, "adapt": self.adapt} | figures


def _judge(true, found):
    """Figures of predictions that were left out."""
    error = found - true
    spread = ((true - true.mean()) ** 2).sum()
    return {
        "n": len(true),
        "r2": float(1 - (error**2).sum() / spread) if spread > 0 else float("nan"),
        "rms": float(np.sqrt((error**2).mean())),
        "scatter": float(SIGMA_PER_MAD * np.median(np.abs(error - np.median(error)))),
    }
