# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of training batches: a function of the seed and their number alone, each object twice, with what is true."""

import dataclasses

import numpy as np
import pytest
import torch
from _multimodal import make_rows, write_hdf5
from _training_data import QUICK, write_corpus, write_stored

from astro_spectok.heads import ModelConfig, SpectralTypeConfig, StellarConfig
from astro_spectok.network import get_config
from astro_spectok.training.batches import ViewDataset, gather_targets, stack_views
from astro_spectok.training.loop import _load_batches
from astro_spectok.training.processes import Processes
from astro_spectok.training.views import Truth, View

TINY = get_config("tiny")
LABELLED = ModelConfig(TINY, {"spectral_type": SpectralTypeConfig()})
#: half of the objects are stored
HALF = dataclasses.replace(QUICK, batch_tokens=128, stored_fraction=0.5)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The synthetic sets."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def mixed(directory):
    """Batches of stored and simulated objects, with labels."""
    dataset = ViewDataset(directory, HALF, LABELLED)
    return [dataset[number] for number in range(12)]


def tensors_of(batch):
    """All that a batch holds, NaN as a number."""
    grids = [getattr(grid, name) for grid in (batch.grid, batch.patches.grid) for name in ("index", "ln_wavelength")]
    patches = [batch.patches.channels, batch.patches.scale, batch.patches.resolution]
    wanted = [batch.resolution, batch.flux, batch.variance, batch.hide.float()]
    truth = [batch.cls, batch.ln_one_plus_z, batch.measurable.float(), batch.aligned.float()]
    targets = [x.float() for head in batch.targets.values() for x in head.values()]
    return [x.nan_to_num(-1) for x in (*grids, *patches, *wanted, *truth, *targets)]


def same(one, other):
    """Whether two batches are equal, bit by bit."""
    pairs = list(zip(tensors_of(one), tensors_of(other), strict=True))
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def test_batch_depends_on_seed_and_number_alone(directory):
    """Not on what was drawn before, nor on how long the run is to be."""
    dataset = ViewDataset(directory, QUICK, LABELLED)
    first = [dataset[i] for i in range(4)]
    again = ViewDataset(directory, dataclasses.replace(QUICK, steps=1000, log_every=1), LABELLED)
    assert all(same(again[i], first[i]) for i in (3, 0, 2))
    assert not same(first[0], first[1])
    other = ViewDataset(directory, dataclasses.replace(QUICK, seed=8), LABELLED)
    assert not same(other[0], first[0])
    assert len(dataset) == QUICK.steps
    assert len(ViewDataset(directory, dataclasses.replace(QUICK, shards=3), TINY)) == 3 * QUICK.steps


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(directory, workers):
    """Nor does the step that a run starts from."""
    alone = Processes("cpu")
    plain = list(_load_batches(ViewDataset(directory, QUICK, TINY), 0, 5, alone))
    config = dataclasses.replace(QUICK, workers=workers)
    resumed = list(_load_batches(ViewDataset(directory, config, TINY), 2, 5, alone))
    assert len(resumed) == 3
    assert all(same(a, b) for a, b in zip(resumed, plain[2:], strict=True))


def test_processes_share_the_shards(directory, monkeypatch):
    """Each shard is drawn once, those of a step side by side."""
    dataset = ViewDataset(directory, dataclasses.replace(QUICK, shards=4), TINY)
    numbers = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        numbers.append(list(_load_batches(dataset, 1, 3, Processes("cpu")).sampler))
    assert numbers == [[4, 6, 8, 10], [5, 7, 9, 11]]


def test_batches_are_finite_and_of_the_size_wanted(directory):
    """Every value that the objective uses; sizes follow the budget of tokens."""
    config = dataclasses.replace(QUICK, batch_tokens=64, hide_fraction=0.4)
    dataset = ViewDataset(directory, config, TINY)
    hidden = []
    for number in range(15):
        batch = dataset[number]
        n = len(batch.hide)
        assert n >= 4
        assert n * (batch.patches.mask.sum(1).float().mean()) < 1.5 * 64
        assert torch.isfinite(batch.patches.channels).all()
        assert torch.isfinite(batch.flux).all()
        assert (batch.variance > 0).all()
        known = torch.isfinite(batch.variance)
        assert known.flatten(1).any(1).all()
        assert not known[batch.grid.index < 0].any()
        assert batch.resolution.shape == batch.grid.present.shape
        assert batch.targets == {}
        hidden.append(batch.hide.float().mean().item())
    assert 0.2 < np.mean(hidden) < 0.6


def test_spectra_half_a_batch_apart_are_of_one_object(mixed):
    """They share all that is true of it, and are different observations."""
    for batch in mixed:
        n = len(batch.hide) // 2
        assert len(batch.hide) == 2 * n
        for tensor in (
            batch.cls,
            batch.ln_one_plus_z,
            batch.measurable,
            batch.targets["spectral_type"]["stellar_type"],
            batch.aligned,
        ):
            assert torch.equal(tensor[:n], tensor[n:])
        for i in range(n):
            assert not torch.equal(batch.patches.channels[i], batch.patches.channels[n + i])
        assert len(torch.unique(batch.ln_one_plus_z[:n][batch.cls[:n] >= 0])) == (batch.cls[:n] >= 0).sum()


def test_stored_and_simulated_objects_share_a_batch(mixed, directory):
    """In the share that the settings want, whatever its size; what is stored has neither class nor label."""
    counts = [((batch.cls >= 0).sum().item(), len(batch.cls)) for batch in mixed]
    simulated, every = np.sum(counts, axis=0)
    assert 0.3 < simulated / every < 0.7  # a few of the simulated have no class either
    assert np.mean([0 < some < n for some, n in counts]) > 0.5
    whole = ViewDataset(directory, dataclasses.replace(HALF, stored_fraction=0.0), LABELLED)
    assert np.mean([(whole[i].cls >= 0).float().mean() for i in range(8)]) > 0.8
    stored = ViewDataset(directory, dataclasses.replace(HALF, stored_fraction=1.0), LABELLED)[0]
    assert (stored.cls == -1).sum() >= len(stored.cls) - 2
    assert (stored.targets["spectral_type"]["stellar_type"][stored.cls == -1] == -1).all()


def test_what_is_true_is_that_of_the_simulator(mixed):
    """Stars have types and hardly a redshift, galaxies their own redshifts."""
    cls, z = torch.cat([batch.cls for batch in mixed]), torch.cat([batch.ln_one_plus_z for batch in mixed])
    types = torch.cat([batch.targets["spectral_type"]["stellar_type"] for batch in mixed])
    galaxy, star = cls == 0, cls == 2
    assert galaxy.sum() > 10
    assert star.sum() > 10
    assert (types[star] >= 0).any()
    assert (types[~star] == -1).all()
    assert z[star].abs().max() < 3e-3
    assert z[galaxy].max() > 0.1
    assert (z[cls == -1] == 0).sum() > 10


def test_real_spectra_join_in(directory, tmp_path):
    """Directories of one's own are drawn from beside the sets; the given medium moves their wavelengths."""
    write_hdf5(tmp_path / "survey" / "a.hdf5", make_rows(4))
    config = dataclasses.replace(QUICK, stored_fraction=1.0)
    seen = {}
    for medium in (None, "vacuum", "air"):
        batch = ViewDataset(None, config, TINY, [tmp_path / "survey"], real_medium=medium)[0]
        # stored ones come first
        seen[medium] = np.exp(batch.patches.grid.ln_wavelength[0][batch.patches.valid[0]].numpy())
    assert len(seen["vacuum"]) > 50
    np.testing.assert_array_equal(seen[None], seen["vacuum"])
    np.testing.assert_allclose(seen["air"] - seen["vacuum"], 1.43, atol=0.06)
    dataset = ViewDataset(directory, config, TINY, [tmp_path / "survey"])
    dataset[0]
    assert [source.names for source in dataset._stored][1:] == [["survey"]]
    assert len(dataset._stored) == 2


def test_observed_spectra_are_aligned_by_halves(tmp_path):
    """Half of the pairs are of even and odd pixels, whose noise is their own; the others share it and do not count."""
    write_hdf5(tmp_path / "survey" / "a.hdf5", make_rows(4))
    config = dataclasses.replace(QUICK, stored_fraction=1.0, batch_tokens=160)
    dataset = ViewDataset(None, config, TINY, [tmp_path / "survey"])
    aligned = torch.cat([dataset[i].aligned for i in range(6)])
    assert 0.2 < aligned.float().mean() < 0.8
    rng = np.random.default_rng(0)
    source = dataset._draw_source(rng, 0)
    for _ in range(20):
        one, other = dataset._draw_pair(source, rng, 4000)
        if one is not None and one.truth.aligned:
            assert not set(one.ln_wavelength) & set(other.ln_wavelength)


def make_view(n, m, seed, truth=None):
    """A view with ``n`` input and ``m`` target pixels."""
    rng = np.random.default_rng(seed)
    x, y = 8.3 + np.arange(n) * 1e-4, 8.31 + np.arange(m) * 2e-4
    flux, wanted = (rng.normal(3, 1, size).astype(np.float32) for size in (n, m))
    ivar, known = np.full(n, 4, np.float32), np.full(m, 100, np.float32)
    known[3] = 0
    return View(x, flux, ivar, 1500.0, y, wanted, known, 900.0, "made up", truth or Truth())


def test_stacked_targets_are_those_of_the_views():
    """Over the scale of the input; padding and unknown pixels have infinite variance."""
    views = [make_view(100, 40, 0), make_view(40, 70, 1)]
    batch = stack_views(views, 32, np.array([False, True]))
    assert batch.hide.tolist() == [False, True]
    start = 0
    for i, view in enumerate(views):
        slots = batch.grid.index[i] >= 0
        np.testing.assert_array_equal(batch.grid.index[i][slots], start + np.arange(len(view.target_flux)))
        np.testing.assert_allclose(batch.grid.ln_wavelength[i][slots], view.target_ln_wavelength, rtol=1e-15)
        scale = batch.patches.scale[i].item()
        known = view.target_ivar > 0
        np.testing.assert_allclose(batch.flux[i][slots], np.where(known, view.target_flux / scale, 0), rtol=1e-5)
        variance = np.where(known, 1 / np.where(known, view.target_ivar, 1) / scale**2, np.inf)
        np.testing.assert_allclose(batch.variance[i][slots], variance, rtol=1e-5)
        assert torch.isinf(batch.variance[i][~slots]).all()
        assert (batch.resolution[i] == 900).all()
        assert (batch.patches.resolution[i][batch.patches.mask[i]] == 1500).all()
        start += len(view.target_flux)


def test_stacked_truths_are_those_of_the_views():
    """In the order of the views; what is not known is -1 or 0, and what heads are taught stands under their names."""
    known = Truth(1, 0.25, labels={"teff": 3.7, "log_vbroad": 1.0, "unasked": 7.0}, stellar_type="K")
    nothing = Truth(measurable=False, aligned=False)
    truths = [known, nothing, Truth()]
    views = [make_view(64, 40, i, truth) for i, truth in enumerate(truths)]
    batch = stack_views(views, 32, np.zeros(3, bool))
    heads = {"one": SpectralTypeConfig(("G", "K")), "other": SpectralTypeConfig(("G", "M")), "stellar": StellarConfig()}
    model = ModelConfig(dataclasses.replace(TINY, dct_coefficients=16), heads)
    targets = gather_targets(model.list_heads(), truths, batch.patches, np.random.default_rng(0))
    assert targets["one"]["stellar_type"].tolist() == [1, -1, -1]
    assert targets["other"]["stellar_type"].tolist() == [-1, -1, -1]
    labels = targets["stellar"]["labels"]
    assert labels[0, 0] == pytest.approx(3.7)
    assert labels.isfinite().sum() == 2
    assert abs(targets["stellar"]["ln_doppler"] - batch.ln_one_plus_z).max() < 1e-4
    assert batch.cls.tolist() == [1, -1, -1]
    assert batch.ln_one_plus_z.dtype == torch.float64
    assert batch.ln_one_plus_z.tolist() == [0.25, 0, 0]
    assert batch.measurable.tolist() == [True, False, True]
    assert batch.aligned.tolist() == [True, False, True]


def test_to_moves_every_tensor():
    """As onto a graphics card; the meta device stands in for one."""
    batch = stack_views([make_view(100, 40, 0)], 32, np.array([False]))
    batch = dataclasses.replace(batch, targets={"head": {"labels": torch.zeros(1, 3)}}).to("meta")
    tensors = [value for value in vars(batch).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 8
    tensors += [batch.patches.channels, batch.grid.geometry, batch.targets["head"]["labels"]]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_corpus_without_a_usable_spectrum_ends_with_an_error(tmp_path):
    """Not in an endless search."""
    columns = {"id": np.array(["a"]), "cls": np.array(["STAR"])}
    write_stored(
        tmp_path / "desi_real_unlabelled.npz", [np.linspace(4000, 4100, 20)], np.random.default_rng(0), **columns
    )
    config = dataclasses.replace(QUICK, stored_fraction=1.0)
    with pytest.raises(ValueError, match=r"data, real: the stored spectra must have enough good pixels.*got 0 pairs"):
        ViewDataset(tmp_path, config, TINY)[0]
