# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectralTokens.decode`: the same model spectrum, whatever terms it is asked for in."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from conftest import FLAM, make_spectrum
from specutils import SpectralAxis, Spectrum
from specutils.utils.wcs_utils import vac_to_air

from astro_spectok import tokenize

AXIS = np.linspace(4500, 6500, 301) * u.AA


def assert_same_model(actual, expected, rtol=1e-4):
    """Compare flux and uncertainty, relative to the typical size of each."""
    for a, b in ((actual.flux, expected.flux), (actual.uncertainty.quantity, expected.uncertainty.quantity)):
        a, b = a.to_value(b.unit), b.value
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.median(np.abs(b)))


@pytest.fixture
def tokens(weights):
    return tokenize(make_spectrum(), weights=weights)


class TestAxis:
    @pytest.mark.parametrize("unit", ["nm", "um", "GHz", "eV", "1/cm"])
    @pytest.mark.parametrize("direction", [1, -1])
    def test_units_and_direction(self, tokens, unit, direction):
        axis = AXIS.to(unit, u.spectral())[::direction]
        model = tokens.decode(axis)
        assert isinstance(model, Spectrum)
        np.testing.assert_array_equal(u.Quantity(model.spectral_axis), axis)
        assert model.spectral_axis.unit == u.Unit(unit)
        expected = tokens.decode(AXIS)
        uncertainty = StdDevUncertainty(expected.uncertainty.array[::direction])
        assert_same_model(model, Spectrum(flux=expected.flux[::direction], spectral_axis=axis, uncertainty=uncertainty))

    @pytest.mark.parametrize("convention", ["optical", "radio", "relativistic"])
    def test_velocity_with_rest_value(self, tokens, convention):
        """Of a spectrum in Angstrom: the axis itself says what its velocities mean."""
        rest = 5500 * u.AA
        values = AXIS.to(u.km / u.s, getattr(u, f"doppler_{convention}")(rest))
        axis = SpectralAxis(values, doppler_rest=rest, doppler_convention=convention)
        assert_same_model(tokens.decode(axis), tokens.decode(AXIS))

    @pytest.mark.parametrize("plain", [True, False])
    def test_velocity_spectrum_on_its_own_axis(self, tiny_weights, plain):
        """Of a spectrum in km/s: its own rest value holds for plain quantities, too."""
        rest = 5500 * u.AA
        spectrum = make_spectrum()
        axis = u.Quantity(spectrum.spectral_axis).to(u.km / u.s, u.doppler_optical(rest))
        moving = Spectrum(
            flux=spectrum.flux,
            spectral_axis=axis,
            uncertainty=spectrum.uncertainty,
            rest_value=rest,
            velocity_convention="optical",
        )
        tokens = tokenize(moving, weights=tiny_weights)
        assert tokens.wavelength.unit == u.km / u.s
        model = tokens.decode(axis if plain else moving.spectral_axis)
        assert model.spectral_axis.doppler_rest == rest
        assert model.spectral_axis.doppler_convention == "optical"
        assert_same_model(model, tokenize(spectrum, weights=tiny_weights).decode(spectrum.spectral_axis))
        # and the model is a spectrum that can be tokenized in turn
        assert len(tokenize(model, weights=tiny_weights)) == len(tokens)

    def test_air(self, tiny_weights):
        """Wavelengths asked for are in the medium of the spectrum; frequencies have none."""
        spectrum = make_spectrum(flux_unit=u.count)
        axis = u.Quantity(spectrum.spectral_axis)
        in_air = Spectrum(flux=spectrum.flux, spectral_axis=vac_to_air(axis), uncertainty=spectrum.uncertainty)
        tokens = tokenize(in_air, weights=tiny_weights, medium="air")
        expected = tokenize(spectrum, weights=tiny_weights).decode(AXIS)
        assert_same_model(tokens.decode(vac_to_air(AXIS)), expected)
        assert_same_model(tokens.decode(AXIS.to(u.THz, u.spectral())), expected)
        np.testing.assert_allclose(
            tokens.wavelength, vac_to_air(tokenize(spectrum, weights=tiny_weights).wavelength), rtol=1e-9
        )
        # the model knows its medium when it is tokenized in turn
        assert tokenize(tokens.decode(vac_to_air(AXIS)), weights=tiny_weights).meta["medium"] == "air"

    def test_one_pixel(self, tokens):
        model = tokens.decode([5000] * u.AA)
        assert model.shape == (1,)
        assert np.isfinite(model.flux).all()

    def test_single_pixels_are_like_the_whole(self, tokens):
        """A coarse axis that is a part of another has the same width per pixel only if it is regular."""
        np.testing.assert_allclose(
            tokens.decode(AXIS[:200]).flux[:150].value, tokens.decode(AXIS).flux[:150].value, rtol=1e-4, atol=1e-4
        )

    def test_beyond_the_data(self, tokens):
        """Flux there is a guess, but finite, and with an error."""
        model = tokens.decode(np.linspace(2500, 20000, 1000) * u.AA)
        assert np.isfinite(model.flux).all()
        assert (model.uncertainty.array > 0).all()

    def test_long_axis(self, tiny_weights):
        tokens = tokenize(make_spectrum(), weights=tiny_weights)
        axis = np.linspace(4000, 7000, 100_000) * u.AA
        model = tokens.decode(axis)
        assert model.shape == (100_000,)
        assert np.isfinite(model.flux).all()

    def test_spectrum_of_all_wavelengths_in_turn(self, tokens):
        """Axes of other samplings agree with each other where the model is smooth on both: the mean is kept."""
        fine = tokens.decode(np.linspace(4500, 6500, 1201) * u.AA)
        assert fine.flux.value.mean() == pytest.approx(tokens.decode(AXIS).flux.value.mean(), rel=0.5)

    @pytest.mark.parametrize(
        ("axis", "error", "message"),
        [
            ([5000.0, 6000.0], TypeError, "spectral_axis must be a Quantity with a spectral unit, got list; give"),
            (make_spectrum(), TypeError, "spectral_axis must be a Quantity .*, got Spectrum; give"),
            (np.linspace(4, 5, 9), TypeError, "got ndarray; give for instance"),
            ("5000 AA", TypeError, "got str"),
            ([] * u.AA, ValueError, r"one-dimensional and not empty, got the shape \(0,\)"),
            (5000 * u.AA, ValueError, r"got the shape \(\); one pixel is \[5000\] \* u.AA"),
            (np.ones((2, 2)) * u.AA, ValueError, r"got the shape \(2, 2\)"),
            ([5000, 5000, 5001] * u.AA, ValueError, "must be strictly monotonic.*drop repeated values"),
            ([5000, 5002, 5001] * u.AA, ValueError, "must be strictly monotonic"),
            ([5000, np.nan, 5001] * u.AA, ValueError, "with finite, positive wavelengths"),
            ([-1, 5000, 5001] * u.AA, ValueError, "with finite, positive wavelengths"),
            ([0, 1, 2] * u.GHz, ValueError, "with finite, positive wavelengths"),
            ([1, 2] * u.pix, u.UnitsError, "must be convertible to wavelength; got the unit 'pix'"),
            ([1, 2] * u.Jy, u.UnitsError, "must be convertible to wavelength; got the unit 'Jy'"),
            ([1, 2] * u.km / u.s, u.UnitsError, "velocity .* without rest_value"),
        ],
    )
    def test_refused(self, tiny_weights, axis, error, message):
        with pytest.raises(error, match=message):
            tokenize(make_spectrum(), weights=tiny_weights).decode(axis)


class TestFlux:
    @pytest.mark.parametrize("unit", ["Jy", "uJy", "W / (m2 um)", "ph / (s cm2 AA)", "erg / (s cm2 Hz)"])
    def test_flux_densities_agree(self, weights, unit):
        """The model of a spectrum in one unit is that in another, converted."""
        spectrum = make_spectrum()
        equivalency = u.spectral_density(u.Quantity(spectrum.spectral_axis))
        other = Spectrum(
            flux=spectrum.flux.to(unit, equivalency),
            spectral_axis=spectrum.spectral_axis,
            uncertainty=StdDevUncertainty(spectrum.uncertainty.quantity.to(unit, equivalency)),
        )
        model, expected = (tokenize(s, weights=weights).decode(AXIS) for s in (other, spectrum))
        assert model.flux.unit == model.uncertainty.unit == u.Unit(unit)
        converted = Spectrum(
            flux=model.flux.to(FLAM, u.spectral_density(AXIS)),
            spectral_axis=AXIS,
            uncertainty=StdDevUncertainty(model.uncertainty.quantity.to(FLAM, u.spectral_density(AXIS))),
        )
        assert_same_model(converted, expected)

    @pytest.mark.parametrize(
        "unit", ["count", "adu / s", "", "1e-17 erg / (s cm2 AA)", "Jy / beam", "MJy / sr", "furlong"]
    )
    def test_unit_is_given_back(self, tiny_weights, unit):
        unit = u.Unit(unit, parse_strict="silent")
        spectrum = make_spectrum(flux_unit=unit)
        model = tokenize(spectrum, weights=tiny_weights).decode(spectrum.spectral_axis)
        assert model.flux.unit == unit
        assert np.isfinite(model.flux.value).all()

    @pytest.mark.parametrize("unit", [u.ABmag, u.STmag, u.mag(u.Jy), u.dex(FLAM)])
    def test_logarithmic_units(self, tiny_weights, unit):
        """Magnitudes come back as the flux they stand for: a Spectrum cannot hold them."""
        spectrum = make_spectrum()
        linear = spectrum.flux.to(unit.physical_unit, u.spectral_density(u.Quantity(spectrum.spectral_axis)))
        axis = u.Quantity(spectrum.spectral_axis)
        model = tokenize((axis, linear.to(unit)), weights=tiny_weights).decode(axis)
        assert model.flux.unit == unit.physical_unit
        assert_same_model(model, tokenize((axis, linear), weights=tiny_weights).decode(axis), rtol=1e-3)

    @pytest.mark.parametrize("factor", [1e-30, 1e-17, -1.0, 1e20])
    def test_scale(self, weights, factor):
        """The model scales with the flux."""
        spectrum = make_spectrum()
        scaled = Spectrum(
            flux=spectrum.flux * abs(factor),
            spectral_axis=spectrum.spectral_axis,
            uncertainty=StdDevUncertainty(spectrum.uncertainty.array * abs(factor), unit=FLAM),
        )
        model, expected = (tokenize(s, weights=weights).decode(AXIS) for s in (scaled, spectrum))
        np.testing.assert_allclose(model.flux / abs(factor), expected.flux, rtol=1e-4, atol=1e-4 * FLAM)

    def test_uncertainty(self, tokens):
        model = tokens.decode(AXIS)
        assert isinstance(model.uncertainty, StdDevUncertainty)
        assert model.uncertainty.unit == FLAM
        assert (model.uncertainty.array > 0).all()
        assert np.isfinite(model.uncertainty.array).all()

    def test_meta_names_the_weights(self, tokens):
        assert tokens.decode(AXIS).meta["weights_sha256"] == tokens.meta["weights_sha256"]


class TestResolution:
    def test_scalar_is_array(self, tokens):
        expected = tokens.decode(AXIS, resolution=3000)
        assert_same_model(tokens.decode(AXIS, resolution=np.full(301, 3000)), expected)
        assert_same_model(tokens.decode(AXIS, resolution=3000 * u.one), expected)
        unknown = tokens.decode(AXIS)
        assert not np.allclose(unknown.flux.value, expected.flux.value, rtol=1e-5)

    def test_array_follows_the_direction(self, tokens):
        resolution = np.linspace(500, 5000, 301)
        forward = tokens.decode(AXIS, resolution=resolution)
        backward = tokens.decode(AXIS[::-1], resolution=resolution[::-1])
        np.testing.assert_allclose(backward.flux[::-1].value, forward.flux.value, rtol=1e-5, atol=1e-5)

    def test_width_with_unit(self, tokens):
        """As for `tokenize`: a FWHM in wavelength or velocity."""
        expected = tokens.decode(AXIS, resolution=AXIS.value / 2)
        assert_same_model(tokens.decode(AXIS, resolution=2 * u.AA), expected)
        frequency = AXIS.to(u.GHz, u.spectral())
        np.testing.assert_allclose(
            tokens.decode(frequency, resolution=0.2 * u.nm).flux.value, expected.flux.value, rtol=1e-4, atol=1e-4
        )

    @pytest.mark.parametrize("resolution", [-5, 0, np.nan, np.inf, -1000 * u.one])
    def test_bad_values(self, tiny_weights, resolution):
        with pytest.raises(ValueError, match="resolution must be positive"):
            tokenize(make_spectrum(), weights=tiny_weights).decode(AXIS, resolution=resolution)

    @pytest.mark.parametrize(
        ("resolution", "error", "message"),
        [
            ([1000, 2000], ValueError, "one value or one for each of the 301 pixels"),
            (np.full((301, 1), 100.0), ValueError, "one value or one for each of the 301 pixels"),
            (5 * u.s, u.UnitsError, "got the unit s"),
            ("high", TypeError, "resolution must be a resolving power R or a FWHM with unit, .*got 'high'"),
            (object(), TypeError, "resolution must be a resolving power R"),
        ],
    )
    def test_refused(self, tiny_weights, resolution, error, message):
        with pytest.raises(error, match=message):
            tokenize(make_spectrum(), weights=tiny_weights).decode(AXIS, resolution=resolution)
