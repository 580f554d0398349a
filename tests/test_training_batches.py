# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of training batches: a function of the seed and their number alone."""

import dataclasses

import numpy as np
import pytest
import torch
from _training_data import QUICK, write_corpus, write_stored

from astro_spectok.training.batches import ViewDataset, stack_views
from astro_spectok.training.loop import _load_batches
from astro_spectok.training.views import View


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The synthetic sets."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def tensors_of(batch):
    """All that a batch holds, NaN as a number."""
    grids = [getattr(grid, name) for grid in (batch.grid, batch.patches.grid) for name in ("index", "ln_wavelength")]
    patches = [batch.patches.channels, batch.patches.scale, batch.patches.resolution]
    return [
        x.nan_to_num(-1) for x in (*grids, *patches, batch.resolution, batch.flux, batch.variance, batch.hide.float())
    ]


def same(one, other):
    """Whether two batches are equal, bit by bit."""
    pairs = list(zip(tensors_of(one), tensors_of(other), strict=True))
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def test_batch_depends_on_seed_and_number_alone(directory):
    """Not on what was drawn before, nor on how long the run is to be."""
    dataset = ViewDataset(directory, QUICK, 32)
    first = [dataset[i] for i in range(4)]
    again = ViewDataset(directory, dataclasses.replace(QUICK, steps=1000, log_every=1), 32)
    assert all(same(again[i], first[i]) for i in (3, 0, 2))
    assert not same(first[0], first[1])
    other = ViewDataset(directory, dataclasses.replace(QUICK, seed=8), 32)
    assert not same(other[0], first[0])
    assert len(dataset) == QUICK.steps


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(directory, workers):
    """Nor does the step that a run starts from."""
    plain = list(_load_batches(directory, QUICK, 32, 0, 5))
    config = dataclasses.replace(QUICK, workers=workers)
    resumed = list(_load_batches(directory, config, 32, 2, 5))
    assert len(resumed) == 3
    assert all(same(a, b) for a, b in zip(resumed, plain[2:], strict=True))


def test_batches_are_finite_and_of_the_size_wanted(directory):
    """Every value that the objective uses; sizes follow the budget of tokens."""
    config = dataclasses.replace(QUICK, batch_tokens=64, hide_fraction=0.4)
    dataset = ViewDataset(directory, config, 32)
    hidden = []
    for number in range(15):
        batch = dataset[number]
        n = len(batch.hide)
        assert n >= 64 * 32 // 256
        assert n * (batch.patches.mask.sum(1).float().mean()) < 1.5 * 64
        assert torch.isfinite(batch.patches.channels).all()
        assert torch.isfinite(batch.flux).all()
        assert (batch.variance > 0).all()
        known = torch.isfinite(batch.variance)
        assert known.flatten(1).any(1).all()
        assert not known[batch.grid.index < 0].any()
        assert batch.resolution.shape == batch.grid.present.shape
        hidden.append(batch.hide.float().mean().item())
    assert 0.2 < np.mean(hidden) < 0.6


def make_view(n, m, seed):
    """A view with ``n`` input and ``m`` target pixels."""
    rng = np.random.default_rng(seed)
    x, y = 8.3 + np.arange(n) * 1e-4, 8.31 + np.arange(m) * 2e-4
    flux, wanted = (rng.normal(3, 1, size).astype(np.float32) for size in (n, m))
    ivar, known = np.full(n, 4, np.float32), np.full(m, 100, np.float32)
    known[3] = 0
    return View(x, flux, ivar, 1500.0, y, wanted, known, 900.0, "made up")


def test_stacked_targets_are_those_of_the_views():
    """Over the scale of the input; padding and unknown pixels have infinite variance."""
    views = [make_view(100, 40, 0), make_view(40, 70, 1)]
    batch = stack_views(views, 32, np.array([False, True]))
    assert batch.hide.tolist() == [False, True]
    start = 0
    for i, view in enumerate(views):
        scale = batch.patches.scale[i].item()
        slots = batch.grid.index[i] >= 0
        np.testing.assert_array_equal(batch.grid.index[i][slots], start + np.arange(len(view.target_flux)))
        known = view.target_ivar > 0
        np.testing.assert_allclose(batch.flux[i][slots], np.where(known, view.target_flux / scale, 0), rtol=1e-5)
        variance = np.where(known, 1 / np.where(known, view.target_ivar, 1) / scale**2, np.inf)
        np.testing.assert_allclose(batch.variance[i][slots], variance, rtol=1e-5)
        assert torch.isinf(batch.variance[i][~slots]).all()
        assert (batch.resolution[i] == 900).all()
        assert (batch.patches.resolution[i][batch.patches.mask[i]] == 1500).all()
        start += len(view.target_flux)


def test_to_moves_every_tensor():
    """As onto a graphics card; the meta device stands in for one."""
    batch = stack_views([make_view(100, 40, 0)], 32, np.array([False])).to("meta")
    tensors = [batch.resolution, batch.flux, batch.variance, batch.hide, batch.patches.channels, batch.grid.geometry]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_corpus_without_a_usable_spectrum_ends_with_an_error(tmp_path):
    """Not in an endless search."""
    write_stored(tmp_path / "pickles_stars.npz", [np.linspace(4000, 4100, 20)], np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"data: the spectra in .* must have enough good pixels.*got 0 views"):
        ViewDataset(tmp_path, QUICK, 32)[0]
