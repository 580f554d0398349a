# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the pretraining objective."""

import numpy as np
import pytest
import torch

from astro_spectok.training.objective import LARGE, reconstruction_loss

SHAPE = (3, 2, 32)


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
    spoilt = torch.where(torch.isinf(variance), junk, flux)
    results, gradients = [], []
    for target in (flux, spoilt):
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
