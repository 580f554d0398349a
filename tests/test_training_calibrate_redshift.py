# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The fit of the calibration of redshifts finds what was put in."""

import numpy as np
import pytest
from _redshift import GRID, STEP, make_scores
from astropy.stats import mad_std
from scipy.stats import norm

from astro_spectok.redshift import Calibration, RedshiftPosterior
from astro_spectok.redshift.calibration import PIVOT
from astro_spectok.redshift.grid import RedshiftGrid
from astro_spectok.training import calibrate_redshift, error_fits, redshift_evidence

#: bins wider than the window within which a redshift is right
COARSE = RedshiftGrid(("GALAXY", "STAR"), 0.01, (0, -2), (150, 5))


def draw_rows(n, temperature=1.0, seed=0):
    """Spectra whose posteriors are right, but for evidence that is too large."""
    rng = np.random.default_rng(seed)
    sizes = np.array(COARSE.size)
    log_prior = np.repeat(-np.log(sizes * len(sizes)), sizes)
    names = np.repeat(COARSE.classes, sizes)
    ln1pz = np.concatenate(list(COARSE.ln1pz.values()))
    rows = []
    for _ in range(n):
        log_p = log_prior + rng.normal(0, 2.5, len(log_prior))
        log_p -= np.logaddexp.reduce(log_p)
        k = rng.choice(len(log_p), p=np.exp(log_p))
        claimed = log_prior + temperature * (log_p - log_prior)
        claimed -= np.logaddexp.reduce(claimed)
        parts = dict(zip(COARSE.classes, np.split(claimed, np.cumsum(sizes)[:-1]), strict=True))
        rows.append({"log_probability": parts, "cls": str(names[k]), "z": float(np.expm1(ln1pz[k])), "snr": 5.0})
    return rows


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_temperature_is_found(temperature):
    """What each posterior is divided by, its breadth included, is what it was multiplied by."""
    rows = draw_rows(800, temperature)
    calibration, fit = calibrate_redshift.fit_calibration(rows, COARSE.redshift, 1e-4)
    cooling = np.mean([calibration.find_cooling(row["log_probability"]) for row in rows])
    assert calibration.temperature["GALAXY"] * cooling == pytest.approx(temperature, rel=0.15)
    assert fit["n"] == 800
    if temperature == 2:
        assert fit["loss_after"] < fit["loss_before"] - 0.1
    else:
        assert fit["loss_after"] == pytest.approx(fit["loss_before"], abs=0.01)


def test_loss_is_that_of_the_calibrated_posterior():
    """The sums that the fit works on, interpolated, give what `Calibration` does to the whole posterior."""
    rows = draw_rows(20, 2.0)
    calibration, fit = calibrate_redshift.fit_calibration(rows, COARSE.redshift, 1e-4)
    losses = []
    for row in rows:
        made = calibration.apply(row["log_probability"])
        k = np.argmin(np.abs(COARSE.redshift[row["cls"]] - row["z"]))
        losses.append(-made[row["cls"]][k])
    assert fit["loss_after"] == pytest.approx(np.mean(losses), rel=1e-3)


def test_fit_repeats_itself():
    rows = draw_rows(60, 2.0)
    fit = calibrate_redshift.fit_calibration
    assert fit(rows, COARSE.redshift, 1e-4) == fit(rows, COARSE.redshift, 1e-4)


def test_sharpening_is_found():
    """Broad peaks that are surer to hold the truth than they say are sharpened; the narrow ones stay."""
    rng, module = np.random.default_rng(3), redshift_evidence
    n, broad = 2000, 10.0
    breadth = np.where(np.arange(n) % 2, 5.0, 80.0)
    claimed = rng.normal(0, 1.5, n)  # logit of the best of two solutions
    true = np.where(breadth > broad, 2 * claimed, claimed)
    right = rng.random(n) < 1 / (1 + np.exp(-true))
    above = np.maximum(claimed, -claimed)
    t = module.TEMPERATURES
    best, other = above[:, None] / t, np.zeros((n, len(t)))
    right = np.where(claimed > 0, right, ~right)
    evidence = module.Evidence(
        np.logaddexp(best, other)[:, None], np.where(right[:, None], best, other), best,
        np.zeros(n, int), np.zeros(n, int), right, breadth,
    )  # fmt: skip
    made, _, _ = module.fit_probabilities(evidence, broad)
    assert made.temperatures[0] == pytest.approx(1.0, rel=0.15)
    assert made.temperatures[0] * 8**-made.sharpening == pytest.approx(0.5, rel=0.2)


@pytest.mark.parametrize(("scale", "power"), [(0.8, 1.0), (1.5, 1.3)])
def test_errors_are_found(scale, power):
    """A scale, a floor that is added in quadrature, and a power."""
    rng, floor = np.random.default_rng(2), 2e-5
    width = np.exp(rng.uniform(np.log(3e-6), np.log(3e-4), 4000))
    true = scale * PIVOT * (np.hypot(width, floor) / PIVOT) ** power
    offset = true * rng.normal(0, 1, len(width))
    offset[::50] = 3e-3  # outliers
    (a,), (b,), (c,), trend = error_fits.fit_errors(offset, width)
    np.testing.assert_allclose(a * PIVOT * (np.hypot(width, b) / PIVOT) ** c, true, rtol=0.15)
    assert (b, c) == (pytest.approx(floor, rel=0.4), pytest.approx(power, rel=0.1))
    assert trend.shape == (0,)


def test_trends_of_errors_are_found():
    """Groups have scales of their own and share the trends with features; a feature without effect has none."""
    rng, n = np.random.default_rng(8), 4000
    width, group = np.exp(rng.uniform(np.log(6e-5), np.log(6e-4), n)), np.arange(n) % 2
    features = rng.normal(0, 1, (n, 2))
    offset = np.array([0.7, 1.8])[group] * width * np.exp(0.4 * features[:, 0]) * rng.normal(0, 1, n)
    scale, floor, power, trend = error_fits.fit_errors(offset, width, group, features)
    np.testing.assert_allclose(trend, [0.4, 0.0], atol=0.04)
    found = scale[group] * PIVOT * (np.hypot(width, floor[group]) / PIVOT) ** power[group]
    np.testing.assert_allclose(found, np.array([0.7, 1.8])[group] * width, rtol=0.15)


def test_errors_are_those_of_the_calibration():
    """What was fitted is what `Calibration` makes of widths."""
    rng = np.random.default_rng(4)
    width = np.exp(rng.uniform(np.log(3e-6), np.log(3e-4), 2000))
    offset = 2 * width * rng.normal(0, 1, len(width))
    feature = rng.normal(0, 1, len(width))
    fit = error_fits.fit_errors(offset, width, features=feature[:, None])
    scale, floor, power, trend = ({"STAR": float(x[0])} for x in fit)
    made = Calibration(
        error_scale=scale, error_floor=floor, error_power=power, error_trend={"STAR": {"feature": trend["STAR"]}}
    )
    pull = offset / [
        made.correct_width("STAR", x, features={"feature": y}) for x, y in zip(width, feature, strict=True)
    ]
    assert mad_std(pull) == pytest.approx(1, abs=1e-6)


def test_thresholds_keep_what_is_pure():
    """A class whose probabilities are true gets a low threshold, one that is too sure a high one."""
    rng, n, module = np.random.default_rng(6), 20000, error_fits
    cls, p = np.repeat(["GALAXY", "STAR"], n // 2), rng.uniform(0.5, 1, n)
    right = rng.random(n) < np.where(cls == "STAR", np.where(p > 0.9, 1.0, 0.7), 1.0)
    found = module.fit_confident(cls, p, right, purity=0.99, least=0.98)
    assert found["GALAXY"] == pytest.approx(0.5)
    assert 0.85 < found["STAR"] < 0.93
    kept = p >= np.where(cls == "STAR", found["STAR"], found["GALAXY"])
    assert right[kept].mean() >= 0.99
    wrong = np.zeros(n, bool)
    assert set(module.fit_confident(cls, p, wrong, purity=0.99, least=0.98).values()) == {float(module.THRESHOLDS[-1])}


def test_thresholds_leave_enough():
    """Beyond what is needed they are made no stricter if too few would be left."""
    rng, n, module = np.random.default_rng(7), 20000, error_fits
    cls, p = np.full(n, "STAR"), rng.uniform(0.5, 1, n)
    right = rng.random(n) < p**0.05
    options = {"purity": 0.999, "least": 0.98}
    loose, strict = (
        module.fit_confident(cls, p, right, kept=k, **options)["STAR"] for k in (int(0.8 * n), int(0.3 * n))
    )
    assert loose < strict
    assert np.count_nonzero(right & (p >= strict)) >= 0.3 * n
    assert right[p >= loose].mean() >= 0.98


def test_reliance_is_that_of_bright_ones_that_nothing_else_flags():
    """Faint and flagged ones, and those without a truth, may be as wrong as they like."""
    n = 400
    table = {
        "cls": np.full(n, "STAR"), "cls_true": np.full(n, "STAR"), "z": np.zeros(n), "z_true": np.zeros(n),
        "around": np.linspace(0.4, 1, n), "zwarn": np.zeros(n, int), "snr": np.full(n, 10.0), "wide": np.zeros(n, bool),
    }  # fmt: skip
    table["z"][::4], table["snr"][::4] = 0.1, 1.0
    table["z"][1::4], table["zwarn"][1::4] = 0.1, 4
    table["z_true"][2::4] = np.nan
    assert calibrate_redshift.fit_reliance(table) == {"STAR": pytest.approx(0.5)}
    table["z"][(table["around"] < 0.72) & (table["snr"] > 5)] = 0.1
    assert calibrate_redshift.fit_reliance(table) == {"STAR": pytest.approx(0.75)}


def test_pit():
    """Even for truths that follow the error; beyond the peak it is the posterior's own."""
    posterior = RedshiftPosterior(GRID, make_scores(("GALAXY", 0.5, STEP, 0.6), ("GALAXY", 1.5, STEP, 0.4)))
    peak = posterior.find_peaks(1)[0]
    find, z_err = redshift_evidence.find_pit, 2e-4
    for quantile in (-1, 0, 1):
        found = find(posterior, peak, z_err, peak.z + quantile * z_err)
        assert found == pytest.approx(0.6 * norm.cdf(quantile), abs=1e-4)
    assert find(posterior, peak, z_err, 2.0) == pytest.approx(1.0)
