# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The comparison of ways to read stellar labels, and the training of the head, on made-up stars."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from _stellar_lines import LabelledFamily, make_head

from astro_spectok.network import build_network, get_config
from astro_spectok.weights import write_network


@pytest.fixture
def stellar_heads(load):
    """The script of the benchmark."""
    return load("stellar_heads")


def make_stars(n, seed):
    """Labels, and contrasts that are linear in them."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform([3.6, 1.0, -1.5], [3.87, 4.5, 0.4], (n, 3))
    mixing = np.random.default_rng(0).normal(0, 0.05, (3, 200))
    return labels, (labels - [3.74, 3.0, -0.5]) / [0.1, 1.0, 0.6] @ mixing


def test_regressions_find_labels(stellar_heads):
    """Ridge regression all but finds linear labels; the nearest neighbour comes close."""
    labels, train = make_stars(300, 1)
    wanted, test = make_stars(50, 2)
    ridge = stellar_heads.score(stellar_heads.predict_ridge(train, labels, test, strength=1e-4), wanted)
    nearest = stellar_heads.score(stellar_heads.predict_nearest(train, labels, test), wanted)
    assert ridge[0] < 30
    assert ridge[1] < 0.02
    assert ridge[0] < nearest[0] < 900


def test_head_of_a_file(stellar_heads, tmp_path):
    """The head of other weights is put on the network of the first."""
    torch.manual_seed(3)
    network, taught = build_network(replace(get_config("tiny"), dct_coefficients=16)), make_head()
    start = write_network(tmp_path / "start.safetensors", network)
    moved = copy.deepcopy(network)
    moved.heads["stellar"] = taught
    with torch.no_grad():
        moved.norm.weight += 1
    other = write_network(tmp_path / "other.safetensors", moved)
    found = stellar_heads.find_network(start, other, None, 0).state_dict()
    assert all(torch.equal(found["heads.stellar." + key], x) for key, x in taught.state_dict().items())
    assert all(torch.equal(found[key], x) for key, x in network.state_dict().items())


@pytest.mark.parametrize("blocks", [None, -1, 0])
def test_heads_on_tokens_train_what_they_say(stellar_heads, blocks):
    """Only the named blocks of the encoder move with the head; the answer is a mean and a Cholesky factor."""
    torch.manual_seed(1)
    network = build_network(get_config("tiny")).eval()
    before = copy.deepcopy(network.state_dict())
    head = make_head()
    one = stellar_heads.TokenLabels(network, head.spread[:3], head.centre[:3])
    one.train_for(LabelledFamily(), 2, blocks)
    moved = {key.split(".")[0] for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {None: set(), -1: {"norm", "blocks"}, 0: {"norm", "blocks", "input", "wavelength"}}[blocks]
    window = stellar_heads.WINDOWS[0]
    with torch.inference_mode():
        mean, tril = one(torch.rand(2, window.size) + 1, torch.ones(2, window.size))
    assert mean.shape == (2, 3)
    assert torch.equal(tril, torch.tril(tril))
    assert (torch.diagonal(tril, dim1=1, dim2=2) > 0).all()
