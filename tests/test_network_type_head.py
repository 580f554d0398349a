# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the type heads: shapes, names, that only tokens that count matter, and that weights without it load."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.network import NetworkConfig, build_network, compute_in, get_config
from astro_spectok.network.config import LABELS
from astro_spectok.network.config import STELLAR_TYPES as TYPES
from astro_spectok.network.type_head import FluxTypeHead, TypeHead, build_type_head
from astro_spectok.simulate import STELLAR_TYPES

CONFIG = dataclasses.replace(get_config("tiny"), stellar_types=TYPES)


@pytest.fixture
def network():
    """A tiny network with the head."""
    torch.manual_seed(5)
    return build_network(CONFIG).eval()


@pytest.fixture
def patches():
    """Three spectra of different lengths."""
    return stack_spectra([make_spectrum(GRIDS[name], k) for k, name in enumerate(("sdss", "infrared", "arms"))])


def measure(network, patches):
    """Scores of spectra."""
    with torch.inference_mode():
        return network.measure_types(network.encode(patches), patches.mask, patches.grid.geometry)


def test_types_are_those_of_the_simulator():
    """Each once, of all sizes that are trained."""
    assert TYPES == STELLAR_TYPES
    assert len(set(TYPES)) == len(TYPES)
    assert get_config("small").stellar_types == get_config("paper").stellar_types == TYPES
    assert TypeHead(CONFIG).names == TYPES


def test_shapes_and_precision(network, patches):
    """One score for each type, float32 whatever the precision inside."""
    for dtype in (None, torch.bfloat16):
        with compute_in(dtype):
            scores = measure(network, patches)
        assert scores.shape == (3, len(TYPES))
        assert scores.dtype == torch.float32
        assert torch.isfinite(scores).all()


def test_padding_has_no_effect(network, patches):
    """A spectrum measured beside a longer one has the scores that it has alone."""
    scores = measure(network, patches)
    for k, name in enumerate(("sdss", "infrared", "arms")):
        alone = measure(network, stack_spectra([make_spectrum(GRIDS[name], k)]))
        torch.testing.assert_close(alone[0], scores[k], rtol=1e-4, atol=1e-5)


def test_scores_depend_on_the_spectrum(network, patches):
    """And reach every parameter of the head."""
    scores = network.measure_types(network.encode(patches), patches.mask, patches.grid.geometry)
    assert (scores.max(0).values > scores.min(0).values).all()
    scores.log_softmax(1)[:, 0].sum().backward()
    for name, parameter in network.type_head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_network_without_the_head_says_so(patches):
    """By the name of the network."""
    network = build_network(get_config("tiny"))
    assert network.type_head is None
    with pytest.raises(
        ValueError, match="the network 'tiny' has no type head; use weights whose config names `stellar_types`"
    ):
        measure(network, patches)


def test_weights_of_older_versions_load():
    """Their config does not name the types, and their tensors are all there are."""
    old = {key: value for key, value in get_config("tiny").to_dict().items() if key != "stellar_types"}
    config = NetworkConfig.from_dict(old)
    assert config.stellar_types == ()
    assert config == get_config("tiny")
    again = NetworkConfig.from_dict(CONFIG.to_dict() | {"stellar_types": list(TYPES)})
    assert again == CONFIG
    assert build_network(config).state_dict().keys() < build_network(again).state_dict().keys()


def test_the_head_changes_nothing_else():
    """Of the random numbers of a new network, the type head takes the last."""
    states = []
    for types in ((), TYPES):
        torch.manual_seed(1)
        states.append(build_network(dataclasses.replace(CONFIG, labels=LABELS, stellar_types=types)).pooling.queries)
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.fixture
def flux_head():
    """A head that reads pixels."""
    torch.manual_seed(5)
    return FluxTypeHead(TYPES, 1e-3).eval()


def test_configuration_chooses_the_head():
    """By the width of its bins; 0 is the head of older weights."""
    for step, kind in ((0.0, TypeHead), (2e-3, FluxTypeHead)):
        made = build_type_head(
            SimpleNamespace(**get_config("tiny").to_dict() | {"stellar_types": TYPES, "type_step": step})
        )
        assert type(made) is kind
        assert made.names == TYPES
    assert made.view.step == 2e-3


def test_head_that_reads_pixels(flux_head, patches):
    """One score for each type, of each spectrum what it has alone; all parameters are reached."""
    scores = flux_head(patches)
    assert scores.shape == (3, len(TYPES))
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()
    for k, name in enumerate(("sdss", "infrared", "arms")):
        alone = flux_head(stack_spectra([make_spectrum(GRIDS[name], k)]))
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
    scores = flux_head(stack_spectra([(x, f.astype(np.float32), ivar) for f in (line, other)]))
    assert (scores[0] - scores[1]).abs().max() > 3e-4


def test_network_with_the_head_that_reads_pixels(patches):
    """Types come from pixels alone, which must be given; the configuration survives being written."""
    torch.manual_seed(5)
    config = dataclasses.replace(CONFIG, type_step=1e-3)
    network = build_network(config).eval()
    assert NetworkConfig.from_dict(config.to_dict()) == config
    tokens, where = network.encode(patches), (patches.mask, patches.grid.geometry)
    with torch.inference_mode():
        expected = network.type_head(patches)
        torch.testing.assert_close(network.measure_types(0 * tokens, *where, patches), expected)
    with pytest.raises(ValueError, match=r"patches must be given where config\.type_step is above 0"):
        network.measure_types(tokens, *where)


def test_new_networks_read_pixels():
    """Those of all sizes that are trained."""
    assert get_config("small").type_step == get_config("paper").type_step > 0
    assert get_config("tiny").type_step == 0
