# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pretraining on sequences along any linear axis: wavenumbers, times, positions; as on spectra."""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.heads import ModelConfig
from astro_spectok.network import NetworkConfig
from astro_spectok.spectra.sequences import measure_axis, to_sequences
from astro_spectok.training.batches import stack_views
from astro_spectok.training.config import TrainingConfig
from astro_spectok.training.hiding import drop_patches
from astro_spectok.training.loop import train
from astro_spectok.training.views import Truth, View, cut_target, scale_view
from astro_spectok.utils.axis import STEP
from astro_spectok.utils.host import own_state

__all__ = ["SequenceDataset", "make_sequence_config", "pretrain_sequences"]

#: patches that a sequence of usual length is to have at least, and the fewest and most points of one
PATCHES, SMALLEST, LARGEST = 10, 4, 32
#: settings of a run that differ from those of spectra
SETTINGS = {
    "steps": 1500, "batch_tokens": 1024, "target_pixels": 512, "learning_rate": 1e-3, "warmup": 50, "workers": 0,
    "inferred_fraction": 0.3, "min_pixels": 1, "checkpoint_every": 500,
}  # fmt: skip
#: points of a view at most
MOST_POINTS = 4096
#: sequences from which on a view is contrasted with those of others
CONTRASTED = 8
#: share of the views that show all of the sequence, and least share of it that others do
WHOLE, LEAST_SHOWN = 0.3, 0.6
#: share of the views of every second or third point, where enough of them are left; patches that are enough
THIN, THIN_PATCHES = 0.25, 4
#: share of the views with more noise, and with points hidden; most of the points that are; of those that are to be
#: inferred, from and to
NOISIER, HIDDEN, MOST_HIDDEN, INFERRED = 0.5, 0.6, 0.4, (0.2, 0.6)
#: draws without a view after which the data are given up
MOST_DRAWS = 1000


def make_sequence_config(axis, length, *, patch=None, name="sequences"):
    """Sizes of a small network for sequences, from what they are like.

    Parameters
    ----------
    axis : `~astro_spectok.network.Axis`
    length : int
        Points of a sequence of usual length.
    patch : int, optional
        Points per token; if not given, a power of two from 4 to 32 with which a usual sequence has about ten tokens.
    name : str, optional
        Of the network and its file.

    Returns
    -------
    `~astro_spectok.network.NetworkConfig`

    Examples
    --------
    >>> from astro_spectok.network import Axis
    >>> from astro_spectok.training.sequences import make_sequence_config
    >>> axis = Axis("time", "h", low=0.0, high=200.0, spacing=1.0)
    >>> make_sequence_config(axis, 200).patch, make_sequence_config(axis, 30).patch
    (16, 4)
    """
    if patch is None:
        patch = int(np.clip(2 ** np.floor(np.log2(max(length, 1) / PATCHES)), SMALLEST, LARGEST))
    span = max(axis.to_coordinate(axis.high) - axis.to_coordinate(axis.low), 4 * STEP)
    nodes = int(np.clip(span / STEP / patch, 4, 24))
    return NetworkConfig(
        name=name, patch=int(patch), width=64, heads=4, encoder_layers=3, decoder_layers=1, frequencies=24,
        longest_period=4 * span, shortest_period=2 * STEP, rotary_longest=4 * span, rotary_shortest=4 * STEP,
        embedding_size=64, embedding_nodes=nodes, detail_channels=8, dct_coefficients=max(int(patch) // 2, 2),
        axis=axis,
    )  # fmt: skip


class SequenceDataset(torch.utils.data.Dataset):
    """Shards of batches of views of sequences, by number; as `~astro_spectok.training.batches.ViewDataset` of spectra.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
        Along the axis of the network; those that cannot be used are left out.
    config : `~astro_spectok.training.TrainingConfig`
    model : `~astro_spectok.heads.ModelConfig` or `~astro_spectok.network.NetworkConfig`

    Raises
    ------
    ValueError
        No sequence can be used.
    """

    directory, real, real_medium = None, (), None

    def __init__(self, batch, config, model):
        usable = np.flatnonzero(batch.lengths)
        if not len(usable):
            reason = next((info.message for info in batch.info if info.message), "it is empty")
            msg = f"data must hold a sequence that can be used; got {len(batch)}, of the first: {reason}"
            raise ValueError(msg)
        if len(usable) < len(batch):
            reason = next(info.message for info, length in zip(batch.info, batch.lengths, strict=True) if not length)
            msg = f"{len(batch) - len(usable)} of {len(batch)} sequences cannot be used and are left out: {reason}"
            warnings.warn(msg, FlaggedSpectraWarning, stacklevel=2)
        self.batch, self.config = batch.take(usable), config
        self.patch, self.axis = ModelConfig.of(model).network.patch, batch.axis

    def __len__(self):
        return self.config.steps * self.config.shards

    def list_sets(self):
        """What the data are: list of one str, with a digest."""
        digest = hashlib.sha256()
        for values in (self.batch.wavelength, self.batch.flux, self.batch.ivar):
            digest.update(np.ascontiguousarray(values).tobytes())
        return [f"{len(self.batch)} sequences, sha256 {digest.hexdigest()[:12]}"]

    def __getitem__(self, number):
        config = self.config
        rng = np.random.default_rng([config.seed, number])
        inferred = rng.random() < config.inferred_fraction
        # of one sequence nothing is contrasted: views of the same one would be taken for others
        apart = len(self.batch) >= CONTRASTED
        order = rng.permutation(len(self.batch)) if apart else rng.integers(len(self.batch), size=MOST_DRAWS)
        pairs, tokens = [], 0
        for i in order[:MOST_DRAWS]:
            if tokens >= config.batch_tokens and len(pairs) > 1:
                break
            pair = [self._draw_view(int(i), rng, inferred, apart) for _ in range(2)]
            if all(view is not None for view in pair):
                pairs.append(pair)
                tokens += sum(-(-len(view.flux) // self.patch) for view in pair)
        if len(pairs) < 2:
            msg = f"data must hold sequences that views can be drawn of; got {len(pairs)} of {len(order)}; add more"
            raise ValueError(msg)
        first, second = zip(*pairs, strict=True)
        hide = rng.random(2 * len(pairs)) < config.hide_fraction
        batch = stack_views([*first, *second], self.patch, hide)
        return replace(batch, patches=drop_patches(batch.patches), inferred=True) if inferred else batch

    def _draw_view(self, i, rng, inferred, apart):
        """A view of a stretch of a sequence, or None where nothing of it is good."""
        x, flux, ivar = self._cut(i, rng)
        wanted = View(x, flux, ivar, np.nan, x, flux, ivar, np.nan, "sequences", Truth(aligned=apart))
        number, first = 1, 0
        if rng.random() < THIN and len(x) >= 2 * THIN_PATCHES * self.patch:
            number = int(rng.integers(2, 4 if len(x) >= 3 * THIN_PATCHES * self.patch else 3))
            first = int(rng.integers(number))
        kept = slice(first, None, number)
        shown, shown_ivar = self._add_noise(flux[kept], ivar[kept], rng)
        share = rng.uniform(*INFERRED) if inferred else rng.uniform(0, MOST_HIDDEN) if rng.random() < HIDDEN else 0.0
        hidden = self._choose_hidden(len(shown), share, rng)
        view = replace(wanted, ln_wavelength=x[kept], flux=shown, ivar=np.where(hidden, 0, shown_ivar))
        if inferred and number == 1:
            asked = hidden & (ivar > 0)
            view = replace(view, target_ln_wavelength=x[asked], target_flux=flux[asked], target_ivar=ivar[asked])
        return self._finish(view, rng)

    def _finish(self, view, rng):
        """A view over the scale that the network divides by; None where too little of it is good, or all is zero."""
        good = view.ivar > 0
        if np.count_nonzero(good) < max(self.patch // 2, 2) or np.count_nonzero(view.target_ivar) < 2:
            return None
        size = np.abs(view.flux[good])
        size = np.median(size) or size.mean()
        return cut_target(scale_view(view, size), rng, self.config.target_pixels) if size > 0 else None

    def _cut(self, i, rng):
        """Coordinates, values and inverse variances of a random stretch."""
        n = int(self.batch.lengths[i])
        size = n if rng.random() < WHOLE else int(n * rng.uniform(LEAST_SHOWN, 1))
        size = min(max(size, min(self.patch, n)), self.config.max_pixels)
        start = int(rng.integers(n - size + 1))
        part = slice(start, start + size)
        pixels = self.batch.pixels(i)
        return self.batch.coordinate(i)[part], *(
            values[pixels][part].astype(float) for values in (self.batch.flux, self.batch.ivar)
        )

    def _add_noise(self, flux, ivar, rng):
        """More noise on top of that stated, in half of the draws."""
        good = ivar > 0
        sigma = np.where(good, 1 / np.sqrt(np.where(good, ivar, 1)), 0)
        extra = sigma * (10 ** rng.uniform(-1, 0.7) if rng.random() < NOISIER else 0.0)
        noisy = flux + extra * rng.normal(size=len(flux))
        return noisy, np.where(good, 1 / np.where(good, sigma**2 + extra**2, 1), 0)

    def _choose_hidden(self, n, share, rng):
        """Which of ``n`` points are hidden: stretches of like length, of half a patch or more."""
        hidden = np.zeros(n, bool)
        longest = max(n * 0.35, 2)
        typical = np.exp(rng.uniform(np.log(min(max(self.patch / 4, 1), longest)), np.log(longest)))
        while hidden.sum() < share * n:
            length = max(int(typical * rng.uniform(0.5, 1.6)), 1)
            start = int(rng.integers(-(length // 2), n))
            hidden[max(start, 0) : start + length] = True
        return hidden


@own_state
def pretrain_sequences(
    data: Any,
    out: str | PathLike[str],
    axis: str,
    *,
    axis_unit: Any = None,
    patch: int | None = None,
    name: str = "sequences",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
    stop_after: int | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> Path | None:
    """Train a small network on sequences of any length, sampling and range, and write its weights.

    No labels are needed. `~astro_spectok.adapt.SpectrumClassifier` and `~astro_spectok.adapt.SpectrumRegressor` sit on
    the weights, and `~astro_spectok.embed` takes them.

    Parameters
    ----------
    data
        Sequences: tuples ``(axis, values[, errors[, mask]])``, `~specutils.Spectrum`, tables, or names of files or of a
        folder (:ref:`sequences`).
    out : path-like
        Directory for checkpoint, log, loss curve and, after the last step, ``<name>.safetensors``.
    axis : {'wavenumber', 'time', 'position'}
        What they lie along, linearly; a position may have any unit or none.
    axis_unit : str or `~astropy.units.Unit`, optional
        That of the weights, and of axes that have none, as those of text files; of the first sequence if not given.
    patch : int, optional
        Points per token; from the usual length of a sequence if not given.
    name : str, optional
        Of the weights.
    settings : dict, optional
        Of `~astro_spectok.training.TrainingConfig`, where they are not to be those of sequences: ``{"steps": 500}``.
    resume, device, precision, stop_after, on_step
        As for `~astro_spectok.training.loop.pretrain`.

    Returns
    -------
    `~pathlib.Path` or None
        The weights, or None when stopped before the last step.

    Raises
    ------
    FileExistsError
        ``out`` holds a run and ``resume`` is False.
    ValueError
        No sequence can be used, there is no such axis, or the unit does not fit it.

    Warns
    -----
    FlaggedSpectraWarning
        Some of several sequences cannot be used, and are left out.

    Examples
    --------
    The first step of a run; with ``resume=True`` and no ``stop_after`` it goes on to the last and returns the path:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.training import pretrain_sequences
    >>> rng = np.random.default_rng(1)
    >>> hours = [np.arange(n) * u.h for n in (40, 50, 60)]
    >>> data = [(t, np.sin(t.value / 4) + rng.normal(0, 0.1, len(t))) for t in hours]
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> pretrain_sequences(data, out, "time", settings={"batch_tokens": 64}, device="cpu", stop_after=1)
    >>> (out / "checkpoint.safetensors").is_file()
    True
    """
    return train(
        lambda: _open_data(data, axis, axis_unit, patch, name, settings or {}), out, resume=resume, device=device,
        precision=precision, stop_after=stop_after, on_step=on_step,
    )  # fmt: skip


def _open_data(data, axis, axis_unit, patch, name, settings):
    """The dataset of a run, and the model."""
    data = list(data) if isinstance(data, Iterator) else data
    made, length = measure_axis(data, axis, axis_unit)
    model = make_sequence_config(made, length, patch=patch, name=name)
    batch = to_sequences(data, made, least=model.patch, axis_unit=axis_unit)
    longest = int(min(batch.lengths.max(initial=1), MOST_POINTS))
    config = TrainingConfig(**{**SETTINGS, "max_pixels": max(longest, 1), **settings})
    model = ModelConfig.of(model)
    return SequenceDataset(batch, config, model), model
