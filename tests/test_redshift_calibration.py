# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Calibration`: what it does to probabilities, errors and intervals, and how it is read from weights."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from _redshift import GRID, STEP, make_flat, make_scores

from astro_spectok.heads import RedshiftConfig
from astro_spectok.heads.small_numbers import REDSHIFT_RULES
from astro_spectok.redshift import Calibration, RedshiftPosterior
from astro_spectok.redshift.calibration import PIVOT, PIXEL, measure_breadth, measure_pixel, name_errors
from astro_spectok.redshift.rules import RedshiftRules

SCORES = make_scores(("GALAXY", 0.5, 4 * STEP, 0.999), ("QSO", 2.0, 4 * STEP, 0.001))


def test_changes_no_probability_unless_fitted():
    assert Calibration().apply(SCORES) is SCORES


def test_temperature_divides_the_evidence():
    """Odds of two peaks of one class are those of before to the power 1 / T, and the prior stays the prior."""
    scores = make_scores(("QSO", 1.0, 4 * STEP, 0.99), ("QSO", 2.0, 4 * STEP, 0.01))
    tail = RedshiftPosterior(GRID, Calibration(temperature={"QSO": 2.0}).apply(scores))
    first, second = tail.find_peaks(2)
    assert first.probability / second.probability == pytest.approx(99**0.5, rel=1e-3)
    flat = Calibration(temperature={"QSO": 2.0}).apply(make_flat())
    for name, values in make_flat().items():
        np.testing.assert_allclose(flat[name], values, atol=1e-6)


def test_tail_mixes_in_a_posterior_of_higher_temperature():
    """Its share of the probability is the sum of what either posterior gives, each with its own temperature."""
    scores = make_scores(("QSO", 1.0, 4 * STEP, 0.99), ("QSO", 2.0, 4 * STEP, 0.01))
    cold = Calibration(temperature={"QSO": 1.5}).apply(scores)
    mixed = Calibration(temperature={"QSO": 1.5}, tail_fraction=0.2, tail_temperature_ratio=2.0).apply(scores)
    # of classes without a temperature of their own it is 1, and then 2
    tail = Calibration(temperature={"QSO": 3.0, "GALAXY": 2.0, "STAR": 2.0}).apply(scores)
    for name, values in mixed.items():
        np.testing.assert_allclose(np.exp(values), 0.8 * np.exp(cold[name]) + 0.2 * np.exp(tail[name]), rtol=1e-3)


def test_tail_widens_what_the_training_added():
    calibration = Calibration(
        temperature={"QSO": 2.0}, target_sigma=1e-4, tail_fraction=0.5, tail_temperature_ratio=3.0
    )
    assert calibration.deconvolve_width("QSO", np.sqrt(4e-8 + 4e-8)) == pytest.approx(2e-4, rel=1e-6)


def test_sharp_posteriors_stay_finite():
    """Where single precision holds no such number."""
    scores = {"QSO": np.array([0.0, -500.0]), "STAR": np.array([-400.0, -400.0])}
    for options in ({"tail_fraction": 0.1, "tail_temperature_ratio": 2.0}, {"temperature": {"QSO": 0.5}}):
        made = Calibration(**options).apply(scores)
        assert all(np.isfinite(x).all() for x in made.values())
        assert np.exp(made["QSO"][0]) > 0.98


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


def test_power():
    """It leaves 9 km/s as they are."""
    calibration = Calibration(error_scale={"STAR": 1.5}, error_floor={"STAR": 1e-9}, error_power={"STAR": 2.0})
    assert calibration.correct_width("STAR", PIVOT) == pytest.approx(1.5 * PIVOT)
    assert calibration.correct_width("STAR", 10 * PIVOT) == pytest.approx(150 * PIVOT)


def test_errors_follow_their_features():
    """By the exponential of the trends of the class; features that are absent, or were not fitted, have no effect."""
    calibration = Calibration(error_floor={"STAR": 1e-9}, error_trend={"STAR": {"pixel": 0.5, "tension": 1.0}})
    for features, factor in (({"pixel": 2.0, "count": 9.0}, np.e), ({"pixel": 2.0, "tension": -1.0}, 1.0), (None, 1.0)):
        assert calibration.correct_width("STAR", 1e-4, features=features) == pytest.approx(factor * 1e-4, rel=1e-6)
    assert calibration.correct_width("QSO", 1e-4, features={"pixel": 2.0}) == pytest.approx(1e-4, rel=0.01)


def test_errors_of_distant_objects_are_their_own():
    """Where they were fitted; those of the class otherwise, and where no redshift is given."""
    calibration = Calibration(error_scale={"QSO": 2.0, "QSO UV": 3.0, "GALAXY": 1.5}, error_floor={"QSO UV": 1e-4})
    assert calibration.correct_width("QSO", 1e-3, 2.5) == pytest.approx(3 * np.hypot(1e-3, 1e-4))
    for z in (None, 0.5):
        assert calibration.correct_width("QSO", 1e-3, z) == pytest.approx(2 * np.hypot(1e-3, 1e-5))
    assert calibration.correct_width("GALAXY", 1e-3, 2.5) == pytest.approx(1.5e-3, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"spectype": "GALAXY"}, ["GALAXY"]),
        ({"spectype": "GALAXY", "z": 2.0}, ["GALAXY UV", "GALAXY"]),
        ({"spectype": "GALAXY", "z": 2.0, "red_end": np.nan}, ["GALAXY UV", "GALAXY"]),
        ({"spectype": "GALAXY", "z": 2.0, "red_end": 24000.0}, ["GALAXY", "GALAXY UV"]),
        ({"spectype": "GALAXY", "z": 1.0, "red_end": 7000.0}, ["GALAXY UV", "GALAXY"]),
        ({"spectype": "QSO", "z": 1.0, "red_end": 9000.0}, ["QSO Mg II", "QSO"]),
        ({"spectype": "QSO", "z": 1.5, "red_end": 9000.0}, ["QSO Mg II", "QSO UV", "QSO"]),
        ({"spectype": "QSO", "z": 0.5, "red_end": 9000.0}, ["QSO"]),
        ({"spectype": "QSO", "z": 3.0, "red_end": 9000.0}, ["QSO UV", "QSO"]),
        ({"spectype": "STAR", "z": 0.0, "red_end": 2000.0, "refined": False}, ["STAR unrefined", "STAR"]),
    ],
)
def test_names_of_errors(options, names):
    """By the lines that are seen; what is more general follows, down to the class."""
    assert list(name_errors(**options)) == names


def test_unrefined_errors_are_their_own():
    """Where they were fitted; weights that were calibrated before there were such have those of the class."""
    new, old = Calibration(error_scale={"STAR": 1.0, "STAR unrefined": 2.0}), Calibration(error_scale={"STAR": 1.0})
    assert new.correct_width("STAR", 1e-3, refined=False) == pytest.approx(2e-3, rel=1e-3)
    assert old.correct_width("STAR", 1e-3, refined=False) == pytest.approx(1e-3, rel=1e-3)


def test_what_is_relied_on():
    assert Calibration(confident={"STAR": 0.9}).find_confident("STAR") == 0.9
    assert Calibration().find_confident("STAR") == REDSHIFT_RULES["confident"]


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


def test_pixels_cool():
    """By a power of their width over 60 km/s; of which nothing is said they are as wide."""
    calibration = Calibration(pixel_power=0.5)
    assert calibration.find_cooling(SCORES, 4 * PIXEL) == pytest.approx(0.5)
    assert calibration.find_cooling(SCORES) == 1
    cold, same = calibration.apply(SCORES, 4 * PIXEL), Calibration(temperature=dict.fromkeys(SCORES, 0.5)).apply(SCORES)
    for name, values in cold.items():
        np.testing.assert_allclose(values, same[name], atol=1e-5)


def test_width_of_pixels():
    assert measure_pixel(np.exp(8 + 1e-4 * np.arange(5))) == pytest.approx(1e-4)
    assert measure_pixel(np.array([4000.0, 8000.0])) == 5e-3
    assert measure_pixel(np.array([4000.0])) == PIXEL


def test_is_read_from_a_head():
    """What was written is what is read, also under former names; the width of the training is that of its settings."""
    made = Calibration(
        {"QSO": 1.3}, {"STAR": 1.1}, {"STAR": 3e-5}, 2e-4, 0.2, 12.0, {"QSO": 1.2}, {"STAR": 0.9}, 0.1, 2.0, 0.2,
        {"QSO": {"pixel": 0.3}},
    )  # fmt: skip
    rules = REDSHIFT_RULES | {"comparable": 0.3}
    stored = json.loads(json.dumps({"calibration": made.to_dict(), "rules": rules}))
    head = SimpleNamespace(config=RedshiftConfig(target_sigma=2e-4), **stored)
    assert Calibration.from_head(head) == replace(made, rules=RedshiftRules.from_dict(rules))
    former = {"doubt": 0.1, "warmth": 2.0, "error_trend": {"QSO": {"doubt": 0.3, "pixel": 0.2}}}
    rules = {{"least_width": "blunt"}.get(name, name): x for name, x in REDSHIFT_RULES.items()}
    head = SimpleNamespace(calibration=former, rules=rules, config=RedshiftConfig(target_sigma=2e-4))
    found = Calibration.from_head(head)
    assert (found.tail_fraction, found.tail_temperature_ratio, found.rules.least_width) == (0.1, 2.0, 2.0)
    assert found.error_trend == {"QSO": {"ambiguity": 0.3, "pixel": 0.2}}
    head = SimpleNamespace(calibration={}, rules=REDSHIFT_RULES, config=RedshiftConfig(target_sigma=3e-4))
    assert Calibration.from_head(head) == Calibration(target_sigma=3e-4)
    head.rules = {name: x for name, x in REDSHIFT_RULES.items() if name != "edge"}
    with pytest.raises(ValueError, match="edge are missing: write the weights again"):
        Calibration.from_head(head)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"temperature": {"QSO": 0.0}}, "temperature must be a dict of class to a positive number"),
        ({"error_scale": 1.0}, "error_scale must be a dict"),
        ({"error_floor": {"QSO": np.inf}}, "error_floor must be a dict"),
        ({"error_power": {"QSO": -1.0}}, "error_power must be a dict"),
        ({"confident": 0.8}, "confident must be a dict"),
        ({"error_trend": 1.0}, "error_trend must be a dict of class to a dict of feature to a number"),
        ({"error_trend": {"QSO": 1.0}}, "error_trend must be a dict"),
        ({"error_trend": {"QSO": {"pixel": np.nan}}}, "error_trend must be a dict"),
        ({"pixel_power": 2.0}, "pixel_power must lie between -1 and 1"),
        (
            {"tail_temperature_ratio": 0.5},
            r"tail_fraction must lie in \[0, 1\) and tail_temperature_ratio be 1 or more",
        ),
        ({"sharpening": -0.1}, "sharpening must lie between 0 and 1"),
        ({"broad": 0.0}, "broad be 1 bin or more"),
        ({"target_sigma": -1.0}, "target_sigma must be zero or positive"),
    ],
)
def test_refuses(options, rule):
    with pytest.raises(ValueError, match=rule):
        Calibration(**options)
