# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A second star is found where there is one, and not where there is none."""

import numpy as np
import pytest

from astro_spectok.redshift.templates import load_rest_templates
from astro_spectok.stellar.binaries import find_second_star
from astro_spectok.utils.spectypes import STAR

LIGHT_SPEED = 299792.458
LN_WAVELENGTH = np.log(3900) + 1e-4 * np.arange(6000)
RESOLUTION = 2000.0
RV = -60.0


def make_lines(rv):
    """Lines of a mean star at a radial velocity, over its continuum."""
    templates = load_rest_templates()
    mean = templates.at_resolution(STAR, RESOLUTION)[:, 0]
    places = templates.ln_start + templates.step * np.arange(len(mean))
    return np.interp(LN_WAVELENGTH - rv / LIGHT_SPEED, places, mean)


def observe(lines, snr, seed=0):
    rng = np.random.default_rng(seed)
    flux = np.exp(0.5 * (LN_WAVELENGTH - LN_WAVELENGTH[0])) * (1 + lines)
    sigma = flux.mean() / snr
    return flux + rng.normal(0, sigma, len(flux)), np.full(len(flux), sigma**-2)


def find(flux, ivar, **kwargs):
    return find_second_star(LN_WAVELENGTH, flux, ivar, RV / LIGHT_SPEED, **{"resolution": RESOLUTION} | kwargs)


@pytest.mark.parametrize("velocity", [-400, 220, 500])
def test_two_stars(velocity):
    """Velocity and strength are right, within the steps and what the continuum takes away."""
    second = find(*observe((make_lines(RV) + 0.5 * make_lines(RV + velocity)) / 1.5, snr=50))
    assert second.velocity == pytest.approx(velocity, abs=25)
    assert second.share == pytest.approx(0.5, abs=0.2)
    assert second.gain > 100


@pytest.mark.parametrize("snr", [5, 50, 300])
def test_one_star(snr):
    second = find(*observe(make_lines(RV), snr))
    assert second is None or second.gain < 25 or second.share < 0.15


def test_units_and_bad_pixels():
    """Neither the unit of the flux nor what stands in bad pixels changes the answer."""
    flux, ivar = observe((make_lines(RV) + 0.5 * make_lines(RV + 300)) / 1.5, snr=50)
    ivar[1000:1100] = 0
    expected = find(flux, ivar)
    flux[1000:1100] = 1e3
    np.testing.assert_allclose(find(1e-3 * flux, 1e6 * ivar), expected, rtol=1e-6)


def test_nothing_to_compare():
    """Too few pixels, or a resolution too low for velocities."""
    flux, ivar = observe(make_lines(RV), 50)
    assert find(flux, np.where(np.arange(len(ivar)) < 40, ivar, 0)) is None
    assert find(flux, ivar, resolution=300.0) is None
