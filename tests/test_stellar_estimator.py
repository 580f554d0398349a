# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarParameterEstimator`: one and many spectra, with the answers of the network known."""

import copy
import pickle

import matplotlib as mpl
import numpy as np
import pytest
from _contract import assert_same_row
from _redshift import ERROR, GALAXY, STAR, WIDTH, fake_measure, make_scores
from _stellar import COLUMNS, SIGMA, SUN, add_stellar_head
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum
from specutils import SpectrumList

from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.stellar import StellarDistributions, StellarEstimate, StellarFlag
from astro_spectok.stellar.binaries import SecondStar
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


class TestFlags:
    def find(
        self, redshift_weights, monkeypatch, scores=STAR, types=G_STAR, spectrum=None, head=None, fit=None, **kwargs
    ):
        add_stellar_head(monkeypatch, redshift_weights, **(head or {}))
        fake_measure(monkeypatch, scores, types=types)
        if fit is not None:
            monkeypatch.setattr("astro_spectok.redshift.solutions.refine_redshift", lambda *args, **kwargs: fit)
        estimator = StellarParameterEstimator(redshift_weights, "cpu", **kwargs)
        return estimator.estimate(make_spectrum() if spectrum is None else spectrum)

    def test_galaxy(self, redshift_weights, monkeypatch):
        """Gets nothing, unless it is known to be a star."""
        found = self.find(redshift_weights, monkeypatch, GALAXY)
        assert found.warn == StellarFlag.NOT_A_STAR
        assert all(np.isnan(getattr(found, name)) for name in found.labels)
        found = self.find(redshift_weights, monkeypatch, GALAXY, assume_star=True)
        assert found.warn & StellarFlag.NOT_A_STAR == 0
        assert np.isfinite(found.teff)

    def test_uncertain_star(self, redshift_weights, monkeypatch):
        scores = make_scores(("STAR", 0.0, WIDTH, 0.7), ("GALAXY", 0.5, WIDTH, 0.3))
        found = self.find(redshift_weights, monkeypatch, scores)
        assert found.warn == StellarFlag.NOT_A_STAR
        assert np.isfinite(found.teff)
        assert found.p_star == pytest.approx(0.7, abs=1e-3)

    @pytest.mark.parametrize("kind", ["WD", "CV", "C", "L", "T"])
    @pytest.mark.parametrize(("p", "given"), [(0.9, False), (0.25, True)])
    def test_types_without_parameters(self, redshift_weights, monkeypatch, kind, p, given):
        """Are flagged, and get a velocity alone if they are probable."""
        found = self.find(redshift_weights, monkeypatch, types={kind: p, "G": 1 - p})
        assert found.warn & StellarFlag.TYPE_NOT_COVERED
        assert bool(np.isfinite(found.teff)) is given
        assert np.isfinite(found.rv)

    @pytest.mark.parametrize(
        ("p", "white", "flag", "given"),
        [
            (0.9, (4.3, 8.1, 0.02, 0.1), StellarFlag.NONE, True),
            (0.9, (4.3, 8.1, 0.2, 0.1), StellarFlag.TYPE_NOT_COVERED, False),  # no hydrogen
            (0.9, (4.3, 6.5, 0.02, 0.1), StellarFlag.OUT_OF_HULL, True),
            (0.3, (4.3, 8.1, 0.02, 0.1), StellarFlag.TYPE_NOT_COVERED, True),  # as an ordinary star
        ],
    )
    def test_white_dwarfs(self, redshift_weights, monkeypatch, p, white, flag, given):
        """Have labels of their own, and no metals, where their lines say something and the type is clear."""
        head = {"white": white}
        found = self.find(redshift_weights, monkeypatch, types={"WD": p, "B": 1 - p}, head=head)
        assert found.warn & ~StellarFlag.TYPE_DISAGREES == flag
        assert bool(np.isfinite(found.teff)) is given
        if p > 0.5:
            assert np.isnan(found.fe_h)
        if p > 0.5 and given:
            assert found.teff.value == pytest.approx(10 ** white[0], rel=1e-4)
            assert found.logg.value == pytest.approx(white[1], rel=1e-4)

    def test_white_dwarfs_like_others(self, redshift_weights, monkeypatch):
        """Labels of white dwarfs change nothing for other stars."""
        found = self.find(redshift_weights, monkeypatch, head={"white": (4.3, 8.1, 0.02, 0.1)})
        plain = self.find(redshift_weights, monkeypatch)
        assert (found.teff, found.fe_h, found.warn) == (plain.teff, plain.fe_h, plain.warn)
        found = self.find(redshift_weights, monkeypatch, types={"CV": 1.0}, head={"white": (4.3, 8.1, 0.02, 0.1)})
        assert found.warn == StellarFlag.TYPE_NOT_COVERED
        assert np.isnan(found.teff)

    @pytest.mark.parametrize(
        ("mean", "sigma", "flag"),
        [
            ((3.76, 6.5, 0.0, 0.0, 0.4), SIGMA, StellarFlag.OUT_OF_HULL),
            ((3.76, 4.44, 1.5, 0.0, 0.4), SIGMA, StellarFlag.OUT_OF_HULL),
            ((3.76, 4.7, 0.0, 0.0, 0.4), (0.002, 0.3, 0.03, 0.02, 0.1), StellarFlag.NONE),
            ((3.76, 4.7, 0.0, 0.0, 0.4), (0.002, 3.0, 0.03, 0.02, 0.1), StellarFlag.EXTRAPOLATED),
        ],
    )
    def test_hull(self, redshift_weights, monkeypatch, mean, sigma, flag):
        found = self.find(redshift_weights, monkeypatch, head={"mean": mean, "sigma": sigma})
        assert found.warn == flag

    def test_noise(self, redshift_weights, monkeypatch):
        rng = np.random.default_rng(0)
        axis, sigma = np.linspace(4000, 7000, 700) * u.AA, np.full(700, 0.3) * u.Jy
        found = self.find(
            redshift_weights, monkeypatch, spectrum=(axis, (1 + 0.3 * rng.normal(size=700)) * u.Jy, sigma)
        )
        assert found.warn == StellarFlag.LOW_SNR | StellarFlag.MEDIUM_UNKNOWN

    def test_weak_features(self, redshift_weights, monkeypatch):
        """The brighter a star that is not sure, the more its features must speak for it, as in ``zwarn``."""
        from astro_spectok.redshift.solutions import Sharpened
        from astro_spectok.stellar.velocity import StellarVelocity

        sharp = Sharpened(LN_DOPPLER, WIDTH, 50.0, WIDTH, 0.0, True)
        monkeypatch.setattr(
            "astro_spectok.stellar.measure.find_velocity",
            lambda *args: StellarVelocity(LN_DOPPLER, WIDTH, 50.0, False, sharp),
        )
        scores = make_scores(("STAR", 0.0, WIDTH, 0.9), ("GALAXY", 0.5, WIDTH, 0.1))
        assert self.find(redshift_weights, monkeypatch, scores).warn == StellarFlag.SKY_LIKE
        assert self.find(redshift_weights, monkeypatch).warn == StellarFlag.NONE

    def test_range(self, redshift_weights, monkeypatch):
        """Where labels were not learnt nothing is given, though the network was trained there."""
        found = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(low=22000, high=24000))
        assert found.warn == StellarFlag.OUT_OF_WAVELENGTH_RANGE
        assert np.isnan(found.teff)

    def test_wide_range(self, redshift_weights, monkeypatch):
        """A spectrum that holds all that labels were learnt from is not flagged for what it holds besides."""
        found = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(4000, low=3300, high=24000))
        assert found.warn == StellarFlag.NONE
        assert np.isfinite(found.alpha_fe)
        red = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(4000, low=6900, high=8380))
        assert red.warn == StellarFlag.OUT_OF_WAVELENGTH_RANGE

    def test_resolution(self, redshift_weights, monkeypatch):
        add_stellar_head(monkeypatch, redshift_weights)
        fake_measure(monkeypatch, STAR, types=G_STAR)
        estimator = StellarParameterEstimator(redshift_weights, "cpu")
        assert estimator.estimate(make_spectrum(), resolution=50).warn == StellarFlag.EXTRAPOLATED
        assert estimator.estimate(make_spectrum(), resolution=2000).warn == StellarFlag.NONE

    def test_two_types(self, redshift_weights, monkeypatch):
        """Only types that are far apart are those of two stars."""
        found = self.find(redshift_weights, monkeypatch, types={"A": 0.4, "G": 0.3, "K": 0.3})
        assert found.warn == StellarFlag.BLEND_LIKE
        near = self.find(redshift_weights, monkeypatch, types={"F": 0.4, "G": 0.3, "K": 0.3})
        assert near.warn == StellarFlag.NONE

    @pytest.mark.parametrize(
        ("share", "gain", "flag"), [(0.5, 900.0, StellarFlag.BLEND_LIKE), (0.05, 900.0, 0), (0.5, 9.0, 0)]
    )
    def test_second_star(self, redshift_weights, monkeypatch, share, gain, flag):
        """Lines of a second star count if they are strong and sure."""
        second = SecondStar(200.0, share, gain)
        assert self.find(redshift_weights, monkeypatch, head={"second": second}).warn == flag

    def test_type_disagrees(self, redshift_weights, monkeypatch):
        """A cool dwarf does not become the Sun unnoticed."""
        found = self.find(redshift_weights, monkeypatch, types={"M": 0.98, "K": 0.02})
        assert found.warn == StellarFlag.TYPE_DISAGREES

    def test_estimated_errors_are_no_flag(self, redshift_weights, monkeypatch):
        spectrum = make_spectrum()
        bare = (spectrum.spectral_axis, spectrum.flux)
        assert self.find(redshift_weights, monkeypatch, spectrum=bare).warn == StellarFlag.NONE
        found = self.find(redshift_weights, monkeypatch, GALAXY, spectrum=bare)
        expected = StellarFlag.NOT_A_STAR | StellarFlag.ERRORS_ESTIMATED | StellarFlag.MEDIUM_UNKNOWN
        assert found.warn == expected

    def test_medium_unknown(self, redshift_weights, monkeypatch):
        """No flag by itself; the error of the velocity holds what it may cost."""
        unknown, known = (
            self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(meta=meta))
            for meta in ({}, {"medium": "vacuum"})
        )
        assert unknown.warn == known.warn == StellarFlag.NONE
        assert unknown.rv == known.rv
        lost = np.sqrt(unknown.rv_err**2 - known.rv_err**2)
        assert lost.to_value("km/s") == pytest.approx(83, abs=1)

    def test_another_kind_of_object(self, redshift_weights, monkeypatch):
        """Features that no star has, of one that has no type, are not those of a star, unless it is known to be one."""
        from astro_spectok.redshift.fit import Refined

        scores = make_scores(("STAR", 0.0, 1e-3, 0.98), ("GALAXY", 0.5, WIDTH, 0.02))
        types = {"B": 0.3, "A": 0.3, "F": 0.2, "G": 0.2}
        for left, flag in ((0.11, StellarFlag.NOT_A_STAR), (0.03, StellarFlag.NONE)):
            fit = Refined(0.0, 1e-4, 600.0, 0.12, left)
            warn = self.find(redshift_weights, monkeypatch, scores, types=types, fit=fit).warn
            assert warn & StellarFlag.NOT_A_STAR == flag

    def test_little_coverage(self, redshift_weights, monkeypatch):
        found = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(200, low=5000, high=5200))
        assert found.warn & StellarFlag.LITTLE_COVERAGE


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
