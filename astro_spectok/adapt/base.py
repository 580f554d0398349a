# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What `SpectrumClassifier` and `SpectrumRegressor` share: spectra in, features, folds, flags, tables out."""

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from astropy.table import QTable

from astro_spectok.adapt.deep import DeepSettings
from astro_spectok.adapt.features import BLOCKS, ERRORS, HEADS, VECTORS, FeatureGrid, make_blocks, read_set
from astro_spectok.adapt.groups import check_groups, warn_repeated
from astro_spectok.adapt.heads_say import find_teaching, list_owners, list_spreads
from astro_spectok.adapt.reading import LinearReading, list_candidates, make_folds
from astro_spectok.adapt.sklearn_parts import UNUSED, BaseEstimator, NotFittedError
from astro_spectok.adapt.spectrum_set import SpectrumSet
from astro_spectok.adapt.stored import StoredModel
from astro_spectok.adapt.transfer import Transfer
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.interface.columns import make_table
from astro_spectok.interface.inputs import find_user
from astro_spectok.interface.provenance import make_provenance, word_call
from astro_spectok.interface.streaming import measure_in_chunks
from astro_spectok.spectra import READ_OPTIONS
from astro_spectok.utils.host import own_state
from astro_spectok.weights.backbone import check_backbone, check_heads, digest_backbone, digest_heads

__all__ = ["SpectrumModel"]

#: fewest spectra with a label, and fewest groups, that anything is learned from
FEWEST = 4
DEPTHS = ("linear", "probe", "lora", "full")
FRAMES = ("observed", "rest")


class SpectrumModel(StoredModel, BaseEstimator):
    """Common part of the estimators for labels of one's own; see `SpectrumRegressor` and `SpectrumClassifier`."""

    # what belongs to spectra travels with them, not through scikit-learn's routing of metadata
    __metadata_request__fit = dict.fromkeys(
        ("groups", "simulated", "medium", "resolution", "redshift", "progress"), UNUSED
    )
    __metadata_request__predict = dict.fromkeys(("return_std", "medium", "resolution", "redshift"), UNUSED)
    __metadata_request__predict_proba = dict.fromkeys(("medium", "resolution", "redshift"), UNUSED)
    __metadata_request__score = dict.fromkeys(("sample_weight",), UNUSED)

    def _read(self, obj, medium=None, resolution=None, redshift=None, progress=None, *, heads=False):
        """Any form of spectra as what is learned from: batch, readings, flags, messages, and the runner."""
        from astro_spectok.engine import Runner

        if self.frame not in FRAMES:
            msg = f"frame must be one of {', '.join(FRAMES)}; got {self.frame!r}"
            raise ValueError(msg)
        spectra = SpectrumSet(obj, medium=medium, resolution=resolution, redshift=redshift, weights=self.weights)
        self._check_axis(spectra.batch.axis)
        runner = self._open_runner(Runner)
        return spectra, runner, *read_set(spectra, runner, self.frame, heads=heads, progress=progress)

    def _check_axis(self, axis):
        """Refuse what has a meaning for light alone, for sequences along another axis."""
        for name, value, wanted in (("frame", self.frame, "observed"), ("adapt", self.adapt, "linear")):
            if not axis.is_light and value != wanted:
                msg = f"{name} must be {wanted!r} along a {axis.describe()} axis; got {value!r}, which is for light"
                raise ValueError(msg)

    def _open_runner(self, make):
        return make(self.weights, self.device, batch_tokens=self.batch_tokens)

    def _begin(self, X, groups, given, medium, resolution, redshift, progress):
        """Read the spectra, and make components of all that can be used.

        Returns
        -------
        usable : ndarray of bool
        groups : ndarray of int, or None
        """
        if self.adapt not in DEPTHS:
            msg = f"adapt must be one of {', '.join(DEPTHS)}; got {self.adapt!r}"
            raise ValueError(msg)
        X = SpectrumSet(X, medium=medium, resolution=resolution, redshift=redshift, weights=self.weights)
        candidates, heads = self._choose_blocks(X)
        spectra, runner, batch, readings, _, messages = self._read(X, progress=progress, heads=heads)
        usable = np.array([reading is not None for reading in readings], dtype=bool)
        self._complain(messages, usable)
        groups = check_groups(groups, len(spectra))
        if groups is None:
            warn_repeated(batch, given & usable)
        labelled = given & usable
        if labelled.sum() < FEWEST:
            msg = (
                f"X must hold at least {FEWEST} spectra that can be used and have a label; got {labelled.sum()} "
                f"(n_samples={len(labelled)})"
            )
            reason = next((text for text in messages if text), None)
            raise ValueError(msg if reason is None else f"{msg}; the first that cannot: {reason}")
        if groups is not None and len(np.unique(groups[labelled])) < 3:
            msg = f"groups must be at least 3 among the spectra with labels; got {len(np.unique(groups[labelled]))}"
            raise ValueError(msg)
        grid = FeatureGrid.of_batch(batch, self.frame)
        blocks, _ = make_blocks(batch, readings, grid, spectra.vectors, heads=heads)
        about = (list_spreads(runner.network), list_owners(runner.network)) if heads else ()
        self.reading_ = LinearReading.begin(grid, blocks, *about)
        self.deep_ = None
        self._begun = None
        # for as long as it is fitted
        self._fitting = batch, readings, runner, DeepSettings.read(self.options)
        self._set = spectra
        self.weights_sha256_, self.weights_name_ = runner.loaded.sha256, runner.loaded.name
        self.backbone_sha256_ = digest_backbone(runner.network)
        self.heads_sha256_ = digest_heads(runner.network, find_teaching(runner.network)) if heads else None
        self.n_spectra_, self.n_labelled_ = int(usable.sum()), int(labelled.sum())
        self.provenance_ = make_provenance(runner.loaded, word_call(f"{type(self).__name__}.fit", adapt=self.adapt))
        return usable, groups, candidates

    def _choose_blocks(self, spectra):
        """Shares of blocks to try, and whether heads are among them: where weights have some that say something."""
        from astro_spectok.engine import Runner

        there = spectra.batch.axis.is_light and bool(find_teaching(self._open_runner(Runner).network))
        blocks = [*BLOCKS, *([HEADS] if there else []), *([] if spectra.vectors is None else [VECTORS])]
        wanted = [self.blocks] if isinstance(self.blocks, str) else self.blocks
        candidates = list_candidates(blocks, wanted)
        if there and wanted is not None and HEADS not in wanted:
            blocks.remove(HEADS)
            candidates = list_candidates(blocks, wanted)
        return candidates, HEADS in blocks

    def _deepen(self, rows, rest, loss, validate, groups, progress):
        """Train what goes beyond the linear reading, and return which rows were left out of that, and their objects.

        ``rest`` (n, k) is what that leaves of the labels of these rows.
        """
        from astro_spectok.adapt.checkpoint import FitCheckpoint, digest_fit
        from astro_spectok.adapt.deep import train_deep

        batch, readings, runner, settings = self._fitting
        objects = np.arange(len(rows)) if groups is None else groups[rows]
        folds = make_folds(objects)
        kept = [readings[i] for i in rows]
        part = batch.take(rows)
        about = {"adapt": self.adapt, "backbone": self.backbone_sha256_} | settings.describe()
        begun = self._begun
        key = digest_fit(part, about, rest, folds, "" if begun is None else begun.digest)
        deep = train_deep(
            self.adapt, part, kept, runner, loss, validate, folds, objects, settings, rest.shape[1], progress,
            start=begun, checkpoint=FitCheckpoint(settings.checkpoint, key),
        )  # fmt: skip
        self.deep_ = deep
        held = np.flatnonzero(folds == 0)
        return held, objects[held]

    def _end(self, usable):
        """Measure what other instruments do, and forget the spectra."""
        batch, _, runner, _ = self._fitting
        rows = np.flatnonzero(usable)
        self.transfer_ = Transfer.fit(self._set, batch, rows, self.reading_, runner, self.frame)
        self.reading_.trim()
        del self._fitting, self._begun, self._set

    def _learn_simulated(self, simulated, progress, read):
        """The deeper part of an estimator that has learned from simulated spectra, None without; ``read`` says of
        labels and the number of spectra what they are as labels of this one."""
        if simulated is None:
            return None
        if self.adapt == "linear":
            msg = (
                "simulated is for what is trained in stages: adapt must be 'probe', 'lora' or 'full'; got 'linear', "
                "which is solved at once; give the spectra among those of X, or leave simulated out"
            )
            raise ValueError(msg)
        try:
            spectra, y = simulated
        except (TypeError, ValueError) as error:
            msg = f"simulated must be spectra and their labels, (spectra, y); got {type(simulated).__name__}"
            raise TypeError(msg) from error
        spectra = SpectrumSet(spectra)
        first = type(self)(**self.get_params()).fit(spectra, read(y, len(spectra)), progress=progress)
        self.simulated_ = {"n": first.n_labelled_, "gain": first.deep_.gain}
        return first.deep_ if first.deep_.gain else None

    def _complain(self, messages, usable):
        """Warn of spectra that could not be used."""
        if not usable.all():
            first = int(np.flatnonzero(~usable)[0])
            msg = (
                f"{np.count_nonzero(~usable)} of {len(usable)} spectra could not be used; the first is number {first}: "
                f"{messages[first]}"
            )
            warnings.warn(msg, FlaggedSpectraWarning, stacklevel=find_user())

    def _check_fitted(self):
        if not hasattr(self, "reading_"):
            msg = f"this {type(self).__name__} must be fitted, or loaded, before it predicts; call fit(X, y) first"
            raise NotFittedError(msg)

    def _check_vectors(self, vectors):
        """Refuse spectra without the vectors that were learned from, with others, and with some where none were."""
        known, got = self.reading_.components.get(VECTORS), None if vectors is None else vectors.shape[1]
        wanted = None if known is None else len(known.mean)
        if wanted == got:
            return
        if wanted is None:
            msg = f"X must be spectra alone, as in fit; got {got} numbers beside each; leave vectors= out"
        else:
            msg = (
                f"X must have {wanted} numbers beside each spectrum, as in fit; got {got or 'none'}; give "
                f"SpectrumSet(spectra, vectors=...) of the same tower"
            )
        raise ValueError(msg)

    def _apply(self, X, medium=None, resolution=None, redshift=None, progress=None):
        """Predictions, spreads (of each map, and what another instrument adds), flags and messages of spectra."""
        self._check_fitted()
        spectra = SpectrumSet(X, medium=medium, resolution=resolution, redshift=redshift, weights=self.weights)
        self._check_vectors(spectra.vectors)
        heads = HEADS in self.reading_.components
        spectra, runner, batch, readings, flags, messages = self._read(spectra, progress=progress, heads=heads)
        if heads:
            digest = digest_heads(runner.network, find_teaching(runner.network))
            check_heads(digest, self.heads_sha256_, runner.loaded.name, f"this {type(self).__name__}")
        check_backbone(runner.loaded, self.backbone_sha256_, self.weights_name_, f"this {type(self).__name__}")
        usable = np.array([reading is not None for reading in readings], dtype=bool)
        blocks, coverage = make_blocks(batch, readings, self.reading_.grid, spectra.vectors, heads=heads)
        if not usable.any():
            widths = {name: len(made.mean) for name, made in self.reading_.components.items()}
            widths |= {ERRORS: widths[HEADS]} if heads else {}
            blocks = {name: np.full((len(batch), width), np.nan) for name, width in widths.items()}
        scores = self.reading_.transform(blocks)
        predicted, spread = self.reading_.predict(blocks, scores)
        added = None if self.deep_ is None else self.deep_.predict(spectra, runner, self.frame, progress)
        domain = self.reading_.domain
        distance = domain.measure(scores)
        other, moved = self.transfer_.measure(batch, usable)
        flags = np.where(usable, flags | domain.flag(distance, coverage) | other, flags)
        spread = [one * domain.widen(distance) for one in spread]
        return batch, usable, flags, messages, predicted, (spread, moved), added

    @own_state
    def estimate(
        self,
        obj: Any,
        *,
        medium: Any = None,
        resolution: Any = None,
        redshift: Any = None,
        progress: bool | None = None,
    ) -> QTable:
        """Predictions with errors, flags and messages, one row for each spectrum.

        Parameters
        ----------
        obj, medium, resolution, redshift
            Spectra, as for `SpectrumSet`.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Returns
        -------
        `~astropy.table.QTable`
            ``name``, the predictions, ``warn`` (bits of `AdaptFlag`) and ``message``; the metadata name the weights and
            what was learned from.
        """
        columns, arrays, meta = self._tabulate(obj, medium, resolution, redshift, progress)
        return make_table(columns, arrays, meta)

    def estimate_files(
        self,
        paths: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        file_format: str | None = None,
        medium: str | None = None,
        resolution: Any = None,
        redshift: Any = None,
        progress: bool | None = None,
        **kwargs: Any,
    ) -> QTable:
        """Predictions for the spectra in files.

        Parameters
        ----------
        paths : str, path-like, or sequence of these
            Files of any format that specutils or this package reads; for weights of another axis (:ref:`sequences`)
            tables of sequences.
        file_format : str, optional
            specutils' name of the format of all of them; found out from each file if not given.
        medium, resolution, redshift, progress
            As for ``estimate``; medium and resolution of all.
        **kwargs
            ``wave_unit``, ``flux_unit``, ``columns``, ``hdu``, ``join``, ``spaxel`` of `~astro_spectok.read`.

        Returns
        -------
        `~astropy.table.QTable`
            As of ``estimate``, with the column ``file`` before the others. A file that cannot be read is one flagged
            row.

        Raises
        ------
        ValueError
            ``paths`` is empty, or an option is not one of those there are.
        """
        reading = {name: kwargs.pop(name) for name in READ_OPTIONS if name in kwargs}

        def measure(batch, progress):
            return self.estimate(batch, redshift=redshift, progress=progress, **kwargs)

        return measure_in_chunks(
            paths, measure, label=type(self).__name__, file_format=file_format, medium=medium, resolution=resolution,
            progress=progress, weights=self.weights, **reading,
        )  # fmt: skip

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.allow_nan = False, True
        tags.no_validation, tags.target_tags.required = True, True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "reading_")
