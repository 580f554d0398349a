# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: one and many spectra, and columns."""

import pickle
import re
from datetime import UTC, datetime, timedelta

import matplotlib as mpl
import numpy as np
import pytest
from _contract import assert_same_row
from _redshift import COLUMNS, ERROR, GALAXY, GRID, STAR, WIDTH, fake_measure, make_scores
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum, rewrite
from specutils import SpectrumList

from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.example import list_example_files
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.redshift import RedshiftEstimate, RedshiftFlag, RedshiftPosterior
from astro_spectok.spectra import to_batch
from astro_spectok.utils.writing import write_table

mpl.use("agg")


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
        assert found.z.unit == found.z_err.unit == found.z_lo.unit == u.dimensionless_unscaled
        assert found.z.value == pytest.approx(0.5, abs=1e-5)
        assert found.z_err.value == pytest.approx(1.5 * ERROR, rel=0.03)
        assert found.p_best == pytest.approx(0.95, rel=1e-3)
        assert found.class_probability == pytest.approx({"GALAXY": 0.95, "QSO": 0.05, "STAR": 0}, abs=1e-4)
        assert [(x.spectype, round(x.z, 3)) for x in found.alternatives] == [("QSO", 2.0)]
        assert found.zwarn == RedshiftFlag.NONE
        assert np.isnan(found.rv)
        assert found.rv.unit == u.km / u.s
        assert found.snr == pytest.approx(50, rel=0.2)
        assert found.meta["medium"] == "vacuum"
        assert found.meta["weights"] == "tiny-redshift"

    def test_intervals(self, estimator, monkeypatch):
        """One standard deviation for a Gaussian peak; both classes at one redshift count together."""
        fake_measure(monkeypatch, make_scores(("GALAXY", 0.5, WIDTH, 0.6), ("QSO", 0.5, WIDTH, 0.4)))
        found = estimator.estimate(make_spectrum())
        expected = 0.5 + 1.5 * ERROR * 0.9945 * np.array([-1, 1])
        np.testing.assert_allclose([found.z_lo.value, found.z_hi.value], expected, atol=0.15 * ERROR)

    def test_star(self, estimator, monkeypatch):
        """Its redshift is a radial velocity."""
        fake_measure(monkeypatch, STAR)
        found = estimator.estimate(make_spectrum())
        assert found.rv.to_value(u.km / u.s) == pytest.approx(299792.458 * -2e-4, abs=2)
        assert found.rv_err.to_value(u.km / u.s) == pytest.approx(299792.458 * ERROR, rel=0.05)
        assert "km/s" in repr(found)

    def test_type_of_a_star(self, estimator, monkeypatch):
        """The most probable one; for what is no star, and with weights without a type head, there is none."""
        fake_measure(monkeypatch, STAR, types={"G": 0.3, "K": 0.6, "M": 0.1})
        found = estimator.estimate(make_spectrum())
        assert (found.stellar_type, found.p_stellar_type) == ("K", 0.6)
        assert "type K (0.600)" in repr(found)
        for scores, types in ((GALAXY, {"K": 1.0}), (STAR, None)):
            fake_measure(monkeypatch, scores, types=types)
            found = estimator.estimate(make_spectrum())
            assert found.stellar_type == ""
            assert np.isnan(found.p_stellar_type)
            assert "type" not in repr(found).replace("RedshiftEstimate", "")

    def test_plain_arrays(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        spectrum = make_spectrum()
        arrays = (spectrum.spectral_axis, spectrum.flux, spectrum.uncertainty)
        assert estimator.estimate(arrays).spectype == "GALAXY"

    @pytest.mark.parametrize(("n_best", "expected"), [(2, 1), (np.int64(3), 2), (9, 8)])
    def test_n_best(self, redshift_weights, monkeypatch, n_best, expected):
        fake_measure(monkeypatch, GALAXY)
        estimator = RedshiftEstimator(redshift_weights, "cpu", n_best=n_best)
        found = estimator.estimate(make_spectrum())
        assert len(found.alternatives) == expected
        p = [found.p_best, *(peak.probability for peak in found.alternatives)]
        assert p == sorted(p, reverse=True)
        assert found.to_table().colnames == estimator.estimate([make_spectrum()]).colnames

    def test_network_itself(self, estimator):
        """Without anything faked: the numbers are finite and consistent, and do not depend on units."""
        found = estimator.estimate(make_spectrum(), medium="vacuum")
        in_other_units = make_spectrum(axis_unit=u.THz, flux_unit=u.Unit("erg / (s cm2 AA)"))
        again = estimator.estimate(in_other_units, medium="vacuum")
        assert again.z.value == pytest.approx(found.z.value, abs=1e-4)
        assert again.p_best == pytest.approx(found.p_best, rel=1e-2)
        assert found.z_lo <= found.z <= found.z_hi
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
        assert "GALAXY, probability 0.950" in repr(found)
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
        assert table["stellar_type"].tolist() == ["", "", "WD"]
        np.testing.assert_array_equal(table["p_stellar_type"], [np.nan, np.nan, 0.8])
        assert table["zwarn"].tolist() == [0, RedshiftFlag.TOO_FEW_PIXELS, 0]
        assert (table["z_lo"] < table["z"])[[0, 2]].all()
        assert (table["z"] < table["z_hi"])[[0, 2]].all()

    @pytest.mark.parametrize("scores", [GALAXY, STAR])
    def test_agrees_with_one(self, estimator, monkeypatch, scores):
        """What one spectrum gives is what a row of a table holds."""
        fake_measure(monkeypatch, scores, types={"WD": 0.8, "A": 0.2})
        spectrum = make_spectrum(meta={"name": "NGC 1"})
        assert_same_row(estimator.estimate(spectrum), estimator.estimate([spectrum]))

    def test_posterior_of_one_as_a_row(self, estimator, monkeypatch):
        """It is packed as in a table of many."""
        fake_measure(monkeypatch, GALAXY)
        row = estimator.estimate(make_spectrum()).to_table(posterior=True)
        table = estimator.estimate([make_spectrum()], posterior=True)
        assert row.colnames == table.colnames
        for name in ("posterior_bin", "posterior_p", "posterior_rest"):
            np.testing.assert_array_equal(row[name], table[name])
        assert RedshiftPosterior.expand(row[0], row.meta).grid == GRID

    def test_names_and_messages(self, table):
        """Of lists as of files."""
        assert "at least 32 good pixels" in table["message"][1]
        assert table["message"][0] == table["name"][0] == ""

    def test_digits(self, table):
        """What is shown is what the errors allow; what is kept is all."""
        decimals = int(1 - np.floor(np.log10(np.nanmin(table["z_err"].value))))
        assert table["z"].info.format == table["z_lo"].info.format == f".{decimals}f"
        assert f"{table['z'][0].value:.{decimals}f}" in str(table)

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
            assert back[name].info.description == table[name].info.description, name
            usable = [0, 2]  # NaN comes back from FITS as masked
            found, expected = back[name][usable], np.array(table[name][usable])
            # empty names come back from ECSV as masked
            found = np.array(found if expected.dtype.kind != "U" else np.ma.filled(found, ""))
            np.testing.assert_array_equal(found.astype(expected.dtype), expected, err_msg=name)
        np.testing.assert_array_equal(back["zwarn"], table["zwarn"])
        found = {key.lower(): value for key, value in back.meta.items()}
        if ending == "fits":
            found["call"] = found["call"].replace('"', "'")
        assert found == found | {key.lower(): value for key, value in table.meta.items()}

    def test_provenance(self, table, redshift_weights):
        assert {"weights", "weights_sha256", "astro_spectok", "torch", "specutils"} <= set(table.meta)
        assert datetime.now(UTC) - datetime.fromisoformat(f"{table.meta['date']}+00:00") < timedelta(hours=1)
        assert re.fullmatch(r"RedshiftEstimator\(weights=.*, device='cpu'\)\.estimate\(\.\.\., posterior=True\)",
                            table.meta["call"])  # fmt: skip
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
        assert table.colnames == ["file", *COLUMNS]
        assert table["file"].tolist() == [str(path) for path in paths]
        assert table["name"].tolist() == ["none.fits", "a.fits"]
        assert "no such file" in table["message"][0]
        assert table["zwarn"].tolist() == [RedshiftFlag.NO_DATA, 0]
        with pytest.raises(ValueError, match="at least one file"):
            estimator.estimate_files([])


def test_grid_of_the_tests_is_that_of_the_weights(redshift_weights):
    """What the faked answers are on is what the network would give."""
    from astro_spectok.weights import load_network

    head = load_network(redshift_weights).heads["redshift"]
    for name, z in zip(head.gives, head.redshifts(), strict=True):
        np.testing.assert_allclose(z, GRID.redshift[name], atol=1e-12)


@pytest.mark.parametrize("what", [RedshiftEstimator, StellarParameterEstimator])
def test_wrong_errors_are_mended(packaged_weights, what):
    """Errors of a real star three times too large, in the whole or in one half, change neither answer nor claims."""
    batch = to_batch(list_example_files()[0])
    wavelength, flux, ivar = batch.wavelength[batch.grid(0)], batch.flux, batch.ivar
    sigma = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), np.nan)
    half = np.where(np.arange(len(sigma)) < len(sigma) // 2, 1, 3)
    members = [(wavelength * u.AA, flux * u.one, factor * sigma * u.one) for factor in (1, 3, half)]
    table = what(device="cpu").estimate(members, medium="vacuum", progress=False)
    np.testing.assert_allclose(table["snr"], table["snr"][0], rtol=0.25)
    np.testing.assert_allclose(table["rv_err"].value, table["rv_err"].value[0], rtol=0.3)
    assert np.ptp(table["rv"]) < table["rv_err"][0]
    assert table["errors"].tolist() == ["stated", "estimated", "estimated"]
    said = what(device="cpu").estimate(members[1], medium="vacuum").meta["guesses"]
    assert re.match(r"errors are 0\.[23]\d* times those stated", said)
