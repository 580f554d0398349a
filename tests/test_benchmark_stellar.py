# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of stellar parameters: what it makes of known answers, and that it runs."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from _paths import TEST, TRAIN, needs
from _stellar import SUN, add_stellar_head
from conftest import make_spectrum

from astro_spectok.engine import Runner
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.redshift.calibration import Calibration
from astro_spectok.spectra import to_batch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def load():
    """Import a script of the benchmarks by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module


def make_answers(n=400, offset=50.0, scatter=80.0, stated=40.0, seed=0):
    """Answers with a known offset, scatter and stated error in the temperature; everything else is right."""
    rng = np.random.default_rng(seed)
    truth = {"teff": rng.uniform(4500, 7000, n), "logg": np.full(n, 4.4), "fe_h": np.zeros(n)}
    found = {name: x.copy() for name, x in truth.items()} | {f"{name}_err": np.full(n, 0.1) for name in truth}
    found["teff"] += offset + rng.normal(0, scatter, n)
    return found | {"teff_err": np.full(n, stated), "warn": np.zeros(n, int)}, truth


class TestScores:
    def test_parameters(self, load):
        found, truth = make_answers()
        found["teff"][:10] = np.nan
        (row,) = load("_stellar_scores").score_parameters(found, truth, ("teff",), set="x")
        assert row["scatter"] == pytest.approx(80, rel=0.1)
        assert row["offset"] == pytest.approx(50, abs=10)
        assert row["pull"] == pytest.approx(2, rel=0.1)
        assert (row["set"], row["n"], row["given"], row["error"]) == ("x", 390, 390 / 400, 40.0)

    def test_nothing_known(self, load):
        found, truth = make_answers(5)
        truth["logg"][:] = np.nan
        (row,) = load("_stellar_scores").score_parameters(found, truth, ("logg",))
        assert (row["n"], row["given"], row["scatter"]) == (0, None, None)

    def test_flags(self, load):
        """A dwarf without a flag is counted; with one, or a giant, or without parameters, it is not."""
        found, _ = make_answers(4, offset=0, scatter=0)
        found["warn"][1] = 4
        found["logg"][2], found["teff"][3] = 2.0, np.nan
        (row,) = load("_stellar_scores").score_flags(found, np.array(["M"] * 4), set="x")
        assert row == {"set": "x", "type": "M", "n": 4, "flagged": 0.25, "withheld": 0.25, "dwarf": 0.25}


class TestSpectra:
    def test_degrade(self, load):
        """A narrow line keeps its area and gets the width asked for; the noise is what it says."""
        wavelength = 3540.5 + 0.9 * np.arange(4300)
        line = 1 - 0.5 * np.exp(-0.5 * ((wavelength - 6500) / 1.06) ** 2)
        spectrum = wavelength, line, np.ones(4300)
        sharp = load("_stellar_sets").degrade(spectrum, 1000.0, 1e6, np.random.default_rng(0))[1]
        depth, before = 1 - sharp, 1 - line
        near = np.abs(wavelength - 6500) < 40
        assert depth[near].sum() == pytest.approx(before[near].sum(), rel=1e-3)
        width = np.sqrt(np.average((wavelength[near] - 6500) ** 2, weights=depth[near]))
        assert 2.3548 * width == pytest.approx(6.5, rel=0.06)
        _, noisy, ivar = load("_stellar_sets").degrade(spectrum, 2000.0, 20.0, np.random.default_rng(0))
        assert np.std(noisy[:2000] - 1) == pytest.approx(0.05, rel=0.05)
        np.testing.assert_allclose(ivar, 400, rtol=1e-3)

    def test_instrument(self, load):
        made = load("_stellar_sets").make_instrument(4000.0, 5000.0, 2000.0)
        assert made.left[0] == pytest.approx(4000)
        assert made.right[-1] == pytest.approx(5000, rel=1e-3)
        np.testing.assert_allclose(np.diff(np.log(made.wavelength)), 1 / 5000, rtol=1e-6)

    @needs(TRAIN)
    def test_draw_stars(self, load):
        """As many as asked for, with labels of real stars, where the instrument sees them."""
        from astro_spectok.simulate.stellar_models import ApogeeStars
        from astro_spectok.simulate.templates import TemplateStore

        sets = load("_stellar_sets")
        family = TemplateStore(TRAIN).make(ApogeeStars, "cpu")
        spectra, truth = sets.draw_stars(family, 6, sets.make_instrument(15170, 16930, 5000.0), 50.0, [1])
        assert len(spectra) == 6
        assert all(len(x) == 6 for x in truth.values())
        assert ((truth["teff"] > 3400) & (truth["teff"] < 7100)).all()
        again, _ = sets.draw_stars(family, 6, sets.make_instrument(15170, 16930, 5000.0), 50.0, [1])
        np.testing.assert_array_equal(again[3][1], spectra[3][1])
        wavelength, flux, ivar = spectra[0]
        good = ivar > 0
        assert 40 < np.median(flux[good] * np.sqrt(ivar[good])) < 60
        assert wavelength[0] > 15165


class TestRun:
    def test_bars_without_results(self, load):
        """What was not measured is neither met nor missed."""
        empty = {"real": [], "simulated": [], "flags": []}
        bars = load("stellar_parameters").list_bars(empty)
        assert {bar["met"] for bar in bars} == {None}

    def test_bars(self, load):
        rows = [{"set": "LAMOST", "label": "teff", "n": 68, "scatter": 80.0, "offset": -120.0}]
        pulls = [{"kind": "snr", "n": 50, "pull": pull} for pull in (1.0, 2.0)]
        flags = [{"type": "WD", "n": 10, "dwarf": 0.1}, {"type": "G", "n": 90, "dwarf": 1.0}]
        made = load("stellar_parameters").list_bars({"real": rows, "simulated": pulls, "flags": flags})
        bars = {bar["name"]: bar for bar in made if bar["met"] is not None}
        assert bars["LAMOST: scatter of teff, K"]["met"]
        assert not bars["LAMOST: size of the offset of teff, K"]["met"]
        assert [bar["measured"] for bar in bars.values()] == [80.0, 120.0, 0.5, 0.1]

    @needs(TEST)
    def test_writes_figures_and_tables(self, load, redshift_weights, monkeypatch, tmp_path, capsys):
        """A small run through the public class, with a head whose answer is known, down to the tables."""
        add_stellar_head(monkeypatch, redshift_weights)
        path = tmp_path / "out.json"
        arguments = ["--data", str(TEST), "--train", str(tmp_path / "none"), "--weights", str(redshift_weights)]
        load("stellar_parameters").main([*arguments, "--limit", "3", "--device", "cpu", "--json", str(path)])
        content = json.loads(path.read_text())
        assert content["limit"] == 3
        assert {row["set"] for row in content["real"]} >= {"MILES", "MILES, S/N 20, R 2000", "LAMOST"}
        assert all(row["teff"] in (None, pytest.approx(10 ** SUN[0])) for row in content["kiel"])
        assert len(content["kiel"]) == 3
        assert "rv" in content["visit"]
        assert "bars" in capsys.readouterr().out
        made = load("_stellar_tables")
        tables = made.make_stellar_tables(content)
        assert set(tables) == set(made.STELLAR_NAMES)
        assert "LAMOST" in tables["stellar_real"]
        assert tables["stellar_snr"] == made.NOT_MEASURED
        content["kiel"] = [{key: 4.0 for key in row} | {"teff": 5000, "teff_true": 5100} for row in content["kiel"]]
        made.plot_kiel_picture(content, tmp_path / "kiel.png")
        assert (tmp_path / "kiel.png").stat().st_size > 5000


class TestCalibration:
    @pytest.mark.parametrize(("scale", "floor"), [(1.7, 0.0), (1.0, 0.01), (0.6, 0.005)])
    def test_fit_errors(self, load, scale, floor):
        """What was wrong with errors is found, for a label whose errors fall with the signal-to-noise ratio."""
        rng = np.random.default_rng(3)
        snr = np.exp(rng.uniform(np.log(5), np.log(300), 6000))
        sigma = 1 / snr
        difference = scale * np.hypot(sigma, floor) * rng.normal(size=6000)
        found = load("calibrate_stellar").fit_errors(difference, sigma, snr)
        size = np.array([0.005, 0.02, 0.1])
        np.testing.assert_allclose(found[0] * np.hypot(size, found[1]), scale * np.hypot(size, floor), rtol=0.12)

    def test_velocities_are_those_of_the_estimator(self, load, redshift_weights, monkeypatch):
        """With a calibration that depends on the width of the pixels."""
        weights = redshift_weights
        made = Calibration(pixel_power=0.5, error_scale={"STAR": 2.0})
        monkeypatch.setattr(Calibration, "from_metadata", classmethod(lambda cls, metadata: made))
        asked = add_stellar_head(monkeypatch, weights)
        spectra = [make_spectrum(700, seed=seed) for seed in range(3)]
        StellarParameterEstimator(weights, "cpu", assume_star=True).estimate(spectra, medium="vacuum")
        batch = to_batch(spectra, medium="vacuum")
        found = load("calibrate_stellar").measure_velocities(Runner(weights, "cpu"), batch, made)
        np.testing.assert_allclose(sorted(found), sorted(asked), atol=1e-7)

    def test_fit_training(self, load):
        """Labels that are not known stay without a correction; after it pulls are one wide."""
        rng, n, module = np.random.default_rng(4), 3000, load("calibrate_stellar")
        truth = {"teff": rng.uniform(3.6, 3.9, n), "logg": rng.uniform(3, 4.5, n), "fe_h": rng.uniform(-1, 0.3, n)}
        truth["alpha_fe"] = np.full(n, np.nan)
        sigma = {name: np.full(n, 0.01) for name in truth}
        found = {name: x + 0.03 * rng.normal(size=n) for name, x in truth.items()}
        # those of the last range have errors half as large
        where = rng.choice([-1, 0, 2], n)
        for x in found:
            found[x][where == 2] -= 0.5 * (found[x] - truth[x])[where == 2]
        stars = {"snr": rng.choice([8.0, 40.0], n), "range": where, "found": found, "sigma": sigma, "truth": truth}
        known = load("astro_spectok.stellar.domain").StellarTraining()
        made = module.fit_training(stars, known)
        assert set(made.error_scale) == {known.name_error(x, k) for x in ("teff", "logg", "fe_h") for k in (0, 2)}
        assert made.hull == known.hull
        rows = module.score(stars, made)
        assert {row["label"] for row in rows} == set(made.error_scale)
        for row in rows:
            assert row["width"] == pytest.approx(1, abs=0.15)

    def test_sharp_instruments(self, load):
        """Those of at least some resolving power, within the range; none where there is none."""
        choose, rng = load("calibrate_stellar").choose_sharp, np.random.default_rng(6)
        made = [choose(3000.0, rng, 15150.0, 16960.0, 8192) for _ in range(20)]
        found = [one for one in made if one is not None]
        assert len(found) >= 10
        assert all(np.median(one.resolution) >= 3000 and one.wavelength[0] >= 15150 for one in found)
        assert choose(1e6, rng, 15150.0, 16960.0, 8192) is None

    def test_stars_are_joined_and_taken(self, load):
        """Stars of two answers one after the other, and some rows of them."""
        parts = [{"snr": np.arange(4.0) + k, "clean": np.arange(4) % 2 == 1, "range": np.full(4, k),
                  "found": {"teff": np.arange(4.0) * k}, "sigma": {"teff": np.ones(4)}, "truth": {"teff": np.zeros(4)}}
                 for k in (1, 2)]  # fmt: skip
        module = load("calibrate_stellar")
        stars = module.join_stars(parts)
        some = module.take_stars(stars, stars["clean"])
        assert some["snr"].tolist() == [2, 4, 3, 5]
        assert some["range"].tolist() == [1, 1, 2, 2]
        assert some["found"]["teff"].tolist() == [1, 3, 2, 6]
