# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Velocities from lines of the H band."""

import numpy as np
import pytest

from astro_spectok.stellar.infrared_velocity import load_infrared_templates, refine_infrared_velocity
from astro_spectok.stellar.rules import StellarRules
from astro_spectok.utils.spectypes import STAR

LIGHT_SPEED = 299792.458
LN_WAVELENGTH = np.log(15180) + 1.4e-5 * np.arange(7600)
RESOLUTION = 22500.0
WIDTH = 5e-5

RULES = StellarRules.begin()


def make_star(rv, snr=100, seed=0, wavelength=LN_WAVELENGTH):
    """The mean star of the templates at a radial velocity, with noise."""
    templates = load_infrared_templates()
    mean = templates.at_resolution(STAR, RESOLUTION)[:, 0]
    places = templates.ln_start + templates.step * np.arange(len(mean))
    rng = np.random.default_rng(seed)
    flux = 1 + np.interp(wavelength - np.log1p(rv / LIGHT_SPEED), places, mean)
    return flux + rng.normal(0, 1 / snr, len(flux)), np.full(len(flux), float(snr) ** 2)


def refine(flux, ivar, rv, wavelength=LN_WAVELENGTH, **kwargs):
    found = refine_infrared_velocity(
        wavelength, flux, ivar, np.log1p(rv / LIGHT_SPEED), WIDTH, RULES, **{"resolution": RESOLUTION} | kwargs
    )
    return None if found is None else (LIGHT_SPEED * np.expm1(found[0]), LIGHT_SPEED * found[1])


@pytest.mark.parametrize("rv", [-320.0, 0.0, 45.3])
@pytest.mark.parametrize("wrong", [-40.0, 12.0])
def test_velocity(rv, wrong):
    """Right within the error, from tens of km/s away."""
    found, error = refine(*make_star(rv), rv + wrong)
    assert found == pytest.approx(rv, abs=0.3)
    assert 0.1 < error < 0.4


def test_error_means_something():
    """Twenty draws of noise scatter by about the error."""
    pulls = []
    for seed in range(20):
        found, error = refine(*make_star(20.0, snr=15, seed=seed), 30.0)
        pulls.append((found - 20.0) / error)
    assert 0.3 < np.std(pulls) < 1.4


def test_bad_pixels_and_units():
    """Neither the unit of the flux nor what stands in bad pixels changes the answer."""
    flux, ivar = make_star(20.0)
    ivar[2000:2600] = 0
    expected = refine(flux, ivar, 30.0)
    flux[2000:2600] = 1e4
    np.testing.assert_allclose(refine(1e-3 * flux, 1e6 * ivar, 30.0), expected, rtol=1e-5)


@pytest.mark.parametrize("case", ["optical", "short", "low resolution", "noise"])
def test_nothing_to_compare(case):
    wavelength, options = LN_WAVELENGTH, {}
    flux, ivar = make_star(20.0)
    if case == "optical":
        wavelength = wavelength - 1.0
    elif case == "short":
        ivar = np.where(np.arange(len(ivar)) < 450, ivar, 0)
    elif case == "low resolution":
        options["resolution"] = 2000.0
    else:
        flux = 1 + np.random.default_rng(1).normal(0, 0.5, len(flux))
        ivar = np.full(len(flux), 4.0)
    assert refine(flux, ivar, 20.0, wavelength, **options) is None
