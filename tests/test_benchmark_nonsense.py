# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of nonsense: its inputs are what their names say, and its shares those of what is right and kept."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def modules(load):
    """The benchmark and its sets."""
    return load("nonsense"), load("_nonsense_sets")


@pytest.fixture
def make_case(modules):
    def make(**changes):
        wavelength = np.linspace(4000, 7000, 600)
        flux = np.random.default_rng(0).normal(20, 1, 600)
        return modules[1].Case(**{"wavelength": wavelength, "flux": flux, "sigma": np.ones(600)} | changes)

    return make


def test_shares(modules, make_case):
    """Kept is what has no flag; where there is no object nothing is right; without a redshift the class counts."""
    cases = [
        make_case(spectype="GALAXY", z=0.5),
        make_case(spectype="QSO", z=2.0),
        make_case(spectype="STAR", teff=5000.0),
        make_case(),
    ]
    redshifts = {
        "spectype": np.array(["GALAXY", "QSO", "STAR", "STAR"]),
        "z": np.array([0.5001, 2.5, 0.0, 0.0]),
        "zwarn": np.array([0, 0, 4, 0]),
    }
    stars = {"teff": np.array([np.nan, np.nan, 6000.0, 5000.0]), "warn": np.array([0, 0, 0, 0])}
    found = modules[0].score(cases, redshifts, stars)
    assert found == {
        "n": 4, "right": 0.5, "kept": 0.75, "pure": pytest.approx(1 / 3), "wrong": 2, "kept_star": 0.5, "wrong_star": 2,
    }  # fmt: skip
    assert modules[0].show("good", "some", found).split() == [
        "good",
        "some",
        "4",
        "50.0",
        "75.0",
        "33.3",
        "2",
        "|",
        "50.0",
        "2",
    ]


def test_inputs_without_an_object(modules, tmp_path):
    """Finite, of every grid, and the same whenever they are drawn."""
    first, second = (
        {name: draw for group, name, draw in modules[1].list_sets(tmp_path, limit=5) if group == "null"}
        for _ in range(2)
    )
    assert set(first) == set(modules[1].NULLS)
    for name, draw in first.items():
        cases, again = draw(), second[name]()
        assert len(cases) == 5
        np.testing.assert_array_equal(cases[0].flux, again[0].flux)
        assert all(np.isfinite(case.flux).all() and case.spectype == "" for case in cases), name


def test_changes_do_what_they_say(modules, make_case):
    """Errors, sampling and smoothing of what is handed in; the pixels that were there stay."""
    sets, rng, case = modules[1], np.random.default_rng(0), make_case()
    np.testing.assert_allclose(sets.WRONG["errors x 0.01"](case, rng).sigma, 0.01)
    finer = sets.SAMPLED["oversampled x 8, no errors"](case, rng)
    assert len(finer.flux) == 8 * 600
    assert finer.sigma is None
    np.testing.assert_allclose(finer.flux[::8], case.flux)
    smooth = sets.SAMPLED["smoothed by 2 pixels"](case, rng)
    assert np.std(smooth.flux) == pytest.approx(np.median(smooth.sigma), rel=0.25)


@pytest.fixture
def library(load, tmp_path):
    """Flat stars of all types that are drawn."""
    types = [*(f"{letter}{n}" for letter in "BAFGKM" for n in range(10)), "WDhotter"]
    np.savez(
        tmp_path / "pyhammer_sdss_stars.npz", wave_shared=np.linspace(3600, 10200, 400), flux=np.ones(400 * len(types)),
        ivar=np.ones(400 * len(types)), offsets=400 * np.arange(len(types) + 1), sptype=np.array(types),
    )  # fmt: skip
    return load("_nonsense_kinds").Library(tmp_path)


def test_made_up_kinds(load, library):
    """Finite, the same whenever they are drawn, as noisy as they say, and lines where they belong."""
    kinds = load("_nonsense_kinds")
    for name in kinds.KINDS:
        drawn, again = (kinds.draw_kind(name, library, np.random.default_rng(4), 2) for _ in range(2))
        for (wavelength, flux, sigma), (_, same, _) in zip(drawn, again, strict=True):
            assert np.isfinite(flux).all(), name
            assert (sigma > 0).all(), name
            assert (np.diff(wavelength) > 0).all(), name
            np.testing.assert_array_equal(flux, same)
    for wavelength, flux, _ in kinds.draw_kind("planetary nebulae", library, np.random.default_rng(4), 6):
        assert wavelength[np.argmax(flux)] == pytest.approx(5008.2, abs=6)
    for wavelength, flux, _ in kinds.draw_kind("telluric absorption", library, np.random.default_rng(4), 6):
        band = flux[(wavelength > 7600) & (wavelength < 7640)]
        assert not len(band) or np.median(band) < 0.9 * np.median(flux)  # some ranges end before
    flat, red = ([one[1] for one in kinds.draw_kind(name, library, np.random.default_rng(4), 6)]
                 for name in ("symbiotic stars", "stars behind A_V 3 to 7"))  # fmt: skip
    assert all(one[-100:].mean() > 2 * one[:100].mean() for one in red)
    assert all(one.max() > 1.2 * np.median(one) for one in flat)


def test_sets_at_rest_and_of_other_kinds(modules, library, tmp_path):
    """They are listed where there is something to make them of; galaxies are galaxies wherever they are moved."""
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    (data / "test").mkdir()
    (tmp_path / "pyhammer_sdss_stars.npz").rename(data / "train" / "pyhammer_sdss_stars.npz")
    x = np.linspace(4000, 9000, 500)
    np.savez(
        data / "train" / "galaxy_qso_seds.npz", wave=np.tile(x * 3, 2), flux=np.ones(1000), ivar=np.ones(1000),
        offsets=np.array([0, 500, 1000]), cls=np.array(["GALAXY", "QSO"]),
    )  # fmt: skip
    np.savez(
        data / "test" / "sixdf_real.npz", wave=x, flux=np.ones(500), ivar=np.full(500, 100.0),
        offsets=np.array([0, 500]), cls=np.array(["GALAXY"]), z=np.array([0.1]), zwarn=np.array([4]),
    )  # fmt: skip
    sets = {name: draw for _, name, draw in modules[1].list_sets(data, limit=12)}
    (moved,) = sets["real galaxies moved to rest"]()
    np.testing.assert_allclose(moved.wavelength, x / 1.1)
    assert moved.spectype == "GALAXY"
    assert np.isnan(moved.z)
    (sed,) = sets["galaxy SEDs at rest"]()
    assert sed.spectype == "GALAXY"
    assert [case.spectype for case in sets["planetary nebulae"]()] == [""] * 4
    assert [case.spectype for case in sets["twilight sky"]()] == ["STAR"] * 4
