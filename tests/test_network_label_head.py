# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the label head: shapes, units, and that only tokens that count matter."""

import dataclasses

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.network import build_network, compute_in, get_config
from astro_spectok.network.config import LABELS
from astro_spectok.network.label_head import LabelHead
from astro_spectok.simulate.objects import GALAXY_LABELS, STELLAR_LABELS

CONFIG = dataclasses.replace(get_config("tiny"), labels=LABELS)


@pytest.fixture
def network():
    """A tiny network with the head."""
    torch.manual_seed(4)
    return build_network(CONFIG).eval()


@pytest.fixture
def patches():
    """Three spectra of different lengths."""
    return stack_spectra([make_spectrum(GRIDS[name], k) for k, name in enumerate(("sdss", "infrared", "arms"))])


def measure(network, patches):
    """Labels of spectra."""
    with torch.inference_mode():
        tokens = network.encode(patches)
        return network.measure_labels(tokens, patches.mask, patches.grid.geometry)


def test_labels_are_those_of_the_simulator():
    """Each once, with a spread above zero."""
    names = [name for name, _, _ in LABELS]
    assert names == [*STELLAR_LABELS, *GALAXY_LABELS]
    assert all(spread > 0 for _, _, spread in LABELS)


def test_shapes_and_precision(network, patches):
    """One mean and one log sigma for each label, float32 whatever the precision inside."""
    for dtype in (None, torch.bfloat16):
        with compute_in(dtype):
            mean, log_sigma = measure(network, patches)
        assert mean.shape == log_sigma.shape == (3, len(LABELS))
        assert mean.dtype == log_sigma.dtype == torch.float32
        assert torch.isfinite(mean).all()
        assert torch.isfinite(log_sigma).all()


def test_fresh_head_answers_with_typical_values():
    """Without any weight, the centre and the spread of each label."""
    head = LabelHead(CONFIG)
    torch.nn.init.zeros_(head.out.weight)
    torch.nn.init.zeros_(head.out.bias)
    tokens, mask = torch.randn(2, 5, CONFIG.width), torch.ones(2, 5, dtype=torch.bool)
    phases = (torch.ones(2, 1, 5, 8), torch.zeros(2, 1, 5, 8))
    mean, log_sigma = head(tokens, mask, phases)
    assert head.names == tuple(name for name, _, _ in LABELS)
    for k, (_, centre, spread) in enumerate(LABELS):
        assert mean[:, k].tolist() == pytest.approx([centre] * 2)
        assert log_sigma[:, k].exp().tolist() == pytest.approx([spread] * 2, rel=1e-5)


def test_unit_of_a_label_scales_mean_and_sigma():
    """Twice the spread is twice the deviation from the centre, and twice the sigma."""
    torch.manual_seed(0)
    one = LabelHead(dataclasses.replace(CONFIG, labels=(("a", 1.0, 0.5),)))
    other = LabelHead(dataclasses.replace(CONFIG, labels=(("a", 1.0, 1.0),)))
    other.load_state_dict(one.state_dict())
    tokens, mask = torch.randn(4, 5, CONFIG.width), torch.ones(4, 5, dtype=torch.bool)
    phases = (torch.ones(4, 1, 5, 8), torch.zeros(4, 1, 5, 8))
    (mean, log_sigma), (twice, log_twice) = one(tokens, mask, phases), other(tokens, mask, phases)
    torch.testing.assert_close(twice - 1, 2 * (mean - 1))
    torch.testing.assert_close(log_twice.exp(), 2 * log_sigma.exp())


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_sigma_stays_within_limits(size):
    """However sure or unsure: finite, above zero, with room around the spread."""
    head = LabelHead(CONFIG)
    torch.nn.init.zeros_(head.out.weight)
    torch.nn.init.constant_(head.out.bias, size)
    tokens, mask = torch.randn(1, 5, CONFIG.width), torch.ones(1, 5, dtype=torch.bool)
    _, log_sigma = head(tokens, mask, (torch.ones(1, 1, 5, 8), torch.zeros(1, 1, 5, 8)))
    ratio = log_sigma.exp()[0] / torch.tensor([spread for _, _, spread in LABELS])
    assert (ratio > 2).all() if size > 0 else (ratio < 0.1).all()
    assert ((ratio > 1e-4) & (ratio < 1e3)).all()


def test_padding_has_no_effect(network, patches):
    """A spectrum measured beside a longer one has the labels that it has alone."""
    mean, log_sigma = measure(network, patches)
    for k, name in enumerate(("sdss", "infrared", "arms")):
        alone = measure(network, stack_spectra([make_spectrum(GRIDS[name], k)]))
        torch.testing.assert_close(alone[0][0], mean[k], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone[1][0], log_sigma[k], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("junk", [1e6, -3.0])
def test_tokens_that_do_not_count_are_not_looked_at(network, patches, junk):
    """Neither for the answer nor for the gradient."""
    tokens = network.encode(patches).detach().requires_grad_()
    mask = patches.mask.clone()
    mask[:, 3:6] = False
    mean, _ = network.measure_labels(tokens, mask, patches.grid.geometry)
    mean.sum().backward()
    assert not tokens.grad[~mask].any()
    assert tokens.grad[mask].any()
    spoilt = torch.where(mask[..., None], tokens.detach(), junk)
    torch.testing.assert_close(network.measure_labels(spoilt, mask, patches.grid.geometry)[0], mean)


def test_labels_depend_on_the_spectrum(network, patches):
    """And reach every parameter of the head."""
    tokens = network.encode(patches)
    mean, log_sigma = network.measure_labels(tokens, patches.mask, patches.grid.geometry)
    assert np.ptp(mean.detach().numpy(), axis=0).min() > 0
    (mean.square().sum() + log_sigma.sum()).backward()
    for name, parameter in network.label_head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_network_without_the_head_says_so(patches):
    """By the name of the network."""
    network = build_network(get_config("tiny"))
    assert network.label_head is None
    with pytest.raises(
        ValueError, match="the network 'tiny' has no label head; use weights whose config names `labels`"
    ):
        measure(network, patches)
