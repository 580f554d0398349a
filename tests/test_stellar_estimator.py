# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarParameterEstimator`: one and many spectra, with the answers of the network known."""

import copy
import pickle

import matplotlib as mpl
import numpy as np
import pytest
from _contract import assert_same_row
from _redshift import ERROR, GALAXY, STAR, fake_measure
from _stellar import COLUMNS, SIGMA, SUN, add_stellar_head
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum
from specutils import SpectrumList

from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.stellar import StellarDistributions, StellarEstimate, StellarFlag
from astro_spectok.utils.writing import write_table

mpl.use("agg")

G_STAR = {"G": 0.9, "F": 0.1}
#: of the velocity of `STAR`
LN_DOPPLER = np.log1p(-2e-4)


@pytest.fixture
def estimator(redshift_weights, monkeypatch):
    add_stellar_head(monkeypatch, redshift_weights)
    return StellarParameterEstimator(redshift_weights, "cpu")


class TestOne:
    def test_parameters(self, estimator, monkeypatch):
        """Values, errors and units are those of the head; the velocity that of the posterior."""
        fake_measure(monkeypatch, STAR, types=G_STAR)
        found = estimator.estimate(make_spectrum(), medium="vacuum")
        assert isinstance(found, StellarEstimate)
        assert found.teff.to_value(u.K) == pytest.approx(10 ** SUN[0])
        assert found.teff_err.to_value(u.K) == pytest.approx(np.log(10) * 10 ** SUN[0] * SIGMA[0])
        assert found.logg.unit == u.dex(u.cm / u.s**2)
        assert found.logg.value == pytest.approx(SUN[1])
        assert found.fe_h_err.to_value(u.dex) == pytest.approx(SIGMA[2])
        assert found.rv.to_value(u.km / u.s) == pytest.approx(299792.458 * -2e-4, abs=2)
        assert found.rv_err.to_value(u.km / u.s) == pytest.approx(299792.458 * ERROR, rel=0.05)
        assert found.vbroad.to_value(u.km / u.s) == pytest.approx(10 ** SUN[4])
        assert (found.stellar_type, found.p_stellar_type) == ("G", 0.9)
        assert found.p_star == pytest.approx(1)
        assert found.warn == StellarFlag.NONE
        assert found.meta["medium"] == "vacuum"
        assert found.meta["weights"] == "tiny-redshift"

    def test_covariance(self, estimator, monkeypatch):
        """Its diagonal are the errors, in the order of the labels."""
        fake_measure(monkeypatch, STAR, types=G_STAR)
        found = estimator.estimate(make_spectrum())
        assert found.labels == ("teff", "logg", "fe_h", "alpha_fe", "rv", "vbroad")
        expected = [getattr(found, f"{name}_err").value for name in found.labels]
        np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), expected)
        np.testing.assert_array_equal(found.covariance, found.covariance.T)

    def test_read_at_rest(self, redshift_weights, monkeypatch):
        """The head is asked for the frame of the star."""
        asked = add_stellar_head(monkeypatch, redshift_weights)
        fake_measure(monkeypatch, STAR, types=G_STAR)
        StellarParameterEstimator(redshift_weights, "cpu").estimate(make_spectrum())
        assert asked == [pytest.approx(LN_DOPPLER, abs=1e-6)]

    def test_distribution(self, estimator, monkeypatch):
        fake_measure(monkeypatch, STAR, types=G_STAR)
        point = estimator.estimate(make_spectrum())
        found = estimator.sample(make_spectrum())
        assert isinstance(found, StellarDistributions)
        assert found.teff.n_samples == 1000
        for name in point.labels:
            expected = getattr(point, name)
            assert getattr(found, name).unit == expected.unit
            error = getattr(point, f"{name}_err").value
            assert getattr(found, name).pdf_median().value == pytest.approx(
                expected.value, abs=0.15 * error, nan_ok=True
            )
        again = point.sample(1000)
        np.testing.assert_array_equal(again.teff.distribution.value, found.teff.distribution.value)
        for copied in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
            assert type(copied) is StellarDistributions
            assert copied.warn == found.warn
            assert copied.logg.unit == found.logg.unit
            for name in point.labels:
                samples = getattr(copied, name).distribution.value
                np.testing.assert_array_equal(samples, getattr(found, name).distribution.value)

    def test_pickle_and_representations(self, estimator, monkeypatch):
        fake_measure(monkeypatch, STAR, types=G_STAR)
        found = estimator.estimate(make_spectrum())
        again = pickle.loads(pickle.dumps(found))
        assert repr(again) == repr(found)
        assert "teff 5777 ± 27 K" in repr(found)
        assert "4.440 ± 0.050 dex(cm / s2)" in found._repr_html_()

    @pytest.mark.parametrize("label", ["alpha_fe", "log_vbroad"])
    def test_what_the_spectrum_does_not_tell(self, redshift_weights, monkeypatch, label):
        """A label that is hardly better known than before is not given; the others are."""
        k = ("teff", "logg", "fe_h", "alpha_fe", "log_vbroad").index(label)
        sigma = tuple(0.45 if i == k else x for i, x in enumerate(SIGMA))
        add_stellar_head(monkeypatch, redshift_weights, sigma=sigma)
        fake_measure(monkeypatch, STAR, types=G_STAR)
        found = StellarParameterEstimator(redshift_weights, "cpu").estimate(make_spectrum())
        name = {"alpha_fe": "alpha_fe", "log_vbroad": "vbroad"}[label]
        assert np.isnan(getattr(found, name))
        assert np.isnan(getattr(found, f"{name}_err"))
        assert np.isfinite(found.teff)
        assert found.warn == StellarFlag.NONE
        assert "not measured" in repr(found)

    @pytest.mark.parametrize(
        ("low", "high", "given"), [(4000, 7000, False), (15200, 16900, True), (16955, 17500, False)]
    )
    def test_alpha_elements_are_given_in_the_h_band_alone(self, estimator, monkeypatch, low, high, given):
        """Nothing taught them elsewhere, however sure the network is."""
        fake_measure(monkeypatch, STAR, types=G_STAR)
        found = estimator.estimate(make_spectrum(low=low, high=high))
        assert bool(np.isfinite(found.alpha_fe)) is bool(np.isfinite(found.alpha_fe_err)) is given
        if given or low < 15000:
            assert np.isfinite(found.fe_h)

    def test_units_do_not_matter(self, redshift_weights, monkeypatch):
        """Without anything faked but the head, whose answer depends on the tokens."""
        add_stellar_head(monkeypatch, redshift_weights, by_tokens=0.3)
        estimator = StellarParameterEstimator(redshift_weights, "cpu", assume_star=True)
        found = estimator.estimate(make_spectrum(), medium="vacuum")
        other = make_spectrum(axis_unit=u.THz, flux_unit=u.Unit("erg / (s cm2 AA)"))
        again = estimator.estimate(other, medium="vacuum")
        assert found.fe_h.value != pytest.approx(SUN[2], abs=0.01)
        assert again.fe_h.value == pytest.approx(found.fe_h.value, abs=1e-5)
        assert again.rv.value == pytest.approx(found.rv.value, abs=0.5)

    def test_plot(self, estimator, monkeypatch):
        """Lines stand at rest, and the Kiel diagram has giants at the top right."""
        import matplotlib.pyplot as plt

        fake_measure(monkeypatch, STAR, types=G_STAR)
        axes = pickle.loads(pickle.dumps(estimator.estimate(make_spectrum()))).plot()
        labels = {text.get_text(): text.xy[0] for text in axes[0].texts}
        assert labels["Mgb"] == 5176.0
        drawn = axes[0].lines[0].get_xdata()
        assert drawn[0] == pytest.approx(4000 / (1 - 2e-4), rel=1e-6)
        assert axes[1].xaxis_inverted()
        assert axes[1].yaxis_inverted()
        assert "teff 5777" in axes[0].get_title()
        assert "at rest" in axes[0].get_xlabel()
        axes[0].figure.canvas.draw()
        plt.close("all")

    def test_plot_without_parameters(self, estimator, monkeypatch):
        import matplotlib.pyplot as plt

        fake_measure(monkeypatch, GALAXY, types=G_STAR)
        axes = plt.subplots(1, 2)[1]
        found = estimator.estimate(make_spectrum())
        assert found.plot(axes)[1] is axes[1]
        assert "as observed" in axes[0].get_xlabel()  # no velocity is known
        with pytest.raises(ValueError, match=r"axes must be 2.*got 1"):
            found.plot(axes[0])
        axes[0].figure.canvas.draw()
        plt.close("all")

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("n_samples", 0, ValueError),
            ("n_samples", 2.5, TypeError),
            ("seed", -1, ValueError),
            ("seed", None, TypeError),
        ],
    )
    def test_refuses_numbers(self, redshift_weights, name, value, error):
        with pytest.raises(error, match=f"{name} must be an integer of [01] or more"):
            StellarParameterEstimator(redshift_weights, "cpu").sample(make_spectrum(), **{name: value})

    def test_weights_without_a_head(self, redshift_weights):
        with pytest.raises(WeightsError, match=r"give no stellar parameters.*`spectok build heads`"):
            StellarParameterEstimator(redshift_weights, "cpu").estimate(make_spectrum())


class TestMany:
    @pytest.fixture
    def table(self, estimator, monkeypatch):
        """A star, a spectrum that is too short, a galaxy."""
        fake_measure(monkeypatch, STAR, None, GALAXY, types=G_STAR)
        spectra = [make_spectrum(), make_spectrum(10), make_spectrum(900, seed=2)]
        with pytest.warns(FlaggedSpectraWarning, match=r"1 of 3 spectra .* number 1"):
            return estimator.estimate(SpectrumList(spectra))

    def test_columns(self, table):
        assert table.colnames == COLUMNS
        assert table["teff"].unit == u.K
        assert table["logg"].unit == u.dex(u.cm / u.s**2)
        assert table["logg_err"].unit == table["fe_h"].unit == table["alpha_fe_err"].unit == u.dex
        assert table["rv"].unit == table["vbroad_err"].unit == u.km / u.s

    def test_rows(self, table):
        """In the order of the input; what was not measured is NaN and says so."""
        np.testing.assert_allclose(table["teff"].value, [10 ** SUN[0], np.nan, np.nan], rtol=1e-6)
        np.testing.assert_allclose(table["logg"].value, [SUN[1], np.nan, np.nan])
        np.testing.assert_allclose(table["rv"].value, [-60, np.nan, np.nan], atol=2)
        np.testing.assert_allclose(table["p_star"], [1, np.nan, 0], atol=1e-3)
        assert table["stellar_type"].tolist() == ["G", "", ""]
        np.testing.assert_allclose(table["p_stellar_type"], [0.9, np.nan, np.nan])
        assert table["warn"].tolist() == [0, StellarFlag.TOO_FEW_PIXELS, StellarFlag.NOT_A_STAR]
        assert table.meta["estimator"] == "StellarParameterEstimator"
        assert {"weights", "weights_sha256", "astro_spectok", "torch"} <= set(table.meta)

    def test_agrees_with_one(self, estimator, monkeypatch):
        """What one star gives is what a row of a table holds."""
        fake_measure(monkeypatch, STAR, types=G_STAR)
        spectrum = make_spectrum(meta={"name": "Sol"})
        assert_same_row(estimator.estimate(spectrum), estimator.estimate([spectrum]))

    def test_distributions(self, estimator, monkeypatch):
        fake_measure(monkeypatch, STAR, None, GALAXY, types=G_STAR)
        spectra = [make_spectrum(), make_spectrum(10), make_spectrum(900, seed=2)]
        with pytest.warns(FlaggedSpectraWarning):
            found = estimator.sample(spectra)
        assert found.teff.shape == (3,)
        np.testing.assert_array_equal(np.isnan(found.logg.pdf_mean().value), [False, True, True])
        assert found.warn.tolist() == [0, StellarFlag.TOO_FEW_PIXELS, StellarFlag.NOT_A_STAR]

    @pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
    def test_round_trip(self, table, tmp_path, ending):
        """Columns, units, flags and metadata come back, the unit of gravity included."""
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        write_table(table, tmp_path / f"s.{ending}")
        back = QTable.read(tmp_path / f"s.{ending}")
        assert back.colnames == table.colnames
        assert isinstance(back["logg"], u.Dex)
        for name in table.colnames:
            assert back[name].unit == table[name].unit, name
            found, expected = back[name][:1], np.array(table[name][:1])
            # empty names come back from ECSV as masked
            found = np.array(found if expected.dtype.kind != "U" else np.ma.filled(found, ""))
            np.testing.assert_array_equal(found.astype(expected.dtype), expected, err_msg=name)
        np.testing.assert_array_equal(back["warn"], table["warn"])
        found = {key.lower(): value for key, value in back.meta.items()}
        if ending == "fits":
            found["call"] = found["call"].replace('"', "'")
        assert found == found | {key.lower(): value for key, value in table.meta.items()}

    def test_empty(self, estimator):
        table = estimator.estimate([])
        assert table.colnames == COLUMNS
        assert len(table) == 0
        found = estimator.sample([])
        assert found.teff.shape == found.warn.shape == (0,)

    def test_files(self, estimator, monkeypatch, tmp_path):
        fake_measure(monkeypatch, None, STAR, types=G_STAR)
        make_spectrum(200).write(tmp_path / "a.fits", format="tabular-fits")
        paths = [tmp_path / "none.fits", tmp_path / "a.fits"]
        with pytest.warns(FlaggedSpectraWarning):
            table = estimator.estimate_files(paths)
        assert table.colnames == ["file", *COLUMNS]
        assert table["warn"].tolist() == [StellarFlag.NO_DATA, 0]
