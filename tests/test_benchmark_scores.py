# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark on real spectra: its figures of merit, the rows it scores, and its bars."""

import json

import numpy as np
import pytest
from _paths import TEST, needs
from _runners import KnownRunner

LIGHT_SPEED = 299792.458
STEP = 2e-4


@pytest.fixture
def scores(load):
    return load("_scores")


def make_table(**columns):
    """A table of four right galaxies, with some columns replaced."""
    n = len(next(iter(columns.values()), np.zeros(4)))
    table = {
        "z": np.full(n, 0.5), "z_true": np.full(n, 0.5), "z_err": np.full(n, 1e-3), "p_best": np.full(n, 0.95),
        "class": np.full(n, "GALAXY"), "class_true": np.full(n, "GALAXY"), "snr": np.full(n, 7.0),
        "wide": np.zeros(n, bool),
    }  # fmt: skip
    return table | columns


class OracleRunner(KnownRunner):
    """Answers with the classes and redshifts that it was given, in the order of the spectra."""

    redshifts = {  # noqa: RUF012
        "GALAXY": np.expm1(STEP * np.arange(-15, 10400)),
        "QSO": np.expm1(STEP * np.arange(10400)),
        "STAR": np.expm1(STEP * np.arange(-12, 13)),
    }

    def __init__(self, answers, types=None):
        self.answers, self.types = list(answers), types or {}
        self.mediums = []

    def measure(self, batch, heads, *, embedding, progress=None):
        """One answer for each spectrum, in reverse: the order must not matter."""
        answers, self.answers = self.answers[: len(batch)], self.answers[len(batch) :]
        self.mediums += [info.medium for info in batch.info]
        for i in reversed(range(len(batch))):
            if not batch.lengths[i]:
                continue
            spectype, z = answers[i]
            scores = {name: np.full(len(x), -30.0, np.float32) for name, x in self.redshifts.items()}
            lag = round(np.log1p(z) / STEP) - round(np.log1p(self.redshifts[spectype][0]) / STEP)
            scores[spectype][lag] = 0.0
            yield i, self.answer(scores, np.array([1.0, i], np.float32))


def write_set(path, classes, z, *, snr=10.0, pixels=400, **columns):
    """A set in the form of the real ones: noise about a flat spectrum."""
    rng, n = np.random.default_rng(3), len(classes)
    arrays = {
        "flux": rng.normal(snr, 1, n * pixels).astype(np.float32),
        "ivar": np.full(n * pixels, 1.0001, np.float32),
        "wave_shared": np.linspace(4000, 9000, pixels).astype(np.float32),
        "offsets": pixels * np.arange(n + 1),
        "cls": np.array(classes),
        "z": np.array(z, float),
    }
    np.savez(path, **(arrays | columns))


@pytest.mark.parametrize(("offset", "narrow", "wide"), [(0.0032, 1, 1), (-0.0034, 0, 1), (0.0101, 0, 0)])
def test_tolerances(scores, offset, narrow, wide):
    """Both limits are shares of 1 + z, on either side."""
    z_true = np.array([0.0, 0.5, 3.0])
    figures = scores.score_redshifts(make_table(z=z_true + offset * (1 + z_true), z_true=z_true))
    assert (figures["within_0033"], figures["within_01"]) == (narrow, wide)
    assert figures["median_dv"] == pytest.approx(LIGHT_SPEED * offset)
    assert figures["nmad_dv"] == pytest.approx(0, abs=1e-6)


def test_quasars_and_low_resolution_have_a_wider_tolerance(scores):
    table = make_table(
        z=np.full(3, 0.508), class_true=np.array(["GALAXY", "QSO", "GALAXY"]), wide=np.array([False, False, True])
    )
    assert scores.is_right(table).tolist() == [False, True, True]


def test_purity_is_that_of_the_confident(scores):
    """Wrong ones with a low probability do no harm; wrong ones with a high one do."""
    z, p_best = np.array([0.5, 0.5, 0.9, 0.9]), np.array([0.99, 0.5, 0.99, 0.2])
    figures = scores.score_redshifts(make_table(z=z, p_best=p_best))
    assert (figures["confident"], figures["purity"], figures["within_01"]) == (0.5, 0.5, 0.5)
    assert scores.score_redshifts(make_table(p_best=np.full(4, 0.5)))["purity"] is None


@pytest.mark.parametrize(("factor", "coverage", "width"), [(1.0, 0.683, 1.0), (0.5, 0.383, 2.0), (2.0, 0.954, 0.5)])
def test_coverage(scores, factor, coverage, width):
    """Errors that are right hold 68 % of the offsets and give pulls of width 1."""
    n = 20000
    error = np.random.default_rng(0).normal(scale=1e-4, size=n)
    figures = scores.score_redshifts(make_table(z=0.5 + error, z_err=np.full(n, factor * 1e-4)))
    assert figures["coverage"] == pytest.approx(coverage, abs=0.01)
    assert figures["pull_width"] == pytest.approx(width, rel=0.03)


def test_errors_of_zero_cover_nothing(scores):
    figures = scores.score_redshifts(make_table(z=np.full(4, 0.5001), z_err=np.zeros(4)))
    assert (figures["coverage"], figures["pull_width"]) == (0.0, None)


def test_unknown_truth_counts_where_it_is_known(scores):
    """A spectrum without a redshift counts for its class, one without a class for its redshift."""
    table = make_table(
        z_true=np.array([np.nan, 0.5]), z=np.array([0.1, 0.5]), class_true=np.array(["STAR", ""]),
        **{"class": np.array(["STAR", "QSO"])},
    )  # fmt: skip
    figures = scores.score_redshifts(table)
    assert (figures["n"], figures["class_right"], figures["within_0033"]) == (2, 1.0, 1.0)


def test_groups_share_out_the_rows(scores):
    """Bins of signal-to-noise ratio add up to their class, and classes to all; the lower edge belongs to the bin."""
    rng = np.random.default_rng(1)
    snr = rng.choice([0.5, 2.0, 4.9, 5.0, 20.0, 30.0, 100.0], 60)
    names = rng.choice(["GALAXY", "QSO"], 60)
    rows = scores.group_redshifts(make_table(snr=snr, class_true=names))
    total = {row["class"]: row["n"] for row in rows if row["snr_low"] is None and row["snr_high"] is None}
    assert total["all"] == 60 == total["GALAXY"] + total["QSO"]
    for name in ("GALAXY", "QSO"):
        bins = [row for row in rows if row["class"] == name and (row["snr_low"], row["snr_high"]) != (None, None)]
        assert sum(row["n"] for row in bins) == total[name]
        assert next(r for r in bins if r["snr_low"] == 5)["n"] == np.sum((names == name) & (snr >= 5) & (snr < 10))


def test_label_figures(scores):
    """Offset and scatter are robust; a label that is not given counts nowhere."""
    rng = np.random.default_rng(2)
    truth = rng.uniform(4000, 7000, 5000)
    predicted = truth + 30 + rng.normal(scale=80, size=5000)
    predicted[:50] = 1e6
    predicted[50:100] = np.nan
    figures = scores.score_labels(predicted, np.full(5000, 85.4), truth)
    assert figures["n"] == 4950
    assert figures["offset"] == pytest.approx(30, abs=5)
    assert figures["scatter"] == pytest.approx(80, rel=0.05)
    assert figures["stated"] == 85.4
    assert scores.score_labels(np.full(3, np.nan), np.ones(3), np.ones(3))["n"] == 0


def test_retrieval_of_pairs(scores):
    """Scale does not matter, order does; all alike are a tie, and nobody is found."""
    a = np.random.default_rng(0).normal(size=(50, 16))
    assert np.mean(scores.find_own(a, 3 * a)) == 1.0
    assert np.mean(scores.find_own(a, -a)) == 0.0
    swapped = a.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert np.mean(scores.find_own(a, swapped)) == pytest.approx(48 / 50)
    assert np.mean(scores.find_own(np.ones((5, 3)), np.ones((5, 3)))) == 0.0
    swapped[2] = np.nan
    assert np.mean(scores.find_own(a, swapped)) == pytest.approx(47 / 50)


def test_retrieval_of_repeats(scores):
    """Only rows with a repeat count, and a row is not its own repeat."""
    a = np.random.default_rng(0).normal(size=(20, 16))
    vectors, objects = np.concatenate([a, a[:5] + 0.01]), np.concatenate([np.arange(20), np.arange(5)])
    assert scores.retrieve_repeats(vectors, objects) == (1.0, 10)
    wrong = np.concatenate([np.arange(20), np.arange(5, 10)])
    assert scores.retrieve_repeats(vectors, wrong) == (0.0, 10)
    assert scores.retrieve_repeats(a, np.arange(20)) == (None, 0)


def test_flattened_flux_forgets_calibration(scores):
    """A slope changes next to nothing, a factor nothing; a cosmic ray is clipped, and noise alone is no trouble."""
    rng = np.random.default_rng(0)
    x = np.linspace(8.3, 9.1, 3000)
    lines = 1 - sum(0.5 * np.exp(-0.5 * np.square((x - c) / 4e-4)) for c in rng.uniform(8.3, 9.1, 40))
    cosmic = lines.copy()
    cosmic[1000] = 1e6
    rows = [scores.flatten_flux(flux) for flux in (lines, 5 * lines, lines * np.exp(3 * (x - 8.7)), cosmic)]
    assert rows[1] == pytest.approx(rows[0], abs=1e-12)
    assert np.corrcoef(rows[0], rows[2])[0, 1] > 0.99
    assert np.abs(rows[3]).max() == 1
    assert np.isfinite(scores.flatten_flux(rng.normal(size=3000))).all()


def test_measured_set_has_truth_beside_answers(load, tmp_path):
    """Rows that are not to be scored are left out, answers land in their rows, and unusable spectra go."""
    sets = load("_real_sets")
    classes, z = ["GALAXY", "QSO", "STAR", "GALAXY", "GALAXY"], [0.3, 2.0, 1e-4, 0.7, 0.9]
    path = tmp_path / "sdss_boss_real.npz"
    subclass = np.array(["", "", "gM0", "", ""])
    write_set(path, classes, z, zwarn=np.array([0, 0, 0, 4, 0]), snr=9.0, subclass=subclass)
    with np.load(path) as data:
        arrays = dict(data)
    arrays["snr"] = np.full(5, 9.0)
    arrays["ivar"][4 * 400 :] = 0
    np.savez(path, **arrays)
    survey = next(s for s in sets.SURVEYS if s.name == "sdss_boss_real")
    answers = [("GALAXY", 0.3), ("GALAXY", 2.0), ("STAR", 0.0), ("GALAXY", 0)]
    runner = OracleRunner(answers, {"K": 0.6, "M": 0.4})
    table, spectra = sets.measure_set(runner, survey, path)
    assert table["row"].tolist() == [0, 1, 2]
    assert len(spectra) == 3
    assert table["class_true"].tolist() == classes[:3]
    assert table["class"].tolist() == ["GALAXY", "GALAXY", "STAR"]
    assert table["z"] == pytest.approx(z[:3], abs=3e-4)
    assert table["p_best"] == pytest.approx(1, abs=1e-6)
    assert table["type"].tolist() == ["", "", "K"]
    assert table["type_true"].tolist() == ["", "", "M"]
    np.testing.assert_array_equal(table["p_type"], [np.nan, np.nan, 0.6])
    assert table["embedding"][:, 1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("found", "truth", "near"),
    [("G", "G", True), ("G", "K", True), ("K", "G", True), ("F", "K", False), ("WD", "WD", True), ("WD", "CV", False),
     ("T", "WD", False), ("L", "T", True), ("", "T", False), ("C", "M", False), ("O", "T", False)],
)  # fmt: skip
def test_neighbours_of_types(load, found, truth, near):
    """One step along the sequence, and none for what is not of it."""
    assert load("_types").is_near(np.array([found]), np.array([truth])).tolist() == [near]


def test_figures_of_types(load):
    """A star that was not found to be one is wrong; without a true type it does not count."""
    score = load("_types").score_types
    found, truth = np.array(["K", "G", "", "M", "WD"]), np.array(["K", "K", "K", "", "WD"])
    rows = score(found, truth, np.array([0.9, 0.5, np.nan, 0.8, 1.0]))
    expected = {"all": (4, 0.5, 0.75, 0.8), "K": (3, 1 / 3, 2 / 3, 0.7), "WD": (1, 1, 1, 1)}
    assert [row["type"] for row in rows] == list(expected)
    for row in rows:
        assert [row[key] for key in ("n", "exact", "near", "stated")] == pytest.approx(expected[row["type"]])
    assert score(np.full(5, ""), truth, np.full(5, np.nan)) == []
    assert score(found, np.full(5, ""), np.ones(5)) == []


@needs(TEST)
@pytest.mark.parametrize(("name", "n", "kinds"), [("lamost_real", 232, "AFGKM"), ("splat_spex_real", 360, "MLT")])
def test_types_of_real_sets(load, name, n, kinds):
    """Nearly all stars of the two sets with a bar have one."""
    columns = load("_test_sets").load_set(TEST / f"{name}.npz")[1]
    types = load("_types").read_types(columns, np.arange(len(columns["cls"])))
    assert np.count_nonzero(types != "") == pytest.approx(n, abs=15)
    assert set(types.tolist()) == {"", *kinds}


@pytest.mark.parametrize(("known", "snr"), [(True, 10.0), (False, 10.0)])
def test_errors_that_are_not_known(load, tmp_path, known, snr):
    """An ivar of 1 throughout is no error: it is estimated, whatever the unit of the flux; air is converted."""
    sets = load("_real_sets")
    path = tmp_path / "sixdf_real.npz"
    write_set(path, ["GALAXY"], [0.05], zwarn=np.array([4]), snr=snr)
    with np.load(path) as data:
        arrays = dict(data)
    arrays["flux"] *= 100
    arrays["ivar"] = np.full(400, 1e-4 if known else 1, np.float32)
    np.savez(path, **arrays)
    survey = next(s for s in sets.SURVEYS if s.name == "sixdf_real")
    runner = OracleRunner([("GALAXY", 0.05)])
    table, _ = sets.measure_set(runner, survey, path)
    assert runner.mediums == ["air"]
    assert table["snr"] == pytest.approx(snr, rel=0.15)


def make_answers(n=20, **columns):
    """A table as `measure_set` makes it, all right, with some columns replaced."""
    return make_table(z=np.full(n, 0.5), row=np.arange(n)) | columns


def find_bar(bars, start):
    return next(bar for bar in bars if bar["name"].startswith(start))


def test_bars_measure_what_they_say(load, tmp_path):
    """A share below its bar is not met, one above it is; what was not measured is neither."""
    bars = load("_bars")
    n = 100
    stars = make_answers(n, z=np.zeros(n), z_true=np.zeros(n), class_true=np.full(n, "STAR"))
    stars["class"] = np.array(["STAR"] * 99 + ["QSO"])
    stars["z"][:1] = 160 / LIGHT_SPEED
    retrieval = [{"method": "embedding", "recall": 0.85, "n": 9}, {"method": "PCA-50", "recall": 0.9, "n": 9}]
    reconstruction = [{"chi2_net": 1.0, "chi2_pca": 1.1}, {"chi2_net": 1.0, "chi2_pca": 0.9}]
    tables = {"lamost_real": stars, "rodot_qso_real": make_answers(class_true=np.full(20, "QSO"))}
    types = [
        {"set": "lamost_real", "type": "all", "near": 0.96, "n": 9},
        {"set": "lamost_real", "type": "M", "near": 0.0, "n": 1},
    ]
    result = {"types": types, "retrieval": retrieval, "reconstruction": reconstruction}
    simulated = {"recall_desi": (0.93, 1000), "held_out_loss": (0.03, 500), "chi2": (1.2, 300)}
    found = bars.make_bars(tables, result, tmp_path / "none.csv", simulated)
    expected = {
        "LAMOST: stars, class": (0.99, False), "LAMOST: stars, within": (0.99, True), "LAMOST: galaxies": (None, None),
        "LAMOST: type": (0.96, True), "SpeX: type": (None, None), "rodot": (1.0, True),
        "recall@1, LAMOST repeats": (0.85, True),
        "recall@1, LAMOST repeats: above": (0.85, False), "reconstruction: share": (0.5, False),
        "recall@1, simulated pairs SDSS-like and DESI": (0.93, True), "instruments held out": (0.03, False),
        "recall@1, simulated pairs SDSS-like and R": (None, None), "reconstruction: chi2": (1.2, False),
    }  # fmt: skip
    for start, (measured, met) in expected.items():
        bar = find_bar(found, start)
        assert (bar["measured"], bar["met"]) == (measured, met), start


@pytest.mark.parametrize(("ours", "theirs", "ratio"), [(7.0, 1.0, 7 / 8), (12.0, 3.0, 12 / 9), (1.0, 0.0, 1 / 8)])
def test_errors_beside_those_of_redrock(load, tmp_path, ours, theirs, ratio):
    """The median error is compared with three times redrock's, or 8 km/s if that is less."""
    bars = load("_bars")
    z_true = np.full(20, 0.5)
    table = make_answers(z_true=z_true, z=z_true + 1.5 * ours / LIGHT_SPEED)
    lines = ["targetid,z,z_true"] + [f"{i},{0.5 + 1.5 * theirs / LIGHT_SPEED},0.5" for i in range(20)]
    path = tmp_path / "redrock.csv"
    path.write_text("\n".join(lines))
    assert bars.compare_errors(table, path) == (pytest.approx(ratio, rel=1e-6), 20)
    assert bars.compare_errors(table, tmp_path / "none.csv") == (None, 0)


def test_whole_benchmark(load, tmp_path):
    """Sets that are there are scored and reported, those that are not are passed over, and the result is JSON."""
    benchmark = load("real_spectra")
    write_set(tmp_path / "rodot_qso_real.npz", ["QSO"] * 4, [1.0, 2.0, 3.0, 0.5], zwarn=np.zeros(4))
    write_set(tmp_path / "sdss_sky_real.npz", ["SKY"] * 3, [np.nan] * 3)
    answers = [("QSO", 1.0), ("QSO", 2.0), ("STAR", 0.0), ("GALAXY", 0.5)] + [("GALAXY", 1.0)] * 3
    lines = []
    result = benchmark.run_benchmark(OracleRunner(answers), tmp_path, report=lines.append)
    row = next(r for r in result["redshift"] if r["class"] == "all")
    assert (row["set"], row["n"], row["class_right"], row["within_01"]) == ("rodot_qso_real", 4, 0.5, 0.75)
    assert result["no_redshift"][0]["confident"] == 1.0
    measured = [(bar["measured"], bar["met"]) for bar in result["bars"] if bar["measured"] is not None]
    assert measured == [(0.75, False)]
    assert any(line.startswith("rodot_qso_real") for line in lines)
    plain = benchmark.make_plain(result | {"odd": [np.inf, {"x": float("nan")}, 1.5]})
    assert json.loads(json.dumps(plain, allow_nan=False)) == result | {"odd": [None, {"x": None}, 1.5]}


@needs(TEST)
@pytest.mark.parametrize(
    ("name", "n"),
    [("lamost_real", 251), ("vandels_real", 441), ("sixdf_real", 36), ("rodot_qso_real", 257), ("sim_redrock", 240)],
)
def test_rows_of_real_sets(load, name, n):
    """As many rows as the README of the sets says are to be trusted."""
    sets, survey_sets = load("_real_sets"), load("_test_sets")
    survey = next(s for s in sets.SURVEYS if s.name == name)
    spectra, columns = survey_sets.load_set(TEST / f"{name}.npz")
    rows = np.flatnonzero(survey.select(columns))
    assert len(rows) == n
    truth = sets.read_truth(columns, len(rows), rows)
    assert np.isfinite(truth["z_true"]).all()
    assert set(truth["class_true"].tolist()) <= set(sets.CLASSES)
    wavelength, flux, ivar = spectra[rows[0]]
    assert wavelength.shape == flux.shape == ivar.shape


def test_every_survey_is_a_known_set(load):
    assert {survey.name for survey in load("_real_sets").SURVEYS} <= set(load("_test_sets").SETS)
