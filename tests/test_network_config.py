# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the network's configurations."""

import json

import pytest

from astro_spectok.heads import build_model, get_model_config
from astro_spectok.network import CONFIGS, NetworkConfig, build_network, get_config
from astro_spectok.network.blocks import CrossBlock, SelfBlock


def test_paper_has_the_published_sizes():
    """6 + 6 blocks of width 512 with 8 heads on patches of 32 pixels (arXiv 2510.17959)."""
    network = build_model(get_model_config("paper"))
    encoder, decoder = network.blocks, network.decoder.blocks
    assert [type(block) for block in encoder] == [SelfBlock] * 6
    assert [type(block) for block in decoder] == [CrossBlock] * 6
    for block in [*encoder, *decoder]:
        assert block.attention.heads == 8
        assert block.attention.query.weight.shape == (512, 512)
        assert block.feedforward[0].weight.shape == (2048, 512)
    assert network.config.patch == network.decoder.patch == 32
    assert list(network.heads) == ["redshift", "spectral_type", "stellar"]


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_configs_are_named_and_round_trip_through_json(name):
    """What is written into a weights file comes back equal, tuples included."""
    config = get_config(name)
    assert config.name == name
    again = NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)


def test_unknown_fields_are_refused():
    """Weights of a newer version are distinguished from broken ones."""
    with pytest.raises(ValueError, match=r"NetworkConfig has no field colour.*upgrade"):
        NetworkConfig.from_dict({"colour": 1})


def test_former_names_are_read():
    """Weights and recipes written earlier say ``local_cosines``."""
    assert NetworkConfig.from_dict({"local_cosines": 8}).dct_coefficients == 8


def test_unknown_name_lists_those_there_are():
    """The message of a wrong name helps."""
    with pytest.raises(ValueError, match=r"no network config 'huge'; there are tiny, small, paper"):
        get_config("huge")


@pytest.mark.parametrize(("width", "heads"), [(30, 4), (36, 12), (33, 1)])
def test_width_must_suit_the_rotary_encoding(width, heads):
    """Every head needs an even size."""
    with pytest.raises(ValueError, match=f"got {width} and {heads}"):
        NetworkConfig(width=width, heads=heads)


def test_build_network_depends_on_the_seed_alone():
    """Two networks of one seed are equal, layers start as published, no parameter is left to chance."""
    import torch

    networks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append(build_network(get_config("tiny")).state_dict())
    same = [torch.equal(networks[0][key], networks[1][key]) for key in networks[0]]
    assert all(same)
    assert not torch.equal(networks[0]["input.weight"], networks[2]["input.weight"])
    assert torch.count_nonzero(networks[0]["blocks.0.attention.query.bias"]) == 0
