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
