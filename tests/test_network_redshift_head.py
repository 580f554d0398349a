# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the redshift head: a shift of the spectrum is a shift of the scores."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from _network_inputs import make_spectrum, stack_spectra

from astro_spectok.network import RedshiftHeadConfig, build_network, get_config
from astro_spectok.network.correlation import correlate
from astro_spectok.network.redshift_head import RedshiftHead

HEAD = RedshiftHeadConfig(
    classes=("GALAXY", "STAR"),
    z_range=((0.0, 0.3), (-0.01, 0.01)),
    channels=3,
    step=2e-4,
    observed_range=(3800.0, 7000.0),
    rest_range=(3500.0, 6500.0),
)
STEP = HEAD.step


@pytest.fixture(scope="module")
def network():
    """A tiny network with a head of small ranges; its templates as large as trained ones."""
    torch.set_num_threads(1)
    torch.manual_seed(5)
    network = build_network(dataclasses.replace(get_config("tiny"), redshift=HEAD)).eval()
    with torch.no_grad():
        network.redshift_head.templates.normal_()
    return network


def shifted(spectrum, bins):
    """The same pixels, ``bins`` steps of the common grid to the red."""
    return (spectrum[0] + bins * STEP, *spectrum[1:])


@pytest.fixture(scope="module")
def spectrum():
    """Pixels of the size of the bins, well inside the observed range."""
    return make_spectrum(math.log(4300) + np.arange(1000) * 2e-4, seed=2)


def test_lags_of_each_class_are_its_redshifts(network):
    """All multiples of the step within the range, ends included, in float64."""
    redshifts = network.redshift_head.redshifts()
    for z, (low, high) in zip(redshifts, HEAD.z_range, strict=True):
        assert z.dtype == torch.float64
        np.testing.assert_allclose(np.diff(np.log1p(z.numpy())), STEP, rtol=1e-8)
        assert low - 1e-12 <= z[0] < low + 1.5 * STEP
        assert high - 1.5 * STEP * (1 + high) < z[-1] <= high + 1e-12
    assert redshifts[0][0] == 0
    assert 0 in redshifts[1]


def test_ranges_on_a_bin_keep_that_bin():
    """Rounding does not lose the end of a range that is an exact multiple of the step."""
    z = math.expm1(50 * STEP)
    head = RedshiftHead(
        dataclasses.replace(get_config("tiny"), redshift=dataclasses.replace(HEAD, z_range=((-z, z), (0.0, z))))
    )
    assert head.lags[1] == (0, 50)
    assert head.lags[0][1] == 50


def everywhere(x):
    """All of these pixels are good."""
    return torch.ones(x.shape, dtype=torch.bool)


def score(head, features, x):
    """Scores of each class for features on pixels at ``x``."""
    return head._correlate(*head._scatter(features, x, everywhere(x)))


def test_scatter_shares_a_pixel_between_its_two_bins(network):
    """Sum and centre of gravity are those of the pixel; what lies outside is left out."""
    head = network.redshift_head
    start = math.log(HEAD.observed_range[0])
    position = torch.tensor([[10.0, 20.25, -0.5, -300.0, head.n_grid + 5.0]], dtype=torch.float64)
    features = torch.tensor([[1.0, 2.0, 5.0, 7.0, 9.0]])[..., None].expand(1, 5, 3)
    grid, first = head._scatter(features, start + position * STEP, everywhere(position))
    # rounding may put the first pixel just below its bin
    assert first in (9, 10)
    wanted = torch.zeros(grid.shape[2])
    wanted[10 - first], wanted[20 - first], wanted[21 - first] = 1, 1.5, 0.5
    torch.testing.assert_close(grid[0, 0], wanted, rtol=1e-4, atol=1e-4)


def test_only_what_is_reached_is_laid_out(network):
    """Bad pixels far away do not widen the grid; no pixel at all gives a grid of zeros."""
    head = network.redshift_head
    x = math.log(4000) + torch.arange(400, dtype=torch.float64)[None] * STEP
    valid = torch.zeros(x.shape, dtype=torch.bool)
    valid[0, 100:110] = True
    grid, _ = head._scatter(torch.ones(1, 400, 3), x, valid)
    assert grid.shape[2] in (11, 12)
    none, _ = head._scatter(torch.ones(1, 400, 3), x, torch.zeros_like(valid))
    assert not none.any()


@pytest.mark.parametrize("bins", [1, 7, 250])
def test_scatter_and_correlation_are_equivariant(network, bins):
    """Fixed features moved by ``bins`` steps: the scores move by ``bins`` lags."""
    head = network.redshift_head
    torch.manual_seed(0)
    x = math.log(4000) + torch.sort(torch.rand(1, 500, dtype=torch.float64), dim=1).values * 0.3
    features = torch.randn(1, 500, 3)
    one, other = score(head, features, x)[0], score(head, features, x + bins * STEP)[0]
    torch.testing.assert_close(other[:, bins:], one[:, :-bins], rtol=1e-4, atol=1e-3)


def test_correlation_is_the_sum_it_claims_to_be(network):
    """Against a direct sum over channels and bins, for classes of few and of many lags, and lags of both signs."""
    head = network.redshift_head
    torch.manual_seed(1)
    n_rest = head.templates.shape[2]
    for first, size in ((0, head.n_grid), (300, 900)):
        grid = torch.randn(1, 3, size)
        for k, scores in enumerate(head._correlate(grid, first)):
            low, high = head.lags[k]
            assert scores.shape == (1, high - low + 1)
            for lag in (low, 0, 5, high):
                start = first + head.offset - lag  # template bin under the grid's first
                inside = slice(max(start, 0), min(start + size, n_rest))
                part = grid[0, :, inside.start - start : inside.stop - start]
                direct = (part * head.templates[k, :, inside]).sum()
                torch.testing.assert_close(scores[0, lag - low], direct, rtol=1e-4, atol=2e-3)


def test_gradients_of_the_correlation_are_those_of_its_sum():
    """The backward pass is written by hand."""
    torch.manual_seed(3)
    grid = torch.randn(2, 3, 20, dtype=torch.float64, requires_grad=True)
    templates = torch.randn(2, 3, 29, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g, t: correlate(g, t, 10), (grid, templates))


@pytest.mark.parametrize(("size", "lags"), [(20, 10), (20, 31), (20, 200), (1, 7), (400, 3)])
def test_correlation_in_blocks_is_the_same(size, lags):
    """Without gradients the lags are computed a stretch at a time."""
    torch.manual_seed(4)
    grid, templates = torch.randn(2, 3, size).double(), torch.randn(2, 3, size + lags - 1).double()
    wanted = torch.einsum("bkm,ckms->bcs", grid, templates.unfold(2, lags, 1))
    with torch.no_grad():
        torch.testing.assert_close(correlate(grid, templates, lags), wanted)
    torch.testing.assert_close(correlate(grid.requires_grad_(True), templates, lags), wanted)


def test_template_at_its_own_redshift_scores_best(network):
    """A spectrum whose features are the template, moved to z, peaks at z and in its class."""
    head = network.redshift_head
    redshifts = head.redshifts()
    n_rest = head.templates.shape[2]
    rest = math.log(HEAD.rest_range[0]) + torch.arange(n_rest, dtype=torch.float64) * STEP
    for k, number in ((0, 700), (1, 20)):
        z = redshifts[k][number]
        features = head.templates[k].detach().T[None]
        # template bins count from a grid that is offset by a whole number of bins
        own = rest + (math.log(HEAD.observed_range[0] / HEAD.rest_range[0]) - head.offset * STEP)
        best = score(head, features, (own + torch.log1p(z))[None])
        assert best[k].argmax() == number
        assert best[k].max() > 2 * best[1 - k].max()


@pytest.mark.parametrize("bins", [3, 40])
def test_whole_head_is_equivariant_through_the_skip_path(network, spectrum, bins):
    """A redshifted spectrum: same channels, so that with tokens held fixed the scores move by as many lags."""
    patches, moved = stack_spectra([spectrum]), stack_spectra([shifted(spectrum, bins)])
    assert torch.equal(patches.channels, moved.channels)
    with torch.inference_mode():
        tokens = network.encode(patches)
        one = network.redshift_head(tokens, patches)
        other = network.redshift_head(tokens, moved)
    for k, (low, high) in enumerate(network.redshift_head.lags):
        assert one[k].shape == (1, high - low + 1)
        if high - low > bins:
            torch.testing.assert_close(other[k][:, bins:], one[k][:, :-bins], rtol=1e-3, atol=1e-2)
            assert not torch.allclose(other[k], one[k], rtol=1e-3, atol=1e-2)


def test_prior_is_flat_in_class_and_within_a_class(network, spectrum):
    """Without evidence every class has the same probability, whatever its number of lags."""
    head = RedshiftHead(network.config)
    torch.nn.init.zeros_(head.templates)
    torch.nn.init.zeros_(head.class_logit.weight)
    torch.nn.init.zeros_(head.class_logit.bias)
    patches = stack_spectra([spectrum])
    with torch.inference_mode():
        tokens = network.encode(patches)
        scores = head(tokens, patches)
    posterior = torch.softmax(torch.cat(scores, dim=1), dim=1)
    galaxy, star = posterior.split([s.shape[1] for s in scores], dim=1)
    assert galaxy.sum().item() == pytest.approx(0.5, rel=1e-5)
    torch.testing.assert_close(star, torch.full_like(star, 0.5 / star.shape[1]))


def test_bad_pixels_do_not_score(network, spectrum):
    """Features of pixels with ``ivar`` 0, and of empty slots, are left out."""
    x, flux, ivar = spectrum
    patches = stack_spectra([(x, flux, ivar)])
    torch.manual_seed(0)
    with torch.inference_mode():
        tokens = torch.randn(*patches.mask.shape, 32)
        one = network.redshift_head(tokens, patches)
        blind = dataclasses.replace(patches, valid=torch.zeros_like(patches.valid))
        none = network.redshift_head(torch.zeros_like(tokens), blind)
    for k, (low, high) in enumerate(network.redshift_head.lags):
        level = network.redshift_head.class_logit.bias[k] - math.log(high - low + 1)
        torch.testing.assert_close(none[k], level.expand_as(none[k]).detach(), rtol=1e-4, atol=1e-4)
        assert one[k].std() > 1e-3


def test_scores_of_a_batch_are_those_alone(network, spectrum):
    """As everything else."""
    short = tuple(part[:320] for part in make_spectrum(math.log(5000) + np.arange(320) * 2e-4, seed=4))
    with torch.inference_mode():
        together = network.redshift_scores(stack_spectra([spectrum, short]))
        for i, one in enumerate((spectrum, short)):
            alone = network.redshift_scores(stack_spectra([one]))
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[i : i + 1], b, rtol=1e-4, atol=2e-3)


def test_tokens_may_be_given(network, spectrum):
    """Encoding twice is not needed."""
    patches = stack_spectra([spectrum])
    with torch.inference_mode():
        tokens = network.encode(patches)
        for a, b in zip(network.redshift_scores(patches), network.redshift_scores(patches, tokens), strict=True):
            assert torch.equal(a, b)
