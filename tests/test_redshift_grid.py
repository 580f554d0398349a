# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The grid of classes and redshifts, and what a user's choice leaves of it."""

import numpy as np
import pytest
from _redshift import GRID, RANGES, STEP
from astropy import units as u

from astro_spectok.redshift.grid import RedshiftGrid


def test_from_redshifts_and_back():
    """The redshifts of a network give the grid that gives these redshifts."""
    made = RedshiftGrid.from_redshifts(GRID.redshift)
    assert (made.classes, made.first, made.size) == (GRID.classes, GRID.first, GRID.size)
    assert made.step == pytest.approx(STEP, rel=1e-9)
    for name, z in made.redshift.items():
        np.testing.assert_allclose(z, GRID.redshift[name], atol=1e-9)


def test_limits_are_those_of_the_network():
    for name, limits in GRID.limits.items():
        assert limits == pytest.approx(RANGES[name], abs=STEP * (1 + RANGES[name][1]))


@pytest.mark.parametrize(
    "redshifts",
    [
        {},
        {"STAR": np.zeros(1)},
        {"GALAXY": np.linspace(0, 1, 100)},
        {"GALAXY": np.expm1(STEP * np.arange(100)), "STAR": np.expm1(STEP * (np.arange(5) + 0.4))},
        {"GALAXY": np.expm1(STEP * np.arange(100))[::-1]},
        {"GALAXY": np.expm1(STEP * np.arange(100)), "STAR": np.zeros(0)},
    ],
)
def test_refuses_what_is_no_grid(redshifts):
    with pytest.raises(ValueError, match="redshifts"):
        RedshiftGrid.from_redshifts(redshifts)


def test_cut_of_nothing_is_everything():
    cut = GRID.cut()
    assert cut.grid == GRID
    assert set(cut.log_weights.values()) == {0.0}


def test_range_is_not_about_stars():
    """Galaxies and quasars are cut to the bins that hold the ends; stars keep their velocities."""
    cut = GRID.cut(z_range=(0.5, 1.0))
    assert cut.grid.size[2] == GRID.size[2]
    for name in ("GALAXY", "QSO"):
        low, high = cut.grid.limits[name]
        assert low == pytest.approx(0.5, abs=0.5 * STEP * 1.5)
        assert high == pytest.approx(1.0, abs=0.5 * STEP * 2.0)
        np.testing.assert_array_equal(GRID.ln1pz[name][cut.slices[name]], cut.grid.ln1pz[name])


def test_range_is_about_stars_alone():
    """Where only stars are looked for, and where they are named."""
    assert GRID.cut((-0.001, 0.001), "STAR").grid.size == (11,)
    assert GRID.cut({"STAR": (-0.001, 0.001)}).grid.size == (*GRID.size[:2], 11)


def test_class_outside_the_range_is_dropped():
    assert GRID.cut((4.0, 5.0)).grid.classes == ("QSO", "STAR")


def test_prior_of_a_class_stays():
    """Under the flat prior each class is as probable after the cut as before."""
    flat = {name: np.full(n, -np.log(3 * n)) for name, n in zip(GRID.classes, GRID.size, strict=True)}
    taken = GRID.cut((0.5, 0.6)).take(flat)
    assert [np.exp(x).sum() for x in taken.values()] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("classes", [["QSO", "GALAXY"], ("GALAXY", "QSO"), {"GALAXY", "QSO"}])
def test_classes_in_any_order(classes):
    assert GRID.cut(classes=classes).grid.classes == ("GALAXY", "QSO")


@pytest.mark.parametrize(
    ("z_range", "rule"),
    [
        ((0.1, 9.0), "lie within -0.003 to 5"),
        ((8.0, 9.0), "lie within -0.003 to 5"),
        ((1.0, 0.5), "must be increasing"),
        ((0.5, 0.5), "must be increasing"),
        ((0.0, np.nan), "must be increasing"),
        ((0.1, None), "must be increasing"),
        ({"GALAXY": (0.0, 4.0)}, "GALAXY; got 0 to 4"),
        ({"GALAXIES": (0.0, 1.0)}, "classes out of GALAXY, QSO, STAR; got GALAXIES"),
    ],
)
def test_refuses_ranges_and_names_the_one_there_is(z_range, rule):
    with pytest.raises(ValueError, match=rule):
        GRID.cut(z_range)


@pytest.mark.parametrize("z_range", ["all", 1.0, (0.1,), (0.1, 0.2, 0.3), (1, 2) * u.km])
def test_refuses_what_is_no_range(z_range):
    with pytest.raises(TypeError, match=r"z_range must be \(lowest, highest\) or a dict"):
        GRID.cut(z_range)


def test_range_may_be_a_quantity():
    assert GRID.cut((0.5, 1.0) * u.dimensionless_unscaled) == GRID.cut((0.5, 1.0))


@pytest.mark.parametrize(
    ("classes", "error", "rule"),
    [
        (["STAR", "PLANET"], ValueError, "out of GALAXY, QSO, STAR; got PLANET"),
        ("star", ValueError, "got star"),
        ([], ValueError, "got none"),
        (3, TypeError, "names out of GALAXY, QSO, STAR; got 3"),
        ([1, 2], TypeError, "names out of"),
    ],
)
def test_refuses_classes(classes, error, rule):
    with pytest.raises(error, match=rule):
        GRID.cut(classes=classes)
