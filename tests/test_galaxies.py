# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Properties of galaxies: lines, dispersion, break, the head, results, flags and bad input."""

import pickle

import numpy as np
import pytest
from _contract import assert_same_row
from _galaxies import CONTINUUM, FLUXES, RESOLUTION, give_unit, make_galaxy, write_galaxy_weights
from _redshift import GALAXY, STAR, fake_measure
from astropy import units as u
from astropy.table import QTable

from astro_spectok.estimators import GalaxyPropertyEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.galaxies import GalaxyFlag
from astro_spectok.galaxies.emission import fit_lines
from astro_spectok.galaxies.training import GalaxyTraining

FLAM = u.Unit("1e-17 erg / (s cm2 AA)")
KNOWN = {"medium": "vacuum", "resolution": RESOLUTION}


@pytest.fixture(scope="module")
def galaxy_weights(tmp_path_factory, redshift_weights):
    return write_galaxy_weights(redshift_weights, tmp_path_factory.mktemp("galaxy") / "galaxy.safetensors")


@pytest.fixture(scope="module")
def estimator(galaxy_weights):
    return GalaxyPropertyEstimator(galaxy_weights, "cpu")


@pytest.fixture(scope="module")
def measured(estimator):
    """Two galaxies of known properties that differ in their noise alone."""
    spectra = [give_unit(make_galaxy(seed=k), FLAM) for k in range(2)]
    return estimator.estimate(spectra, redshift=0.05, progress=False, **KNOWN)


class TestMeasured:
    @pytest.mark.parametrize("name", FLUXES)
    def test_lines(self, measured, name):
        """Fluxes are those that were put in, within noise and three per cent."""
        flux, error = measured[f"flux_{name}"], measured[f"flux_{name}_err"]
        assert flux.unit.is_equivalent(u.erg / u.s / u.cm**2)
        value, error = (x.to_value(FLAM * u.AA) for x in (flux, error))
        assert (error < 0.1 * value).all()
        # errors are those of the noise: the calibration of a head adds what is wrong with the starlight
        assert (np.abs(value - FLUXES[name]) < 5 * error + 0.03 * FLUXES[name]).all()

    def test_widths(self, measured):
        """Equivalent widths are the flux over the continuum, at rest, positive in emission."""
        width = measured["ew_halpha"].to_value(u.AA)
        np.testing.assert_allclose(width, FLUXES["halpha"] / CONTINUUM / 1.05, rtol=0.15)

    def test_lines_that_are_not_there(self, measured):
        """Where there is no line there is none, within the errors."""
        value, error = measured["flux_oi"], measured["flux_oi_err"]
        assert (np.abs(value) < 4 * error).all()

    def test_dispersion(self, measured):
        """It is that of the stars, without the instrument's."""
        sigma, error = (measured[f"sigma_v{more}"].to_value(u.km / u.s) for more in ("", "_err"))
        assert (error < 20).all()
        assert (np.abs(sigma - 180) < 5 * error).all()

    def test_break(self, measured):
        """Of a galaxy whose continuum has no break it is near that of a flat spectrum per wavelength."""
        flat = (4050 / 3900) ** 2
        np.testing.assert_allclose(measured["d4000"], flat, atol=0.12)
        assert (measured["d4000_err"] > 0).all()

    def test_table(self, measured):
        """Units, provenance, and flags that are clear."""
        assert [str(measured[name].unit) for name in ("age", "metallicity", "a_v")] == ["Gyr", "dex", "mag"]
        assert measured.meta["estimator"] == "GalaxyPropertyEstimator"
        assert measured.meta["weights"] == "tiny-galaxy"
        assert len(measured.meta["weights_sha256"]) == 64
        assert np.isfinite(measured["age_err"].value).all()


class TestResults:
    def test_one_and_many(self, estimator, tmp_path):
        """One spectrum gives a result whose attributes are the columns of a table of many."""
        spectrum = give_unit(make_galaxy(), FLAM)
        one = estimator.estimate(spectrum, redshift=0.05, **KNOWN)
        many = estimator.estimate([spectrum], redshift=[0.05], **KNOWN)
        assert_same_row(one, many)
        again = pickle.loads(pickle.dumps(one))
        assert again.ew_halpha == one.ew_halpha
        assert "sigma_v" in repr(one)
        assert "ew_halpha" in one._repr_html_()
        assert one.covariance.shape == (3, 3)
        assert one.labels == ("age", "metallicity", "a_v")
        with pytest.raises(AttributeError, match="lines are flux_oii"):
            _ = one.ew_lyman
        many.write(tmp_path / "g.ecsv")
        assert QTable.read(tmp_path / "g.ecsv")["flux_hbeta"].unit == many["flux_hbeta"].unit
        axes = one.plot()
        assert "at rest" in axes.get_xlabel()

    def test_units_change_nothing(self, estimator):
        """Nor does what stands in masked pixels; fluxes are in the unit of the first."""
        wavelength, flux, error = make_galaxy()
        other = [wavelength.to(u.nm), (flux * FLAM).to(u.W / u.m**2 / u.nm), (error * FLAM).to(u.W / u.m**2 / u.nm)]
        bad = error.copy()
        bad[1000:1010] = np.inf
        junk = flux.copy()
        junk[1000:1010] = 1e9
        zero = flux.copy()
        zero[1000:1010] = 0
        spectra = [(wavelength, flux * FLAM, error * FLAM), tuple(other),
                   (wavelength, junk * FLAM, bad * FLAM), (wavelength, zero * FLAM, bad * FLAM)]  # fmt: skip
        table = estimator.estimate(spectra, redshift=0.05, **KNOWN)
        for name in ("age", "sigma_v", "d4000", "ew_hbeta", "flux_hbeta"):
            values = np.asarray(getattr(table[name], "value", table[name]))
            np.testing.assert_allclose(values[1], values[0], rtol=1e-3, err_msg=name)
            assert values[2] == values[3], name

    def test_another_unit(self, estimator):
        """Counts have no place in a column of fluxes: no flux, a flag, and widths as ever."""
        spectra = [give_unit(make_galaxy(), FLAM), give_unit(make_galaxy(), u.ct)]
        table = estimator.estimate(spectra, redshift=0.05, **KNOWN)
        assert np.isfinite(table["flux_halpha"].value).tolist() == [True, False]
        assert np.isfinite(table["ew_halpha"].value).all()
        assert not table["warn"][0] & GalaxyFlag.OTHER_FLUX_UNIT
        assert table["warn"][1] & GalaxyFlag.OTHER_FLUX_UNIT

    def test_unknown_resolution(self, estimator):
        """No dispersion, whatever the spectrum shows, and all else."""
        found = estimator.estimate(give_unit(make_galaxy(), FLAM), redshift=0.05, medium="vacuum")
        assert np.isnan(found.sigma_v)
        assert np.isfinite(found.ew_halpha)

    def test_rest_frame(self, estimator):
        """A galaxy farther away has the same properties."""
        spectra = [give_unit(make_galaxy(z=z, seed=3), FLAM) for z in (0.05, 0.12)]
        table = estimator.estimate(spectra, redshift=[0.05, 0.12], **KNOWN)
        for name, tolerance in (("metallicity", 0.3), ("sigma_v", 25), ("ew_halpha", 2.5)):
            values = table[name].value
            assert abs(values[1] - values[0]) < tolerance, name


class TestRedshift:
    def test_found(self, estimator, monkeypatch):
        """Stars get nothing, unless all are known to be galaxies; a failure stays its own."""
        fake_measure(monkeypatch, GALAXY, STAR)
        spectra = [give_unit(make_galaxy(), FLAM)] * 2
        table = estimator.estimate(spectra, **KNOWN)
        assert np.isfinite(table["z"].value).tolist() == [True, False]
        assert table["warn"][1] & GalaxyFlag.NOT_A_GALAXY
        assert np.isnan(table["d4000"].value[1])
        assert np.isfinite(table["z_err"].value[0])

    def test_unusable_are_contained(self, estimator):
        spectra = [give_unit(make_galaxy(), FLAM), (np.arange(5) * u.AA, np.ones(5) * FLAM)]
        with pytest.warns(FlaggedSpectraWarning):
            table = estimator.estimate(spectra, redshift=0.05, **KNOWN)
        assert table["message"][0] == ""
        assert table["message"][1] != ""
        assert not GalaxyFlag(int(table["warn"][1])).measured
        assert np.isnan(table["z"].value[1])

    @pytest.mark.parametrize(
        ("redshift", "error", "text"),
        [
            ([0.1, 0.2, 0.3], ValueError, "one for each of the 2 spectra"),
            (-1.5, ValueError, "above -1"),
            (np.inf, ValueError, "finite"),
            ("near", TypeError, "without unit"),
            (0.1 * u.km, TypeError, "without unit"),
        ],
    )
    def test_bad_redshifts(self, estimator, redshift, error, text):
        with pytest.raises(error, match=text):
            estimator.estimate([give_unit(make_galaxy(), FLAM)] * 2, redshift=redshift, **KNOWN)

    def test_far_ultraviolet(self, estimator):
        """What shows none of the stars that were learned from gets no populations, and a flag."""
        found = estimator.estimate(give_unit(make_galaxy(z=0.0), FLAM), redshift=4.0, **KNOWN)
        assert found.warn & GalaxyFlag.OUT_OF_WAVELENGTH_RANGE
        assert np.isnan(found.age)


def test_weights_without_a_head(redshift_weights):
    with pytest.raises(WeightsError, match="give no properties of galaxies"):
        GalaxyPropertyEstimator(redshift_weights, "cpu").estimate(give_unit(make_galaxy(), FLAM), redshift=0.05)


def test_flags_of_the_parameter(galaxy_weights):
    with pytest.raises(TypeError, match="assume_galaxy must be"):
        GalaxyPropertyEstimator(galaxy_weights, assume_galaxy="yes").estimate(give_unit(make_galaxy(), FLAM))


class TestCalibration:
    def test_errors_grow(self, redshift_weights, tmp_path):
        """Scale, share and floor of the file are those of the errors that are given."""
        parts = {"scale": 2.0, "share": 0.0, "floor": 0.0}
        spectrum = give_unit(make_galaxy(), FLAM)
        found = []
        for k, calibration in enumerate(({}, {"lines": parts, "d4000": parts})):
            path = write_galaxy_weights(redshift_weights, tmp_path / f"{k}.safetensors", calibration=calibration)
            found.append(GalaxyPropertyEstimator(path, "cpu").estimate(spectrum, redshift=0.05, **KNOWN))
        for name in ("d4000_err", "ew_oiii_err", "flux_oiii_err"):
            np.testing.assert_allclose(getattr(found[1], name) / getattr(found[0], name), 2, rtol=1e-6)

    def test_fit(self):
        """Errors that are half of what they should be, with a floor, are found again."""
        from astro_spectok.training.calibrate_galaxy import fit_errors

        rng = np.random.default_rng(1)
        error = 10 ** rng.uniform(-2, 0, 4000)
        true = rng.normal(0, 1, 4000)
        value = true + rng.normal(0, np.hypot(2 * error, 0.05))
        parts = fit_errors(value, error, true)
        wide = np.sqrt((parts["scale"] * error) ** 2 + (parts["share"] * value) ** 2 + parts["floor"] ** 2)
        pulls = np.abs(value - true) / wide
        assert 0.6 < np.mean(pulls < 1) < 0.76
        assert 1.6 < parts["scale"] < 2.4

    @pytest.mark.parametrize("parts", [{"scale": 0.0, "share": 0.0, "floor": 0.0},
                                       {"scale": 1.0, "share": -1.0, "floor": 0.0}])  # fmt: skip
    def test_impossible(self, redshift_weights, tmp_path, parts):
        path = write_galaxy_weights(redshift_weights, tmp_path / "g.safetensors", calibration={"lines": parts})
        with pytest.raises(WeightsError, match="calibration of lines"):
            GalaxyPropertyEstimator(path, "cpu").estimate(give_unit(make_galaxy(), FLAM), redshift=0.05, **KNOWN)

    def test_dispersion(self):
        """What its fit adds is taken off in the square."""
        calibration = {"sigma_v": {"scale": 1.0, "share": 0.0, "floor": 0.0, "excess": 50.0**2}}
        training = GalaxyTraining({}, (3500.0, 9000.0), calibration=calibration)
        sigma, error = training.correct_dispersion(130.0, 10.0)
        assert (round(sigma), round(error, 2)) == (120, 10.83)


def test_lines_at_the_edge_are_not_given():
    """Half of a line is none."""
    x = np.log(np.linspace(4700, 5008, 400))
    n = len(x)
    found = fit_lines(x, np.ones(n), np.full(n, 1e4), np.ones(n), np.zeros(n), np.full(n, 60.0), 0.0)
    assert np.isfinite(found.flux).sum() == 1  # H beta alone


def test_train_and_measure(tmp_path):
    """A head learns ages of analytic galaxies a little, and its components leave little of their starlight."""
    import torch

    from astro_spectok.training.galaxy_head import train_galaxy_head

    said = []
    head = train_galaxy_head(None, galaxies=32, stars=16, epochs=20, seed=3, report=said.append, keep=tmp_path)
    assert head.domain["galaxies"] >= 32
    assert torch.isfinite(head.stars).all()
    assert float(head.stars[:, 0].abs().max()) > 0.01
    left = float(said[-1].split("leave ")[1].split()[0])
    assert left < 0.01
    losses = [float(text.split("left out ")[1]) for text in said if "left out" in text]
    assert all(np.isfinite(losses))
    # what was drawn is kept, and read again
    again = train_galaxy_head(None, galaxies=32, stars=16, epochs=20, seed=3, keep=tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(head.parameters(), again.parameters(), strict=True))


def test_shell(galaxy_weights, tmp_path, capsys):
    from astropy.nddata import StdDevUncertainty
    from specutils import Spectrum

    from astro_spectok.cli import main

    wavelength, flux, error = give_unit(make_galaxy(), FLAM)
    path, out = tmp_path / "g.fits", tmp_path / "g.ecsv"
    Spectrum(flux, wavelength, uncertainty=StdDevUncertainty(error)).write(path, format="tabular-fits")
    arguments = ["galaxy", str(path), "-o", str(out), "--weights", str(galaxy_weights), "--redshift", "0.05"]
    assert main([*arguments, "--medium", "vacuum", "--resolution", str(RESOLUTION), "--assume-galaxy"]) == 0
    assert "properties of 1 galaxy" in capsys.readouterr().out
    table = QTable.read(out)
    assert abs(table["sigma_v"].value[0] - 180) < 60
