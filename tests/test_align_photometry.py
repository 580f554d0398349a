# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Photometry: filters, tables in any unit, vectors, redshifts, and bad input in words."""

import warnings

import numpy as np
import pytest
from _align import NAMES, make_fluxes, write_photometry_weights
from astropy import units as u
from astropy.table import QTable, Table
from conftest import make_spectrum

from astro_spectok import embed
from astro_spectok.align import (
    BANDS,
    Filter,
    PhotometricRedshift,
    PhotometryFlag,
    embed_photometry,
    find_filter,
    list_filters,
)
from astro_spectok.align.fluxes import read_fluxes
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.redshift import JointPrior, RedshiftPosterior
from astro_spectok.redshift.priors import PriorFactors


@pytest.fixture(scope="module")
def head_weights(tmp_path_factory):
    return write_photometry_weights(tmp_path_factory.mktemp("photometry") / "photometry.safetensors")


class TestFilters:
    @pytest.mark.parametrize(
        ("name", "pivot"),
        [
            ("sdss2010-u", 3556),
            ("sdss2010-r", 6176),
            ("twomass-Ks", 21603),
            ("wise2010-W1", 33526),
            ("decamDR1-z", 9158),
        ],
    )
    def test_pivot_wavelengths(self, name, pivot):
        """They are those that surveys publish, to one per cent."""
        assert find_filter(name).effective == pytest.approx(pivot, rel=1e-2)

    def test_flat_spectrum(self):
        """A spectrum flat in frequency has the same flux through all filters."""
        x = np.log(1200) + 1.5e-3 * np.arange(2560)
        flux = np.exp(-2 * x)
        seen = [find_filter(name).weigh(x) @ flux for name in list_filters()]
        np.testing.assert_allclose(seen, seen[0], rtol=2e-3)

    def test_own_curve(self):
        """Direction and unit of a curve change nothing; response in any normalisation."""
        a = Filter.from_curve("a", [5000, 5010, 5060, 5070] * u.AA, [0, 1, 1, 0])
        b = find_filter(([507, 506, 501, 500] * u.nm, [0, 3, 3, 0]))
        assert a.effective == pytest.approx(b.effective)
        assert a.width == pytest.approx(b.width)

    @pytest.mark.parametrize(
        ("what", "error", "match"),
        [
            ("sdss-r", ValueError, "nearest are .*sdss2010-r"),
            (3, TypeError, "must be names, Filter"),
            (([5000, 5100, 5200], [0, 1, 0]), TypeError, "wavelengths with a unit"),
            (([5000, 5100, 5200] * u.AA, [0, -1, 0]), ValueError, "not negative"),
            (([5000, 5200, 5100] * u.AA, [0, 1, 0]), ValueError, "in order"),
        ],
    )
    def test_wrong_filters(self, what, error, match):
        with pytest.raises(error, match=match):
            find_filter(what)


class TestFluxes:
    def test_units_are_alike(self):
        """Nanomaggies, microjansky, AB magnitudes and flux per unit wavelength say the same."""
        table = make_fluxes()
        plain = read_fluxes(table, NAMES)
        assert plain.usable.all()
        others = {
            "jansky": lambda q, e, _: (q.value * 3.6307805 * u.uJy, e.value * 3.6307805 * u.uJy),
            "magnitude": lambda q, e, _: (
                (22.5 - 2.5 * np.log10(q.value)) * u.ABmag, 2.5 / np.log(10) * (e / q).value * u.mag,
            ),
            "per wavelength": lambda q, e, w: tuple(
                (x.value * 3.6307805 * u.uJy).to(u.erg / u.s / u.cm**2 / u.AA, u.spectral_density(w)) for x in (q, e)
            ),
        }  # fmt: skip
        for change in others.values():
            other = {}
            for name, band in NAMES.items():
                pair = change(table[name], table[f"{name}_ERR"], find_filter(band).effective * u.AA)
                other[name], other[f"{name}_ERR"] = pair
            found = read_fluxes(other, NAMES)
            np.testing.assert_allclose(found.flux, plain.flux, rtol=1e-6)
            np.testing.assert_allclose(found.error, plain.error, rtol=1e-6)

    def test_missing_and_limits(self):
        """NaN, masks and zero weights are missing filters; limits are fluxes of 0 with errors; negative fluxes stay."""
        table = Table(
            {"FLUX_G": [1.0, np.nan, -2.0], "FLUX_R": [2.0, 2.0, 2.0], "FLUX_Z": [3.0, 3.0, 3.0]}, masked=True
        )
        table["FLUX_Z"].mask = [True, False, False]
        for name, ivar in (("G", [4.0, 4.0, 4.0]), ("R", [4.0, 4.0, 0.0]), ("Z", [4.0, 4.0, 1.0])):
            table[f"FLUX_IVAR_{name}"] = ivar
        table["limit"] = [False, True, False]
        filters = {f"FLUX_{b}": f"decamDR1-{b.lower()}" for b in "GRZ"}
        found = read_fluxes(table, filters, unit="nanomaggy", upper_limits={"FLUX_R": "limit"})
        np.testing.assert_array_equal(np.isfinite(found.flux), [[1, 1, 0], [0, 1, 1], [1, 0, 1]])
        assert found.flux[2, 0] < 0
        assert found.flux[1, 1] == 0
        np.testing.assert_allclose(found.error[1, 1], found.flux[0, 1] / 3)
        assert (found.flags == PhotometryFlag.FEW_BANDS).all()

    @pytest.mark.parametrize(
        ("table", "options", "error", "match"),
        [
            ({"g": [1.0], "g_err": [0.1]}, {"filters": {"g": "decamDR1-q"}}, ValueError, "nearest are"),
            ({"g": [1.0]}, {"filters": {"g": "decamDR1-g"}}, ValueError, "errors must be given.*g_err"),
            ({"g": [1.0], "g_err": [0.1]}, {"filters": {"r": "decamDR1-r"}}, ValueError, "by columns of table"),
            ({"g": [1.0], "g_err": [0.1]}, {"filters": {"g": "decamDR1-g"}}, u.UnitsError, "unit must be given"),
            ({"g": [1.0], "g_err": [0.1]}, {"filters": "grzz"}, ValueError, "a set out of grz"),
            ({"g": [1.0], "g_err": [0.1]}, {"filters": {}}, ValueError, "at least one"),
            ({"g": [1.0] * u.mag, "g_err": [0.1]}, {"filters": {"g": "decamDR1-g"}}, u.UnitsError, "zero point"),
            ({"g": [1.0] * u.s, "g_err": [0.1]}, {"filters": {"g": "decamDR1-g"}}, u.UnitsError, "flux density"),
            ({"g": [1.0, 2.0], "g_err": [0.1]}, {"filters": {"g": "decamDR1-g"}}, ValueError, "all of one length"),
            (7, {"filters": "grz"}, TypeError, "table must be an astropy Table"),
            (
                {"g": ["a"], "g_err": [0.1]},
                {"filters": {"g": "decamDR1-g"}},
                TypeError,
                "must have numbers in 'g'; got",
            ),
            (
                {"g": [1.0], "g_err": [0.1]},
                {"filters": {"g": "decamDR1-g"}, "upper_limits": {"g": "limit"}},
                ValueError,
                "upper_limits must be by columns of table, g, g_err; got 'limit'",
            ),
        ],
    )
    def test_wrong_tables(self, table, options, error, match):
        with pytest.raises(error, match=match):
            read_fluxes(table, **options)

    def test_columns_of_several_fluxes(self):
        """As of SDSS: a column with the fluxes of all bands, and one with their inverse variances."""
        plain, names = make_fluxes(), list(NAMES)
        flux = np.stack([table_column.value for table_column in (plain[name] for name in names)], 1)
        table = Table({"MODELFLUX": flux, "MODELFLUX_IVAR": (0.05 * flux) ** -2})
        several = read_fluxes(table, {"MODELFLUX": "ugrizJHK"}, unit=u.nmgy)
        same = read_fluxes(plain, NAMES)
        np.testing.assert_allclose(several.flux, same.flux, rtol=1e-6)
        np.testing.assert_allclose(several.error, same.error, rtol=1e-6)
        one = read_fluxes(table, {"MODELFLUX[1]": "sdss2010-g", "MODELFLUX[2]": "sdss2010-r"}, unit=u.nmgy)
        np.testing.assert_array_equal(one.flux, several.flux[:, 1:3])

    @pytest.mark.parametrize(
        ("column", "error"),
        [("FLUX_AUTO", "FLUXERR_AUTO"), ("MAG_AUTO_G", "MAGERR_AUTO_G"), ("modelMag_g", "modelMagErr_g"),
         ("gmag", "e_gmag"), ("FLUX_G", "FLUX_IVAR_G")],
    )  # fmt: skip
    def test_errors_by_name(self, column, error):
        found = read_fluxes({column: [20.0] * 2, error: [0.1] * 2}, {column: "decamDR1-g"}, unit=u.ABmag)
        assert np.isfinite(found.error).all()

    def test_errors_have_units(self):
        """Also inverse variances, and where both differ; errors of magnitudes are no fluxes."""
        filters = {"g": "decamDR1-g"}
        plain = read_fluxes({"g": [3.0] * u.uJy, "g_ivar": [4.0] / u.uJy**2}, filters)
        other = read_fluxes({"g": [3.0] * u.uJy, "g_ivar": [4e-6] / u.nJy**2}, filters)
        np.testing.assert_allclose(other.error, plain.error)
        np.testing.assert_allclose(plain.error, 0.5)
        with pytest.raises(u.UnitsError, match="unit of the errors of 'g' must be mag"):
            read_fluxes({"g": [21.0] * u.ABmag, "g_err": [1.0] * u.uJy}, filters)
        with pytest.raises(u.UnitsError, match="unit of the errors of 'g' must be a flux density"):
            read_fluxes({"g": [3.0] * u.uJy, "g_err": [0.1] * u.mag}, filters)

    def test_reddening(self):
        """Dust of the Milky Way is taken out, by the column or numbers; blue bands most, ratios to errors stay."""
        table = make_fluxes(3)
        table["EBV"] = [0.0, 0.1, 0.5]
        plain = read_fluxes(table, NAMES)
        found = read_fluxes(table, NAMES, ebv="EBV")
        magnitudes = 2.5 * np.log10(found.flux / plain.flux)
        np.testing.assert_array_equal(magnitudes[0], 0)
        np.testing.assert_allclose(magnitudes[2], 5 * magnitudes[1], rtol=1e-9)
        assert (np.diff(magnitudes[1]) < 0).all()
        # Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6: SDSS u, g, r, i, z with R = 3.1, over their 0.86
        np.testing.assert_allclose(
            magnitudes[1, :5] * 10, np.array([4.239, 3.303, 2.285, 1.698, 1.263]) / 0.86, rtol=0.15
        )
        np.testing.assert_allclose(found.flux / found.error, plain.flux / plain.error)
        np.testing.assert_array_equal(read_fluxes(table, NAMES, ebv=[0.0, 0.1, 0.5]).flux, found.flux)
        assert not read_fluxes(table, NAMES, ebv=[0.0, np.nan, 0.5]).usable[1]
        for wrong in ("E_BV", [0.1, 0.2], -3.0, 40.0):
            with pytest.raises(ValueError, match="ebv must be"):
                read_fluxes(table, NAMES, ebv=wrong)

    def test_bad_rows_are_flagged(self):
        """Errors that are not positive, and objects without fluxes, are flags of their rows."""
        table = make_fluxes(3)
        table["FLUX_R_ERR"][1] = -1 * u.nmgy
        for name in NAMES:
            table[name][2] = np.nan
        found = read_fluxes(table, NAMES)
        assert [PhotometryFlag(int(flag)) for flag in found.flags] == [
            PhotometryFlag(0), PhotometryFlag.BAD_ERROR, PhotometryFlag.UNUSABLE,
        ]  # fmt: skip
        assert "FLUX_R has an error that is not positive" in found.messages[1]
        assert "two are needed" in found.messages[2]


class TestVectors:
    def test_what_does_not_matter(self, head_weights):
        """Brightness, order of the filters, and what stands in missing ones change nothing."""
        table = make_fluxes()
        plain = embed_photometry(table, NAMES, weights=head_weights)
        np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1, rtol=1e-5)
        bright = QTable({name: 1e6 * table[name] for name in table.colnames})
        np.testing.assert_allclose(embed_photometry(bright, NAMES, weights=head_weights), plain, atol=2e-5)
        turned = dict(reversed(NAMES.items()))
        np.testing.assert_allclose(embed_photometry(table, turned, weights=head_weights), plain, atol=2e-5)
        some = {name: band for name, band in NAMES.items() if name != "FLUX_U"}
        table["FLUX_U"][:] = np.nan
        fewer = embed_photometry(table, NAMES, weights=head_weights)
        np.testing.assert_allclose(fewer, embed_photometry(table, some, weights=head_weights), atol=2e-5)
        assert np.abs(fewer - plain).max() > 1e-3

    def test_spectra_meet_them(self, head_weights):
        """Spectra have vectors of the same length, whether by themselves, in a list, or from tokens."""
        spectra = [make_spectrum(seed=k) for k in range(2)]
        vectors = embed(spectra, parts="photometry", weights=head_weights, device="cpu")
        assert vectors.shape == (2, 12)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
        tokens = spectra[1].tokenize(weights=head_weights, device="cpu")
        np.testing.assert_allclose(tokens.embed("photometry"), vectors[1], atol=1e-4)

    def test_other_parts_are_as_they_were(self, head_weights):
        """It is no part of the whole, nor to be mixed with others."""
        assert embed(make_spectrum(), weights=head_weights, device="cpu").shape == (16,)
        with pytest.raises(ValueError, match="'photometry' alone"):
            embed(make_spectrum(), parts=("learned", "photometry"), weights=head_weights, device="cpu")

    def test_weights_without_it(self, tiny_weights):
        with pytest.raises(WeightsError, match="must have a head 'photometry'"):
            embed_photometry(make_fluxes(), NAMES, weights=tiny_weights)
        with pytest.raises(WeightsError, match="must have a head 'photometry'"):
            embed(make_spectrum(), parts="photometry", weights=tiny_weights, device="cpu")


class TestRedshift:
    def test_table(self, head_weights):
        """Columns have their meaning; a row that cannot be used has NaN and a message, and the others are as alone."""
        table = make_fluxes()
        whole = PhotometricRedshift(NAMES, weights=head_weights).estimate(table, posterior=True)
        np.testing.assert_allclose(whole["p_galaxy"] + whole["p_qso"] + whole["p_star"], 1, rtol=1e-6)
        measured = whole[whole["spectype"] != "STAR"]
        assert (measured["z_lo"] <= measured["z"]).all() & (measured["z"] <= measured["z_hi"]).all()
        np.testing.assert_allclose(whole["posterior_galaxy"].sum(1), whole["p_galaxy"], rtol=1e-6)
        for name in NAMES:
            table[name][2] = np.nan
        with pytest.warns(FlaggedSpectraWarning, match="1 of 6 rows"):
            other = PhotometricRedshift(NAMES, weights=head_weights).estimate(table)
        assert other["spectype"][2] == ""
        assert np.isnan(other["z"][2])
        assert other["warn"][2] & PhotometryFlag.UNUSABLE
        np.testing.assert_allclose(other["p_qso"][[0, 5]], whole["p_qso"][[0, 5]], rtol=1e-4)

    def test_sets_find_their_columns(self, head_weights):
        """Filters without columns are found by the names of their bands."""
        table = make_fluxes(2)
        for name in list(NAMES):
            table.rename_columns([name, f"{name}_ERR"], [name.lower(), f"{name.lower()}_err"])
        found = PhotometricRedshift("ugrizJHK", weights=head_weights).estimate(table)
        assert found["n_filters"].tolist() == [8, 8]
        assert found.meta["filters"].split(", ") == list(BANDS["ugrizJHK"])

    def test_prior(self, head_weights, redshift_weights):
        """It multiplies the posterior of spectra, in one call; rows without photometry change nothing."""
        from astro_spectok.estimators import RedshiftEstimator

        table = make_fluxes(2)
        for name in NAMES:
            table[name][1] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FlaggedSpectraWarning)
            prior = PhotometricRedshift(NAMES, weights=head_weights).find_prior(table)
        assert len(prior) == 2
        spectra = [make_spectrum(seed=k) for k in range(2)]
        estimator = RedshiftEstimator(weights=redshift_weights, device="cpu")
        alone, together = estimator.estimate(spectra), estimator.estimate(spectra, prior=prior)
        assert together.meta["prior"] == "classes and redshifts"
        assert estimator.prior is None
        assert together["p_galaxy"][1] == pytest.approx(alone["p_galaxy"][1], abs=1e-6)
        assert together["p_galaxy"][0] != pytest.approx(alone["p_galaxy"][0], abs=1e-6)
        with pytest.raises(ValueError, match="as many objects as there are spectra"):
            estimator.estimate(spectra[:1] * 3, prior=prior)


class TestJointPrior:
    def test_moves_the_peak(self):
        """A posterior with two equal peaks goes to the one that the prior prefers, and never to zero elsewhere."""
        z = np.expm1(1e-3 * np.arange(1500))
        two = np.logaddexp(-0.5 * ((z - 0.5) / 0.01) ** 2, -0.5 * ((z - 2) / 0.02) ** 2)
        posterior = RedshiftPosterior.from_redshifts(
            {"GALAXY": two, "QSO": np.full(1500, -30.0)}, {"GALAXY": z, "QSO": z}
        )
        p = np.exp(-0.5 * ((np.expm1(0.01 * np.arange(200)) - 2) / 0.2) ** 2)[None]
        p = p / p.sum()
        prior = JointPrior(0.01, {"GALAXY": 0.9 * p, "QSO": 0.1 * p, "STAR": np.array([0.0])})
        after = posterior.apply_factors(PriorFactors(prior, posterior.grid).take())
        assert after.find_peaks()[0].z == pytest.approx(2, abs=0.05)
        assert all(np.isfinite(x).all() for x in after.log_probability.values())

    def test_flat_changes_nothing(self):
        z = np.expm1(1e-3 * np.arange(1000))
        posterior = RedshiftPosterior.from_redshifts({"GALAXY": -((z - 1) ** 2), "QSO": -z}, {"GALAXY": z, "QSO": z})
        flat = np.full((1, 300), 1 / 600)
        prior = JointPrior(z_step := 0.01, {"GALAXY": flat, "QSO": flat, "STAR": np.zeros(1)})
        assert z_step == prior.step
        after = posterior.apply_factors(PriorFactors(prior, posterior.grid).take())
        assert after.class_probability["GALAXY"] == pytest.approx(posterior.class_probability["GALAXY"], rel=1e-6)

    def test_refuses_nonsense(self):
        with pytest.raises(ValueError, match="finite numbers, not negative"):
            JointPrior(0.01, {"GALAXY": np.array([[-1.0, 2.0]])})
