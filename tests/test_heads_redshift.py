# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the redshift head: a shift of the spectrum is a shift of the scores."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
import torch
from _network_inputs import make_spectrum, stack_spectra

from astro_spectok.heads import RedshiftConfig, RedshiftHead, build_model
from astro_spectok.heads.template_spectra import KEPT, correlate
from astro_spectok.network import HeadInputs, get_config

HEAD = RedshiftConfig(
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
    network = build_model(get_config("tiny"), {"redshift": HEAD}).eval()
    with torch.no_grad():
        network.heads["redshift"].templates.normal_()
    return network


def take(tokens, patches):
    """Tokens and pixels as a head gets them."""
    return HeadInputs(tokens, None, patches.mask, patches.grid.geometry, patches)


def score_spectra(network, patches):
    """Scores of spectra by the network."""
    return network.read("redshift", network.encode(patches), patches.mask, patches.grid.geometry, patches)


def shifted(spectrum, bins):
    """The same pixels, ``bins`` steps of the common grid to the red."""
    return (spectrum[0] + bins * STEP, *spectrum[1:])


@pytest.fixture(scope="module")
def spectrum():
    """Pixels of the size of the bins, well inside the observed range."""
    return make_spectrum(math.log(4300) + np.arange(1000) * 2e-4, seed=2)


def test_lags_of_each_class_are_its_redshifts(network):
    """All multiples of the step within the range, ends included, in float64."""
    redshifts = network.heads["redshift"].redshifts()
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
    head = RedshiftHead(dataclasses.replace(HEAD, z_range=((-z, z), (0.0, z))), get_config("tiny"))
    assert head.lags[1] == (0, 50)
    assert head.lags[0][1] == 50


def everywhere(x):
    """All of these pixels are good."""
    return torch.ones(x.shape, dtype=torch.bool)


def scatter(head, features, x, valid):
    """The part of the grid that features (B, N, K) reach, and its first bin."""
    bins = head._find_bins(x, valid, features.device)
    return bins.scatter(features.transpose(1, 2), bins.first, bins.size), bins.first


def score(head, features, x, *, kept=False):
    """Scores of each class for features (B, N, K) on pixels at ``x``."""
    correlate = head._correlate_with_kept if kept else head._correlate
    return correlate(features.transpose(1, 2), head._find_bins(x, everywhere(x), features.device))


def test_scatter_shares_a_pixel_between_its_two_bins(network):
    """Sum and centre of gravity are those of the pixel; what lies outside is left out."""
    head = network.heads["redshift"]
    start = math.log(HEAD.observed_range[0])
    position = torch.tensor([[10.0, 20.25, -0.5, -300.0, head.n_grid + 5.0]], dtype=torch.float64)
    features = torch.tensor([[1.0, 2.0, 5.0, 7.0, 9.0]])[..., None].expand(1, 5, 3)
    grid, first = scatter(head, features, start + position * STEP, everywhere(position))
    # rounding may put the first pixel just below its bin
    assert first in (9, 10)
    wanted = torch.zeros(grid.shape[2])
    wanted[10 - first], wanted[20 - first], wanted[21 - first] = 1, 1.5, 0.5
    torch.testing.assert_close(grid[0, 0], wanted, rtol=1e-4, atol=1e-4)


def test_only_what_is_reached_is_laid_out(network):
    """Bad pixels far away do not widen the grid; no pixel at all gives a grid of zeros."""
    head = network.heads["redshift"]
    x = math.log(4000) + torch.arange(400, dtype=torch.float64)[None] * STEP
    valid = torch.zeros(x.shape, dtype=torch.bool)
    valid[0, 100:110] = True
    grid, _ = scatter(head, torch.ones(1, 400, 3), x, valid)
    assert grid.shape[2] in (11, 12)
    none, _ = scatter(head, torch.ones(1, 400, 3), x, torch.zeros_like(valid))
    assert not none.any()


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("bins", [1, 7, 250])
def test_scatter_and_correlation_are_equivariant(network, bins, kept):
    """Fixed features moved by ``bins`` steps: the scores move by ``bins`` lags."""
    head = network.heads["redshift"]
    torch.manual_seed(0)
    x = math.log(4000) + torch.sort(torch.rand(1, 500, dtype=torch.float64), dim=1).values * 0.3
    features = torch.randn(1, 500, 3)
    with torch.no_grad():
        one = score(head, features, x, kept=kept)[0]
        other = score(head, features, x + bins * STEP, kept=kept)[0]
    torch.testing.assert_close(other[:, bins:], one[:, :-bins], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(("first", "size"), [(0, None), (300, 900), (2, 40), (2700, 300)])
def test_correlation_is_the_sum_it_claims_to_be(network, first, size, kept):
    """Against a direct sum over channels and bins, for classes of few and of many lags, and lags of both signs."""
    head = network.heads["redshift"]
    torch.manual_seed(1)
    n_rest = head.templates.shape[2]
    size = head.n_grid if size is None else size
    grid = torch.randn(10, 3, size)
    # one pixel in the middle of each bin but the last, which nothing reaches
    grid[..., -1] = 0
    x = math.log(HEAD.observed_range[0]) + (first + 1e-6 + torch.arange(size - 1, dtype=torch.float64)) * STEP
    with torch.no_grad():
        scores = score(head, grid[..., :-1].transpose(1, 2), x.expand(10, -1), kept=kept)
    for k, found in enumerate(scores):
        low, high = head.lags[k]
        assert found.shape == (10, high - low + 1)
        for lag in (low, 0, 5, high):
            start = first + head.offset - lag  # template bin under the grid's first
            inside = slice(min(max(start, 0), n_rest), max(min(start + size, n_rest), 0))
            part = grid[..., inside.start - start : inside.stop - start]
            direct = (part * head.templates[k, :, inside]).sum((1, 2))
            torch.testing.assert_close(found[:, lag - low], direct, rtol=1e-4, atol=4e-3)


def test_scores_without_gradients_are_those_with(network):
    """Kept transforms and their stretches of lags change nothing, also when the templates are trained on."""
    head = copy.deepcopy(network.heads["redshift"])
    torch.manual_seed(6)
    x = math.log(4000) + torch.sort(torch.rand(11, 500, dtype=torch.float64), dim=1).values * 0.3
    features = torch.randn(11, 500, 3)
    for _ in range(2):
        wanted = score(head, features, x)
        with torch.no_grad():
            found = score(head, features, x, kept=True)
            for a, b in zip(found, wanted, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-3)
            head.templates.mul_(1.5)


def test_kept_transforms_are_those_of_the_templates_as_they_are(network):
    """Also if they change where PyTorch does not count it, as fused optimizers and ``.data`` do."""
    head = copy.deepcopy(network.heads["redshift"])
    x = math.log(4000) + torch.sort(torch.rand(3, 500, dtype=torch.float64), dim=1).values * 0.3
    features = torch.randn(3, 500, 3)
    with torch.no_grad():
        score(head, features, x, kept=True)
        head.templates.data.mul_(-1.5)
        for a, b in zip(score(head, features, x, kept=True), score(head, features, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-3)


def test_transforms_are_kept_for_grids_alike(network):
    """The same is not transformed again; only the latest are kept, and none goes with a copy."""
    head = copy.deepcopy(network.heads["redshift"])
    with torch.inference_mode():
        _, blocks = head.spectra.get_blocks(head.templates, 100, 512)
        assert head.spectra.get_blocks(head.templates, 100, 512)[1] is blocks
        for start in range(101, 101 + KEPT):
            head.spectra.get_blocks(head.templates, start, 512)
        assert head.spectra.get_blocks(head.templates, 100, 512)[1] is not blocks
    assert pickle.loads(pickle.dumps(head.spectra)).lags == head.spectra.lags
    assert copy.deepcopy(head).spectra._kept == (None, {})


def test_grid_that_meets_no_template_scores_zero(network):
    """All lags put the grid beyond one end of the templates."""
    head = network.heads["redshift"]
    with torch.inference_mode():
        for start in (head.templates.shape[2] + 2000, -3000):
            n, blocks = head.spectra.get_blocks(head.templates, start, 512)
            assert not blocks
            assert not any(scores.any() for scores in head.spectra.correlate(torch.ones(1, 3, n), n, blocks))


def test_gradients_of_the_correlation_are_those_of_its_sum():
    """The backward pass is written by hand."""
    torch.manual_seed(3)
    grid = torch.randn(2, 3, 20, dtype=torch.float64, requires_grad=True)
    templates = torch.randn(2, 3, 29, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g, t: correlate(g, t, 10), (grid, templates))


def test_template_at_its_own_redshift_scores_best(network):
    """A spectrum whose features are the template, moved to z, peaks at z and in its class."""
    head = network.heads["redshift"]
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
        one = network.heads["redshift"](take(tokens, patches))
        other = network.heads["redshift"](take(tokens, moved))
    for k, (low, high) in enumerate(network.heads["redshift"].lags):
        assert one[k].shape == (1, high - low + 1)
        if high - low > bins:
            torch.testing.assert_close(other[k][:, bins:], one[k][:, :-bins], rtol=1e-3, atol=1e-2)
            assert not torch.allclose(other[k], one[k], rtol=1e-3, atol=1e-2)


def test_prior_is_flat_in_class_and_within_a_class(network, spectrum):
    """Without evidence every class has the same probability, whatever its number of lags."""
    head = RedshiftHead(HEAD, network.config)
    torch.nn.init.zeros_(head.templates)
    torch.nn.init.zeros_(head.class_logit.weight)
    torch.nn.init.zeros_(head.class_logit.bias)
    patches = stack_spectra([spectrum])
    with torch.inference_mode():
        tokens = network.encode(patches)
        scores = head(take(tokens, patches))
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
        one = network.heads["redshift"](take(tokens, patches))
        blind = dataclasses.replace(patches, valid=torch.zeros_like(patches.valid))
        none = network.heads["redshift"](take(torch.zeros_like(tokens), blind))
    for k, (low, high) in enumerate(network.heads["redshift"].lags):
        level = network.heads["redshift"].class_logit.bias[k] - math.log(high - low + 1)
        torch.testing.assert_close(none[k], level.expand_as(none[k]).detach(), rtol=1e-4, atol=1e-4)
        assert one[k].std() > 1e-3


def test_scores_of_a_batch_are_those_alone(network, spectrum):
    """As everything else."""
    short = tuple(part[:320] for part in make_spectrum(math.log(5000) + np.arange(320) * 2e-4, seed=4))
    with torch.inference_mode():
        together = score_spectra(network, stack_spectra([spectrum, short]))
        for i, one in enumerate((spectrum, short)):
            alone = score_spectra(network, stack_spectra([one]))
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[i : i + 1], b, rtol=1e-4, atol=2e-3)


def test_probabilities_of_all_classes_sum_to_one(network, spectrum):
    """Users get logarithms of the softmax of the scores, class by class."""
    scores = score_spectra(network, stack_spectra([spectrum, spectrum]))
    found = network.heads["redshift"].interpret(scores)
    assert list(found) == list(network.heads["redshift"].gives) == list(HEAD.classes)
    assert [x.shape for x in found.values()] == [x.shape for x in scores]
    total = sum(x.exp().sum(1) for x in found.values())
    torch.testing.assert_close(total, torch.ones(2))
