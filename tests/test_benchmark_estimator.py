# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of `RedshiftEstimator` counts what it says, and its tables and picture can be made."""

import numpy as np
import pytest

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.redshift import RedshiftFlag

LIGHT_SPEED = 299792.458


def make_table(**columns):
    """Right answers for stars at rest, changed where given."""
    n = len(next(iter(columns.values())))
    table = {
        "class": np.full(n, "STAR"), "class_true": np.full(n, "STAR"), "z": np.zeros(n), "z_true": np.zeros(n),
        "z_err": np.full(n, 1e-5), "p_best": np.full(n, 0.95), "zwarn": np.zeros(n, int), "snr": np.full(n, 50.0),
        "wide": np.zeros(n, bool), "object": np.full(n, ""), "row": np.arange(n), "pit": np.full(n, 0.5),
        "pit_beside": np.full(n, 0.5),
    }  # fmt: skip
    return table | {key: np.array(x) for key, x in columns.items()}


def test_precision_is_judged_by_redrock(load, tmp_path):
    """Twice redrock's error, or 4 km/s if that is more."""
    path = tmp_path / "redrock.csv"
    path.write_text("targetid,z\n" + "".join(f"{i},{3 * (i // 2) / LIGHT_SPEED}\n" for i in range(4)))
    ours = np.array([3.9, 3.9, 6.1, 6.1]) / LIGHT_SPEED
    rows = load("redshift_estimator").score_precision(make_table(z=ours, snr=[5.0, 5.0, 10.0, 10.0]), path)
    assert [(row["snr"], row["n"], row["met"]) for row in rows] == [(5.0, 2, True), (10.0, 2, False)]
    assert [row["bar"] for row in rows] == pytest.approx([4.0, 6.0])
    assert load("redshift_estimator").score_precision(make_table(z=ours), tmp_path / "absent.csv") == []


def test_repeats_are_pairs_of_one_star(load):
    """Bright ones alone; the scatter of one visit, whatever the star's own velocity."""
    rng = np.random.default_rng(1)
    names = np.repeat([f"star {k}" for k in range(300)], 2)
    z = (np.repeat(rng.normal(0, 100, 300), 2) + rng.normal(0, 5, 600)) / LIGHT_SPEED
    table = make_table(z=z, object=names)
    scatter, n = load("redshift_estimator").score_repeats(table)
    assert n == 300
    assert scatter == pytest.approx(5, rel=0.15)
    table["z_err"][:] = 2.5 / LIGHT_SPEED
    assert load("redshift_estimator").score_repeat_pulls(table) == (pytest.approx(2, rel=0.15), 300)
    table["snr"][:] = 20.0
    assert load("redshift_estimator").score_repeats(table) == (None, 0)


def test_pulls_are_by_class_and_snr(load):
    z = 2e-5 * np.random.default_rng(1).normal(0, 1, 400)
    rows = load("redshift_estimator").score_pulls(make_table(z=z, snr=np.repeat([3.0, 50.0], 200)), "some")
    assert [(row["class"], row["snr_low"], row["n"]) for row in rows] == [("STAR", 2, 200), ("STAR", 30, 200)]
    assert [row["width"] for row in rows] == pytest.approx([2, 2], rel=0.2)


def test_zwarn_keeps_and_is_right(load):
    """Of three right ones two are kept; of three that are kept two are right; the faint one does not count."""
    table = make_table(z=[0, 0, 0, 0.1, 0.1], zwarn=[0, 0, 4, 0, 0], snr=[9, 9, 9, 9, 1])
    row = load("redshift_estimator").score_zwarn(table, "some")
    assert (row["n"], row["n_kept"]) == (4, 3)
    assert (row["right"], row["kept"], row["purity"]) == pytest.approx((0.75, 2 / 3, 2 / 3))


def test_nothing_is_nothing(load):
    """Noise of unit variance, and continua without a line, with the errors they have."""
    drawn = load("_estimated").draw_nothing(3, 0)
    for _, flux, ivar in drawn["white noise"]:
        assert np.std(flux) == pytest.approx(1, rel=0.05)
        assert np.median(ivar) == pytest.approx(1, rel=1e-3)
    for x, flux, ivar in drawn["power laws"]:
        smooth = np.polyval(np.polyfit(np.log(x), flux, 4), np.log(x))
        assert np.mean(ivar * (flux - smooth) ** 2) == pytest.approx(1, abs=0.1)


def test_whole_run(load, redshift_weights, tmp_path):
    """On analytic templates and without test sets: what can be measured is there, and tables are made of it."""
    module, tables = load("redshift_estimator"), load("_estimator_tables")
    estimator = RedshiftEstimator(redshift_weights, "cpu")
    lines = []
    result = module.run_benchmark(estimator, tmp_path, simulated=24, nothing=4, report=lines.append)
    assert {row["kind"] for row in result["nothing"]} >= {"white noise", "power laws"}
    assert result["zwarn"][0]["set"] == "simulated"
    assert all(row["met"] in (True, False, None) for row in result["bars"])
    assert any("met" in line for line in lines)
    content = load("real_spectra").make_plain({"sha256": "0" * 64, "limit": None} | result)
    made = tables.make_estimator_tables(content)
    assert set(made) == set(tables.ESTIMATOR_NAMES)
    assert "white noise" in made["estimator_nothing"]
    assert made["estimator_precision"] == tables.NOT_MEASURED
    tables.plot_reliability(content, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_errors_of_catalogues_are_those_of_their_lines(load):
    find = load("_catalogue_errors").find_catalogue_errors
    columns = {
        "cls": np.array(["QSO", "QSO", "QSO", "GALAXY", "STAR"]), "z": np.array([0.5, 1.5, 3.0, 0.1, np.nan]),
    }  # fmt: skip
    expected = np.array([1.5 * 56, 2.5 * 205, 4 * 415, 0, 0]) / LIGHT_SPEED
    assert find("some", columns, np.arange(5)) == pytest.approx(expected)
    assert find("vandels_real", columns, np.array([3, 4])) == pytest.approx(141 / LIGHT_SPEED * np.array([1.1, 1]))


def test_pit_with_the_error_of_the_truth_is_nearer_the_middle(load, redshift_weights):
    """An answer that is off by three of its errors is off by less of both errors."""
    made, estimator = load("_estimated"), RedshiftEstimator(redshift_weights, "cpu")
    x = np.geomspace(3800.0, 9000.0, 3000)
    spectra = [(x, 1 + np.random.default_rng(0).normal(0, 0.1, 3000), np.full(3000, 100.0))]
    first = made.estimate_spectra(estimator, spectra, "vacuum", np.array([0.1]))
    z, z_err = first["z"] + 3 * first["z_err"], 3 * first["z_err"]
    table = made.estimate_spectra(estimator, spectra, "vacuum", z, z_err)
    assert table["pit"] == pytest.approx(made.estimate_spectra(estimator, spectra, "vacuum", z)["pit_beside"])
    assert abs(table["pit_beside"] - 0.5) < abs(table["pit"] - 0.5)


def test_unmeasured_rows_are_left_out(load, redshift_weights):
    """A spectrum with too few pixels has no class and is flagged."""
    estimator = RedshiftEstimator(redshift_weights, "cpu")
    x = np.linspace(4000.0, 5000.0, 10)
    table = load("_estimated").estimate_spectra(estimator, [(x, np.ones(10), np.full(10, 2.0))] * 2, "vacuum")
    assert table["class"].tolist() == ["", ""]
    assert (table["zwarn"] == RedshiftFlag.TOO_FEW_PIXELS).all()
    assert np.isnan(table["pit"]).all()
