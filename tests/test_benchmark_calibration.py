# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of a calibration: its figures mean what they say, and it runs."""

import json

import numpy as np
import pytest

from astro_spectok.weights import load_weights


def test_ks(load):
    measure = load("_reliability").measure_ks
    assert measure(np.random.default_rng(1).random(20000)) < 0.015
    assert measure(np.full(10, 0.5)) == 0.5
    assert measure(np.random.default_rng(1).random(20000) ** 2) == pytest.approx(0.25, abs=0.02)


def test_reliability(load):
    p, right = np.array([0.92, 0.94, 0.1, 1.0]), np.array([True, False, False, True])
    rows = load("_reliability").measure_reliability(p, right, least=1)
    assert [(row["low"], row["n"], row["right"]) for row in rows] == [(0.0, 1, 0.0), (0.9, 2, 0.5), (0.99, 1, 1.0)]
    assert rows[1]["claimed"] == pytest.approx(0.93)
    assert rows[1]["error"] == pytest.approx(np.sqrt(0.92 * 0.08 + 0.94 * 0.06) / 2)


def test_bins_of_few_spectra_are_joined(load):
    """With the next, and the last ones with the one before; no spectrum is lost."""
    p = np.concatenate([np.full(25, 0.1), np.full(5, 0.4), np.full(30, 0.6), np.full(3, 0.995)])
    rows = load("_reliability").measure_reliability(p, p > 0.5)
    assert [(row["low"], row["high"], row["n"]) for row in rows] == [(0.0, 0.3, 25), (0.3, 1.0, 38)]
    few = load("_reliability").measure_reliability(p[:3], p[:3] > 0.5)
    assert [(row["low"], row["high"], row["n"]) for row in few] == [(0.0, 1.0, 3)]


def test_noise_is_not_held_against_a_bin(load):
    """Of a difference counts what is beyond twice the binomial error; the mean counts all of it."""
    judge = load("_reliability").judge_reliability
    rows = [
        {"n": 100, "claimed": 0.5, "right": 0.62, "error": 0.05},
        {"n": 300, "claimed": 0.9, "right": 0.88, "error": 0.02},
    ]
    assert judge(rows) == (pytest.approx(0.02), pytest.approx((0.12 + 3 * 0.02) / 4))
    assert judge([]) == (None, None)


def test_scores(load):
    """Each figure counts what it is about."""
    table = {
        "cls": np.array(["GALAXY", "QSO", "STAR", "GALAXY", "GALAXY"]),
        "cls_true": np.array(["GALAXY", "QSO", "STAR", "QSO", ""]),
        "z": np.array([0.5, 1.01, 0.0, 2.0, 1.0]), "z_true": np.array([0.5001, 1.0, 0.0, 1.0, np.nan]),
        "z_err": np.full(5, 1e-4), "p_best": np.array([0.99, 0.95, 0.99, 0.4, 0.2]),
        "zwarn": np.array([0, 0, 4, 0, 4096]), "snr": np.full(5, 10.0), "wide": np.zeros(5, bool),
        "pit": np.array([0.1, 0.4, 0.6, 0.9, np.nan]),
    }  # fmt: skip
    found = load("calibration").score(table)
    assert found["kept"] == (pytest.approx(2 / 3), 3)  # the star is flagged
    assert found["right"] == (pytest.approx(2 / 3), 3)  # of galaxy, quasar and the wrong one
    assert found["nothing"] == (1.0, 1)
    assert found["pit_ks"][1] == 4


def test_whole_run(load, redshift_weights, tmp_path, capsys):
    """On analytic templates: the file of figures is complete, and what was fitted is shown."""
    figures = tmp_path / "figures.json"
    load("calibration").main(
        ["--weights", str(redshift_weights), "--device", "cpu", "-n", "40", "--json", str(figures)]
    )
    content = json.loads(figures.read_text())
    assert content["sha256"] == load_weights(redshift_weights).sha256
    assert {"reliability", "pit_ks", "pulls", "kept", "right", "nothing"} <= set(content["after"])
    assert "width of (z - z_true) / z_err" in capsys.readouterr().out
