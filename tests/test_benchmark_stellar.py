# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of stellar parameters: what it makes of known answers, and that it runs."""

import json

import numpy as np
import pytest
from _paths import TEST, TRAIN, needs
from _stellar import SUN, add_stellar_head


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
        """A dwarf without a flag is counted; with one, a giant, a white dwarf, or without parameters, it is not."""
        found, _ = make_answers(5, offset=0, scatter=0)
        found["stellar_type"] = np.array(["G"] * 4 + ["WD"])
        found["warn"][1] = 4
        found["logg"][2], found["teff"][3] = 2.0, np.nan
        (row,) = load("_stellar_scores").score_flags(found, np.array(["M"] * 5), set="x")
        assert row == {"set": "x", "type": "M", "n": 5, "flagged": 0.2, "withheld": 0.2, "dwarf": 0.2}


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
