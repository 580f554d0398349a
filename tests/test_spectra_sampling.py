# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Oversampled pixels are averaged, and nothing is lost: flux, noise, masks, resolution, the grid."""

import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter1d

from astro_spectok.spectra import InputFlag, SpectrumBatch, estimate_noise, to_batch
from astro_spectok.spectra.sampling import average_fine_pixels, average_pixels
from astro_spectok.spectra.scatter import find_correlation

FINEST = 1.6 / 299792.458


def make_batch(step, m=4000, seed=0, **options):
    """One spectrum with pixels of ``step`` in ln(wavelength), of unit noise on a level of 20."""
    wavelength = 5000 * np.exp(step * np.arange(m))
    flux = np.random.default_rng(seed).normal(20, 1, m)
    return to_batch((wavelength * u.AA, flux * u.Jy, np.ones(m) * u.Jy), medium="vacuum", **options)


@pytest.mark.parametrize(("share", "number"), [(2.0, 1), (1.01, 1), (0.6, 2), (0.3, 4), (0.11, 10)])
def test_so_many_pixels_make_one(share, number):
    """As few as reach what is known; inverse variances add up, the flux keeps its mean."""
    batch = make_batch(share * FINEST)
    found = average_fine_pixels(batch, FINEST)
    assert found.lengths[0] == -(-4000 // number)
    assert_allclose(found.ivar.sum(), batch.ivar.sum(), rtol=1e-5)
    assert_allclose(found.ivar @ found.flux, batch.ivar @ batch.flux, rtol=1e-5)
    assert bool(found.flags[0] & InputFlag.PIXELS_AVERAGED) == (number > 1)
    assert_allclose(np.diff(np.log(found.wavelength)), number * share * FINEST, rtol=1e-6)


def test_nothing_to_average_is_the_same_batch():
    """A survey of usual spectra is not copied."""
    batch = SpectrumBatch.concatenate([make_batch(2e-4), make_batch(1e-4, 700)])
    assert average_fine_pixels(batch, FINEST) is batch


def test_only_those_that_need_it():
    """Of many, on shared grids or not, the others stay as they are, in their place."""
    wavelength = 5000 * np.exp(2e-4 * np.arange(600)) * u.AA
    flux = np.random.default_rng(1).normal(5, 1, (3, 600)) * u.Jy
    shared = to_batch((wavelength, flux, np.ones((3, 600)) * u.Jy), medium="vacuum")
    fine = make_batch(0.5 * FINEST, 1000, resolution=1e5)
    unusable = SpectrumBatch.make_unusable("nothing")
    batch = SpectrumBatch.concatenate([shared, fine, unusable, shared])
    found = average_fine_pixels(batch, FINEST)
    assert found.lengths.tolist() == [600, 600, 600, 500, 0, 600, 600, 600]
    for k in (0, 1, 2, 5, 6, 7):
        assert_array_equal(found.flux[found.pixels(k)], batch.flux[batch.pixels(k)])
        assert_array_equal(found.wavelength[found.grid(k)], batch.wavelength[batch.grid(k)])
    assert found.info == batch.info
    # a line of R = 1e5 through pixels of two instead of one
    expected = (1e-10 + 8 * np.log(2) / 12 * 3 * (0.5 * FINEST) ** 2) ** -0.5
    assert_allclose(found.resolution[found.grid(3)], expected, rtol=1e-4)


def test_gaps_and_bad_pixels():
    """A gap stays one, bad pixels have no part in a mean, and the grid goes on as if nothing were missing."""
    wavelength = 5000 + 0.01 * np.arange(400)
    kept = np.r_[0:101, 103:200, 300:400]
    flux, ivar = np.ones(400), np.ones(400)
    flux[50:53], ivar[50:53] = 1e9, 0
    x, mean, weight, _ = average_pixels(wavelength[kept], flux[kept], ivar[kept], 4)
    assert_allclose(mean[weight > 0], 1)
    assert weight.sum() == ivar[kept].sum()
    assert_allclose(x, 5000 + 0.01 * (4 * np.r_[0:50, 75:100] + 1.5), rtol=1e-9)


@pytest.mark.parametrize("k", [4, 8, 16])
def test_interpolated_pixels_are_not_independent(k):
    """Noise of pixels that lie between others is that of the others, with errors and without, and they become few."""
    white = np.random.default_rng(k).normal(20, 1, 2000)
    wavelength, flux = np.linspace(4000, 8000, 2000 * k), np.interp(np.arange(2000 * k) / k, np.arange(2000), white)
    sigma, good = estimate_noise(flux, np.ones(2000 * k, bool))
    assert good.all()
    assert 0.6 < np.median(sigma) < 1.2
    assert find_correlation(flux, np.ones(2000 * k)) == k
    for error in ((), (np.ones(2000 * k) * u.Jy,)):
        batch = to_batch((wavelength * u.AA, flux * u.Jy, *error), medium="vacuum")
        found = average_fine_pixels(batch, FINEST)
        assert found.lengths[0] == 2000
        snr = np.median(found.flux * np.sqrt(found.ivar))
        assert 15 < snr < 35  # 20 in each of the first pixels; means between two have less noise


@pytest.mark.parametrize(("width", "number"), [(0, 1), (1, 1), (2, 1), (4, 1), (8, 8), (12, 16)])
def test_smoothed_noise(width, number):
    """What is smoothed further than archives do is averaged; what they do, networks know."""
    noise = np.random.default_rng(3).standard_normal(8000)
    noise = gaussian_filter1d(noise, width) if width else noise
    assert find_correlation(20 + noise / noise.std(), np.ones(8000)) == number


def test_lines_are_no_correlation():
    """A bright star with broad lines, well sampled, keeps its pixels: that its scatter is smooth has another reason."""
    rng, x = np.random.default_rng(5), np.arange(8000.0)
    lines = sum(d * np.exp(-0.5 * ((x - c) / 12) ** 2) for c, d in rng.uniform(0, (8000, 0.6), (200, 2)))
    flux = 300 * (1 - np.minimum(lines, 0.9)) + rng.normal(0, 1, 8000)
    assert find_correlation(flux, np.ones(8000)) == 1


@pytest.mark.parametrize("flux", [np.zeros(500), np.full(500, 3.0), np.arange(500.0)])
def test_what_does_not_vary_is_not_interpolated(flux):
    """Constants and ramps."""
    assert find_correlation(flux, np.ones(500)) == 1
