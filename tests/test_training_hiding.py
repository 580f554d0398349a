# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Views of which much is hidden: what is hidden, what is asked for, and what is learned from them."""

import dataclasses

import numpy as np
import pytest
import torch
from _distributed import CONFIG, NETWORK
from _network_inputs import GRIDS, make_spectrum, stack_spectra
from numpy.testing import assert_array_equal

from astro_spectok.heads import build_model
from astro_spectok.network import build_network, get_config
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.hiding import ask_hidden, choose_spans, drop_patches
from astro_spectok.training.step import TrainingStep
from astro_spectok.training.views import View

N = 2000


def make_view(*, other=False, seed=0):
    """A view of a spectrum, asked for its own pixels or for those of another instrument."""
    rng = np.random.default_rng(seed)
    x = np.log(np.linspace(4000, 7000, N))
    flux, ivar = 2 + np.sin(60 * x), np.where(rng.random(N) < 0.02, 0.0, 100.0)
    target = np.log(np.linspace(6500, 9000, 700)) if other else x
    wanted = 2 + np.sin(60 * target)
    return View(x, flux + rng.normal(0, 0.1, N), ivar, np.nan, target, wanted, np.full(len(target), 1e4), np.nan, "v")


def test_shares_and_lengths_of_spans():
    """A fifth to six tenths is hidden; the spans of a draw are of like length, those of all draws are not."""
    masks = [choose_spans(N, np.random.default_rng(i)) for i in range(300)]
    shares = np.array([mask.mean() for mask in masks])
    assert shares.min() >= 0.2
    assert shares.max() < 0.85  # the last span may be long
    assert 0.3 < np.median(shares) < 0.55
    spans = [np.diff(np.flatnonzero(np.diff(np.r_[0, mask, 0]))[:2])[0] for mask in masks]
    assert np.percentile(spans, 10) < 40
    assert np.percentile(spans, 90) > 400


@pytest.mark.parametrize("n", [1, 2, 33])
def test_short_spectra_are_hidden_too(n):
    assert all(len(choose_spans(n, np.random.default_rng(i))) == n for i in range(50))


def test_what_is_shown_is_not_asked_for():
    """Every pixel that is asked for is known and not shown, with the flux and the weight that it has."""
    for i in range(30):
        view = make_view(seed=i)
        found = ask_hidden(view, np.random.default_rng(i), 500)
        shown = np.isin(found.target_ln_wavelength, found.ln_wavelength[found.ivar > 0])
        assert not shown.any()
        assert 16 <= len(found.target_flux) <= 500
        assert_array_equal(found.ivar[view.ivar == 0], 0)
        place = np.searchsorted(view.ln_wavelength, found.target_ln_wavelength)
        scale = view.target_flux[place] / found.target_flux
        np.testing.assert_allclose(scale, scale[0], rtol=1e-5)


def test_another_instrument_is_asked_for_all_it_saw():
    view = make_view(other=True)
    found = ask_hidden(view, np.random.default_rng(1), 5000)
    assert_array_equal(found.target_ln_wavelength, view.target_ln_wavelength)
    assert (found.ivar == 0).mean() > 0.2


def test_nothing_hidden_that_is_known_gives_no_view():
    view = dataclasses.replace(make_view(), target_ivar=np.zeros(N))
    assert ask_hidden(view, np.random.default_rng(0), 500) is None


def hide_patches(patches, hidden):
    """The same spectra with some patches hidden."""
    shown = ~hidden & patches.mask
    return dataclasses.replace(
        patches, channels=patches.channels * shown[..., None, None], valid=patches.valid & shown[..., None], mask=shown
    )


def test_dropping_patches_changes_no_token_and_no_answer():
    """Tokens of what is shown, the embedding and decoded flux are those of the whole, to rounding."""
    patches = stack_spectra([make_spectrum(GRIDS["sdss"]), make_spectrum(GRIDS["desi"], seed=1)])
    hidden = torch.zeros_like(patches.mask)
    hidden[0, 10:80], hidden[1, :20], hidden[1, 30] = True, True, True
    patches = hide_patches(patches, hidden)
    fewer = drop_patches(patches)
    assert fewer.mask.shape[1] == patches.mask.sum(1).max() < patches.mask.shape[1]
    assert (torch.diff(fewer.grid.geometry[..., 0]) >= 0).all()
    torch.manual_seed(3)
    network = build_network(dataclasses.replace(get_config("tiny"), dct_coefficients=8)).eval()
    with torch.inference_mode():
        found = []
        for one in (patches, fewer):
            tokens, where = network.encode(one), (one.mask, one.grid.geometry)
            answer = network.decode(tokens, *where, patches.grid)
            found.append((tokens[one.mask], network.embed(tokens, *where), *answer))
    for whole, part in zip(*found, strict=True):
        torch.testing.assert_close(part, whole, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def batch():
    """A batch of views that are asked for what is hidden."""
    config = dataclasses.replace(CONFIG, batch_tokens=160, inferred_fraction=1.0, hide_fraction=0.0)
    return ViewDataset(None, config, NETWORK)[0]


def test_batches_are_of_such_views(batch):
    """By their share; the others are as they were."""
    assert batch.inferred
    assert torch.isfinite(batch.variance).any(dim=(1, 2)).all()
    never = ViewDataset(None, dataclasses.replace(CONFIG, inferred_fraction=0.0), NETWORK)[0]
    assert not never.inferred


def test_only_encoder_and_decoder_learn_from_them(batch):
    """Heads have a gradient of zero, everything that decodes has one; the loss is that of hidden pixels."""
    torch.manual_seed(4)
    step = TrainingStep(build_model(NETWORK), dataclasses.replace(CONFIG, inferred_weight=2.0)).train()
    loss, figures = step(batch)
    assert set(figures) == {"inferred"}
    total, number = figures["inferred"]
    assert loss.item() == pytest.approx(2.0 * (total / number).item(), rel=1e-5)
    loss.backward()
    for name, parameter in step.network.named_parameters():
        assert parameter.grad is not None, name
        if name.startswith("heads."):
            assert not parameter.grad.any(), name
    assert step.network.input.weight.grad.any()
    assert step.network.decoder.to_pixels.weight.grad.any()
