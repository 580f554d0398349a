# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Solutions: how redshifts of network and templates are joined, and what becomes of intervals."""

from dataclasses import replace

import numpy as np
import pytest
from _redshift import GRID, STEP, make_scores
from conftest import make_spectrum
from scipy.stats import norm

from astro_spectok.redshift import Calibration, RedshiftPosterior, solutions
from astro_spectok.redshift.fit import Refined
from astro_spectok.redshift.peaks import Peak
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.redshift.solutions import find_solutions, move_interval
from astro_spectok.spectra import to_batch

TARGET, TRUE = 1.5e-4, 3e-4
SCORES = make_scores(("GALAXY", 0.5, np.hypot(TRUE, TARGET), 0.99), ("QSO", 2.0, 3e-4, 0.01))
CALIBRATION = Calibration(error_scale={"GALAXY": 2.0}, error_floor={"GALAXY": 1e-7}, target_sigma=TARGET)


def solve(monkeypatch, fit):
    """The best solution of `SCORES` where templates give ``fit``."""
    monkeypatch.setattr(solutions, "refine_redshift", lambda *args, **kwargs: fit)
    batch = to_batch([make_spectrum()], medium="vacuum")
    return find_solutions(RedshiftPosterior(GRID, SCORES), CALIBRATION, batch, 0, 2)


def test_without_templates_the_posterior_decides(monkeypatch):
    (best, other), raw, sharp = solve(monkeypatch, None)
    assert np.log1p(best.z) == pytest.approx(np.log(1.5), abs=0.1 * STEP)
    assert best.z_err == pytest.approx(2 * 1.5 * TRUE, rel=0.02)
    assert other.spectype == "QSO"
    assert raw[0].z_err == pytest.approx(1.5 * np.hypot(TRUE, TARGET), rel=0.01)
    assert np.isnan(sharp.evidence)


def test_redshifts_are_averaged_by_their_inverse_variances(monkeypatch):
    """Network and templates as sure as each other: half way between them, surer by the root of two."""
    width = np.sqrt(TRUE**2 - RedshiftRules.begin().disagreement["GALAXY"] ** 2)
    (best, _), _, sharp = solve(monkeypatch, Refined(np.log(1.5) + 2e-4, width, 50.0))
    assert np.log1p(best.z) == pytest.approx(np.log(1.5) + 1e-4, abs=0.1 * STEP)
    assert best.z_err / (1 + best.z) == pytest.approx(2 * TRUE / np.sqrt(2), rel=0.02)
    assert sharp.evidence == 50.0


def test_templates_that_explain_nothing_do_not_count(monkeypatch):
    (best, _), _, sharp = solve(monkeypatch, Refined(np.log(1.5) + 2e-4, 1e-6, 1.0))
    assert np.log1p(best.z) == pytest.approx(np.log(1.5), abs=0.1 * STEP)
    assert sharp.evidence == 1.0


def test_errors_are_those_of_what_is_seen(monkeypatch):
    """A galaxy that ends before [OII], and one that templates refined nothing of, have errors of their own."""
    ends = {"GALAXY": 1.0, "GALAXY UV": 3.0, "GALAXY unrefined": 5.0}
    calibration = Calibration(error_scale=ends, error_floor=dict.fromkeys(ends, 1e-7), target_sigma=TARGET)
    fit, errors = Refined(np.log(1.5), 1e-3, 50.0), []
    for high, found in ((9000.0, fit), (5000.0, fit), (9000.0, None)):
        monkeypatch.setattr(solutions, "refine_redshift", lambda *args, found=found, **kwargs: found)
        batch = to_batch([make_spectrum(high=high)], medium="vacuum")
        (best, *_), _, _ = find_solutions(RedshiftPosterior(GRID, SCORES), calibration, batch, 0, 2)
        errors.append(best.z_err)
    assert errors[1] == pytest.approx(3 * errors[0])
    assert errors[2] == pytest.approx(5 * 1.5 * TRUE, rel=0.02)


def test_errors_follow_what_else_tells_of_them(monkeypatch):
    """Templates that contradict the network, and the signal-to-noise ratio of the spectrum."""
    trend = {"tension": 1.0, "snr 55": 0.5, "snr 17": 0.5, "snr 7": 0.5, "snr 3.2": 0.5, "snr 1": 0.5}
    plain = Calibration(error_floor={"GALAXY": 1e-9}, target_sigma=TARGET)
    batch, posterior = to_batch([make_spectrum()], medium="vacuum"), RedshiftPosterior(GRID, SCORES)
    for offset in (0.0, 6e-4):
        fit = Refined(np.log(1.5) + offset, TRUE, 50.0)
        monkeypatch.setattr(solutions, "refine_redshift", lambda *args, fit=fit, **kwargs: fit)
        before, after = (
            find_solutions(posterior, replace(plain, error_trend={"GALAXY": x}), batch, 0, 1)[0][0] for x in ({}, trend)
        )
        # the network's peak is as wide as the fit
        tension = offset / (TRUE * np.sqrt(2))
        assert after.z == before.z
        assert after.z_err / before.z_err == pytest.approx(np.exp(0.5) * (1 + tension), rel=0.03)


def test_class_probability_leaves_the_error_alone(monkeypatch):
    """What counts is how the probability of a class is spread: the error of a star is the same if it surely is one."""
    monkeypatch.setattr(solutions, "refine_redshift", lambda *args, **kwargs: None)
    trend = Calibration(error_trend={"GALAXY": {"ambiguity": 1.0}}, target_sigma=TARGET)
    batch, errors = to_batch([make_spectrum()], medium="vacuum"), []
    for rest in ([("QSO", 2.0, TRUE, 0.4)], [("GALAXY", 0.8, TRUE, 0.4)], []):
        scores = make_scores(("GALAXY", 0.5, TRUE, 1.0 - 0.4 * len(rest)), *rest)
        errors.append(find_solutions(RedshiftPosterior(GRID, scores), trend, batch, 0, 1)[0][0].z_err)
    assert errors[0] == pytest.approx(errors[2], rel=0.02)
    assert errors[1] > 3 * errors[2]


@pytest.mark.parametrize(("level", "sigmas"), [(0.68, norm.ppf(0.84)), (0.95, norm.ppf(0.975))])
def test_interval_agrees_with_the_error(level, sigmas):
    """For a single Gaussian peak, and around the redshift that it was refined to."""
    z, width, error = float(GRID.redshift["QSO"][3466]), 4e-4, 1e-4
    posterior = RedshiftPosterior(GRID, make_scores(("QSO", z, width, 1.0)))
    raw = posterior.find_peaks(1)[0]
    best = Peak("QSO", z + 5e-4, 2 * error, 1.0, raw.lag)
    interval = move_interval(posterior.find_interval(level, around=raw.z), raw, best, STEP)
    expected = best.z + best.z_err * sigmas * np.array([-1, 1])
    np.testing.assert_allclose(interval, expected, atol=0.05 * error)


def test_interval_that_leaves_the_peak_stays():
    raw, best = Peak("QSO", 1.0, 1e-3, 1.0, 0), Peak("QSO", 1.0, 3e-3, 1.0, 0)
    assert move_interval((0.5, 2.0), raw, best, STEP) == (0.5, 2.0)


def test_interval_holds_the_redshift():
    """Even if the posterior has its median beside the peak."""
    raw, best = Peak("QSO", 1.0, 1e-3, 1.0, 0), Peak("QSO", 0.9999, 1e-4, 1.0, 0)
    low, high = move_interval((1.0001, 1.5), raw, best, STEP)
    assert low <= best.z < high
