# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the training data pipeline on the real sets, where they are at hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from _training_data import QUICK

from astro_spectok.training import TrainingConfig
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.corpus import MADE, STORED, Corpus
from astro_spectok.training.provenance import measure_wavelength_range
from astro_spectok.training.views import draw_view

DIRECTORY = Path(__file__).parents[1].parent / "shared" / "data" / "train"
pytestmark = pytest.mark.skipif(not DIRECTORY.is_dir(), reason="the training spectra are not in this checkout")


@pytest.fixture(scope="module")
def corpus():
    """All of them."""
    return Corpus(DIRECTORY)


def test_every_known_set_is_there(corpus):
    """None is misspelt."""
    assert corpus.names == [*STORED, *MADE]


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


def test_batches_of_real_spectra():
    """Tensors that the network can train on."""
    dataset = ViewDataset(DIRECTORY, dataclasses.replace(QUICK, batch_tokens=512, max_pixels=2000), 32)
    for number in range(3):
        batch = dataset[number]
        assert torch.isfinite(batch.patches.channels).all()
        assert torch.isfinite(batch.patches.grid.geometry).all()
        assert torch.isfinite(batch.flux).all()
        assert torch.isfinite(batch.variance).any(dim=2).any(dim=1).all()


def test_wavelength_range_of_the_real_sets(corpus):
    """From the ultraviolet to the infrared."""
    low, high = measure_wavelength_range(corpus, TrainingConfig())
    assert 400 < low < 3000
    assert 15000 < high < 120000
