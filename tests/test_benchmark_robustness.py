# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Each fault damages what it says and nothing else, and its cost is counted right."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import QTable

from astro_spectok.redshift import RedshiftFlag
from astro_spectok.spectra.medium import convert_to_vacuum
from astro_spectok.weights import load_weights

SIZE, JOINT = 4000, 1500


@pytest.fixture(scope="module")
def script(load):
    return load("robustness")


@pytest.fixture(scope="module")
def faults(load):
    return load("_damage")


@pytest.fixture
def exposure(faults):
    """A wavy spectrum at S/N 5 in two arms, with some bad pixels."""
    rng = np.random.default_rng(3)
    sigma = np.exp(rng.uniform(np.log(0.5), np.log(2), SIZE))
    ivar = (sigma**-2).astype(np.float32)
    truth = 5 * np.median(sigma) + np.sin(np.arange(SIZE) / 30)
    flux = (truth + sigma * rng.normal(size=SIZE)).astype(np.float32)
    flux[::50], ivar[::50] = 0, 0
    wavelength = np.exp(np.linspace(np.log(3800), np.log(9200), SIZE))
    return faults.Exposure(wavelength, flux, ivar, (np.arange(SIZE) >= JOINT).astype(int), truth.astype(np.float32))


def find_rise(exposure, damaged):
    """By how many standard deviations the flux of good pixels changed."""
    return ((damaged[1] - exposure.flux) * np.sqrt(exposure.ivar))[exposure.good]


def test_same_seed_same_damage(faults, exposure):
    """The damage is a function of the seed, and what is damaged is a copy."""
    before = [x.copy() for x in exposure.arrays]
    for name in faults.FAULTS | faults.COMPARED:
        first, again = faults.damage(name, exposure, [1, 2]), faults.damage(name, exposure, [1, 2])
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any(not np.array_equal(a, b) for a, b in zip(first, before, strict=True)), name
        assert (first[2] > 0).sum() <= exposure.good.sum()
        assert [x.dtype for x in first[:2]] == [np.float64, np.float32]
    for a, b in zip(exposure.arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_hot_pixels(faults, exposure):
    damaged = faults.damage("3 % unmasked hot pixels", exposure, 5)
    rise = find_rise(exposure, damaged)
    hot = rise > 1
    assert hot.mean() == pytest.approx(0.03, abs=0.01)
    assert (np.abs(rise[~hot]) < 1e-3).all()
    assert rise[hot].min() > 4.9
    assert rise[hot].max() < 101
    np.testing.assert_array_equal(damaged[2], exposure.ivar)


def test_spurious_line(faults, exposure):
    """One, as wide as a line of the instrument: no hot pixel."""
    damaged = faults.damage("one bright spurious line", exposure, 5)
    rise = damaged[1] - exposure.flux
    touched = np.flatnonzero(rise > 0.01 * rise.max())
    assert np.ptp(touched) < 12
    assert 3 <= np.count_nonzero(rise > 0.3 * rise.max()) <= 5
    assert (rise[~exposure.good] == 0).all()
    np.testing.assert_array_equal(damaged[2], exposure.ivar)


@pytest.mark.parametrize("colour", ["blue", "red"])
def test_missing_arm(faults, exposure, colour):
    """Bad pixels in place of the arm, or none at all: what is left is the same."""
    masked = faults.damage(f"{colour} arm missing", exposure, 5)
    cut = faults.damage(f"no {colour} arm to begin with", exposure, 5)
    left = slice(JOINT, None) if colour == "blue" else slice(0, JOINT)
    gone = slice(0, JOINT) if colour == "blue" else slice(JOINT, None)
    assert (masked[2][gone] == 0).all()
    for a, b, whole in zip(masked, cut, exposure.arrays, strict=True):
        np.testing.assert_array_equal(a[left], whole[left])
        np.testing.assert_array_equal(b, whole[left])


@pytest.mark.parametrize("colour", ["blue", "red"])
def test_noise_in_place_of_an_arm(faults, exposure, colour):
    """The whole spectrum shows as much, by chi2 of its features, as the other arm did; its errors are true."""
    wavelength, flux, ivar = faults.damage(f"whole, features as without {colour} arm", exposure, 5)
    np.testing.assert_array_equal(wavelength, exposure.wavelength)
    np.testing.assert_array_equal(ivar > 0, exposure.good)
    left = exposure.good & ((exposure.arm == 1) if colour == "blue" else (exposure.arm == 0))
    noisy = replace(exposure, flux=flux, ivar=ivar)
    assert faults.measure_features(noisy, noisy.good) == pytest.approx(
        faults.measure_features(exposure, left), rel=1e-3
    )
    scatter = ((flux - exposure.truth) * np.sqrt(ivar))[exposure.good].std()
    assert scatter == pytest.approx(1, abs=0.05)


def test_features(faults, exposure):
    """A smooth spectrum has none, whatever its level; those of a line are its (S/N)**2."""
    x = np.linspace(-1, 1, SIZE)
    smooth = replace(exposure, truth=(100 + 30 * x - 20 * x**3).astype(np.float32))
    assert faults.measure_features(smooth, smooth.good) < 1e-3
    line = 7 * np.exp(-0.5 * ((np.arange(SIZE) - 2025) / 3) ** 2)
    lined = replace(smooth, truth=(smooth.truth + line).astype(np.float32))
    expected = np.sum(line**2 * exposure.ivar)
    assert faults.measure_features(lined, lined.good) == pytest.approx(expected, rel=0.02)


def test_calibration_wave(faults, exposure):
    """5 per cent either way, in the noise as well."""
    _, flux, ivar = faults.damage("5 % calibration wave", exposure, 5)
    factor = flux[exposure.good] / exposure.flux[exposure.good]
    assert factor.max() == pytest.approx(1.05, abs=1e-3)
    assert factor.min() == pytest.approx(0.95, abs=1e-3)
    np.testing.assert_allclose(ivar[exposure.good] * factor**2, exposure.ivar[exposure.good], rtol=1e-5)


@pytest.mark.parametrize(("name", "factor"), [("ivar twice too large", 2), ("ivar twice too small", 0.5)])
def test_wrong_ivar(faults, exposure, name, factor):
    _, flux, ivar = faults.damage(name, exposure, 5)
    np.testing.assert_array_equal(flux, exposure.flux)
    np.testing.assert_array_equal(ivar, np.float32(factor) * exposure.ivar)


def test_air(faults, exposure):
    wavelength, _, _ = faults.damage("air taken as vacuum", exposure, 5)
    shift = 299792.458 * (1 - wavelength / exposure.wavelength)
    assert shift.min() > 80
    assert shift.max() < 90
    np.testing.assert_allclose(convert_to_vacuum(wavelength), exposure.wavelength, rtol=1e-8)


def test_arms_must_be_there(faults, exposure):
    assert faults.has_both_arms(exposure)
    few = exposure.ivar.copy()
    few[JOINT:] = 0
    assert not faults.has_both_arms(replace(exposure, ivar=few))


class Answers:
    """Answers with a fixed redshift, class and flag, and remembers what it was asked."""

    def __init__(self, z, spectype, zwarn):
        p_best = np.linspace(0.9, 1, len(z))
        self.answers, self.asked = (np.array(z), np.array(spectype), np.array(zwarn), p_best), []

    def estimate(self, obj, *, medium, progress):
        assert medium == "vacuum"
        self.asked.append(obj)
        return QTable([x[: len(obj)] for x in self.answers], names=("z", "spectype", "zwarn", "p_best"))


def test_what_is_right(script, exposure):
    """Class and redshift; quasars within 0.01; estimated errors by themselves are no flag."""
    truth = {"class_true": np.array(["QSO", "GALAXY", "STAR", "GALAXY"]), "z_true": np.array([1.0, 1.0, 0.0, 0.0]),
             "wide": np.zeros(4, bool)}  # fmt: skip
    flags = [0, int(RedshiftFlag.ERRORS_ESTIMATED), int(RedshiftFlag.TWO_PEAKS), 0]
    estimator = Answers([1.018, 1.018, 0.001, 0.0], ["QSO", "GALAXY", "STAR", "STAR"], flags)
    found = script.measure_exposures(estimator, [exposure.arrays] * 4, truth)
    assert found["right"].tolist() == [True, False, True, False]
    assert found["clear"].tolist() == [True, True, False, True]
    np.testing.assert_allclose(found["p_best"], np.linspace(0.9, 1, 4))
    assert [len(one) for one in estimator.asked[0]] == [3] * 4  # axis, flux, errors


def test_simulated_exposures(script):
    """As many of each class and instrument, whole, with errors, and the same every time."""
    exposures, truth = script.draw_exposures(None, 12, 5.0)
    assert len(exposures) == 12
    found = set(zip(truth["class_true"].tolist(), truth["instrument"].tolist(), strict=True))
    assert found == {(name, one) for name in ("GALAXY", "QSO", "STAR") for one in ("sdss", "desi")}
    again, _ = script.draw_exposures(None, 12, 5.0)
    for one, other, name in zip(exposures, again, truth["instrument"].tolist(), strict=True):
        np.testing.assert_array_equal(one.flux, other.flux)
        assert len(set(one.arm.tolist())) == {"sdss": 2, "desi": 3}[name]
        assert len(one.arm) == len(one.flux)
        assert len(set(one.ivar[one.good].tolist())) > 100  # no placeholder
    levels = [np.median((x.flux * np.sqrt(x.ivar))[x.good]) for x in exposures]
    assert np.median(levels) == pytest.approx(5, abs=1)


def test_whole_run(script, load, redshift_weights, tmp_path, capsys, monkeypatch):
    """The file is complete: every fault with errors and, where that says something, without; and a table of it."""
    figures = tmp_path / "figures.json"
    # few of them: the rest are alike
    some = {name: script.FAULTS[name] for name in ("3 % unmasked hot pixels", "ivar twice too large")}
    monkeypatch.setattr(script, "FAULTS", some)
    monkeypatch.setattr(script, "COMPARED", {})
    script.main(["--weights", str(redshift_weights), "--device", "cpu", "-n", "6", "--json", str(figures)])
    content = json.loads(figures.read_text())
    assert content["sha256"] == load_weights(redshift_weights).sha256
    assert (content["n"], content["noise"], content["templates"]) == (6, "clean", "analytic")
    whole = [row for row in content["rows"] if row["class"] == row["instrument"] == "all"]
    assert [(row["fault"], row["errors"], row["kind"]) for row in whole] == [
        ("none", True, "reference"),
        ("3 % unmasked hot pixels", True, "fault"),
        ("ivar twice too large", True, "fault"),
        ("no errors given", False, "fault"),
        ("3 % unmasked hot pixels", False, "fault"),
    ]
    for row in whole:
        same = [r for r in content["rows"] if (r["fault"], r["errors"]) == (row["fault"], row["errors"])]
        assert sum(r["n"] for r in same if r["class"] != "all" and r["instrument"] == "all") == row["n"] == 6
        assert row["right"] == pytest.approx(whole[0]["right"] - row["loss"]) or not row["errors"]
    assert "none" in capsys.readouterr().out


def make_row(fault, **figures):
    """One row of a file of results."""
    row = {
        "fault": fault,
        "errors": True,
        "kind": "fault",
        "class": "all",
        "instrument": "all",
        "n": 300,
        "right": 0.9,
        "claimed": 0.912,
        "loss": 0.0123,
        "loss_error": 0.004,
        "clear": 0.8,
        "purity": 0.987,
        "loss_clear": -0.001,
        "caught": None,
    }
    return row | figures  # fmt: skip
