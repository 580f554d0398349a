# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the type heads: shapes, names, that only tokens that count matter, and that weights without it load."""

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.heads import STELLAR_TYPES as TYPES
from astro_spectok.heads import SpectralTypeConfig, SpectralTypeHead, build_model, get_model_config
from astro_spectok.network import HeadInputs, compute_in, get_config
from astro_spectok.simulate import STELLAR_TYPES


@pytest.fixture
def flux_head():
    """A head with random parameters."""
    torch.manual_seed(5)
    return SpectralTypeHead(SpectralTypeConfig()).eval()


@pytest.fixture
def patches():
    """Three spectra of different lengths."""
    return stack_spectra([make_spectrum(GRIDS[name], k) for k, name in enumerate(("sdss", "infrared", "arms"))])


def score(head, patches):
    """Scores of spectra: the head reads no tokens."""
    return head(HeadInputs(None, None, patches.mask, patches.grid.geometry, patches))


def test_types_are_those_of_the_simulator():
    """Each once, of all sizes that are trained."""
    assert TYPES == STELLAR_TYPES
    assert len(set(TYPES)) == len(TYPES)
    for name in ("small", "paper"):
        assert get_model_config(name).heads["spectral_type"].types == TYPES


def test_probabilities(flux_head, patches):
    """By the name of the type; together 1."""
    found = flux_head.interpret(score(flux_head, patches))
    assert tuple(found) == tuple(flux_head.gives) == TYPES
    torch.testing.assert_close(sum(found.values()), torch.ones(3))


def test_precision(patches):
    """Float32 whatever the precision inside."""
    network = build_model(get_config("tiny"), {"spectral_type": SpectralTypeConfig()}).eval()
    where = patches.mask, patches.grid.geometry, patches
    single = network.read("spectral_type", None, *where)
    with compute_in(torch.bfloat16):
        half = network.read("spectral_type", None, *where)
    assert single.dtype == half.dtype == torch.float32
    assert 0 < (half - single).abs().max() < 0.2


def test_head_that_reads_pixels(flux_head, patches):
    """One score for each type, of each spectrum what it has alone; all parameters are reached."""
    scores = score(flux_head, patches)
    assert scores.shape == (3, len(TYPES))
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()
    for k, name in enumerate(("sdss", "infrared", "arms")):
        alone = score(flux_head, stack_spectra([make_spectrum(GRIDS[name], k)]))
        torch.testing.assert_close(alone[0], scores[k], rtol=1e-4, atol=1e-4)
    scores.log_softmax(1)[:, 0].sum().backward()
    for name, parameter in flux_head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("what", ["lines", "course"])
def test_head_sees_lines_and_course(flux_head, what):
    """Both change the scores by themselves."""
    x = GRIDS["sdss"]
    line = 1 - 0.8 * np.exp(-0.5 * ((x - 8.6) / 3e-3) ** 2)
    other = {"lines": np.roll(line, 400), "course": line * np.exp(2 * (x - 8.6))}[what]
    ivar = np.full(len(x), 1e4, np.float32)
    scores = score(flux_head, stack_spectra([(x, f.astype(np.float32), ivar) for f in (line, other)]))
    assert (scores[0] - scores[1]).abs().max() > 3e-4
