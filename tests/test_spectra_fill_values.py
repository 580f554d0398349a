# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Values that stand for none are bad pixels, and what only looks like them is not."""

import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_array_equal

from astro_spectok.spectra import to_batch
from astro_spectok.spectra.fill_values import find_fill_values

BAD = np.zeros(800, bool)
BAD[100:160] = BAD[::10] = True


def make_flux(level=3.0):
    """Noise on a level."""
    return level + np.random.default_rng(0).normal(0, 1, 800)


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f4"])
@pytest.mark.parametrize("fill", [9.96921e36, 9.969209968386869e36, -999.0, -9999.0, 1e20, -1e30, -32768.0])
def test_fill_values_are_bad_pixels(fill, dtype):
    """Whatever the type of the numbers; the rest is as if they had been masked."""
    flux, wavelength, error = make_flux(), np.linspace(4000, 7000, 800) * u.AA, np.ones(800) * u.Jy
    filled = np.where(BAD, fill, flux).astype(dtype)
    want = to_batch((wavelength, np.where(BAD, np.nan, flux).astype(dtype) * u.Jy, error), medium="vacuum")
    found = to_batch((wavelength, filled * u.Jy, error), medium="vacuum")
    assert_array_equal(found.ivar == 0, BAD)
    assert_array_equal(found.flux, want.flux)
    assert_array_equal(found.scale, want.scale)


def test_mostly_filled():
    """A short spectrum in a long row."""
    flux = np.full((2, 1000), 9.96921e36)
    flux[0, :300] = make_flux()[:300]
    flux[1] = np.nan
    flux[1, :10] = 1
    assert_array_equal(find_fill_values(flux)[0], np.arange(1000) >= 300)
    assert not find_fill_values(flux)[1].any()


@pytest.mark.parametrize("damage", [1e25, -3e11, 6e37])
def test_damaged_bytes(damage):
    """A lone number that nothing can give; a line that stands far out is one."""
    flux = make_flux()
    flux[300] = damage
    flux[500:503] = 2e4, 5e4, 2e4
    assert np.flatnonzero(find_fill_values(flux[None])[0]).tolist() == [300]


def test_counts_that_are_called_like_fill_values():
    """Among others of their size they are fluxes; one alone may be chance."""
    counts = np.random.default_rng(1).integers(-1500, 1500, (1, 4000)).astype(float)
    counts[0, [5, 60, 700]] = -999
    assert find_fill_values(counts) is None or not find_fill_values(counts).any()
    flux = make_flux(500.0)
    flux[3] = 9999.0
    assert find_fill_values(flux[None]) is None or not find_fill_values(flux[None]).any()


@pytest.mark.parametrize("flux", [np.zeros((1, 50)), np.zeros((0, 5)), np.full((2, 40), np.nan), np.full((1, 9), -999)])
def test_degenerate(flux):
    """Nothing to compare with."""
    found = find_fill_values(flux)
    assert found is None or found.shape == flux.shape
