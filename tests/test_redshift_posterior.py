# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftPosterior`: normalisation, intervals, priors, rows of tables."""

import numpy as np
import pytest
from _redshift import GRID, STEP, make_flat, make_scores
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from astro_spectok.redshift import RedshiftPosterior
from astro_spectok.redshift.compression import describe_grid
from astro_spectok.utils.writing import write_table

SURE = make_scores(("GALAXY", 0.5, 1.2 * STEP, 0.9), ("QSO", 2.0, 1.2 * STEP, 0.06), ("STAR", 0.0, STEP, 0.04))


@pytest.fixture
def posterior():
    return RedshiftPosterior(GRID, SURE)


@settings(deadline=None, max_examples=20)
@given(constant=st.floats(-600, 600), order=st.permutations(GRID.classes))
def test_adds_up_to_one(constant, order):
    """Whatever constant was added, and in whatever order the classes come."""
    made = RedshiftPosterior(GRID, {name: SURE[name].astype(float) + constant for name in order})
    assert sum(p.sum() for p in made.probability.values()) == pytest.approx(1, abs=1e-12)
    expected = {"GALAXY": 0.9, "QSO": 0.06, "STAR": 0.04}
    assert made.class_probability == pytest.approx(expected, rel=1e-4)
    assert list(made.class_probability) == list(GRID.classes)


def test_of_arrays_alone():
    made = RedshiftPosterior.from_redshifts(SURE, GRID.redshift)
    assert made.class_probability["GALAXY"] == pytest.approx(0.9, rel=1e-4)
    assert "GALAXY 0.900" in repr(made)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda x: x.pop("QSO"), "must have the classes GALAXY, QSO, STAR"),
        (lambda x: x.update(QSO=np.zeros(3)), r"'QSO'\] must have the shape"),
        (lambda x: x.update(QSO=np.full(GRID.size[1], np.nan)), "no NaN"),
        (lambda x: x.update({k: np.full(n, -np.inf) for k, n in zip(GRID.classes, GRID.size, strict=True)}), "finite"),
    ],
)
def test_refuses(change, rule):
    scores = dict(SURE)
    change(scores)
    with pytest.raises(ValueError, match=rule):
        RedshiftPosterior(GRID, scores)


def test_information():
    """None under the prior, and the logarithm of what was ruled out by the data."""
    assert RedshiftPosterior(GRID, make_flat()).information == pytest.approx(0, abs=1e-9)
    scores = {name: np.full(n, -np.inf) for name, n in zip(GRID.classes, GRID.size, strict=True)}
    scores["QSO"][100:110] = 0
    assert RedshiftPosterior(GRID, scores).information == pytest.approx(np.log(3 * GRID.size[1] / 10))


def test_cumulative_and_quantile():
    """Both are those of a Gaussian, to the width of a bin, and one inverts the other."""
    made = RedshiftPosterior(GRID, make_scores(("QSO", 1.0, 20 * STEP, 1.0)))
    ln1pz = np.log(2) + 20 * STEP * np.array([-2, -1, 0, 1, 2])
    np.testing.assert_allclose(made.find_cumulative(np.expm1(ln1pz)), norm.cdf([-2, -1, 0, 1, 2]), atol=1e-3)
    np.testing.assert_allclose(made.find_quantile(made.find_cumulative(np.expm1(ln1pz))), np.expm1(ln1pz), atol=1e-9)
    assert made.find_cumulative(-0.5) == 0
    assert made.find_cumulative(6.0) == 1


@pytest.mark.parametrize(("level", "sigmas"), [(0.6827, 1.0), (0.9545, 2.0)])
def test_interval_of_a_gaussian(level, sigmas):
    made = RedshiftPosterior(GRID, make_scores(("QSO", 1.0, 20 * STEP, 1.0)))
    for around in (None, 1.0):
        interval = np.log1p(made.find_interval(level, around))
        np.testing.assert_allclose(interval, np.log(2) + 20 * STEP * sigmas * np.array([-1, 1]), atol=0.15 * STEP)


@pytest.mark.parametrize("z", [0.5, 2.0, 0.0])
@pytest.mark.parametrize("level", [0.3, 0.68, 0.95])
def test_interval_holds_its_probability(posterior, z, level):
    """Around any solution, even one with little on one side; the best one is in it."""
    low, high = posterior.find_interval(level, around=z)
    below = posterior.find_cumulative([low, high])
    assert below[1] - below[0] == pytest.approx(level, abs=1e-9)
    if z == 0.5:
        assert low <= z <= high


@pytest.mark.parametrize("level", [0, 1, 68, np.nan])
def test_refuses_levels(posterior, level):
    with pytest.raises(ValueError, match="level must be a probability between 0 and 1"):
        posterior.find_interval(level)


def test_restrict_leaves_other_classes_comparable(posterior):
    """What is cut away is gone; between classes only the cut-off probability counts."""
    cut = posterior.restrict(z_range=(0.4, 0.6))
    odds = 0.9 / 0.04 * GRID.size[0] / cut.grid.size[0]
    assert cut.class_probability["GALAXY"] / cut.class_probability["STAR"] == pytest.approx(odds, rel=1e-3)
    assert cut.find_peaks()[0].z == pytest.approx(0.5, abs=1e-5)
    assert posterior.restrict(classes="QSO").class_probability == pytest.approx({"QSO": 1.0})


class TestPrior:
    def test_of_classes(self, posterior):
        """Odds of classes are multiplied by those of the prior, in any normalisation."""
        for factor in (1, 50):
            new = posterior.multiply({"GALAXY": 0.1 * factor, "QSO": 0.9 * factor, "STAR": 0})
            odds = new.class_probability["QSO"] / new.class_probability["GALAXY"]
            assert odds == pytest.approx(9 * 0.06 / 0.9, rel=1e-3)
            assert new.class_probability["STAR"] == 0

    @pytest.mark.parametrize("as_function", [True, False])
    def test_over_redshift(self, as_function):
        """Bayes, by hand: a flat likelihood gives the prior back, per unit z, and classes as they were."""
        z = np.linspace(0, 5, 4001)

        def density(z):
            return np.exp(-0.5 * ((z - 1) / 0.1) ** 2)

        flat = RedshiftPosterior(GRID, make_flat())
        new = flat.multiply(density if as_function else (z, density(z)))
        assert new.class_probability == pytest.approx(dict.fromkeys(GRID.classes, 1 / 3))
        quasars = new.restrict(classes="QSO")
        np.testing.assert_allclose(quasars.find_quantile(norm.cdf([-1, 0, 1])), [0.9, 1.0, 1.1], atol=2e-3)

    def test_leaves_stars_alone(self, posterior):
        new = posterior.multiply(([0.4, 0.6], [1.0, 1.0]))
        inner = new.probability["STAR"] / new.class_probability["STAR"]
        np.testing.assert_allclose(inner, np.exp(SURE["STAR"]) / 0.04, rtol=1e-3)
        assert new.class_probability["QSO"] == pytest.approx(0, abs=1e-9)

    def test_at_blueshifts_is_that_at_zero(self):
        flat = RedshiftPosterior(GRID, make_flat())
        new = flat.multiply(([0.0, 0.1], [1.0, 1.0]))
        assert new.probability["GALAXY"][0] == pytest.approx(new.probability["GALAXY"][15], rel=0.01)
        assert flat.multiply(([-0.001, 0.1], [1.0, 1.0])).probability["GALAXY"][0] == 0

    @pytest.mark.parametrize(
        ("prior", "error", "rule"),
        [
            ({"GALAXY": 1}, ValueError, "missing QSO, STAR; 0 excludes a class"),
            (dict.fromkeys(GRID.classes, 0), ValueError, "not all zero"),
            ({"GALAXY": -1, "QSO": 1, "STAR": 1}, ValueError, "not negative"),
            (([0, 1], [1, 1, 1]), ValueError, r"shapes \(m,\) and \(m,\) or \(1, m\).* got \(2,\) and \(3,\)"),
            (([0, 1], np.ones((2, 2))), ValueError, r"got \(2,\) and \(2, 2\)"),
            (([1, 0], [1, 1]), ValueError, "strictly increasing"),
            (([0, 1], [1, np.nan]), ValueError, "finite and not negative"),
            (([6.0, 7.0], [1, 1]), ValueError, "above zero somewhere within -0.003 to 5"),
            (lambda z: z[1:], ValueError, "one value for each of"),
            (lambda z: -z, ValueError, "finite and not negative"),
            (np.ones(5), TypeError, "prior must be None, a dict"),
            (("a", "b"), TypeError, "holds no numbers"),
        ],
    )
    def test_refuses(self, posterior, prior, error, rule):
        with pytest.raises(error, match=rule):
            posterior.multiply(prior)


class TestRows:
    @pytest.mark.parametrize("size", [64, 256, 10**6])
    def test_round_trip(self, posterior, size):
        """Kept bins are as they were, and nothing is lost of the others but where in their class they are."""
        back = RedshiftPosterior.expand(posterior.compress(size), describe_grid(GRID))
        assert back.class_probability == pytest.approx(posterior.class_probability, abs=1e-6)
        for a, b in zip(back.find_peaks(2), posterior.find_peaks(2), strict=True):
            assert a.spectype == b.spectype
            assert (a.z, a.probability) == pytest.approx((b.z, b.probability), abs=1e-5)

    def test_blank_sky(self):
        """What has no peak is spread evenly again."""
        back = RedshiftPosterior.expand(RedshiftPosterior(GRID, make_flat()).compress(), describe_grid(GRID))
        assert back.information == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("ending", ["fits", "ecsv", "parquet"])
    def test_from_a_file(self, posterior, tmp_path, ending):
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        rows = {name: [value] for name, value in posterior.compress().items()}
        write_table(QTable(rows, meta=describe_grid(GRID)), tmp_path / f"rows.{ending}")
        table = QTable.read(tmp_path / f"rows.{ending}")
        back = RedshiftPosterior.expand(table[0], table.meta)
        assert back.class_probability == pytest.approx(posterior.class_probability, abs=1e-6)

    def test_refuses(self, posterior):
        row, meta = posterior.compress(), describe_grid(GRID)
        with pytest.raises(ValueError, match="size must be a positive number"):
            posterior.compress(0)
        with pytest.raises(ValueError, match="meta must be that of a table made with posterior=True"):
            RedshiftPosterior.expand(row, {})
        with pytest.raises(ValueError, match="row must be that of a table made with posterior=True"):
            RedshiftPosterior.expand({}, meta)
        row["posterior_bin"][:] = -1
        with pytest.raises(ValueError, match="this one holds no posterior, see its zwarn"):
            RedshiftPosterior.expand(row, meta)
