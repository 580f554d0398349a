# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the parts that an embedding is made of."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.heads import RedshiftConfig, build_model
from astro_spectok.heads.posterior_summary import SCALE, PosteriorSummary
from astro_spectok.network import HeadInputs, get_config
from astro_spectok.network.wavelength_nodes import WavelengthNodes

HEAD = RedshiftConfig(
    step=1e-3, channels=3, z_range=((0.0, 1.0), (0.0, 2.0), (-0.002, 0.002)), summary_periods=8
)  # fmt: skip
CONFIG = dataclasses.replace(get_config("tiny"), embedding_nodes=40, summaries=(("redshift", 3 * 17),))


@pytest.fixture(scope="module")
def network():
    """Random weights, all parts of the embedding."""
    torch.manual_seed(3)
    return build_model(CONFIG, {"redshift": HEAD}).eval()


@pytest.fixture(scope="module")
def patches():
    """Two spectra on unlike grids."""
    return stack_spectra([make_spectrum(GRIDS[name]) for name in ("desi", "sdss")])


def make_scores(ln, cls, width=1e-3):
    """Scores of a Gaussian posterior around ``ln`` in one class, nothing elsewhere."""
    scores = []
    for k, (low, high) in enumerate(HEAD.lags):
        x = torch.arange(low, high + 1) * HEAD.step
        scores.append((-0.5 * ((x - ln) / width) ** 2 if k == cls else torch.full_like(x, -1e4))[None])
    return scores


@pytest.fixture(scope="module")
def summary():
    """Of these classes, at 12 periods."""
    return PosteriorSummary(HEAD.lags, HEAD.step, 12)


def test_summary_of_one_redshift_is_its_phases(summary):
    """Cosine and sine of 2 pi ln(1 + z) over the period, and the probability."""
    (numbers,) = summary(make_scores(0.2, 1, width=1e-5))
    galaxy, quasar, star = (numbers / SCALE).unflatten(0, (3, -1))
    phase = 2 * math.pi * 0.2 / torch.tensor(np.geomspace(3.0, 2.5e-4, 12))
    wanted = torch.cat([phase.cos(), phase.sin(), torch.ones(1)]).float()
    torch.testing.assert_close(quasar, wanted, atol=2e-3, rtol=0)
    assert not galaxy.any()
    assert not star.any()


def test_summaries_agree_where_redshifts_do(summary):
    """The scalar product falls with the distance, is none across classes, and less for a broad posterior."""
    vectors = [
        summary(make_scores(ln, cls, width))[0]
        for ln, cls, width in ((0.2, 1, 1e-3), (0.2005, 1, 1e-3), (0.25, 1, 1e-3), (0.2, 0, 1e-3), (0.2, 1, 0.1))
    ]
    own, near, far, other, broad = (float(vectors[0] @ vector) for vector in vectors)
    assert own > near > broad > 0
    assert near > 1.5 * abs(far)
    assert other == pytest.approx(0, abs=1e-5)


def test_summary_has_nothing_to_learn_and_is_not_stored(summary):
    """It adds nothing to the files of weights."""
    assert not list(summary.parameters())
    assert not summary.state_dict()
    assert summary.size == 3 * 25


def test_nodes_see_what_is_near_them_only():
    """A token far to the red changes the features of the nodes there and of no others."""
    nodes = WavelengthNodes(CONFIG).eval()
    grabbed = []
    nodes.mix.register_forward_pre_hook(lambda _, inputs: grabbed.append(inputs[0].unflatten(1, (40, -1))))
    torch.manual_seed(1)
    centre = torch.linspace(math.log(4000), math.log(9000), 60, dtype=torch.float64)[None]
    tokens, mask = torch.randn(1, 60, 32), torch.ones(1, 60, dtype=torch.bool)
    changed = tokens.clone()
    changed[0, -1, 1:] += 1  # all but the level, which enters over the mean of all
    for x in (tokens, changed):
        nodes(x, mask, centre)
    differs = (grabbed[0] - grabbed[1]).abs().amax(2)[0] > 1e-6
    at = torch.exp(nodes.low + nodes.spacing * torch.arange(40))
    assert differs.any()
    assert at[differs].min() > 7000
    covered = grabbed[0][0, :, -1] > 0
    assert at[covered].min() > 3300
    assert at[covered].max() < 10500


def test_nodes_do_not_know_the_scale_nor_masked_tokens():
    """Levels are relative to their mean, and what is masked is not there."""
    nodes = WavelengthNodes(CONFIG).eval()
    torch.nn.init.zeros_(nodes.project[0].weight)  # the learned features aside
    torch.manual_seed(1)
    centre = torch.linspace(math.log(4000), math.log(9000), 60, dtype=torch.float64)[None]
    tokens, mask = torch.randn(1, 60, 32), torch.ones(1, 60, dtype=torch.bool)
    moved = tokens.clone()
    moved[..., 0] += 0.7
    torch.testing.assert_close(nodes(tokens, mask, centre), nodes(moved, mask, centre), atol=2e-3, rtol=0)
    mask[0, 20:] = False
    shown = nodes(tokens, mask, centre)
    tokens[0, 20:] = 1e3
    torch.testing.assert_close(nodes(tokens, mask, centre), shown)


def test_scores_of_tokens_are_those_of_the_head_without_its_skip(network, patches):
    """With the convolution of the pixels silenced and every pixel good, both ways are the same."""
    head = network.heads["redshift"]
    weight, bias = head.skip.weight.detach().clone(), head.skip.bias.detach().clone()
    whole = stack_spectra([make_spectrum(np.linspace(8.4, 8.9, 32 * 12), bad=0)])
    with torch.no_grad():
        head.skip.weight.zero_()
        head.skip.bias.zero_()
        tokens = network.encode(whole)
        where = whole.mask, whole.grid.geometry
        both = [
            head(HeadInputs(tokens, None, *where, whole)),
            head.score_tokens(tokens, whole.mask, whole.grid.geometry),
        ]
        head.skip.weight.copy_(weight)
        head.skip.bias.copy_(bias)
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_embedding_depends_on_redshift_and_on_colours(network, patches):
    """Both added parts reach the vector, and gradients reach them; none reaches the redshift head through it."""
    geometry = patches.grid.geometry
    network.zero_grad()
    embedding = network.embed(network.encode(patches), patches.mask, geometry)
    embedding.square().sum().backward()
    for part in (network.pooling.nodes, network.pooling.from_summaries):
        assert all(torch.count_nonzero(p.grad) for p in part.parameters())
    assert all(p.grad is None for p in network.heads["redshift"].parameters())


@pytest.mark.parametrize("size", [None, 3 * 17 + 1])
def test_summaries_must_be_those_of_a_head(size):
    """The embedding has a linear map of so many numbers."""
    heads = {} if size is None else {"redshift": HEAD}
    config = CONFIG if size is None else dataclasses.replace(CONFIG, summaries=(("redshift", size),))
    message = f"heads must have one named 'redshift' that gives the embedding {size or 51} numbers"
    with pytest.raises(ValueError, match=message):
        build_model(config, heads)
