# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: one and many spectra, columns, flags, priors, ranges."""

import pickle

import matplotlib as mpl
import numpy as np
import pytest
from _redshift import GRID, STEP, fake_measure, make_flat, make_scores
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum, rewrite
from specutils import SpectrumList

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.estimators.refinement import Refined
from astro_spectok.exceptions import FlaggedSpectraWarning, WavelengthRangeWarning, WeightsError
from astro_spectok.results import RedshiftEstimate, RedshiftFlag, RedshiftPosterior
from astro_spectok.results.writing import write_table

mpl.use("agg")

WIDTH = 2.5e-4
#: error that a peak of that width has, without what the training of the weights added to it
ERROR = np.sqrt(WIDTH**2 - 1.5e-4**2)
GALAXY = make_scores(("GALAXY", 0.5, WIDTH, 0.95), ("QSO", 2.0, WIDTH, 0.04), ("QSO", 0.5, WIDTH, 0.01))
QUASAR = make_scores(("QSO", 2.0, WIDTH, 1.0))
STAR = make_scores(("STAR", -2e-4, WIDTH, 1.0))
COLUMNS = [
    "z", "z_err", "z_lo", "z_hi", "spectype", "p_galaxy", "p_qso", "p_star", "p_best", "zwarn", "z_2", "p_2", "rv",
    "rv_err", "snr", "mk_type", "p_mk_type",
]  # fmt: skip


@pytest.fixture
def estimator(redshift_weights):
    return RedshiftEstimator(redshift_weights, "cpu")


class TestOne:
    def test_galaxy(self, estimator, monkeypatch):
        """Class, redshift, error and alternatives are those of the posterior."""
        fake_measure(monkeypatch, GALAXY)
        found = estimator.estimate(make_spectrum(), medium="vacuum")
        assert isinstance(found, RedshiftEstimate)
        assert found.spectype == "GALAXY"
        assert found.z.unit == found.z_err.unit == found.z_95.unit == u.dimensionless_unscaled
        assert found.z.value == pytest.approx(0.5, abs=1e-5)
        assert found.z_err.value == pytest.approx(1.5 * ERROR, rel=0.03)
        assert found.p_best == pytest.approx(0.95, rel=1e-3)
        assert found.class_probability == pytest.approx({"GALAXY": 0.95, "QSO": 0.05, "STAR": 0}, abs=1e-4)
        assert [(x.spectype, round(x.z, 3)) for x in found.alternatives] == [("QSO", 2.0), ("QSO", 0.5)]
        assert found.zwarn == RedshiftFlag.NONE
        assert np.isnan(found.rv)
        assert found.rv.unit == u.km / u.s
        assert found.snr == pytest.approx(50, rel=0.2)
        assert found.meta["medium"] == "vacuum"
        assert found.meta["weights"] == "tiny-redshift"

    def test_intervals(self, estimator, monkeypatch):
        """One and two standard deviations for a Gaussian peak; both classes at one redshift count together."""
        fake_measure(monkeypatch, make_scores(("GALAXY", 0.5, WIDTH, 0.6), ("QSO", 0.5, WIDTH, 0.4)))
        found = estimator.estimate(make_spectrum())
        for interval, sigmas in ((found.z_68, 0.9945), (found.z_95, 1.96)):
            expected = 0.5 + 1.5 * ERROR * sigmas * np.array([-1, 1])
            np.testing.assert_allclose(interval.value, expected, atol=0.15 * ERROR)

    def test_star(self, estimator, monkeypatch):
        """Its redshift is a radial velocity."""
        fake_measure(monkeypatch, STAR)
        found = estimator.estimate(make_spectrum())
        assert found.rv.to_value(u.km / u.s) == pytest.approx(299792.458 * -2e-4, abs=2)
        assert found.rv_err.to_value(u.km / u.s) == pytest.approx(299792.458 * ERROR, rel=0.05)
        assert "km/s" in repr(found)

    def test_type_of_a_star(self, estimator, monkeypatch):
        """The most probable one; for what is no star, and with weights that tell none, there is none."""
        fake_measure(monkeypatch, STAR, types={"G": 0.3, "K": 0.6, "M": 0.1})
        found = estimator.estimate(make_spectrum())
        assert (found.mk_type, found.mk_probability) == ("K", 0.6)
        assert "type K (0.600)" in repr(found)
        for scores, types in ((GALAXY, {"K": 1.0}), (STAR, None)):
            fake_measure(monkeypatch, scores, types=types)
            found = estimator.estimate(make_spectrum())
            assert found.mk_type == ""
            assert np.isnan(found.mk_probability)
            assert "type" not in repr(found).replace("RedshiftEstimate", "")

    def test_plain_arrays(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        spectrum = make_spectrum()
        arrays = (spectrum.spectral_axis, spectrum.flux, spectrum.uncertainty)
        assert estimator.estimate(arrays).spectype == "GALAXY"

    @pytest.mark.parametrize(("n_best", "expected"), [(1, 0), (2, 1), (np.int64(3), 2), (9, 8)])
    def test_n_best(self, redshift_weights, monkeypatch, n_best, expected):
        fake_measure(monkeypatch, GALAXY)
        found = RedshiftEstimator(redshift_weights, "cpu", n_best=n_best).estimate(make_spectrum())
        assert len(found.alternatives) == expected
        p = [found.p_best, *(peak.probability for peak in found.alternatives)]
        assert p == sorted(p, reverse=True)

    def test_network_itself(self, estimator):
        """Without anything faked: the numbers are finite and consistent, and do not depend on units."""
        found = estimator.estimate(make_spectrum(), medium="vacuum")
        in_other_units = make_spectrum(axis_unit=u.THz, flux_unit=u.Unit("erg / (s cm2 AA)"))
        again = estimator.estimate(in_other_units, medium="vacuum")
        assert again.z.value == pytest.approx(found.z.value, abs=1e-4)
        assert again.p_best == pytest.approx(found.p_best, rel=1e-2)
        assert found.z_95[0] <= found.z_68[0] <= found.z <= found.z_68[1] <= found.z_95[1]
        assert sum(found.class_probability.values()) == pytest.approx(1)

    def test_apply(self, estimator, monkeypatch):
        """The copy knows the redshift, or the velocity; values of the axis and the original stay."""
        spectrum = make_spectrum()
        fake_measure(monkeypatch, GALAXY)
        copy = estimator.estimate(spectrum).apply(spectrum)
        assert copy.redshift.value == pytest.approx(0.5, abs=1e-5)
        assert spectrum.redshift == 0
        np.testing.assert_array_equal(copy.spectral_axis.value, spectrum.spectral_axis.value)
        fake_measure(monkeypatch, STAR)
        copy = estimator.estimate(spectrum).apply(spectrum)
        assert copy.radial_velocity.to_value(u.km / u.s) == pytest.approx(-60, abs=2)

    def test_apply_refuses(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        found = estimator.estimate(make_spectrum())
        with pytest.raises(TypeError, match="spec must be a specutils Spectrum"):
            found.apply(np.ones(3))
        many = rewrite(make_spectrum(), flux=np.ones((2, 700)) * u.Jy, sigma=np.ones((2, 700)) * u.Jy)
        with pytest.raises(ValueError, match="spec must be one spectrum"):
            found.apply(many)

    def test_pickle_and_representations(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        found = estimator.estimate(make_spectrum())
        again = pickle.loads(pickle.dumps(found))
        assert again.z == found.z
        assert repr(again) == repr(found)
        assert "GALAXY (0.950)" in repr(found)
        assert "QSO 2.0000 (0.040)" in found._repr_html_()

    @pytest.mark.parametrize("medium", ["vacuum", "air"])
    @pytest.mark.parametrize("unit", [u.nm, u.THz])
    def test_plot(self, estimator, monkeypatch, unit, medium):
        """The lines of the class stand at the redshift, on the axis of the user; the posterior below."""
        import matplotlib.pyplot as plt

        fake_measure(monkeypatch, GALAXY)
        found = pickle.loads(pickle.dumps(estimator.estimate(make_spectrum(axis_unit=unit), medium=medium)))
        axes = found.plot()
        labels = {text.get_text(): text.xy[0] for text in axes[0].texts}
        place = 4102.892 * 1.5 * u.AA
        shifted = unit == u.nm and medium == "air"
        assert labels["Hδ"] == pytest.approx(place.to_value(unit, u.spectral()) * (1 - 2.8e-4 * shifted), rel=2e-5)
        assert "Hα" not in labels  # 9847 Angstrom is beyond the spectrum
        assert axes[0].get_xlabel() == {u.nm: "Wavelength [$\\mathrm{nm}$]", u.THz: "Frequency [$\\mathrm{THz}$]"}[unit]
        assert axes[1].get_xlabel() == "Redshift"
        assert "GALAXY, z = 0.50000" in axes[0].get_title()
        axes[0].figure.canvas.draw()
        plt.close("all")

    def test_plot_of_a_star(self, estimator, monkeypatch):
        import matplotlib.pyplot as plt

        fake_measure(monkeypatch, STAR)
        axes = plt.subplots(2)[1]
        assert estimator.estimate(make_spectrum()).plot(axes)[0] is axes[0]
        assert "km/s" in axes[0].get_title()
        assert "Mgb" in {text.get_text() for text in axes[0].texts}
        plt.close("all")


class TestMany:
    @pytest.fixture
    def table(self, estimator, monkeypatch):
        """A galaxy, a spectrum that is too short, a star."""
        fake_measure(monkeypatch, GALAXY, None, STAR, types={"WD": 0.8, "A": 0.2})
        spectra = [make_spectrum(), make_spectrum(10), make_spectrum(900, seed=2)]
        with pytest.warns(FlaggedSpectraWarning, match=r"1 of 3 spectra .* number 1"):
            return estimator.estimate(SpectrumList(spectra), posterior=True)

    def test_columns(self, table):
        assert table.colnames == [*COLUMNS, "posterior_bin", "posterior_p", "posterior_rest"]
        assert table["rv"].unit == table["rv_err"].unit == u.km / u.s
        for name in ("z", "z_err", "z_lo", "z_hi", "z_2"):
            assert table[name].unit == u.dimensionless_unscaled

    def test_rows(self, table):
        """In the order of the input; what was not measured is NaN and says so."""
        assert table["spectype"].tolist() == ["GALAXY", "", "STAR"]
        np.testing.assert_allclose(table["z"].value, [0.5, np.nan, -2e-4], atol=1e-5)
        np.testing.assert_allclose(table["z_err"].value, [1.5 * ERROR, np.nan, ERROR], rtol=0.05)
        np.testing.assert_allclose(table["p_galaxy"], [0.95, np.nan, 0], atol=1e-4)
        np.testing.assert_allclose(table["z_2"].value[0], 2.0, atol=1e-4)
        np.testing.assert_allclose(table["p_2"][0], 0.04, rtol=1e-2)
        np.testing.assert_allclose(table["rv"].value, [np.nan, np.nan, -60], atol=2)
        np.testing.assert_allclose(table["snr"][[0, 2]], 50, rtol=0.2)
        assert table["mk_type"].tolist() == ["", "", "WD"]
        np.testing.assert_array_equal(table["p_mk_type"], [np.nan, np.nan, 0.8])
        assert table["zwarn"].tolist() == [0, RedshiftFlag.TOO_FEW_PIXELS, 0]
        assert (table["z_lo"] < table["z"])[[0, 2]].all()
        assert (table["z"] < table["z_hi"])[[0, 2]].all()

    def test_agrees_with_one(self, estimator, monkeypatch, table):
        fake_measure(monkeypatch, GALAXY)
        one = estimator.estimate(make_spectrum())
        row = table[0]
        assert (row["z"], row["z_err"], row["p_best"]) == (one.z, one.z_err, one.p_best)
        np.testing.assert_array_equal([row["z_lo"].value, row["z_hi"].value], one.z_68.value)

    def test_posterior(self, table):
        back = RedshiftPosterior.expand(table[0], table.meta)
        assert back.class_probability == pytest.approx({"GALAXY": 0.95, "QSO": 0.05, "STAR": 0}, abs=1e-4)
        with pytest.raises(ValueError, match="holds no posterior"):
            RedshiftPosterior.expand(table[1], table.meta)

    @pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
    def test_round_trip(self, table, tmp_path, ending):
        """Columns, units, flags and metadata come back."""
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        write_table(table, tmp_path / f"z.{ending}")
        back = QTable.read(tmp_path / f"z.{ending}")
        assert back.colnames == table.colnames
        for name in table.colnames:
            assert back[name].unit == table[name].unit, name
            usable = [0, 2]  # NaN comes back from FITS as masked
            found, expected = back[name][usable], np.array(table[name][usable])
            # empty names come back from ECSV as masked
            found = np.array(found if expected.dtype.kind != "U" else np.ma.filled(found, ""))
            np.testing.assert_array_equal(found.astype(expected.dtype), expected, err_msg=name)
        np.testing.assert_array_equal(back["zwarn"], table["zwarn"])
        found = {key.lower(): value for key, value in back.meta.items()}
        assert found == found | {key.lower(): value for key, value in table.meta.items()}

    def test_provenance(self, table, redshift_weights):
        assert {"weights", "weights_sha256", "astro_spectok", "torch", "specutils"} <= set(table.meta)
        assert table.meta["estimator"] == "RedshiftEstimator"
        assert table.meta["searched"] == "GALAXY -0.002996 3, QSO 0 4.999, STAR -0.002397 0.002202"
        assert table.meta["prior"] == "flat"

    def test_empty(self, estimator):
        table = estimator.estimate([])
        assert table.colnames == COLUMNS
        assert len(table) == 0

    def test_all_bad(self, estimator):
        with pytest.warns(FlaggedSpectraWarning):
            table = estimator.estimate([make_spectrum(10), "no spectrum"])
        assert table["zwarn"].tolist() == [RedshiftFlag.TOO_FEW_PIXELS, RedshiftFlag.NO_DATA]
        assert np.isnan(table["p_best"]).all()

    def test_network_itself(self, estimator):
        """Results do not depend on what else is in the batch."""
        spectra = [make_spectrum(n, seed=n) for n in (300, 700, 64)]
        table = estimator.estimate(spectra)
        for row, spectrum in zip(table, spectra, strict=True):
            one = estimator.estimate(spectrum)
            assert row["spectype"] == one.spectype
            assert row["z"].value == pytest.approx(one.z.value, abs=1e-4)

    def test_files(self, estimator, monkeypatch, tmp_path):
        """The file and what was wrong with it stand beside the columns."""
        make_spectrum().write(tmp_path / "a.fits", format="tabular-fits")
        fake_measure(monkeypatch, None, GALAXY)
        paths = [tmp_path / "none.fits", tmp_path / "a.fits"]
        with pytest.warns(FlaggedSpectraWarning, match="no such file"):
            table = estimator.estimate_files(paths)
        assert table.colnames == ["file", "name", *COLUMNS, "message"]
        assert table["file"].tolist() == [str(path) for path in paths]
        assert table["name"].tolist() == ["none.fits", "a.fits"]
        assert "no such file" in table["message"][0]
        assert table["zwarn"].tolist() == [RedshiftFlag.NO_DATA, 0]
        with pytest.raises(ValueError, match="at least one file"):
            estimator.estimate_files([])


class TestFlags:
    @pytest.mark.parametrize(
        ("scores", "expected"),
        [
            (QUASAR, 0),
            # any single redshift is less probable than a star of any velocity
            (make_flat(), RedshiftFlag.SKY_LIKE | RedshiftFlag.LOW_CONFIDENCE | RedshiftFlag.TWO_PEAKS),
            (make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("GALAXY", 1.0, WIDTH, 0.25)),
             RedshiftFlag.TWO_PEAKS | RedshiftFlag.LOW_CONFIDENCE),
            (make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("QSO", 0.5, WIDTH, 0.25)), RedshiftFlag.LOW_CONFIDENCE),
            (make_scores(("QSO", 0.0, 0.1 * STEP, 1.0)), RedshiftFlag.AT_EDGE),
            (make_scores(("QSO", 4.999, 0.1 * STEP, 1.0)), RedshiftFlag.AT_EDGE),
            (make_scores(("GALAXY", 0.0, STEP, 1.0)), 0),
        ],
        ids=["sure", "sky", "two redshifts", "two classes", "first bin", "last bin", "nearby"],
    )  # fmt: skip
    def test_of_posteriors(self, estimator, monkeypatch, scores, expected):
        fake_measure(monkeypatch, scores)
        assert estimator.estimate(make_spectrum()).zwarn == expected

    @pytest.mark.parametrize("n_best", [1, 2, 5])
    def test_are_the_same_for_one_and_many(self, redshift_weights, monkeypatch, n_best):
        """Here the second solution is the same redshift in another class, the third another redshift."""
        fake_measure(
            monkeypatch,
            make_scores(("GALAXY", 0.5, WIDTH, 0.4), ("QSO", 0.5, WIDTH, 0.35), ("QSO", 2.0, WIDTH, 0.25)),
        )
        estimator = RedshiftEstimator(redshift_weights, "cpu", n_best=n_best)
        expected = RedshiftFlag.TWO_PEAKS | RedshiftFlag.LOW_CONFIDENCE
        assert estimator.estimate(make_spectrum()).zwarn == expected
        assert estimator.estimate([make_spectrum()])["zwarn"].tolist() == [expected]

    def test_sky_is_told_whatever_was_asked(self, redshift_weights, monkeypatch):
        """A star in a search for stars has told that it is one; blank sky has told nothing."""
        for scores, expected in ((make_scores(("STAR", 0.0, 0.1, 1.0)), 0), (make_flat(), RedshiftFlag.SKY_LIKE)):
            fake_measure(monkeypatch, scores)
            found = RedshiftEstimator(redshift_weights, "cpu", classes="STAR").estimate(make_spectrum())
            assert found.zwarn & RedshiftFlag.SKY_LIKE == expected

    def test_negative_continuum(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY, GALAXY)
        spectrum = make_spectrum()
        table = estimator.estimate([spectrum, rewrite(spectrum, flux=-spectrum.flux)])
        assert table["zwarn"].tolist() == [0, RedshiftFlag.NEGATIVE_CONTINUUM]

    def test_errors_estimated(self, estimator, monkeypatch):
        """By itself no reason for doubt; beside one it is said."""
        spectrum = make_spectrum()
        fake_measure(monkeypatch, GALAXY)
        assert estimator.estimate((spectrum.spectral_axis, spectrum.flux)).zwarn == RedshiftFlag.NONE
        fake_measure(monkeypatch, make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("QSO", 0.5, WIDTH, 0.25)))
        expected = RedshiftFlag.ERRORS_ESTIMATED | RedshiftFlag.LOW_CONFIDENCE
        assert estimator.estimate((spectrum.spectral_axis, spectrum.flux)).zwarn == expected

    def test_broad_peak_is_not_doubtful(self, estimator, monkeypatch):
        """Wider than the 1000 km/s of ``p_best``, but within 0.01."""
        fake_measure(monkeypatch, make_scores(("QSO", 2.0, 3e-3, 1.0)))
        found = estimator.estimate(make_spectrum())
        assert found.p_best < 0.8
        assert found.zwarn == RedshiftFlag.NONE

    def test_without_features(self, estimator, monkeypatch):
        """However sure the network is: what templates explain no better than a continuum does is like sky."""
        fake_measure(monkeypatch, GALAXY)
        for evidence, expected in ((2.0, RedshiftFlag.SKY_LIKE), (20.0, RedshiftFlag.NONE)):
            found = Refined(np.log1p(0.5), 1e-5, evidence)
            monkeypatch.setattr("astro_spectok.estimators.solutions.refine_redshift", lambda *a, f=found, **k: f)
            assert estimator.estimate(make_spectrum()).zwarn == expected

    def test_outside_trained_range(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        with pytest.warns(WavelengthRangeWarning):
            found = estimator.estimate(make_spectrum(low=1000.0, high=3000.0))
        assert found.zwarn == RedshiftFlag.OUTSIDE_TRAINED_RANGE

    def test_values_of_sdss(self):
        """What pipelines know under these numbers is what is meant."""
        known = {"SKY_LIKE": 0, "TOO_FEW_PIXELS": 1, "TWO_PEAKS": 2, "NEGATIVE_CONTINUUM": 3, "AT_EDGE": 5}
        known["NO_DATA"] = 9
        assert {name: RedshiftFlag[name].value.bit_length() - 1 for name in known} == known
        assert not RedshiftFlag(512 | 4).measured
        assert RedshiftFlag(4 | 1).measured


class TestChoices:
    def test_range(self, redshift_weights, monkeypatch):
        """The best of what was asked for; its end is an edge."""
        fake_measure(monkeypatch, GALAXY)
        found = RedshiftEstimator(redshift_weights, "cpu", z_range=(1, 3)).estimate(make_spectrum())
        assert (found.spectype, round(found.z.value, 3)) == ("QSO", 2.0)
        edge = RedshiftEstimator(redshift_weights, "cpu", z_range={"GALAXY": (0.5, 1)}).estimate(make_spectrum())
        assert edge.zwarn & RedshiftFlag.AT_EDGE

    def test_classes(self, redshift_weights, monkeypatch):
        """Columns stay; what was not looked for has no probability."""
        fake_measure(monkeypatch, GALAXY)
        table = RedshiftEstimator(redshift_weights, "cpu", classes=["QSO"]).estimate([make_spectrum()], posterior=True)
        assert table.colnames[: len(COLUMNS)] == COLUMNS
        assert (table["spectype"][0], table["p_galaxy"][0], table["p_qso"][0]) == ("QSO", 0, pytest.approx(1))
        assert RedshiftPosterior.expand(table[0], table.meta).grid.classes == ("QSO",)

    def test_prior_of_each_spectrum(self, redshift_weights, monkeypatch):
        """A row of densities for each: photometric redshifts."""
        ambiguous = make_scores(("GALAXY", 0.5, WIDTH, 0.5), ("GALAXY", 1.5, WIDTH, 0.5))
        fake_measure(monkeypatch, ambiguous, ambiguous)
        z = np.linspace(0, 3, 301)
        p = np.exp(-0.5 * ((z - np.array([[0.5], [1.5]])) / 0.1) ** 2)
        estimator = RedshiftEstimator(redshift_weights, "cpu", prior=(z, p))
        table = estimator.estimate([make_spectrum(), make_spectrum()])
        np.testing.assert_allclose(table["z"].value, [0.5, 1.5], atol=1e-4)
        assert (table["p_best"] > 0.99).all()
        assert table.meta["prior"] == "redshifts"
        with pytest.raises(ValueError, match=r"or \(3, m\), a row for each spectrum; got \(301,\) and \(2, 301\)"):
            estimator.estimate([make_spectrum()] * 3)

    def test_row_of_a_prior_that_is_zero(self, redshift_weights, monkeypatch):
        fake_measure(monkeypatch, GALAXY, GALAXY)
        estimator = RedshiftEstimator(redshift_weights, "cpu", prior=([0, 1], [[1, 1], [0, 0]]))
        with pytest.raises(ValueError, match="prior of spectrum 1 must be above zero somewhere"):
            estimator.estimate([make_spectrum()] * 2)

    def test_prior_of_classes(self, redshift_weights, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        prior = {"GALAXY": 0, "QSO": 1, "STAR": 1}
        found = RedshiftEstimator(redshift_weights, "cpu", prior=prior).estimate(make_spectrum())
        assert (found.spectype, found.meta["prior"]) == ("QSO", "classes")

    def test_calibration_of_the_weights(self, redshift_weights, tmp_path, monkeypatch):
        """What the metadata tell is applied to probabilities and errors."""
        from astro_spectok.weights.format import read_metadata, read_weights, write_weights

        config, tensors = read_weights(redshift_weights)
        training = read_metadata(redshift_weights)["training"]
        calibration = {"epsilon": 0.3, "error_scale": {"GALAXY": 2.0}}
        path = tmp_path / "calibrated.safetensors"
        write_weights(path, config, tensors, metadata={"training": training, "calibration": calibration})
        fake_measure(monkeypatch, GALAXY)
        found = RedshiftEstimator(path, "cpu").estimate(make_spectrum())
        assert found.class_probability["STAR"] == pytest.approx(0.1, rel=1e-3)
        assert found.z_err.value == pytest.approx(2 * 1.5 * ERROR, rel=0.05)

    @pytest.mark.parametrize(
        ("parameter", "value", "error", "rule"),
        [
            ("z_range", (0, 20), ValueError, "z_range must be increasing and lie within -0.003 to 5"),
            ("z_range", 3, TypeError, "z_range must be"),
            ("classes", ["PLANET"], ValueError, "classes must be names out of GALAXY, QSO, STAR"),
            ("prior", np.ones(7), TypeError, "prior must be None, a dict"),
            ("prior", ([0, 1], [1, 1, 1]), ValueError, "prior must be a pair"),
            ("n_best", 0, ValueError, "n_best must be a positive integer; got 0"),
            ("n_best", 1.5, TypeError, "n_best must be a positive integer; got 1.5"),
            ("device", "gpu", ValueError, "device must be 'auto'"),
        ],
    )
    def test_are_validated_at_use(self, redshift_weights, parameter, value, error, rule):
        """Not when they are stored, as in scikit-learn."""
        estimator = RedshiftEstimator(redshift_weights, "cpu").set_params(**{parameter: value})
        assert estimator.get_params()[parameter] is value
        with pytest.raises(error, match=rule):
            estimator.estimate(make_spectrum())

    def test_weights_without_redshifts(self, tiny_weights):
        with pytest.raises(WeightsError, match=r"weights 'tiny' give no redshifts: .*spectok pretrain"):
            RedshiftEstimator(tiny_weights, "cpu").estimate(make_spectrum())

    def test_bad_spectrum_is_an_error_if_it_is_the_only_one(self, estimator):
        with pytest.raises(ValueError, match="at least 32 good pixels"):
            estimator.estimate(make_spectrum(10))
        with pytest.raises(TypeError, match="obj must be"):
            estimator.estimate(3)
        with pytest.raises(ValueError, match="medium must be"):
            estimator.estimate(make_spectrum(), medium="water")


class TestParameters:
    def test_are_stored_unchanged(self):
        prior = {"GALAXY": 1}
        estimator = RedshiftEstimator("small", z_range=[0, 1], prior=prior)
        assert estimator.get_params()["prior"] is prior
        assert RedshiftEstimator(**estimator.get_params()).get_params() == estimator.get_params()
        assert list(estimator.get_params()) == ["weights", "device", "z_range", "classes", "prior", "n_best"]

    def test_set(self):
        estimator = RedshiftEstimator()
        assert estimator.set_params(n_best=5) is estimator
        assert estimator.n_best == 5
        with pytest.raises(ValueError, match="no parameter 'best'; there are weights, device"):
            estimator.set_params(best=5)

    def test_representations(self):
        assert repr(RedshiftEstimator()) == "RedshiftEstimator()"
        assert repr(RedshiftEstimator(n_best=5, z_range=(0, 1))) == "RedshiftEstimator(z_range=(0, 1), n_best=5)"
        assert "n_best" in RedshiftEstimator()._repr_html_()


def test_grid_of_the_tests_is_that_of_the_weights(redshift_weights):
    """What the faked answers are on is what the network would give."""
    from astro_spectok.engine import Runner
    from astro_spectok.spectra import to_batch

    ((_, measured),) = Runner(redshift_weights, "cpu").measure(to_batch([make_spectrum()]))
    for name, z in measured.redshifts.items():
        np.testing.assert_allclose(z, GRID.redshift[name], atol=1e-12)
