# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Batches of views as tensors; batch ``i`` of a run is a function of its seed and ``i`` alone."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from astro_spectok.network.patches import PatchBatch, PatchGrid, arrange_patches, build_patches
from astro_spectok.training.corpus import Corpus
from astro_spectok.training.views import draw_view

__all__ = ["TrainingBatch", "ViewDataset", "stack_views"]

#: draws per view wanted after which the corpus is given up: of the public sets hardly any draw fails
MOST_DRAWS = 100


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
    """

    patches: PatchBatch
    grid: PatchGrid
    resolution: torch.Tensor
    flux: torch.Tensor
    variance: torch.Tensor
    hide: torch.Tensor

    def to(self, device):
        """Copy on ``device``."""
        return TrainingBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


class ViewDataset(torch.utils.data.Dataset):
    """Batches by number, for a `torch.utils.data.DataLoader` with ``batch_size=None``.

    The corpus is read when the first batch is drawn, in the process that draws it.

    Parameters
    ----------
    directory : path-like
        Of the training spectra, see `Corpus`.
    config : `TrainingConfig`
    patch : int
        Pixels per token.
    """

    def __init__(self, directory, config, patch):
        self.directory, self.config, self.patch = directory, config, patch
        self._corpus = None

    def __len__(self):
        return self.config.steps

    def __getitem__(self, number):
        if self._corpus is None:  # read in the process that draws
            self._corpus = Corpus(self.directory)
        config = self.config
        rng = np.random.default_rng([config.seed, number])
        n_max = config.max_pixels
        if rng.random() < 0.4:
            n_max = int(np.exp(rng.uniform(np.log(config.min_pixels), np.log(config.max_pixels))))
        size = max(config.batch_tokens * self.patch // n_max, 2)
        views = self._draw_views(rng, size, n_max)
        return stack_views(views, self.patch, rng.random(size) < config.hide_fraction)

    def _draw_views(self, rng, size, n_max):
        """``size`` views of at most ``n_max`` pixels; a draw that gives none is repeated."""
        views = []
        for _ in range(MOST_DRAWS * size):
            view = draw_view(self._corpus.draw(rng), rng, n_max, self.config.target_pixels)
            if view is not None:
                views.append(view)
            if len(views) == size:
                return views
        msg = (
            f"data: the spectra in {self.directory} must have enough good pixels to train on, got {len(views)} views "
            f"from {MOST_DRAWS * size} draws; add longer spectra"
        )
        raise ValueError(msg)


def _join(arrays, dtype):
    return torch.from_numpy(np.concatenate(arrays)).to(dtype)


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
        resolution=_join([np.full(len(v.flux), v.resolution) for v in views], torch.float32),
    )
    target_offsets = torch.tensor(np.concatenate([[0], np.cumsum([len(v.target_flux) for v in views])]))
    grid = arrange_patches(_join([v.target_ln_wavelength for v in views], torch.float64), target_offsets, patch)
    slots = grid.index.clamp_min(0)
    scale = patches.scale[:, None, None]
    flux = _join([v.target_flux for v in views], torch.float32)[slots] / scale
    ivar = _join([v.target_ivar for v in views], torch.float32)[slots] * scale**2
    ivar = torch.where(grid.index >= 0, ivar, 0.0)
    resolution = torch.tensor([v.target_resolution for v in views], dtype=torch.float32)
    return TrainingBatch(
        patches,
        grid,
        resolution[:, None].expand(grid.present.shape),
        torch.where(ivar > 0, flux, 0.0),
        1 / ivar,
        torch.from_numpy(np.asarray(hide)),
    )
