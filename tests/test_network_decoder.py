# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the decoder: any grid, answers that do not depend on the other questions, the embedding alone."""

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, arrange_one, make_spectrum, stack_spectra
from conftest import SAME_TOKENS
from test_network_model import make_network, relative_error

from astro_spectok.network.resample import resample_features


@pytest.fixture(scope="module")
def encoded():
    """Network, tokens, mask, geometry of one spectrum."""
    torch.set_num_threads(1)
    network = make_network("small")
    patches = stack_spectra([make_spectrum(GRIDS["desi"])], resolution=3000)
    with torch.inference_mode():
        return network, network.encode(patches), patches.mask, patches.grid.geometry


def decode(encoded, ln_wavelength, **kwargs):
    """Mean and log sigma at the wavelengths asked for, (N,)."""
    network, *tokens = encoded
    grid = arrange_one(ln_wavelength)
    with torch.inference_mode():
        return [x[grid.index >= 0] for x in network.decode(*tokens, grid, **kwargs)]


@pytest.mark.parametrize(
    "ln_wavelength",
    [
        GRIDS["desi"],
        GRIDS["sdss"],
        GRIDS["infrared"],
        GRIDS["arms"],
        [8.4],
        [8.4, 8.6],
        np.linspace(7.0, 11.0, 77),
        8.3 + np.arange(5000) * 1e-6,
        np.log(np.sort(np.random.default_rng(0).uniform(3000, 6000, 500))),
    ],
    ids=["own", "log", "beyond", "arms", "one", "two", "very coarse", "very fine", "irregular"],
)
def test_answers_on_any_grid(encoded, ln_wavelength):
    """One finite flux and one finite sigma per pixel asked for, in and beyond the data."""
    mean, log_sigma = decode(encoded, ln_wavelength)
    assert len(mean) == len(log_sigma) == len(ln_wavelength)
    assert torch.isfinite(mean).all()
    assert torch.isfinite(log_sigma).all()
    assert (log_sigma > -7.001).all()


@pytest.mark.parametrize("far", ["infrared", "ultraviolet"])
def test_far_questions_do_not_change_an_answer(encoded, far):
    """Only the last 4 of the pixels next to the new ones may look at them (two convolutions of 5 taps)."""
    near = 8.4 + np.arange(640) * 1e-4
    other = GRIDS["infrared"] if far == "infrared" else 7.2 + np.arange(320) * 1e-4
    start = 0 if far == "infrared" else len(other)
    alone = decode(encoded, near)
    together = decode(encoded, np.sort(np.concatenate([near, other])))
    for a, b in zip(alone, together, strict=True):
        assert relative_error(b[start : start + 640][4:-4], a[4:-4]) < SAME_TOKENS


def test_requested_resolution_matters(encoded):
    """It is part of the question; NaN and None are one."""
    grid = arrange_one(GRIDS["desi"])
    x = GRIDS["desi"]
    sharp, broad, unknown = (
        decode(encoded, x, resolution=torch.full(grid.present.shape, r))[0] for r in (5000.0, 500.0, torch.nan)
    )
    assert not torch.allclose(sharp, broad)
    assert torch.equal(unknown, decode(encoded, x)[0])


def test_detail_follows_a_shift_of_the_grid(encoded):
    """What is asked half a pixel to the side is the mean of its neighbours, in what the decoder resamples."""
    network, tokens, mask, geometry = encoded
    x = 8.4 + np.arange(320) * 1e-4
    grids = [arrange_one(x), arrange_one(x + 1e-4)]
    with torch.inference_mode():
        features = network.decoder.detail(tokens[..., : network.config.width]).unflatten(-1, (32, -1))
    one, other = (
        resample_features(features, mask, geometry, *(g.ln_wavelength.flatten(1) + side for side in (-5e-5, 5e-5)))[0]
        for g in grids
    )
    torch.testing.assert_close(one[:, 1:], other[:, :-1], rtol=1e-3, atol=1e-4)


def test_hidden_spectra_are_decoded_from_the_embedding_alone(encoded):
    """Other tokens with the same embedding change nothing; another embedding does."""
    network, tokens, mask, geometry = encoded
    grid, hide = arrange_one(GRIDS["desi"]), torch.tensor([True])
    torch.manual_seed(0)
    noise = torch.randn_like(tokens)
    with torch.inference_mode():
        embedding = network.embed(tokens, mask, geometry)
        one = network.decode(tokens, mask, geometry, grid, embedding=embedding, hide=hide)
        other = network.decode(noise, mask, geometry + 0.1, grid, embedding=embedding, hide=hide)
        shown = network.decode(noise, mask, geometry, grid, embedding=embedding, hide=~hide)
        moved = network.decode(tokens, mask, geometry, grid, embedding=embedding + 1, hide=hide)
    for a, b, c, d in zip(one, other, shown, moved, strict=True):
        assert torch.equal(a, b)
        assert relative_error(c, a) > 1e-3
        assert relative_error(d, a) > 1e-3


def test_embedding_is_computed_where_not_given(encoded):
    """Decoding tokens alone uses their own."""
    network, tokens, mask, geometry = encoded
    x = GRIDS["infrared"]
    with torch.inference_mode():
        embedding = network.embed(tokens, mask, geometry)
    assert torch.equal(decode(encoded, x)[0], decode(encoded, x, embedding=embedding)[0])


def test_forward_is_encode_and_decode():
    """The call that training uses."""
    network = make_network()
    patches = stack_spectra([make_spectrum(GRIDS["sdss"])])
    grid = arrange_one(GRIDS["sdss"][::2])
    with torch.inference_mode():
        tokens = network.encode(patches)
        one = network(patches, grid)
        other = network.decode(tokens, patches.mask, patches.grid.geometry, grid)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_extreme_features_stay_finite(encoded):
    """The asinh scale is bounded: a huge token gives a large, not an infinite flux."""
    network, tokens, mask, geometry = encoded
    with torch.inference_mode():
        mean, log_sigma = network.decode(tokens * 1e6, mask, geometry, arrange_one(GRIDS["desi"]))
    assert torch.isfinite(mean).all()
    assert torch.isfinite(log_sigma).all()
    assert mean.abs().max() <= np.sinh(14) * 1.001
