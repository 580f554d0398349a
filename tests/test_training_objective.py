# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the pretraining objective."""

import math

import numpy as np
import pytest
import torch

from astro_spectok.heads.redshift import RedshiftConfig, RedshiftHead
from astro_spectok.heads.redshift_loss import redshift_loss
from astro_spectok.heads.spectral_type import type_loss
from astro_spectok.network import get_config
from astro_spectok.training.objective import (
    LARGE,
    alignment_loss,
    reconstruction_loss,
)

SHAPE = (3, 2, 32)


def grid_of(head):
    """First and last bin of each class, and their step."""
    return head.lags, head.config.step


def make_pixels(sigma=0.1, seed=0):
    """Flux and variance of made-up targets."""
    torch.manual_seed(seed)
    return torch.randn(SHAPE), torch.full(SHAPE, sigma**2)


def one_pixel_loss(size, **kwargs):
    """Loss of a single pixel that is ``size`` sigma off, without the logarithm of sigma and any weight."""
    flux = torch.zeros(1, 1, 1)
    mean = torch.full((1, 1, 1), float(size), dtype=torch.float64)
    variance, log_sigma = torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 0.5 * np.log(0.5))
    return reconstruction_loss(mean, log_sigma, flux, variance, variance_weight=0, **kwargs)[0].item()


def test_gradient_is_zero_where_the_mean_is_right():
    """And points from the mean to the flux elsewhere."""
    flux, variance = make_pixels()
    mean = flux.clone().requires_grad_()
    reconstruction_loss(mean, torch.full(SHAPE, -2.0), flux, variance)[0].sum().backward()
    assert torch.count_nonzero(mean.grad) == 0
    off = (flux + 0.3 * torch.sign(flux)).requires_grad_()
    reconstruction_loss(off, torch.full(SHAPE, -2.0), flux, variance)[0].sum().backward()
    assert torch.equal(torch.sign(off.grad), torch.sign(flux))


def test_loss_is_the_gaussian_likelihood_for_small_deviations():
    """Against torch's own, up to its constant."""
    flux, variance = make_pixels()
    mean, log_sigma = flux + 0.1 * torch.randn(SHAPE), 0.3 * torch.randn(SHAPE) - 2
    loss, _ = reconstruction_loss(mean, log_sigma, flux, variance, variance_weight=0)
    total = variance + torch.exp(2 * log_sigma)
    wanted = torch.nn.functional.gaussian_nll_loss(mean, flux, total, reduction="none").mean((1, 2))
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("huber", [3.0, 10.0])
def test_loss_grows_linearly_beyond_huber(huber, monkeypatch):
    """Quadratic up to it, with the same slope behind it."""
    monkeypatch.setattr("astro_spectok.training.objective.LARGE", 1e9)
    assert one_pixel_loss(0.5 * huber, huber=huber) == pytest.approx(0.5 * (0.5 * huber) ** 2, rel=1e-5)
    steps = [one_pixel_loss(k * huber, huber=huber) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(np.diff(steps), huber**2, rtol=1e-5)
    assert steps[0] == pytest.approx(0.5 * huber**2, rel=1e-5)


def test_loss_of_a_hopeless_spectrum_grows_with_its_logarithm():
    """Continuously, and without a bound on the pull being zero."""
    below, above = one_pixel_loss(np.sqrt(2 * LARGE) - 1e-4), one_pixel_loss(np.sqrt(2 * LARGE) + 1e-4)
    assert below < LARGE < above < below + 1e-3
    far, further = one_pixel_loss(1e3), one_pixel_loss(1e6)
    assert LARGE < far < further < 20 * LARGE
    assert further - far == pytest.approx(LARGE * np.log(1e3), rel=0.01)


@pytest.mark.parametrize("junk", [1e30, float("nan"), float("inf")])
def test_unknown_pixels_are_ignored(junk):
    """Whatever flux stands there: neither loss, nor deviation, nor gradient."""
    flux, variance = make_pixels()
    variance[:, 0, ::3] = torch.inf
    corrupted = torch.where(torch.isinf(variance), junk, flux)
    results, gradients = [], []
    for target in (flux, corrupted):
        mean, log_sigma = torch.zeros(SHAPE, requires_grad=True), torch.zeros(SHAPE, requires_grad=True)
        loss, deviation = reconstruction_loss(mean, log_sigma, target, variance)
        loss.sum().backward()
        results.append((loss.detach(), deviation))
        gradients.append((mean.grad, log_sigma.grad))
    for (a, b), (c, d) in (results, gradients):
        assert torch.equal(a, c)
        assert torch.equal(b, d)
    for gradient in gradients[0]:
        assert torch.count_nonzero(gradient[torch.isinf(variance)]) == 0


def test_spectrum_without_a_known_pixel_counts_nothing():
    """Zero, and finite gradients."""
    flux, _ = make_pixels()
    mean = torch.zeros(SHAPE, requires_grad=True)
    loss, deviation = reconstruction_loss(mean, torch.zeros(SHAPE), flux, torch.full(SHAPE, torch.inf))
    loss.sum().backward()
    assert torch.count_nonzero(loss) == torch.count_nonzero(deviation) == torch.count_nonzero(mean.grad) == 0


@pytest.mark.parametrize("own", [0.02, 0.5])
def test_calibrated_predictions_have_a_deviation_of_one(own):
    """Simulated: truth scatters by the decoder's sigma around its mean, the flux by its own around the truth."""
    torch.manual_seed(0)
    shape = (4, 100, 32)
    mean, noise = torch.randn(shape), torch.rand(shape) * 0.2 + 0.01
    flux = mean + own * torch.randn(shape) + noise * torch.randn(shape)
    _, deviation = reconstruction_loss(mean, torch.full(shape, np.log(own)), flux, noise**2)
    torch.testing.assert_close(deviation, torch.ones(4), rtol=0.1, atol=0)
    _, worse = reconstruction_loss(mean, torch.full(shape, np.log(own / 3)), flux, noise**2)
    assert (worse > deviation).all()


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_right_sigma_has_the_lowest_loss(weight):
    """The likelihood is least where the predicted sigma is the scatter there is."""
    torch.manual_seed(0)
    flux = 0.3 * torch.randn(1, 400, 32)
    sigmas = torch.linspace(0.1, 0.9, 33)
    slopes = []
    for sigma in sigmas.tolist():
        log_sigma = torch.full(flux.shape, np.log(sigma), requires_grad=True)
        loss = reconstruction_loss(torch.zeros_like(flux), log_sigma, flux, torch.full(flux.shape, 1e-6),
                                   variance_weight=weight)[0]  # fmt: skip
        loss.sum().backward()
        slopes.append(log_sigma.grad.sum().item())
    assert sigmas[int(np.argmin(np.abs(slopes)))].item() == pytest.approx(0.3, abs=0.03)
    assert slopes[0] < 0 < slopes[-1]


def test_one_cosmic_ray_does_not_dominate():
    """A pixel a thousand sigma off pulls less than the other pixels together, and no more than one at ten sigma."""
    flux, variance = make_pixels(1.0)
    grads = []
    for size in (0.0, 10.0, 1000.0):
        mean, hit = torch.zeros(SHAPE, requires_grad=True), flux.clone()
        hit[0, 0, 5] = size * np.sqrt(2)
        reconstruction_loss(mean, torch.zeros(SHAPE), hit, variance)[0].sum().backward()
        grads.append(mean.grad[0])
    pull = [grad[0, 5].abs().item() for grad in grads]
    assert 0 < pull[2] <= pull[1] * (1 + 1e-6)
    rest = grads[0].abs().sum().item()
    assert pull[2] < rest
    # the squared deviation would have pulled a hundred times as much
    assert pull[2] < 0.02 * 1000 / 64


def test_weight_is_the_variance_to_a_power():
    """With beta = 1 the gradient of the mean is that of least squares, whatever the sigma."""
    flux, variance = make_pixels(1e-4)
    log_sigma = torch.linspace(-4, -1, 64).reshape(1, 2, 32).expand(SHAPE)
    mean = (flux + 0.01).requires_grad_()
    reconstruction_loss(mean, log_sigma, flux, variance, variance_weight=1.0)[0].sum().backward()
    torch.testing.assert_close(mean.grad, torch.full(SHAPE, 0.01 / 64), rtol=1e-3, atol=0)


class TestRedshift:
    """Posterior over class and redshift against the truth."""

    HEAD = RedshiftConfig(
        classes=("GALAXY", "STAR"),
        z_range=((0.0, 0.3), (-0.01, 0.01)),
        channels=2,
        step=1e-3,
        observed_range=(4000.0, 5000.0),
        rest_range=(3900.0, 5000.0),
    )

    @pytest.fixture
    def head(self):
        """A head of few lags."""
        return RedshiftHead(self.HEAD, get_config("tiny"))

    def make_scores(self, head, cls, ln_one_plus_z, sigma):
        """Scores whose softmax is what is wanted."""
        out = []
        for k, z in enumerate(head.redshifts()):
            x = torch.log1p(z).float()
            out.append((-0.5 * ((x - ln_one_plus_z) / sigma) ** 2 - (0 if k == cls else 1e3))[None])
        return out

    @pytest.mark.parametrize(("cls", "ln_one_plus_z"), [(0, 0.1234), (0, 0.0), (1, -0.00312), (1, 0.0092)])
    def test_is_zero_for_the_truth_itself(self, head, cls, ln_one_plus_z):
        """Also at the ends of a range, where the Gaussian is cut."""
        sigma = 2e-3
        scores = self.make_scores(head, cls, ln_one_plus_z, sigma)
        loss, scored, right, right_class = redshift_loss(
            scores, *grid_of(head), torch.tensor([cls]), torch.tensor([ln_one_plus_z], dtype=torch.float64),
            torch.tensor([True]), sigma,
        )  # fmt: skip
        assert scored.item()
        assert right.item()
        assert right_class.item()
        assert loss.item() == pytest.approx(0, abs=2e-3)

    def test_wrong_redshift_or_class_costs(self, head):
        """And is not counted as right."""
        args = (
            head.lags,
            head.config.step,
            torch.tensor([0]),
            torch.tensor([0.2], dtype=torch.float64),
            torch.tensor([True]),
            1e-3,
        )
        loss, _, right, right_class = redshift_loss(self.make_scores(head, 0, 0.1, 1e-3), *args)
        assert loss.item() > 5
        assert not right.item()
        assert right_class.item()
        loss, _, right, right_class = redshift_loss(self.make_scores(head, 1, 0.0, 1e-3), *args)
        assert loss.item() > 5
        assert not right_class.item()

    def test_nothing_to_be_measured_wants_the_prior(self, head):
        """Flat in class, and within a class; a sure answer costs."""
        sizes = [high - low + 1 for low, high in head.lags]
        flat = [torch.full((1, size), -math.log(size)) for size in sizes]
        args = (
            head.lags,
            head.config.step,
            torch.tensor([-1]),
            torch.zeros(1, dtype=torch.float64),
            torch.tensor([False]),
            1e-3,
        )
        loss, scored, _, _ = redshift_loss(flat, *args)
        assert loss.item() == pytest.approx(0, abs=1e-5)
        assert not scored.item()
        assert redshift_loss(self.make_scores(head, 0, 0.1, 1e-3), *args)[0].item() > 5

    @pytest.mark.parametrize("floor", [0.01, 0.2])
    def test_floor_bounds_the_loss(self, head, floor):
        """A share of the prior in the posterior: one wrong spectrum, however sure, costs so much and no more."""
        sigma = 1e-3
        args = (
            head.lags,
            head.config.step,
            torch.tensor([0]),
            torch.tensor([0.2], dtype=torch.float64),
            torch.tensor([True]),
            sigma,
        )
        wrong, right = self.make_scores(head, 0, 0.1, 1e-4), self.make_scores(head, 0, 0.2, sigma)
        size = head.lags[0][1] - head.lags[0][0] + 1
        # of a uniform answer, less the share
        bound = -math.log(floor / (2 * size)) - math.log(sigma / head.config.step * math.sqrt(2 * math.pi * math.e))
        assert redshift_loss(wrong, *args)[0] > 2 * bound
        loss = redshift_loss(wrong, *args, floor=floor)[0].item()
        assert loss == pytest.approx(bound, abs=0.1)
        assert 0 < redshift_loss(right, *args, floor=floor)[0].item() < 1.5 * floor
        sizes = [high - low + 1 for low, high in head.lags]
        flat = [torch.full((1, n), -math.log(n)) for n in sizes]
        torch.testing.assert_close(redshift_loss(flat, *args, floor=floor)[0], redshift_loss(flat, *args)[0])

    def test_unknown_class_and_redshift_beyond_the_range_are_not_scored(self, head):
        """Neither costs, nor counts."""
        scores = [s.expand(2, -1) for s in self.make_scores(head, 0, 0.1, 1e-3)]
        loss, scored, _, _ = redshift_loss(
            scores, *grid_of(head), torch.tensor([-1, 0]), torch.tensor([0.1, 0.9], dtype=torch.float64),
            torch.tensor([True, True]), 1e-3,
        )  # fmt: skip
        assert loss.tolist() == [0, 0]
        assert scored.tolist() == [False, False]


class TestTypes:
    """Cross-entropy of the types of stars."""

    def test_is_the_logarithm_of_the_probability(self):
        """Of the true type; the highest score is right or not."""
        scores = torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]]).log() + 7
        loss, known, right = type_loss(scores, torch.tensor([1, 2]))
        assert loss.tolist() == pytest.approx([-math.log(0.5), -math.log(0.3)], rel=1e-5)
        assert known.tolist() == [True, True]
        assert right.tolist() == [True, False]

    def test_unknown_types_cost_nothing(self):
        """No gradient, and never right, whatever the highest score is."""
        scores = torch.randn(3, 4, requires_grad=True)
        loss, known, right = type_loss(scores, torch.tensor([-1, 2, -1]))
        loss.sum().backward()
        assert known.tolist() == [False, True, False]
        assert loss[[0, 2]].tolist() == [0, 0]
        assert not right[[0, 2]].any()
        assert not scores.grad[[0, 2]].any()
        assert scores.grad[1].all()


class TestAlignment:
    """Two observations of one object against all others."""

    def test_is_small_where_partners_are_nearest(self):
        """And large where others are nearer."""
        unit = torch.eye(4)
        same = torch.cat([unit[:3], unit[:3]])
        counts = torch.ones(6, dtype=torch.bool)
        loss, right = alignment_loss(same, counts, 0.07)
        assert loss.max() < 1e-4
        assert right.all()
        mixed = torch.cat([unit[:3], unit[[1, 2, 0]]])
        assert alignment_loss(mixed, counts, 0.07)[0].min() > 5
        assert not alignment_loss(mixed, counts, 0.07)[1].any()

    def test_indistinguishable_spectra_do_not_count(self):
        """Both observations of it, whichever is marked."""
        embedding = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
        counts = torch.tensor([True, False, True, True, True, True])
        loss, right = alignment_loss(embedding, counts, 0.07)
        assert loss[1] == loss[4] == 0
        assert not right[[1, 4]].any()
        assert (loss[[0, 2, 3, 5]] > 0).all()

    def test_length_of_vectors_does_not_matter(self):
        """Cosine similarity."""
        embedding = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
        counts = torch.ones(4, dtype=torch.bool)
        one = alignment_loss(embedding, counts, 0.1)[0]
        longer = embedding * torch.tensor([[1.0], [2.0], [0.1], [7.0]])
        other = alignment_loss(longer, counts, 0.1)[0]
        torch.testing.assert_close(one, other)
