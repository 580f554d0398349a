# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Batches of views as tensors; shard ``i`` of a run is a function of its seed and ``i`` alone."""

import logging
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch

from astro_spectok.heads import ModelConfig
from astro_spectok.network.patch_grid import PatchGrid, arrange_patches
from astro_spectok.network.patches import PatchBatch, build_patches
from astro_spectok.simulate import Survey
from astro_spectok.simulate.public_sets import find_sets
from astro_spectok.simulate.stellar_survey import StellarSurvey
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training.corpus import Corpus
from astro_spectok.training.hiding import ask_hidden, drop_patches
from astro_spectok.training.readers import SpectraDirectory, open_sources
from astro_spectok.training.simulated import pair_views
from astro_spectok.training.views import Truth, draw_view, finish_view, shift_source
from astro_spectok.utils.axis import LN_WAVELENGTH

__all__ = ["TrainingBatch", "ViewDataset", "gather_targets", "stack_views"]

log = logging.getLogger(__name__)

#: draws per view wanted after which the corpus is given up: of the public sets hardly any draw fails
MOST_DRAWS = 100
#: sets of spectra of nothing
WITHOUT_OBJECT = ("sdss_sky_real",)
#: most pixels of labelled stars: those of APOGEE have that many
STELLAR_PIXELS = 8192
#: shards in a row that draw from the same few files of a directory: opening a file costs more than a draw
SAME_FILES = 64


@dataclass(frozen=True)
class TrainingBatch:
    """Input patches and what is wanted.

    Attributes
    ----------
    patches : `PatchBatch`
    grid : `PatchGrid`
        The requested pixels.
    resolution : float32 tensor, shape (B, Tq)
        Requested resolving power.
    flux, variance : float32 tensor, shape (B, Tq, P)
        Wanted flux over the scale of the input, and its variance; inf where nothing is known.
    hide : bool tensor, shape (B,)
        To be decoded from the embedding alone.
    cls : int64 tensor, shape (B,)
        Index into `~astro_spectok.simulate.CLASSES`, -1 where the class is unknown.
    ln_one_plus_z : float64 tensor, shape (B,)
        Of the true redshift, 0 where it is unknown.
    measurable : bool tensor, shape (B,)
        False where there is no redshift to be found.
    aligned : bool tensor, shape (B,)
        Spectra that are distinguishable from those of other objects; ``i`` and ``i + B / 2`` are of one object.
    targets : dict of str to dict of str to tensor
        Training targets of each head, by its name, as of `~astro_spectok.heads.Head.gather_targets`.
    inferred : bool
        Whether what is wanted is what was hidden, and nothing else is to be learned.
    """

    patches: PatchBatch
    grid: PatchGrid
    resolution: torch.Tensor
    flux: torch.Tensor
    variance: torch.Tensor
    hide: torch.Tensor
    cls: torch.Tensor
    ln_one_plus_z: torch.Tensor
    measurable: torch.Tensor
    aligned: torch.Tensor
    targets: dict = field(default_factory=dict)
    inferred: bool = False

    def to(self, device):
        """Copy on ``device``; what is in float64 stays on the CPU where the device has none."""
        exact = "cpu" if torch.device(device).type == "mps" else device

        def move(x):
            if isinstance(x, bool):
                return x
            if isinstance(x, dict):
                return {name: move(one) for name, one in x.items()}
            return x.to(exact if getattr(x, "dtype", None) is torch.float64 else device)

        return TrainingBatch(**{f.name: move(getattr(self, f.name)) for f in fields(self)})


class ViewDataset(torch.utils.data.Dataset):
    """Shards of batches by number, for a `torch.utils.data.DataLoader` with ``batch_size=None``.

    Each object is seen twice: simulated ones through two instruments, stored ones as two random observations. The
    data are read when the first shard is drawn, in the process that draws it.

    Parameters
    ----------
    directory : path-like or None
        Of the public sets; None for analytic templates alone.
    config : `TrainingConfig`
    model : `~astro_spectok.heads.ModelConfig` or `~astro_spectok.network.NetworkConfig`
        Of what is trained.
    real : sequence of path-like
        Directories of real spectra, see `~astro_spectok.training.readers.SpectraDirectory`.
    real_medium : {'vacuum', 'air'}, optional
        Of the wavelengths in all of them; by default what each file says.
    """

    #: what they lie along
    axis = LN_WAVELENGTH

    def __init__(self, directory, config, model, real=(), *, real_medium=None):
        self.directory, self.config = directory, config
        self.real, self.real_medium = tuple(real), real_medium
        model = ModelConfig.of(model)
        self.patch = model.network.patch
        self.heads = tuple(model.list_heads())
        #: whether any head learns from labelled stars
        self.wants_stars = any(head.draws_stars for _, head, _ in self.heads)
        self._survey = self._stored = self._stars = None

    def __len__(self):
        return self.config.steps * self.config.shards

    def list_sets(self):
        """Names of the public sets that are drawn from: list of str."""
        return ["analytic templates"] if self.directory is None else sorted(find_sets(self.directory))

    def __getitem__(self, number):
        self._open()
        config = self.config
        rng = np.random.default_rng([config.seed, number])
        n_max = config.max_pixels
        if rng.random() < config.short_fraction:
            n_max = int(np.exp(rng.uniform(np.log(config.min_pixels), np.log(config.max_pixels))))
        inferred = False
        if self._stars is not None and rng.random() < config.stellar_fraction:
            pairs = self._draw_stars(rng, config.batch_tokens)
        else:
            inferred = config.inferred_fraction > 0 and rng.random() < config.inferred_fraction
            finish = ask_hidden if inferred else finish_view
            n = max(config.batch_tokens * self.patch // n_max // 2, 2)
            n_stored = rng.binomial(n, config.stored_fraction) if self._stored else 0
            pairs = self._draw_stored(rng, n_stored, n_max, number, finish)
            pairs += self._draw_simulated(rng, n - n_stored, n_max, finish)
            while len(pairs) < 2:  # hardly ever: nearly all that are drawn have enough good pixels
                pairs += self._draw_simulated(rng, n, n_max, finish)
        first, second = zip(*pairs, strict=True)
        hide = rng.random(2 * len(pairs)) < config.hide_fraction
        batch = stack_views([*first, *second], self.patch, hide)
        if inferred:
            batch = replace(batch, patches=drop_patches(batch.patches), inferred=True)
        truths = [view.truth for view in (*first, *second)]
        return replace(batch, targets=gather_targets(self.heads, truths, batch.patches, rng))

    def _open(self):
        """Read what is drawn from, in the process that draws."""
        if self._survey is None:
            corpus = [Corpus(self.directory)] if self.directory is not None else []
            self._stored = [c for c in corpus if c.names] + open_sources(self.real, medium=self.real_medium)
            store = TemplateStore(self.directory)
            self._survey = Survey(store)
            if self.wants_stars and self.directory is not None and self.config.stellar_fraction:
                self._stars = open_stars(store)

    def _draw_simulated(self, rng, n, n_max, finish=finish_view):
        """Pairs of views of about ``n`` simulated objects, one at least being tried."""
        n = max(n, 1)
        # one of the two may be much shorter: surveys differ
        other = n_max
        if rng.random() < self.config.short_fraction:
            other = int(np.exp(rng.uniform(np.log(self.config.min_pixels), np.log(n_max))))
        alike = rng.random() < self.config.alike_fraction
        groups = self._survey.draw(n, rng.integers(2**62), views=2, max_pixels=(n_max, other), alike=alike)
        target = self.config.target_pixels
        return [pair for group in groups for pair in pair_views(group, rng, target, finish=finish)]

    def _draw_stars(self, rng, tokens):
        """Pairs of views of labelled stars, whose spectra may be longer than others: tokens, two by two at least."""
        n, pairs = max(tokens * self.patch // STELLAR_PIXELS // 2, 2), []
        while len(pairs) < 2:
            groups = self._stars.draw(n, rng.integers(2**62), views=2, max_pixels=STELLAR_PIXELS)
            pairs += [pair for group in groups for pair in pair_views(group, rng, self.config.target_pixels)]
        return pairs

    def _draw_source(self, rng, number):
        """A stored spectrum; of a directory from the few files that a stretch of shards draws from."""
        k = rng.integers(len(self._stored))
        source = self._stored[k]
        if not isinstance(source, SpectraDirectory):
            return source.draw(rng)
        stretch = number // SAME_FILES
        return source.draw(rng, shards=source.choose_shards(np.random.default_rng([self.config.seed, k, stretch])))

    def _draw_pair(self, source, rng, n_max, finish=finish_view):
        """Two views of a stored spectrum."""
        shift = shift_source(source, rng)
        sources, split = (source, source), source.ivar is not None and rng.random() < 0.5
        if split:  # even and odd pixels have noise of their own, which the alignment cannot hold on to
            sources = [source.thin(first, 2) for first in rng.permutation(2)]
        pair = [draw_view(one, rng, n_max, self.config.target_pixels, shift=shift, finish=finish) for one in sources]
        if split and source.name not in WITHOUT_OBJECT:
            return [None if view is None else replace(view, truth=Truth()) for view in pair]
        return pair

    def _draw_stored(self, rng, n, n_max, number, finish=finish_view):
        """Pairs of views of ``n`` stored spectra; a draw that gives none is repeated."""
        pairs = []
        for _ in range(MOST_DRAWS * n):
            if len(pairs) == n:
                return pairs
            pair = self._draw_pair(self._draw_source(rng, number), rng, n_max, finish)
            if all(view is not None for view in pair):
                pairs.append(tuple(pair))
        if len(pairs) == n:
            return pairs
        msg = (
            f"data, real: the stored spectra must have enough good pixels to train on, got {len(pairs)} pairs from "
            f"{MOST_DRAWS * n} draws in {', '.join(str(path) for path in (self.directory, *self.real) if path)}; add "
            "longer spectra"
        )
        raise ValueError(msg)


def open_stars(store):
    """A `StellarSurvey` of a store of public sets, or None where they hold no stars with labels."""
    try:
        return StellarSurvey(store)
    except ValueError:
        log.warning("no labelled stars in %s: heads for stars learn nothing", store.directory)
        return None


def _join(arrays, dtype):
    return torch.from_numpy(np.concatenate(arrays)).to(dtype)


def gather_targets(heads, truths, patches, rng):
    """Training targets of each head.

    Parameters
    ----------
    heads : iterable of (str, type, `~astro_spectok.heads.HeadConfig`)
        Name, class and settings of each.
    truths, patches, rng
        As of `~astro_spectok.heads.Head.gather_targets`.

    Returns
    -------
    dict of str to dict of str to tensor
        By the names of the heads.
    """
    return {name: head.gather_targets(config, truths, patches, rng) for name, head, config in heads}


def stack_views(views, patch, hide):
    """Lay views out in patches, padded to the longest.

    Parameters
    ----------
    views : list of `~astro_spectok.training.views.View`
    patch : int
        Pixels per token.
    hide : bool ndarray, shape (B,)
        Which views are to be decoded from their embedding alone.

    Returns
    -------
    TrainingBatch
    """
    lengths = [len(v.flux) for v in views]
    offsets = torch.tensor(np.concatenate([[0], np.cumsum(lengths)]))
    patches = build_patches(
        _join([v.ln_wavelength for v in views], torch.float64),
        _join([v.flux for v in views], torch.float32),
        _join([v.ivar for v in views], torch.float32),
        offsets,
        patch,
        resolution=_join([np.broadcast_to(v.resolution, v.flux.shape) for v in views], torch.float32),
    )
    target_offsets = torch.tensor(np.concatenate([[0], np.cumsum([len(v.target_flux) for v in views])]))
    grid = arrange_patches(_join([v.target_ln_wavelength for v in views], torch.float64), target_offsets, patch)
    slots = grid.index.clamp_min(0)
    scale = patches.scale[:, None, None]
    flux = _join([v.target_flux for v in views], torch.float32)[slots] / scale
    ivar = _join([v.target_ivar for v in views], torch.float32)[slots] * scale**2
    ivar = torch.where(grid.index >= 0, ivar, 0.0)
    resolution = torch.tensor([v.target_resolution for v in views], dtype=torch.float32)
    truths = [v.truth for v in views]
    return TrainingBatch(
        patches,
        grid,
        resolution[:, None].expand(grid.present.shape),
        torch.where(ivar > 0, flux, 0.0),
        1 / ivar,
        torch.from_numpy(np.asarray(hide)),
        torch.tensor([truth.cls for truth in truths]),
        torch.tensor([truth.ln_one_plus_z for truth in truths], dtype=torch.float64),
        torch.tensor([truth.measurable for truth in truths]),
        torch.tensor([truth.aligned for truth in truths]),
    )
