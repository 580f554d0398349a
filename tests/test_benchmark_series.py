# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of real series, on made-up ones."""

import numpy as np
import pytest

from astro_spectok.spectra import SpectrumSeries
from astro_spectok.transients import find_changes


@pytest.fixture
def series(load):
    return load("series")


@pytest.fixture
def groups(series):
    rng, wavelength = np.random.default_rng(2), np.exp(np.arange(np.log(4000), np.log(7500), 2e-4))
    flux = 3 + np.sin(wavelength / 300) + rng.normal(0, 0.02, len(wavelength))
    spectrum = series.to_spectrum(wavelength, flux, np.full(len(wavelength), 0.02**-2.0))
    return [([spectrum, spectrum], {"cls": np.array(["QSO"] * 2), "z": np.array([0.1, 0.1])})]


def test_lines_are_found_and_noise_is_not(series, groups):
    assert series.measure_changes(series.copy_first(groups, 0.0))["changed"] == 0
    assert series.measure_changes(series.copy_first(groups, 0.4))["changed"] == 1
    ((spectra, _),) = series.copy_first(groups, 0.4)
    assert find_changes(SpectrumSeries(spectra)).changed.all()


def test_broad_lines(series):
    assert series.is_broad([(5300.0, 5400.0)], 0.1)
    assert not series.is_broad([(5700.0, 5800.0)], 0.1)


def test_shift(series, groups):
    first = groups[0][0][0]
    moved = series.shift(first, 100.0)
    np.testing.assert_allclose(moved.spectral_axis / first.spectral_axis - 1, 100 / 299792.458, rtol=1e-3)


def test_table(load):
    content = {
        "velocities": [{"shift": 10.0, "n": 3, "variable": 0.5, "pulls": 1.0, "error": 4.0}],
        "changes": {"pairs of SDSS": {"n": 4, "changed": 2, "at_broad_line": 1}},
        "answers": {"pairs of SDSS": {"disagree": 0, "series": {"n": 4, "right": 1.0, "sure": 1.0, "wrong": 0}}},
        "supernovae": {"series": {"n": 4, "known": 4, "group": 1.0, "z": 1.0, "phase": 2.0}},
    }
    make = load("_transients_table").make_series_table
    text = make(content)
    assert all(word in text for word in ("find_changes", "pairs of SDSS, series", "p_variable"))
    assert "Not measured" in make(None)
