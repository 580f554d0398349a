# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the type head: shapes, names, that only tokens that count matter, and that weights without it load."""

import dataclasses

import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.network import NetworkConfig, build_network, get_config
from astro_spectok.network.config import LABELS
from astro_spectok.network.config import STELLAR_TYPES as TYPES
from astro_spectok.network.type_head import TypeHead
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
        network.autocast_dtype = dtype
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
