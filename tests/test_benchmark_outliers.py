# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of outliers: what is done to spectra, its score, and its table."""

import numpy as np
import pytest


@pytest.fixture
def outliers(load):
    return load("outliers")


@pytest.fixture
def usual():
    rng, wavelength = np.random.default_rng(1), np.linspace(4000, 9000, 2000)
    return [(wavelength, 2 + rng.normal(0, 0.1, 2000), np.full(2000, 100.0)) for _ in range(9)]


def test_what_is_done(outliers, usual):
    sets = outliers.make_sets(usual, np.random.default_rng(2))
    odd, centres = sets["a line of 0.8"]
    for (wavelength, flux, _), (_, before, _), centre in zip(odd, usual, centres, strict=True):
        added = flux - before
        assert abs(wavelength[added.argmax()] - centre) < 3
        assert added.max() == pytest.approx(0.8 * np.median(before), rel=0.05)
    wavelength, flux, ivar = sets["a wrong join of arms"][0][0]
    assert flux[-1] == pytest.approx(1.4 * usual[0][1][-1])
    assert (ivar[0], ivar[-1]) == pytest.approx((100.0, 100.0 / 1.96))
    assert np.median(sets["light of another object"][0][0][1]) == pytest.approx(4, rel=0.05)


def test_chance(outliers):
    rng = np.random.default_rng(3)
    assert outliers.find_chance(np.array([2.0, 3.0]), np.array([0.0, 1.0, np.nan])) == 1
    assert outliers.find_chance(rng.normal(size=500), rng.normal(size=500)) == pytest.approx(0.5, abs=0.05)


def test_single_pixels(outliers, usual):
    assert outliers.find_pixel(outliers.add_line(usual[0], 6000.0, 1.0)) > 2 * outliers.find_pixel(usual[0])


def test_table(load):
    make = load("_outliers_table").make_outliers_table
    row = {"done": "a line", "n": 4, "distance": 0.5, "surprise": 0.75, "odd_sigma": 0.8, "pixel": 0.5, "place": 0.6}
    assert "0.75" in make({"archive": 9, "rows": [row]})
    assert "Not measured" in make(None)
