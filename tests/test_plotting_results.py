# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of posteriors, distributions, embeddings and tables: what stands on them."""

import matplotlib as mpl
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.plotting import plot_embeddings, plot_table
from astro_spectok.plotting.redshift import plot_posterior
from astro_spectok.plotting.style import make_axes, place_legend, set_unit
from astro_spectok.redshift import RedshiftFlag, RedshiftPosterior
from astro_spectok.stellar.labels import LOGG_UNIT, StellarLabels
from astro_spectok.stellar.result import make_distributions
from astro_spectok.tokens import SpectralTokensList
from astro_spectok.utils.writing import write_table

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def posterior():
    """A galaxy at 0.5 or, less probably, a quasar at 1.2."""
    z = np.expm1(1e-3 * np.arange(1000))
    scores = {"GALAXY": -0.5 * ((z - 0.5) / 0.005) ** 2, "QSO": -0.5 * ((z - 1.2) / 0.005) ** 2 - 2}
    return RedshiftPosterior.from_redshifts(scores, dict.fromkeys(scores, z))


def make_redshift_table():
    """Four measured rows, one of them flagged, and one that was not measured."""
    nan = np.nan
    return QTable(
        {
            "z": [0.1, 0.2, 2.0, 0.0001, nan] * u.dimensionless_unscaled,
            "spectype": ["GALAXY", "GALAXY", "QSO", "STAR", ""],
            "p_best": [1.0, 0.6, 0.99, 0.98, nan],
            "snr": [20.0, 1.0, 5.0, 30.0, nan],
            "zwarn": [0, int(RedshiftFlag.LOW_CONFIDENCE), 0, 0, int(RedshiftFlag.NO_DATA)],
        }
    )


def make_stellar_table():
    """Three stars, one of them flagged, and one without parameters."""
    nan = np.nan
    return QTable(
        {
            "teff": [5800.0, 4500, 6200, nan] * u.K,
            "teff_err": [50.0, 50, 80, nan] * u.K,
            "logg": u.Dex([4.4, 2.0, 4.0, nan], LOGG_UNIT),
            "logg_err": [0.1, 0.2, 0.1, nan] * u.dex,
            "fe_h": [0.0, -1.0, 0.2, nan] * u.dex,
            "warn": [0, 0, 4, 8],
        }
    )


def test_posterior_has_a_line_for_each_class(posterior):
    """Lines differ in more than their colour; what is below the range is not drawn."""
    axes = posterior.plot()
    lines = [line for line in axes.lines if line.get_label()[0] != "_"]
    assert [line.get_label() for line in lines] == ["GALAXY 0.916", "QSO 0.084"]
    assert len({line.get_linestyle() for line in lines}) == 2
    peak = lines[0].get_xdata()[np.nanargmax(lines[0].get_ydata())]
    assert peak == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(lines[0].get_ydata()[0])
    axes.figure.canvas.draw()


def test_posterior_is_even_in_ln(posterior):
    """Bins are as wide everywhere; narrow ranges, as of stars, have a plain axis."""
    axes = posterior.plot()
    places = axes.transData.transform([(np.expm1(k), 1e-3) for k in (0.1, 0.2, 0.3)])[:, 0]
    np.testing.assert_allclose(np.diff(places), places[1] - places[0], rtol=1e-6)
    z = np.expm1(1e-5 * np.arange(-200, 200))
    star = RedshiftPosterior.from_redshifts({"STAR": -0.5 * (z / 1e-4) ** 2}, {"STAR": z})
    assert star.plot().get_xscale() == "linear"


def test_solutions_are_ranked(posterior):
    """The best is filled, the others are not."""
    axes = plot_posterior(posterior, solutions=[("GALAXY", 0.5), ("QSO", 1.2)])
    marks = [line for line in axes.lines if line.get_marker() == "v"]
    assert [line.get_markerfacecolor() for line in marks] == [marks[0].get_color(), "none"]
    assert [text.get_text() for text in axes.texts] == ["1", "2"]


class TestDistributions:
    LABELS = StellarLabels(("teff", "logg"), np.array([3.76, 4.4]), np.diag([4e-5, 0.01]), 20.0, 2.0)

    def test_one_star(self):
        """A histogram for each parameter that is known, with its median."""
        axes = make_distributions(self.LABELS, 0, {}, n_samples=400, seed=1).plot()
        assert [one.get_xlabel().split()[0] for one in axes] == ["teff", "logg", "rv"]
        assert axes[1].lines[1].get_xdata()[0] == pytest.approx(4.4, abs=0.03)

    def test_many_stars(self):
        """Those without parameters are left out of the Kiel diagram."""
        unknown = StellarLabels(("teff", "logg"), np.full(2, np.nan), np.full((2, 2), np.nan), 0.0, 1.0)
        labels = [self.LABELS, unknown, None, self.LABELS]
        (axes,) = make_distributions(labels, np.zeros(4, int), {}, n_samples=400, seed=1).plot()
        assert axes.get_title() == "2 of 4 stars"
        assert axes.yaxis_inverted()
        assert axes.xaxis_inverted()

    def test_nothing_known(self):
        """A star of which nothing is known has no picture."""
        unknown = StellarLabels(("teff", "logg"), np.full(2, np.nan), np.full((2, 2), np.nan), np.nan, np.nan)
        with pytest.raises(ValueError, match="of this star none is"):
            make_distributions(unknown, 0, {}, n_samples=40, seed=1).plot()


class TestTables:
    def test_redshifts(self):
        """All rows are counted, stars and what was not measured left out of the redshifts, flagged ones hollow."""
        count, redshifts, confidence = plot_table(make_redshift_table())
        assert [label.get_text() for label in count.get_yticklabels()] == ["GALAXY", "QSO", "STAR", "not measured"]
        assert [text.get_text() for text in count.texts] == ["1 + 1", "1", "1", "0 + 1"]
        assert sum(bar.get_height() for bar in redshifts.patches) == 3
        drawn = [len(points.get_offsets()) for points in confidence.collections]
        assert drawn == [1, 1, 1, 0, 1, 0]
        assert len(confidence.collections[1].get_facecolor()) == 0
        count.figure.canvas.draw()

    def test_one_class_alone(self):
        """A table of galaxies alone, and one where nothing was measured."""
        table = make_redshift_table()
        for rows in (table[:2], table[4:]):
            parts = plot_table(rows)
            parts[0].figure.canvas.draw()
            assert sum(bar.get_height() for bar in parts[1].patches) == np.isfinite(rows["z"]).sum()

    def test_stars(self):
        """The Kiel diagram, hot stars left and giants above; [Fe/H] as colour."""
        (axes,) = plot_table(make_stellar_table())
        assert axes.xaxis_inverted()
        assert axes.yaxis_inverted()
        clean, flagged = axes.collections[-2:]
        np.testing.assert_allclose(clean.get_offsets(), [[5800, 4.4], [4500, 2.0]])
        np.testing.assert_allclose(clean.get_array(), [0, -1])
        np.testing.assert_allclose(flagged.get_offsets(), [[6200, 4.0]])
        low, high = sorted(axes.get_xlim())
        assert low < 4500 < 6200 < high
        axes.figure.canvas.draw()

    def test_units_do_not_matter(self):
        """Temperatures in kK and gravities in SI units are the same stars."""
        table = make_stellar_table()
        table["teff"] = table["teff"].to(1000 * u.K)
        table["logg"] = table["logg"].to(u.dex(u.m / u.s**2))
        np.testing.assert_allclose(
            plot_table(table)[0].collections[-2].get_offsets(), [[5800, 4.4], [4500, 2.0]], rtol=1e-6
        )

    @pytest.mark.parametrize("ending", ["fits", "ecsv"])
    def test_tables_from_files(self, tmp_path, ending):
        """What was written and read again looks the same."""
        for table in (make_redshift_table(), make_stellar_table()):
            path = tmp_path / f"{len(table)}.{ending}"
            write_table(table, path)
            drawn = plot_table(QTable.read(path))
            for one, other in zip(drawn, plot_table(table), strict=True):
                assert one.get_xlim() == other.get_xlim()

    def test_embeddings(self):
        """A map with the signal-to-noise ratio as colour; unknown vectors are left out."""
        rng = np.random.default_rng(1)
        vectors = rng.normal(size=(6, 8))
        vectors[2] = np.nan
        table = QTable({"name": list("abcdef"), "embedding": vectors, "snr": np.arange(6.0)})
        (axes,) = plot_table(table)
        assert [text.get_text() for text in axes.texts] == list("abdef")
        assert len(axes.collections[0].get_offsets()) == 5

    def test_other_tables_are_refused(self):
        """The error lists the tables that are known."""
        with pytest.raises(ValueError, match=r"z, spectype, p_best.*embedding; got \['a'\]"):
            plot_table(QTable({"a": [1]}))

    def test_estimator_and_picture_agree(self, redshift_weights):
        """What an estimator returns is what is drawn."""
        spectra = [make_spectrum(600, seed=k) for k in range(3)]
        table = RedshiftEstimator(redshift_weights, device="cpu").estimate(spectra, medium="vacuum")
        assert len(plot_table(table)) == 3


class TestEmbeddings:
    def test_map_keeps_distances_of_a_plane(self):
        """Vectors of length 1 that differ in two directions alone are drawn as they lie."""
        angle = np.array([0.1, 0.2, 0.5, 0.9])
        vectors = 3 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        places = plot_embeddings(vectors).collections[0].get_offsets()
        for i, j in ((0, 1), (1, 3)):
            expected = 2 * np.sin((angle[j] - angle[i]) / 2)
            assert np.linalg.norm(places[i] - places[j]) == pytest.approx(expected)

    def test_names_that_are_shared(self):
        """Points of one name have one marker and one label."""
        axes = plot_embeddings(np.eye(6)[:, :4] + 0.1, names=[1, 1, 2, 2, 3, 3])
        assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]
        assert [len(points.get_offsets()) for points in axes.collections] == [2, 2, 2]

    def test_tokens_of_many(self, tiny_weights):
        """A list of tokens is drawn by its embeddings."""
        tokens = make_spectrum(320).tokenize(weights=tiny_weights, medium="vacuum")
        other = make_spectrum(320, seed=2).tokenize(weights=tiny_weights, medium="vacuum")
        axes = SpectralTokensList([tokens, other, tokens]).plot()
        np.testing.assert_allclose(*axes.collections[0].get_offsets()[[0, 2]], atol=1e-6)

    @pytest.mark.parametrize(("vectors", "message"), [(np.ones(5), "shape"), (np.ones((2, 5)), "three or more")])
    def test_too_few(self, vectors, message):
        """What makes no map is refused."""
        with pytest.raises(ValueError, match=message):
            plot_embeddings(vectors)


def test_axes_take_quantities_of_other_units():
    """What is drawn later in another unit lands where it belongs, and limits stay."""
    (axes,) = make_axes()
    axes.scatter([4000, 6000], [1, 2])
    before = axes.dataLim.frozen()
    set_unit(axes.xaxis, u.AA)
    assert (axes.dataLim.get_points() == before.get_points()).all()
    line = axes.axvline(500 * u.nm)
    axes.figure.canvas.draw()
    np.testing.assert_allclose(line.get_xdata(orig=False), 5000)


def test_axes_of_another_unit_are_refused(tiny_weights):
    """What is drawn already would stand at the wrong place."""
    axes = make_axes(2)
    set_unit(axes[0].xaxis, u.nm)
    tokens = make_spectrum(320).tokenize(weights=tiny_weights, medium="vacuum")
    with pytest.raises(ValueError, match=r"have the unit Angstrom.*got axes in nm"):
        tokens.plot(axes)


def test_without_matplotlib(monkeypatch, posterior):
    """The error names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"astro_spectok\[plot\]"):
        posterior.plot()


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize(
    ("steepness", "corner"), [(0, "upper right"), (-1, "upper right"), (1, "upper left"), (5, "lower right")]
)
def test_legend_hides_nothing(monkeypatch, scale, steepness, corner):
    """It stands in the first corner that is free; where a level is marked does not count."""
    from matplotlib.axes import Axes

    found = []
    monkeypatch.setattr(Axes, "legend", lambda self, *, loc, **_: found.append(loc))
    axes, x = make_axes()[0], np.linspace(0, 1, 400)
    y = np.clip(steepness * x + (0.3, 1.0)[steepness < 0], 0, 1) if steepness < 5 else np.minimum(5 * x, 1)
    axes.plot(x, y if scale == "linear" else 10**y, label="data")
    axes.set(yscale=scale, ylim=(-0.1, 1.1) if scale == "linear" else (10**-0.1, 10**1.1))
    axes.axhline(1.0, label="level")
    place_legend(axes)
    assert found == [corner]


def test_names_on_a_map_do_not_overlap():
    """A name stands at another of its points where the first choice is taken."""
    vectors = np.array([[1, 0, 0], [0.1, 1, 0], [0, 0.1, 1], [1, 0.001, 0.001], [0, 1, 0.2], [0.1, 0, 1]])
    axes = plot_embeddings(vectors, names=["a", "b", "a", "b", "c", "c"])
    places = {text.get_text(): np.array(text.xy) for text in axes.texts}
    room = 0.04 * np.ptp(np.concatenate([points.get_offsets() for points in axes.collections]), axis=0)
    assert (np.abs(places["a"] - places["b"]) > room).any()
