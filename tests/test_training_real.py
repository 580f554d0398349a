# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the training data pipeline on the real sets, where they are at hand."""

import dataclasses

import numpy as np
import pytest
import torch
from _paths import TRAIN, needs
from _training_data import QUICK

from astro_spectok.heads import get_model_config
from astro_spectok.simulate.public_sets import SIMULATED, STORED, find_sets
from astro_spectok.training import batches
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.corpus import Corpus
from astro_spectok.training.provenance import measure_wavelength_range
from astro_spectok.training.views import draw_view

pytestmark = needs(TRAIN)


@pytest.fixture(scope="module")
def corpus():
    """All of them."""
    return Corpus(TRAIN)


@pytest.fixture(scope="module")
def dataset(public_sets):
    """Shards with labels, a third of the objects stored."""
    config = dataclasses.replace(QUICK, batch_tokens=256, max_pixels=2000, stored_fraction=0.3)
    with pytest.MonkeyPatch.context() as patch:  # what other files have read is not read again
        patch.setattr(batches, "TemplateStore", lambda directory: public_sets)
        yield ViewDataset(TRAIN, config, get_model_config("small"))


def test_every_known_set_is_there(corpus):
    """None is misspelt."""
    assert corpus.names == list(STORED)
    assert list(find_sets(TRAIN)) == [*STORED, *SIMULATED]


def test_views_of_real_spectra(corpus):
    """Two hundred draws: finite, in order, with good pixels on both sides."""
    rng = np.random.default_rng(0)
    views = [draw_view(corpus.draw(rng), rng, 2000, 1000) for _ in range(200)]
    views = [view for view in views if view is not None]
    assert len(views) > 190
    assert len({view.name for view in views}) > 12
    for view in views:
        for array in (view.ln_wavelength, view.flux, view.ivar):
            assert len(array) == len(view.flux) <= 2000
            assert np.isfinite(array).all()
        for array in (view.target_ln_wavelength, view.target_flux, view.target_ivar):
            assert len(array) == len(view.target_flux) <= 1000
            assert np.isfinite(array).all()
        assert (np.diff(view.ln_wavelength) > 0).all()
        assert (np.diff(view.target_ln_wavelength) > 0).all()
        assert np.count_nonzero(view.ivar) >= 32


def test_batches_of_the_real_sets(dataset):
    """Tensors that the network can train on, with classes, redshifts and labels."""
    batches = [dataset[number] for number in range(6)]
    for batch in batches:
        assert torch.isfinite(batch.patches.channels).all()
        assert torch.isfinite(batch.patches.grid.geometry).all()
        assert torch.isfinite(batch.flux).all()
        assert torch.isfinite(batch.variance).any(dim=2).any(dim=1).all()
        assert torch.isfinite(batch.ln_one_plus_z).all()
    types = torch.cat([batch.targets["spectral_type"]["stellar_type"][batch.cls == 2] for batch in batches])
    assert (types >= 0).float().mean() > 0.7
    cls = torch.cat([batch.cls for batch in batches])
    assert set(cls.tolist()) == {-1, 0, 1, 2}
    assert 0.3 < (cls >= 0).float().mean() < 0.95


def test_wavelength_range_of_the_real_sets(dataset):
    """From the ultraviolet to the infrared."""
    low, high = measure_wavelength_range(dataset, n_shards=8)
    assert 900 < low < 4000
    assert 9000 < high < 56000
