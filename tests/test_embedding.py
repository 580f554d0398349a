# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`tokenize` and `embed` do not care how a spectrum is written down, nor in whose company it comes."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from conftest import FLAM, SAME_EMBEDDING, assert_same_vectors, make_spectrum, rewrite
from hypothesis import given, settings
from hypothesis import strategies as st
from specutils import Spectrum, SpectrumCollection, SpectrumList
from specutils.utils.wcs_utils import vac_to_air

from astro_spectok import SpectralTokens, SpectralTokensList, conf, embed, embed_table, tokenize
from astro_spectok.exceptions import FlaggedSpectraWarning, WavelengthRangeWarning
from astro_spectok.spectra import InputFlag

FEW = settings(max_examples=12)


def assert_same(spectrum, other, weights, **kwargs):
    """Both have the same tokens and the same embedding."""
    expected, actual = tokenize(spectrum, weights=weights), tokenize(other, weights=weights, **kwargs)
    assert_same_vectors(actual.values, expected.values)
    np.testing.assert_allclose(actual.geometry[:, 0], expected.geometry[:, 0], rtol=1e-10)
    # redshifts in the embedding follow the rounding of the tokens, several times as large
    assert_same_vectors(embed(other, weights=weights, **kwargs), expected.embedding, rtol=SAME_EMBEDDING)


class TestNotation:
    """Units, direction, medium and container."""

    @pytest.mark.parametrize("unit", ["nm", "um", "m", "GHz", "eV", "1/cm"])
    def test_axis_unit(self, weights, unit):
        spectrum = make_spectrum()
        axis = u.Quantity(spectrum.spectral_axis).to(unit, u.spectral())
        assert_same(spectrum, rewrite(spectrum, axis=axis), weights)

    @pytest.mark.parametrize("convention", ["optical", "radio", "relativistic"])
    def test_velocity_axis(self, weights, convention):
        spectrum = make_spectrum()
        rest = 5500 * u.AA
        doppler = getattr(u, f"doppler_{convention}")(rest)
        axis = u.Quantity(spectrum.spectral_axis).to(u.km / u.s, doppler)
        other = rewrite(spectrum, axis=axis, rest_value=rest, velocity_convention=convention)
        assert_same(spectrum, other, weights)

    def test_reversed(self, weights):
        spectrum = make_spectrum()
        other = rewrite(
            spectrum,
            axis=u.Quantity(spectrum.spectral_axis)[::-1],
            flux=spectrum.flux[::-1],
            sigma=spectrum.uncertainty.quantity[::-1],
        )
        assert_same(spectrum, other, weights)

    @pytest.mark.parametrize("unit", ["Jy", "mJy", "W / (m2 um)", "ph / (s cm2 AA)"])
    def test_flux_unit(self, weights, unit):
        spectrum = make_spectrum()
        equivalency = u.spectral_density(u.Quantity(spectrum.spectral_axis))
        flux = spectrum.flux.to(unit, equivalency)
        sigma = spectrum.uncertainty.quantity.to(unit, equivalency)
        assert_same(spectrum, rewrite(spectrum, flux=flux, sigma=sigma), weights)

    @FEW
    @given(exponent=st.floats(-40, 40))
    def test_flux_scale(self, tiny_weights, exponent):
        spectrum = make_spectrum()
        factor = 10.0**exponent
        other = rewrite(spectrum, flux=spectrum.flux * factor, sigma=spectrum.uncertainty.quantity * factor)
        assert_same(spectrum, other, tiny_weights)

    @pytest.mark.parametrize("kind", [VarianceUncertainty, InverseVariance])
    def test_uncertainty_type(self, weights, kind):
        spectrum = make_spectrum()
        other = Spectrum(
            flux=spectrum.flux,
            spectral_axis=spectrum.spectral_axis,
            uncertainty=spectrum.uncertainty.represent_as(kind),
        )
        assert_same(spectrum, other, weights)

    def test_air(self, weights):
        """The same spectrum with wavelengths in air."""
        spectrum = make_spectrum(flux_unit=u.count)  # counts know no wavelength
        air = vac_to_air(u.Quantity(spectrum.spectral_axis))
        assert_same(spectrum, rewrite(spectrum, axis=air), weights, medium="air")
        tokens = tokenize(rewrite(spectrum, axis=air), weights=weights)
        assert np.abs(tokens.geometry[:, 0] - tokenize(spectrum, weights=weights).geometry[:, 0]).min() > 2e-4

    def test_redshift_is_no_label(self, weights):
        spectrum = make_spectrum()
        assert_same(spectrum, make_spectrum(redshift=0.7), weights)
        assert_same(spectrum, make_spectrum(radial_velocity=3000 * u.km / u.s), weights)

    @FEW
    @given(seed=st.integers(0, 2**31), junk=st.sampled_from([0.0, 1e30, -7.0, np.nan, np.inf, -np.inf]))
    def test_junk_under_the_mask(self, tiny_weights, seed, junk):
        """What stands in a bad pixel changes nothing, however it is marked as bad."""
        spectrum = make_spectrum()
        bad = np.random.default_rng(seed).random(spectrum.shape) < 0.2
        flux, sigma = spectrum.flux.value.copy(), spectrum.uncertainty.array.copy()
        expected = Spectrum(
            flux=flux * FLAM,
            spectral_axis=spectrum.spectral_axis,
            uncertainty=StdDevUncertainty(sigma),
            mask=bad,
        )
        corrupted = flux.copy()
        corrupted[bad] = junk
        weightless = sigma.copy()
        weightless[bad] = [0, np.nan, np.inf, -1][seed % 4]
        tokens = tokenize(expected, weights=tiny_weights)
        for errors, mask in ((sigma, bad), (weightless, None), (weightless, bad)):
            other = Spectrum(
                flux=corrupted * FLAM,
                spectral_axis=spectrum.spectral_axis,
                uncertainty=StdDevUncertainty(errors),
                mask=mask,
            )
            actual = tokenize(other, weights=tiny_weights)
            assert_same_vectors(actual.values, tokens.values)
            assert_same_vectors(actual.embedding, tokens.embedding, rtol=SAME_EMBEDDING)

    def test_junk_without_errors(self, tiny_weights):
        """The estimate of the noise does not look under the mask either."""
        spectrum = make_spectrum()
        bad = np.arange(700) % 7 == 3
        corrupted = np.where(bad, 1e9, spectrum.flux.value)
        options = {"spectral_axis": spectrum.spectral_axis, "mask": bad}
        expected = tokenize(Spectrum(flux=spectrum.flux, **options), weights=tiny_weights)
        actual = tokenize(Spectrum(flux=corrupted * FLAM, **options), weights=tiny_weights)
        assert_same_vectors(actual.values, expected.values)
        assert actual.meta["warn"] & InputFlag.UNCERTAINTY_ESTIMATED

    def test_containers(self, weights):
        """One spectrum, list, tuple of arrays, vector spectrum (any axis) and collection are one and the same."""
        spectra = [make_spectrum(seed=seed) for seed in range(3)]
        expected = np.array([embed(s, weights=weights) for s in spectra])
        axis, flux = u.Quantity(spectra[0].spectral_axis), u.Quantity([s.flux for s in spectra])
        sigma = u.Quantity([s.uncertainty.quantity for s in spectra])
        several = [
            spectra,
            tuple(spectra),
            SpectrumList(spectra),
            (axis, flux, sigma),
            Spectrum(flux=flux, spectral_axis=axis, uncertainty=StdDevUncertainty(sigma)),
            Spectrum(flux=flux.T, spectral_axis=axis, uncertainty=StdDevUncertainty(sigma.T), spectral_axis_index=0),
            SpectrumCollection(
                flux=flux, spectral_axis=u.Quantity([axis] * 3), uncertainty=StdDevUncertainty(sigma.value, unit=FLAM)
            ),
        ]
        for obj in several:
            vectors = embed(obj, weights=weights)
            assert vectors.dtype == np.float32
            assert_same_vectors(vectors, expected, rtol=SAME_EMBEDDING)
            assert isinstance(tokenize(obj, weights=weights), SpectralTokensList)
        assert_same_vectors(embed((axis, flux[1], sigma[1]), weights=weights), expected[1], rtol=SAME_EMBEDDING)

    def test_different_spectra_differ(self, weights):
        """All of the above would hold for a constant, too."""
        vectors = embed([make_spectrum(seed=0), make_spectrum(seed=1)], weights=weights)
        assert np.linalg.norm(vectors[0] - vectors[1]) > 1e-2 * np.linalg.norm(vectors[0])


class TestCompany:
    """The result for one spectrum does not depend on the others."""

    @pytest.fixture
    def spectra(self):
        """Of very different lengths and samplings, with gaps and without errors."""
        gap = make_spectrum(900, seed=3)
        mask = np.zeros(900, bool)
        mask[300:420] = True
        return [
            make_spectrum(40, seed=0),
            make_spectrum(5000, 5000, 5050, seed=1),
            make_spectrum(100, 4000, 9000, seed=2),
            Spectrum(flux=gap.flux, spectral_axis=gap.spectral_axis, uncertainty=gap.uncertainty, mask=mask),
            Spectrum(flux=make_spectrum(seed=4).flux, spectral_axis=make_spectrum().spectral_axis),
            make_spectrum(1000, 15000, 17000, seed=5),
        ]

    @pytest.fixture
    def alone(self, spectra, tiny_weights):
        return np.array([embed(s, weights=tiny_weights) for s in spectra])

    @FEW
    @given(order=st.permutations(range(6)), number=st.integers(1, 6), budget=st.sampled_from([1, 50, 100, 500, 16384]))
    def test_make_up_and_order(self, spectra, alone, tiny_weights, order, number, budget):
        order = order[:number]
        vectors = embed([spectra[i] for i in order], weights=tiny_weights, batch_tokens=budget)
        assert_same_vectors(vectors, alone[order], rtol=SAME_EMBEDDING)

    def test_packaged(self, spectra, weights):
        together = tokenize(spectra, weights=weights)
        for spectrum, tokens in zip(spectra, together, strict=True):
            expected = tokenize(spectrum, weights=weights)
            assert_same_vectors(tokens.values, expected.values)
            # the redshifts in it follow the rounding of the tokens, several times as large
            assert_same_vectors(tokens.embedding, expected.embedding, rtol=SAME_EMBEDDING)
            # a curvature is a small difference of ln(wavelength), in which rounding is 1e-15
            np.testing.assert_allclose(tokens.geometry, expected.geometry, rtol=1e-12, atol=1e-15)

    def test_flagged_neighbours(self, spectra, alone, tiny_weights):
        with pytest.warns(FlaggedSpectraWarning):
            vectors = embed([make_spectrum(5), spectra[2], "no spectrum", spectra[5]], weights=tiny_weights)
        assert_same_vectors(vectors[[1, 3]], alone[[2, 5]], rtol=SAME_EMBEDDING)
        assert np.isnan(vectors[[0, 2]]).all()


class TestResults:
    """Shapes, types, flags and tables."""

    def test_one(self, weights):
        tokens = tokenize(make_spectrum(), weights=weights)
        assert isinstance(tokens, SpectralTokens)
        assert tokens.values.dtype == np.float32
        assert tokens.shape == tokens.values.shape == (22, tokens.values.shape[1])
        assert len(tokens.wavelength) == len(tokens.mask) == len(tokens) == 22
        assert not tokens.mask.any()
        vector = embed(make_spectrum(), weights=weights)
        assert vector.ndim == 1
        np.testing.assert_array_equal(vector, tokens.embedding)

    def test_none(self, tiny_weights):
        assert embed([], weights=tiny_weights).shape == (0, 16)
        assert len(tokenize([], weights=tiny_weights)) == 0
        assert len(embed_table([], weights=tiny_weights)) == 0

    def test_flagged_row(self, weights):
        """A spectrum of many that cannot be used has a row of NaN, and a warning names its number and the reason."""
        spectra = [make_spectrum(), make_spectrum(20), make_spectrum(seed=1)]
        message = r"1 of 3 spectra could not be used and are flagged; the first is number 1: .*got 20 of 20"
        with pytest.warns(FlaggedSpectraWarning, match=message) as record:
            vectors = embed(spectra, weights=weights)
        assert record[0].filename == __file__
        assert np.isnan(vectors[1]).all()
        assert np.isfinite(vectors[[0, 2]]).all()
        with pytest.warns(FlaggedSpectraWarning, match=message):
            tokens = tokenize(spectra, weights=weights)
        assert tokens.warn[1] & InputFlag.TOO_FEW_PIXELS
        assert len(tokens[1]) == 0
        assert np.isnan(tokens.embedding[1]).all()

    @pytest.mark.parametrize(("low", "high", "outside"), [(1200, 2600, True), (4000, 7000, False), (1990, 3000, False)])
    def test_trained_range(self, tiny_weights, low, high, outside):
        spectrum = make_spectrum(low=low, high=high)
        if not outside:
            assert not tokenize(spectrum, weights=tiny_weights).meta["warn"] & InputFlag.OUTSIDE_TRAINED_RANGE
            return
        with pytest.warns(WavelengthRangeWarning, match="2000 to 30000 Angstrom.*'tiny'") as record:
            tokens = spectrum.tokenize(weights=tiny_weights)
        assert record[0].filename == __file__
        assert tokens.meta["warn"] & InputFlag.OUTSIDE_TRAINED_RANGE
        with pytest.warns(WavelengthRangeWarning, match="1 of 2 spectra"):
            table = embed_table([spectrum, make_spectrum()], weights=tiny_weights)
        assert list(table["warn"] & InputFlag.OUTSIDE_TRAINED_RANGE != 0) == [True, False]

    def test_wholly_outside_the_trained_range(self, tiny_weights):
        """No embedding means anything there: an error, or a flagged row of many."""
        outside = make_spectrum(low=1200, high=1600)
        with pytest.raises(ValueError, match=r"32 good pixels from 2000 to 30000 Angstrom.*got 1200 to 1600"):
            embed(outside, weights=tiny_weights)
        with pytest.warns(FlaggedSpectraWarning, match="1 of 3 spectra could not be used"):
            table = embed_table([make_spectrum(), outside, make_spectrum()], weights=tiny_weights)
        assert np.isnan(table["embedding"]).all(axis=1).tolist() == [False, True, False]
        assert (table["warn"] & InputFlag.WHOLLY_OUTSIDE != 0).tolist() == [False, True, False]

    def test_masked_pixels_outside_range_do_not_warn(self, tiny_weights):
        spectrum = make_spectrum(low=1000, high=7000)
        mask = spectrum.spectral_axis < 2000 * u.AA
        masked = rewrite(spectrum, mask=np.asarray(mask))
        assert not tokenize(masked, weights=tiny_weights).meta["warn"] & InputFlag.OUTSIDE_TRAINED_RANGE

    def test_meta(self, tiny_weights):
        meta = tokenize(make_spectrum(), weights=tiny_weights, medium="air").meta
        assert meta["weights"] == "tiny"
        assert len(meta["weights_sha256"]) == 64
        assert (meta["medium"], meta["medium_source"], meta["patch"]) == ("air", "keyword", 32)
        tokens = tokenize(make_spectrum(meta={"name": "M 31"}), weights=tiny_weights)
        assert tokens.meta["warn"] == tokens.warn == InputFlag.MEDIUM_ASSUMED
        assert (tokens.name, tokens.message) == ("M 31", "")

    def test_resolution_matters_and_units_of_it_do_not(self, tiny_weights):
        spectrum = make_spectrum()
        unknown = embed(spectrum, weights=tiny_weights)
        known = embed(spectrum, weights=tiny_weights, resolution=2000)
        assert np.linalg.norm(known - unknown) > 1e-3 * np.linalg.norm(unknown)
        fwhm = u.Quantity(spectrum.spectral_axis) / 2000
        assert_same_vectors(embed(spectrum, weights=tiny_weights, resolution=fwhm), known)

    def test_default_weights(self, tiny_weights):
        with conf.set_temp("default_weights", str(tiny_weights)):
            assert tokenize(make_spectrum()).meta["weights"] == "tiny"
