# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Refinement with rest-frame templates: right, unbiased, and with an error that is true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.fit import divide_continuum, refine_redshift
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.redshift.templates import RESOLUTION, load_rest_templates

X = np.log(3600.0) + 2.3e-4 * np.arange(4500)
REDSHIFT = {"GALAXY": 0.3, "QSO": 1.5, "STAR": 0.0004}


def make(spectype, snr, seed=0, offset=0.0):
    """A spectrum drawn from the templates, with white noise: flux, ivar, and its ln(1 + z)."""
    rng = np.random.default_rng(seed)
    templates, ln1pz = load_rest_templates(), np.log1p(REDSHIFT[spectype]) + offset
    grid = templates.at_resolution(spectype, RESOLUTION)
    rest = templates.ln_start + templates.step * np.arange(len(grid))
    coefficients = np.concatenate([[1.0], 0.5 * rng.normal(0, 1, grid.shape[1] - 1)])
    shape = np.interp(X - ln1pz, rest, grid @ coefficients)
    flux = np.exp(0.7 * (X - X[0])) * (1 + shape)
    sigma = np.median(flux) / snr
    return flux + rng.normal(0, sigma, len(X)), np.full(len(X), sigma**-2), ln1pz


@pytest.mark.parametrize("spectype", list(REDSHIFT))
def test_redshift_is_found(spectype):
    """From 60 km/s away, over a dozen draws: offsets are as large as their errors, and much smaller than at first."""
    offsets, widths = [], []
    for seed in range(12):
        flux, ivar, truth = make(spectype, 10.0, seed)
        fit = refine_redshift(X, flux, ivar, spectype, truth + 2e-4, 2e-4, resolution=RESOLUTION)
        offsets.append(fit.ln1pz - truth)
        widths.append(fit.width)
        assert fit.evidence > 100
    pulls = np.array(offsets) / np.array(widths)
    assert 0.4 < np.std(pulls) < 1.6
    assert abs(np.mean(pulls)) < 1.0
    assert np.median(np.abs(offsets)) < 1e-4


@settings(max_examples=10, deadline=None)
@given(st.floats(-30, 30), st.integers(0, 3))
def test_units_and_bad_pixels_change_nothing(power, seed):
    flux, ivar, truth = make("GALAXY", 5.0, seed)
    ivar[1000:1100] = 0
    expected = refine_redshift(X, flux, ivar, "GALAXY", truth, 2e-4)
    junk = flux.copy()
    junk[1000:1100] = 1e6
    found = refine_redshift(X, junk * 2.0**power, ivar / 4.0**power, "GALAXY", truth, 2e-4)
    assert found.ln1pz == pytest.approx(expected.ln1pz, abs=1e-7)
    assert found.width == pytest.approx(expected.width, rel=1e-3)


def test_noise_has_no_features():
    """White noise on a continuum, and on nothing."""
    rng = np.random.default_rng(3)
    for level in (5.0, 0.0):
        flux = level + rng.normal(0, 1, len(X))
        for spectype, z in REDSHIFT.items():
            fit = refine_redshift(X, flux, np.ones(len(X)), spectype, np.log1p(z), 2e-4)
            assert fit is None or fit.evidence < RedshiftRules.begin().least_evidence


@pytest.mark.parametrize(
    ("spectype", "ln1pz", "pixels"),
    [("PLANET", 0.0, slice(None)), ("GALAXY", 3.0, slice(None)), ("GALAXY", 0.3, slice(0, 40))],
    ids=["no such class", "beyond the templates", "too few pixels"],
)
def test_gives_none(spectype, ln1pz, pixels):
    flux, ivar, _ = make("GALAXY", 10.0)
    assert refine_redshift(X[pixels], flux[pixels], ivar[pixels], spectype, ln1pz, 1e-4) is None


def test_without_a_good_pixel_there_is_none():
    assert refine_redshift(X, np.zeros(len(X)), np.zeros(len(X)), "GALAXY", 0.3, 1e-4) is None


def test_fit_that_cannot_be_solved_gives_none(monkeypatch):
    """As of templates so alike that rounding makes their matrix indefinite."""
    flux, ivar, truth = make("GALAXY", 10.0)
    monkeypatch.setattr("astro_spectok.redshift.fit.dpotrf", lambda matrix: (matrix, 3))
    assert refine_redshift(X, flux, ivar, "GALAXY", truth, 2e-4) is None


def test_continuum_is_divided_out():
    """What is smooth becomes zero, a line keeps its height over the continuum."""
    flux = np.exp(2 * (X - X[0]))
    line = 0.5 * np.exp(-0.5 * ((X - X[2250]) / 3e-4) ** 2)
    ratio, weight = divide_continuum(X, flux * (1 + line), np.full(len(X), 4.0), 0.015)
    inside = slice(400, -400)
    assert np.median(np.abs(ratio[inside])) < 2e-3
    assert ratio[2250] == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(weight[inside], 4 * flux[inside] ** 2, rtol=0.03)


def test_templates_are_smoothed_to_the_resolution():
    """Once for each; the coarser ones vary less."""
    templates = load_rest_templates()
    assert set(templates.classes) == set(REDSHIFT)
    sharp, coarse = (templates.at_resolution("GALAXY", r) for r in (30000.0, 190.0))
    assert templates.at_resolution("GALAXY", 210.0) is coarse
    assert np.abs(np.diff(coarse[:, 0])).max() < 0.5 * np.abs(np.diff(sharp[:, 0])).max()
    assert sharp.dtype == np.float32


def test_correlation_of_what_is_left():
    """White noise has none; smoothed noise that the errors account for has that of its kernel, and red noise more."""
    flux, ivar, truth = make("GALAXY", 20.0)
    fit = refine_redshift(X, flux, ivar, "GALAXY", truth, 2e-4, resolution=RESOLUTION)
    assert fit.correlation < 1.3
    noise = gaussian_filter1d(np.random.default_rng(3).normal(0, 1, len(X)), 8)
    ripples = flux + 2 * noise / noise.std() * ivar**-0.5
    assert refine_redshift(X, ripples, ivar, "GALAXY", truth, 2e-4, resolution=RESOLUTION).correlation > 5
