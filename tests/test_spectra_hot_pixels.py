# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Hot pixels are found; lines, however sharp an instrument may show them, are left alone."""

import numpy as np
import pytest
from conftest import make_spectrum
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.special import erf

from astro_spectok import embed
from astro_spectok.spectra.hot_pixels import find_hot_pixels

SIZE = 4000


def make_flat(snr=5.0, seed=0):
    """Flat flux with noise, and its ivar."""
    flux = snr + np.random.default_rng(seed).normal(size=SIZE)
    return flux.astype(np.float32), np.ones(SIZE, np.float32)


def make_line(place, fwhm):
    """Mean over each pixel of a Gaussian line, 1 at most where it is sampled finely."""
    edges = (np.arange(SIZE + 1) - 0.5 - place) / (fwhm / 2.354820)
    return np.diff(erf(edges / np.sqrt(2))) * np.sqrt(np.pi / 2) * fwhm / 2.354820


@pytest.mark.parametrize("snr", [0.0, 5.0, 1000.0])
def test_hot_pixels_are_found(snr):
    """From 15 standard deviations up all are, whatever the level of the spectrum; nothing else is."""
    flux, ivar = make_flat(snr)
    places = np.arange(10, SIZE - 10, 13)
    flux[places] += np.geomspace(15, 1000, len(places)).astype(np.float32)
    assert_array_equal(np.flatnonzero(find_hot_pixels(flux, ivar)), places)


def test_share_that_is_found():
    """As the docstring says, of heights drawn as the benchmark draws them."""
    rng = np.random.default_rng(2)
    flux, ivar = make_flat()
    hot = rng.random(SIZE) < 0.03
    flux[hot] += np.exp(rng.uniform(np.log(5), np.log(100), hot.sum())).astype(np.float32)
    found = find_hot_pixels(flux, ivar)
    assert not (found & ~hot).any()
    assert found.sum() / hot.sum() == pytest.approx(0.75, abs=0.07)


@pytest.mark.parametrize("fwhm", [1.2, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("height", [10.0, 30.0, 300.0, 1e4])
@pytest.mark.parametrize("sign", [1, -1])
def test_lines_are_left_alone(fwhm, height, sign):
    """At every phase of the sampling, in emission and in absorption."""
    flux, ivar = make_flat()
    for number, place in enumerate(range(20, SIZE - 20, 40)):
        line = make_line(place + number / 100 - 0.5, fwhm)
        flux += (sign * height * line / line.max()).astype(np.float32)
    assert not find_hot_pixels(flux, ivar).any()


def test_noise_is_left_alone():
    for seed in range(10):
        assert not find_hot_pixels(*make_flat(5.0, seed)).any()


def test_dense_features_are_left_alone():
    """A spectrum that is all lines, without noise to speak of: nothing stands out of it."""
    rng = np.random.default_rng(4)
    white = rng.normal(size=SIZE)
    kernel = np.exp(-0.5 * (np.arange(-5, 6) / (1.5 / 2.3548)) ** 2)
    flux = np.convolve(white, kernel, "same").astype(np.float32)
    assert not find_hot_pixels(flux, np.full(SIZE, 1e8, np.float32)).any()


def test_beside_bad_pixels():
    """Where the pixels beside a line's highest are masked, it is not taken for a hot one."""
    flux, ivar = make_flat()
    flux += 100 * make_line(1000, 2.0).astype(np.float32)
    for bad in ([999], [1001], [999, 1001], [998, 999, 1001, 1002]):
        some = ivar.copy()
        some[bad] = 0
        assert not find_hot_pixels(flux, some).any()


@pytest.mark.parametrize("size", [0, 1, 3, 8])
def test_short_spectra(size):
    found = find_hot_pixels(np.arange(size, dtype=np.float32), np.ones(size, np.float32))
    assert found.shape == (size,)
    assert not found.any()


def test_nothing_good():
    assert not find_hot_pixels(np.full(50, np.nan, np.float32), np.zeros(50, np.float32)).any()


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_several_at_once(lengths, seed):
    """Spectra one after the other are as each of them alone: their ends are no neighbours."""
    rng, lengths = np.random.default_rng(seed), np.array(lengths)
    flux = rng.normal(size=lengths.sum()).astype(np.float32)
    flux[rng.random(len(flux)) < 0.1] += 60
    ivar = (rng.random(len(flux)) < 0.95).astype(np.float32)
    cuts = np.cumsum(lengths)[:-1]
    parts = zip(np.split(flux, cuts), np.split(ivar, cuts), strict=True)
    expected = np.concatenate([find_hot_pixels(*part) for part in parts])
    assert_array_equal(find_hot_pixels(flux, ivar, lengths=lengths), expected)


@settings(deadline=None, max_examples=25)
@given(
    exponent=st.integers(-60, 60), junk=st.sampled_from([np.nan, np.inf, 1e30, 0.0]), seed=st.integers(0, 1000)
)  # fmt: skip
def test_invariances(exponent, junk, seed):
    """The unit of the flux, what stands in bad pixels, and the direction of the axis do not matter."""
    rng = np.random.default_rng(seed)
    flux, ivar = make_flat(5.0, seed)
    flux[rng.random(SIZE) < 0.02] += 40
    ivar[rng.random(SIZE) < 0.1] = 0
    found = find_hot_pixels(flux, ivar)
    assert found.any()
    assert not (found & (ivar == 0)).any()
    factor = np.float32(2.0**exponent)
    corrupted = np.where(ivar > 0, flux * factor, np.float32(junk))
    assert_array_equal(find_hot_pixels(corrupted, (ivar / factor / factor).astype(np.float32)), found)
    assert_array_equal(find_hot_pixels(flux[::-1], ivar[::-1])[::-1], found)


def test_network_does_not_see_them(tiny_weights):
    """However hot they are, a spectrum is embedded as if they were masked."""
    spectrum, places = make_spectrum(), [100, 333, 600]
    flux, sigma = spectrum.flux.value, spectrum.uncertainty

    def embed_with(values):
        hot = flux.copy()
        hot[places] = values
        return embed((spectrum.spectral_axis, hot * spectrum.flux.unit, sigma), weights=tiny_weights)

    masked = embed_with(np.nan)
    for height in (60, 6000):
        assert_array_equal(embed_with((flux + height * sigma.array)[places]), masked)
    assert np.isfinite(masked).all()
    assert not np.array_equal(embed_with(flux[places]), masked)
