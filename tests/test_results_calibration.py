# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Calibration`: what it does to probabilities, errors and intervals, and how weights tell it."""

import json

import numpy as np
import pytest
from _redshift import GRID, STEP, make_flat, make_scores
from scipy.stats import norm

from astro_spectok.results import Calibration, RedshiftPosterior

SCORES = make_scores(("GALAXY", 0.5, 4 * STEP, 0.999), ("QSO", 2.0, 4 * STEP, 0.001))


def test_changes_no_probability_unless_fitted():
    assert Calibration().apply(SCORES) is SCORES


def test_temperature_divides_the_evidence():
    """Odds of two peaks of one class are those of before to the power 1 / T, and the prior stays the prior."""
    scores = make_scores(("QSO", 1.0, 4 * STEP, 0.99), ("QSO", 2.0, 4 * STEP, 0.01))
    warm = RedshiftPosterior(GRID, Calibration(temperature={"QSO": 2.0}).apply(scores))
    first, second = warm.find_peaks(2)
    assert first.probability / second.probability == pytest.approx(99**0.5, rel=1e-3)
    flat = Calibration(temperature={"QSO": 2.0}).apply(make_flat())
    for name, values in make_flat().items():
        np.testing.assert_allclose(flat[name], values, atol=1e-6)


def test_epsilon_is_a_share_of_the_prior():
    mixed = Calibration(epsilon=0.03).apply(SCORES)
    assert sum(np.exp(x).sum() for x in mixed.values()) == pytest.approx(1, abs=1e-6)
    assert np.exp(mixed["STAR"]).sum() == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("true", [3e-5, 1e-4, 5e-4])
def test_width_of_the_training_is_taken_out(true):
    """A peak of the true width, widened by the training, has its true error; a temperature widens both."""
    z, target = 1.0, 1.5e-4
    for temperature in (1.0, 2.0):
        calibration = Calibration({"QSO": temperature}, target_sigma=target)
        seen = np.sqrt(true**2 + temperature * target**2) * (1 + z)
        assert calibration.correct_error("QSO", z, seen) == pytest.approx(true * (1 + z), rel=1e-6)


def test_scale_and_floor():
    calibration = Calibration(error_scale={"STAR": 1.5}, error_floor={"STAR": 2e-5})
    assert calibration.correct_error("STAR", 0.0, 0.0) == pytest.approx(3e-5)
    assert calibration.correct_error("GALAXY", 0.0, 0.0) == pytest.approx(1e-5)


@pytest.mark.parametrize(("level", "sigmas"), [(0.68, norm.ppf(0.84)), (0.95, norm.ppf(0.975))])
def test_interval_agrees_with_the_error(level, sigmas):
    """For a single Gaussian peak, wider than the bins or not."""
    calibration, z, true = Calibration(error_scale={"QSO": 1.2}), 1.0, 4e-4
    seen = np.hypot(true, calibration.target_sigma)
    posterior = RedshiftPosterior(GRID, make_scores(("QSO", z, seen, 1.0)))
    interval = calibration.correct_interval("QSO", z, seen * (1 + z), posterior.find_interval(level, z), STEP)
    expected = z + (1 + z) * 1.2 * true * sigmas * np.array([-1, 1])
    np.testing.assert_allclose(interval, expected, atol=0.05 * true)


def test_interval_that_leaves_the_peak_stays():
    low, high = Calibration(error_scale={"QSO": 3.0}).correct_interval("QSO", 1.0, 1e-3, (0.5, 2.0), STEP)
    assert (low, high) == (pytest.approx(0.5), pytest.approx(2.0))


def test_interval_holds_the_redshift():
    """Even if the posterior has its median beside the peak."""
    low, high = Calibration().correct_interval("QSO", 1.0, 1e-3, (1.0001, 1.5), STEP)
    assert low <= 1.0 < high


def test_is_read_from_metadata():
    """What was written is what is read, through JSON; weights without one have the width of their training."""
    made = Calibration({"QSO": 1.3}, 0.01, {"STAR": 1.1}, {"STAR": 3e-5}, 2e-4)
    stored = json.loads(json.dumps({"calibration": made.to_dict(), "training": {"steps": 3}}))
    assert Calibration.from_metadata(stored) == made
    assert Calibration.from_metadata({"training": {"redshift_sigma": 3e-4}}) == Calibration(target_sigma=3e-4)
    assert Calibration.from_metadata({}) == Calibration()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"temperature": {"QSO": 0.0}}, "temperature must be a dict of class to a positive number"),
        ({"error_scale": 1.0}, "error_scale must be a dict"),
        ({"error_floor": {"QSO": np.inf}}, "error_floor must be a dict"),
        ({"epsilon": 1.0}, r"epsilon must lie in \[0, 1\)"),
        ({"target_sigma": -1.0}, "target_sigma be positive"),
    ],
)
def test_refuses(options, rule):
    with pytest.raises(ValueError, match=rule):
        Calibration(**options)
