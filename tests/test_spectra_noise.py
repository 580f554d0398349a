# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The noise estimate is honest for white and for correlated noise, along the spectrum and across lines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter1d

from astro_spectok.spectra import estimate_noise

GOOD = np.ones(4000, dtype=bool)


def make_noise(width=0.0, m=4000, seed=0):
    """Noise of unit variance, smoothed by a Gaussian of ``width`` pixels."""
    noise = np.random.default_rng(seed).standard_normal(m + 200)
    noise = (gaussian_filter1d(noise, width) if width else noise)[100:-100]
    return noise / noise.std()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", [0, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0])
def test_smoothed_noise(width, seed):
    """White and smoothed noise come out within a quarter, mostly within a tenth."""
    sigma, _ = estimate_noise(1 + 0.1 * make_noise(width, seed=seed), GOOD)
    assert 0.75 < np.median(sigma) / 0.1 < 1.2


@pytest.mark.parametrize("step", [0.5, 0.83, 1.0, 1.3])
def test_resampled_noise(step):
    """Linear interpolation correlates pixels: half a pixel, onto finer and coarser grids."""
    white = make_noise(m=8000)
    flux = np.interp(0.5 * (step == 1) + step * np.arange(4000), np.arange(8000), white)
    sigma, _ = estimate_noise(1 + 0.1 * flux, GOOD)
    assert 0.8 < np.median(sigma) / (0.1 * flux.std()) < 1.25


def test_noise_along_the_spectrum():
    """Noise that grows sixfold is followed."""
    true = np.linspace(0.05, 0.3, 4000)
    sigma, _ = estimate_noise(1 + true * make_noise(), GOOD)
    assert np.abs(np.log(sigma / true)).max() < 0.4
    assert abs(np.median(np.log(sigma / true))) < 0.05


@pytest.mark.parametrize("strength", [-0.8, 5.0, 100.0])
def test_lines(strength):
    """Forty lines, in absorption or emission, do not count as noise."""
    x = np.arange(4000.0)
    lines = sum(np.exp(-0.5 * ((x - at) / 2.0) ** 2) for at in range(50, 4000, 100))
    sigma, _ = estimate_noise(1 + strength * lines + 0.05 * make_noise(), GOOD)
    assert 0.9 < np.median(sigma) / 0.05 < 1.25


def test_slope_and_curvature():
    """A steep continuum does not count as noise."""
    continuum = 1 + 50 * np.linspace(0, 1, 4000) ** 3
    sigma, _ = estimate_noise(continuum + 0.1 * make_noise(), GOOD)
    assert_allclose(np.median(sigma), 0.1, rtol=0.1)


def test_bad_pixels_are_not_used():
    """Whatever stands in bad pixels changes nothing."""
    flux = make_noise()
    good = np.random.default_rng(2).random(4000) > 0.2
    one = estimate_noise(np.where(good, flux, 0), good)[0]
    assert_array_equal(one, estimate_noise(np.where(good, flux, 1e6), good)[0])
    assert_allclose(np.median(one), 1, rtol=0.1)


def test_noise_free():
    """A template without noise has errors of 0.1 %, not none."""
    sigma, _ = estimate_noise(np.linspace(1, 2, 4000), GOOD)
    assert_allclose(sigma, 1.5e-3, rtol=0.01)


@pytest.mark.parametrize("flux", [np.zeros(4000), np.r_[np.zeros(2000), 1.0, np.zeros(1999)], np.full(4000, 3.0)])
def test_degenerate(flux):
    """Constant flux gives finite positive errors."""
    sigma, _ = estimate_noise(flux, GOOD)
    assert np.isfinite(sigma).all()
    assert (sigma > 0).all()


@pytest.mark.parametrize("m", [0, 1, 3, 20, 33, 50, 200])
def test_short(m):
    """Few pixels give an estimate, too."""
    flux = make_noise(m=m + 5, seed=4)[:m]
    sigma, good = estimate_noise(flux, np.ones(m, bool))
    assert sigma.shape == good.shape == (m,)
    assert (sigma > 0).all()


def test_padding():
    """Long runs of zeros are padding; short ones are counts."""
    flux = make_noise()
    flux[:100] = flux[-32:] = flux[500:510] = 0
    sigma, good = estimate_noise(flux, GOOD)
    assert_array_equal(np.flatnonzero(~good), np.r_[0:100, 3968:4000])
    assert_allclose(np.median(sigma), 1, rtol=0.1)


def test_scale_free():
    """The estimate has the unit of the flux."""
    flux = 1 + 0.1 * make_noise(1.0)
    assert_allclose(estimate_noise(flux * 1e-20, GOOD)[0], 1e-20 * estimate_noise(flux, GOOD)[0], rtol=1e-9)
