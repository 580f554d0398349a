# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The lines that pictures are labelled with."""

import itertools

import pytest

from astro_spectok.plotting.lines import list_lines
from astro_spectok.simulate.nebular import LINES


@pytest.mark.parametrize("spectype", ["GALAXY", "QSO"])
def test_emission_is_that_of_the_simulator(spectype):
    lines = list_lines(spectype)
    assert lines["Hα"] == LINES["Halpha"][0]
    assert lines["[OIII]5007"] == LINES["[OIII]5007"][0]
    assert "[NeV]3346" not in lines  # not in star-forming galaxies


def test_the_strongest_diagnostics_come_first():
    """They get their names where there is room for few."""
    assert list(list_lines("GALAXY"))[:2] == ["Hα", "[OIII]5007"]
    assert list(list_lines("QSO"))[:2] == ["Lyα", "CIV"]


def test_stars_show_no_emission():
    lines = list_lines("STAR")
    assert {"Hα", "Hβ", "CaK", "NaD"} <= set(lines)
    assert not any(name.startswith("[") for name in lines)


@pytest.mark.parametrize("spectype", ["GALAXY", "QSO", "STAR"])
def test_no_line_twice(spectype):
    wavelengths = sorted(list_lines(spectype).values())
    assert all(b > 1.0001 * a for a, b in itertools.pairwise(wavelengths))
