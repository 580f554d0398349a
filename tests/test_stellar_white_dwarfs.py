# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Temperature and gravity of white dwarfs from models of their Balmer lines."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from astro_spectok.stellar.white_dwarfs import (
    _doubt_side,
    fit_white_dwarf,
    is_hydrogen,
    load_white_dwarf_models,
    make_continua,
)

STEP = 2e-4
LN_WAVELENGTH = np.arange(np.log(3700), np.log(8000), STEP)
RESOLUTION = 2000.0


def make_white_dwarf(log_teff, logg, snr=30.0, seed=0, tilt=0.0, resolution=RESOLUTION):
    """Flux and inverse variance of the model nearest to a temperature and gravity, and these."""
    models = load_white_dwarf_models()
    i, j = np.argmin(abs(models.log_teff - log_teff)), np.argmin(abs(models.logg - logg))
    lines = models.mean + models.coefficients[i * len(models.logg) + j] @ models.basis
    place = models.ln_start + models.step * np.arange(len(lines))
    flux = 1 + np.interp(LN_WAVELENGTH, place, lines, left=0, right=0)
    flux = gaussian_filter1d(flux, 1 / resolution / 2.3548 / STEP)
    flux *= make_continua(LN_WAVELENGTH, models.log_teff[i : i + 1])[0]
    flux *= np.exp(tilt * (LN_WAVELENGTH - np.log(5500)))
    sigma = np.median(flux) / snr
    flux += np.random.default_rng(seed).normal(0, sigma, len(flux))
    return flux, np.full(len(flux), sigma**-2), np.array([models.log_teff[i], models.logg[j]])


@pytest.mark.parametrize("truth", [(3.90, 8.0), (4.02, 7.5), (4.2, 8.25), (4.4, 7.75), (4.5, 8.5)])
def test_labels(truth):
    """On both sides of the maximum of the lines, whatever the calibration."""
    for tilt in (0.0, 0.4):
        flux, ivar, known = make_white_dwarf(*truth, tilt=tilt)
        fit = fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION)
        assert is_hydrogen(fit)
        pull = np.abs(fit.mean - known) / np.sqrt(np.diag(fit.covariance))
        assert (pull < 2.5).all()
        assert np.sqrt(fit.covariance[0, 0]) < 0.03
        assert np.sqrt(fit.covariance[1, 1]) < 0.2


def test_noise_makes_errors():
    """Errors grow, and what noise hides has no labels."""
    errors = []
    for snr in (50, 10, 4):
        flux, ivar, _ = make_white_dwarf(4.2, 8.0, snr=snr)
        errors.append(fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION).covariance[1, 1])
    assert errors[0] < errors[1] < errors[2]
    flux, ivar, _ = make_white_dwarf(4.2, 8.0, snr=0.5)
    assert not is_hydrogen(fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION))


def test_resolution():
    """Cores that the instrument fills are not taken for shallower lines."""
    flux, ivar, known = make_white_dwarf(4.1, 8.0, resolution=400.0)
    fit = fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=400.0)
    assert abs(fit.mean[0] - known[0]) < 0.04
    assert abs(fit.mean[1] - known[1]) < 0.2


def test_bad_pixels_and_units():
    """Neither the unit of the flux nor what stands in bad pixels changes the answer; few bright ones hardly do."""
    flux, ivar, _ = make_white_dwarf(4.2, 8.0)
    ivar[1000:1100] = 0
    expected = fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION)
    flux[1000:1100] = 1e4
    fit = fit_white_dwarf(LN_WAVELENGTH, 1e-17 * flux, 1e34 * ivar, resolution=RESOLUTION)
    np.testing.assert_allclose(fit.mean, expected.mean, rtol=1e-7)
    flux[2700:2703] *= 5
    fit = fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION)
    assert (np.abs(fit.mean - expected.mean) < np.sqrt(np.diag(expected.covariance))).all()


def make_lines(places, depth, width):
    """A blue continuum with lines."""
    flux = make_continua(LN_WAVELENGTH, np.array([4.3]))[0]
    for place in places:
        flux = flux * (1 - depth * np.exp(-0.5 * ((LN_WAVELENGTH - np.log(place)) / width) ** 2))
    noise = np.median(flux) / 40
    return flux + np.random.default_rng(1).normal(0, noise, len(flux)), np.full(len(flux), noise**-2)


@pytest.mark.parametrize(
    ("places", "depth", "width"),
    [
        ((), 0.0, 1.0),  # no lines
        ((4027.3, 4472.7, 4923.3, 5877.2, 6680.0), 0.3, 0.008),  # helium
        ((3934.8, 3969.6), 0.7, 0.01),  # calcium
        ((3890.2, 3971.2, 4102.9, 4341.7, 4862.7, 6564.6), 0.3, 0.0015),  # hydrogen, but of low gravity
    ],
)
def test_others(places, depth, width):
    """What has no lines, or those of something else, is none."""
    flux, ivar = make_lines(places, depth, width)
    assert not is_hydrogen(fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION))


def test_colours_that_do_not_go_with_the_lines():
    """Weak lines on a blue continuum are those of something hot, and not of a cool white dwarf."""
    flux, ivar, _ = make_white_dwarf(3.86, 8.0, tilt=-3.0)
    fit = fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION)
    assert fit.share < 0.15
    assert not is_hydrogen(fit)


def test_ends_of_the_models():
    """The hottest model may be any hotter star."""
    models = load_white_dwarf_models()
    flux, ivar, _ = make_white_dwarf(models.log_teff[-1], 8.0)
    assert not is_hydrogen(fit_white_dwarf(LN_WAVELENGTH, flux, ivar, resolution=RESOLUTION))


def test_nothing_to_fit():
    """Too few pixels in the windows, or no light."""
    flux, ivar, _ = make_white_dwarf(4.2, 8.0)
    red = np.exp(LN_WAVELENGTH) > 6900
    assert fit_white_dwarf(LN_WAVELENGTH, flux, np.where(red, ivar, 0)) is None
    assert fit_white_dwarf(LN_WAVELENGTH, -flux, ivar) is None
    assert not is_hydrogen(None)


@pytest.mark.parametrize("turned", [False, True])
def test_the_other_side_of_the_maximum_is_not_ruled_out_too_soon(turned):
    """Half of what speaks against a second maximum counts, on either side; what falls on and on stays."""
    along = np.array([-30.0, -12.0, -6.0, -9.0, -2.0, 0.0, -4.0, -11.0, -25.0])
    wanted = np.array([-27.0, -9.0, -3.0, -6.0, -2.0, 0.0, -4.0, -11.0, -25.0])
    if turned:
        along, wanted = along[::-1], wanted[::-1]
    found = _doubt_side(along[:, None] + np.array([-1.0, 0.0, -2.0]))
    np.testing.assert_allclose(found, wanted[:, None] + np.array([-1.0, 0.0, -2.0]))
    single = -(np.linspace(-3, 3, 7)[:, None] ** 2) * np.ones(3)
    np.testing.assert_array_equal(_doubt_side(single), single)
