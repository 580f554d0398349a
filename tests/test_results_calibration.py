# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Calibration`: what it does to probabilities, errors and intervals, and how weights tell it."""

import json

import numpy as np
import pytest
from _redshift import GRID, STEP, make_flat, make_scores

from astro_spectok.results import Calibration, RedshiftPosterior
from astro_spectok.results.calibration import measure_breadth

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


@pytest.mark.parametrize("target", [1.5e-4, 6e-5])
@pytest.mark.parametrize("true", [3e-5, 1e-4, 5e-4])
def test_width_of_the_training_is_taken_out(true, target):
    """A peak of the true width, widened by the training, has its true width; a temperature widens both."""
    for temperature in (1.0, 2.0):
        calibration = Calibration({"QSO": temperature}, target_sigma=target)
        seen = np.sqrt(true**2 + temperature * target**2)
        assert calibration.deconvolve_width("QSO", seen) == pytest.approx(true, rel=1e-6)


def test_width_below_that_of_the_training_is_not_zero():
    assert Calibration(target_sigma=1e-4).deconvolve_width("QSO", 5e-5) == pytest.approx(2e-5)


def test_scale_and_floor():
    """The floor adds in quadrature, the scale multiplies both."""
    calibration = Calibration(error_scale={"STAR": 1.5}, error_floor={"STAR": 3e-5})
    assert calibration.correct_width("STAR", 4e-5) == pytest.approx(7.5e-5)
    assert calibration.correct_width("GALAXY", 0.0) == pytest.approx(1e-5)


def test_errors_of_distant_objects_are_their_own():
    """Where they were fitted; those of the class otherwise, and where no redshift is given."""
    calibration = Calibration(error_scale={"QSO": 2.0, "QSO UV": 3.0, "GALAXY": 1.5}, error_floor={"QSO UV": 1e-4})
    assert calibration.correct_width("QSO", 1e-3, 2.5) == pytest.approx(3 * np.hypot(1e-3, 1e-4))
    for z in (None, 0.5):
        assert calibration.correct_width("QSO", 1e-3, z) == pytest.approx(2 * np.hypot(1e-3, 1e-5))
    assert calibration.correct_width("GALAXY", 1e-3, 2.5) == pytest.approx(1.5e-3, rel=1e-3)


def test_broad_peaks_are_sharpened():
    """By a power of their breadth, counted in bins; narrow ones are left alone."""
    calibration = Calibration(sharpening=0.5, broad=10.0)
    narrow = make_scores(("QSO", 2.0, STEP, 0.9), ("GALAXY", 0.5, STEP, 0.1))
    assert calibration.find_cooling(narrow) == 1
    made = calibration.apply(narrow)
    for name, values in narrow.items():
        np.testing.assert_allclose(made[name], values, atol=1e-6)
    # breadth of a Gaussian: sigma times the root of 2 pi e
    broad = make_scores(("QSO", 2.0, 20 * STEP, 1.0))
    assert measure_breadth(broad, 10.0) == pytest.approx(20 * np.sqrt(2 * np.pi * np.e), rel=0.02)
    cooling = calibration.find_cooling(broad)
    assert cooling == pytest.approx((2 * np.sqrt(2 * np.pi * np.e)) ** -0.5, rel=0.02)
    low, high = RedshiftPosterior(GRID, broad).find_interval(0.68)
    sharper_low, sharper_high = RedshiftPosterior(GRID, calibration.apply(broad)).find_interval(0.68)
    assert (sharper_high - sharper_low) / (high - low) == pytest.approx(cooling**0.5, rel=0.05)


def test_is_read_from_metadata():
    """What was written is what is read, through JSON; weights without one have the width of their training."""
    made = Calibration({"QSO": 1.3}, 0.01, {"STAR": 1.1}, {"STAR": 3e-5}, 2e-4, 0.2, 12.0)
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
        ({"sharpening": -0.1}, "sharpening must lie between 0 and 1"),
        ({"broad": 0.0}, "broad be 1 bin or more"),
        ({"target_sigma": -1.0}, "target_sigma be positive"),
    ],
)
def test_refuses(options, rule):
    with pytest.raises(ValueError, match=rule):
        Calibration(**options)
