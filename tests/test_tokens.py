# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectralTokens` and `SpectralTokensList`: what they hold, show, and are after a trip through a file."""

import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum
from specutils import Spectrum

from astro_spectok import SpectralTokens, SpectralTokensList, tokenize
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError

ENDINGS = ["ecsv", "fits", "parquet"]


@pytest.fixture
def tokens(weights):
    return tokenize(make_spectrum(), weights=weights)


@pytest.fixture
def several(tiny_weights):
    """Of three spectra, the second of which cannot be used."""
    with pytest.warns(FlaggedSpectraWarning):
        return tokenize(
            [make_spectrum(), make_spectrum(5), make_spectrum(300, seed=1, axis_unit=u.GHz, flux_unit=u.Jy)],
            weights=tiny_weights,
        )


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"tokens.{request.param}"


def assert_same_tokens(actual, expected):
    """All that can be seen and computed is the same."""
    for name in ("values", "geometry", "mask"):
        a, b = getattr(actual, name), getattr(expected, name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    for name in ("good_pixels", "noise", "resolution", "unfiltered"):
        a, b = getattr(actual, name), getattr(expected, name)
        assert (a is None) == (b is None)
        if b is not None and len(expected):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_array_equal(a, b)
    assert (actual.scale, actual.info, actual.meta) == (expected.scale, expected.info, expected.meta)
    assert repr(actual) == repr(expected)
    np.testing.assert_allclose(actual.embedding, expected.embedding, rtol=1e-5, atol=1e-6)
    if len(expected):
        axis = expected.own_axis()
        model, again = expected.decode(axis), actual.decode(axis)
        assert again.flux.unit == model.flux.unit
        np.testing.assert_array_equal(again.flux.value, model.flux.value)
        np.testing.assert_array_equal(again.uncertainty.array, model.uncertainty.array)


class TestParts:
    def test_unfiltered(self):
        """Coefficients before their filter, where tokens hold any: they differ from those in the values."""
        tokens = tokenize(make_spectrum())
        filtered = tokens.values[:, -16:]
        assert tokens.unfiltered.shape == filtered.shape
        assert (np.abs(tokens.unfiltered) > np.abs(filtered)).mean() > 0.8

    def test_mask(self, weights):
        """Tokens without a good pixel are masked, and zero."""
        spectrum = make_spectrum()
        bad = (np.arange(700) >= 64) & (np.arange(700) < 128)
        spectrum = Spectrum(
            flux=spectrum.flux, spectral_axis=spectrum.spectral_axis, uncertainty=spectrum.uncertainty, mask=bad
        )
        tokens = tokenize(spectrum, weights=weights)
        assert list(np.flatnonzero(tokens.mask)) == [2, 3]
        assert (tokens.values[tokens.mask] == 0).all()
        assert (tokens.values[~tokens.mask] != 0).any(axis=1).all()
        own = tokens.own_axis()
        assert not ((own > spectrum.spectral_axis[64]) & (own < spectrum.spectral_axis[127])).any()

    @pytest.mark.parametrize("unit", ["AA", "nm", "GHz", "eV"])
    def test_wavelength(self, tiny_weights, unit):
        spectrum = make_spectrum(axis_unit=unit)
        tokens = tokenize(spectrum, weights=tiny_weights)
        assert tokens.wavelength.unit == u.Unit(unit)
        pixels = u.Quantity(spectrum.spectral_axis).to(u.AA, u.spectral())[: 21 * 32].reshape(21, 32)
        centres = tokens.wavelength.to(u.AA, u.spectral())
        np.testing.assert_allclose(centres[:21].value, pixels.mean(axis=1).value, rtol=1e-5)

    @pytest.mark.parametrize("unit", ["AA", "GHz"])
    def test_own_axis(self, tiny_weights, unit):
        """The spectrum's own pixels; the last patch is filled up."""
        spectrum = make_spectrum(axis_unit=unit)
        own = tokenize(spectrum, weights=tiny_weights).own_axis()
        assert own.shape == (22 * 32,)
        step = np.diff(spectrum.spectral_axis.value)[-1]
        np.testing.assert_allclose(own.value[:700], spectrum.spectral_axis.value, atol=0.01 * abs(step))

    def test_own_axis_across_a_change_of_sampling(self, tiny_weights):
        """A filled-up patch of wide pixels ends where the narrow pixels behind the gap begin."""
        wavelength = np.concatenate([np.arange(4000, 4400, 4.0), np.arange(4450, 4550, 0.5)]) * u.AA
        flux = 1 + 0.1 * np.random.default_rng(0).random(wavelength.shape)
        tokens = tokenize((wavelength, flux * u.Jy), weights=tiny_weights)
        own = tokens.own_axis()
        assert (np.diff(own) > 0).all()
        model = tokens.decode(own)
        assert np.isfinite(model.flux).all()
        for value in (4000, 4396, 4450, 4549.5):
            assert np.abs(own - value * u.AA).min() < 0.1 * u.AA

    def test_texts(self, tokens):
        """What the representations say; markup in them is escaped."""
        text = repr(tokens)
        assert text.startswith("<SpectralTokens: tokens 22 of ")
        assert "Angstrom (vacuum)" in text
        assert tokens.meta["weights"] in text
        html = tokens._repr_html_()
        assert html.startswith("<table>")
        assert "SpectralTokens" in html

    def test_texts_of_a_list(self, several):
        assert (
            repr(several)
            == "<SpectralTokensList: spectra 3, 1 of them without tokens; tokens 32 in all, 0 to 22 per spectrum>"
        )
        assert "1 of them without tokens" in several._repr_html_()
        assert "at least 32 good pixels" in repr(several[1])
        assert "wavelength none" in repr(several[1])
        assert repr(SpectralTokensList()).startswith("<SpectralTokensList: spectra 0")

    def test_html_is_escaped(self, several):
        from dataclasses import replace

        info = replace(several[1].info, message="<script>")
        assert "<script>" not in replace(several[1], info=info)._repr_html_()

    def test_nothing_to_decode(self, several):
        with pytest.raises(ValueError, match=r"no tokens to decode: .*at least 32 good pixels"):
            several[1].decode([5000, 5001] * u.AA)

    def test_list(self, several):
        assert several.embedding.shape == (3, 16)
        assert list(np.isnan(several.embedding).all(axis=1)) == [False, True, False]
        assert list(several.warn & 256 != 0) == [False, True, False]

    def test_any_decoder_serves(self, tokens):
        class Constant:
            def decode(self, values, geometry, good, ln_wavelength, resolution=None, **explicit):
                return np.ones(len(ln_wavelength)), np.full(len(ln_wavelength), 0.5)

        model = dataclasses.replace(tokens, decoder=Constant()).decode([4500, 5500] * u.AA)
        np.testing.assert_allclose(model.flux.to_value("erg / (s cm2 AA)"), tokens.scale)
        np.testing.assert_allclose(model.uncertainty.array, model.flux.value / 2)

    def test_plot(self, tokens):
        matplotlib = pytest.importorskip("matplotlib")
        pytest.importorskip("astro_spectok.plotting")
        matplotlib.use("Agg")
        from matplotlib import pyplot as plt

        axes = tokens.plot()
        assert len(axes) == 2
        assert all(ax.has_data() for ax in axes)
        plt.close("all")


class TestCopies:
    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_one(self, tokens, duplicate):
        assert_same_tokens(duplicate(tokens), tokens)

    def test_list(self, several):
        again = pickle.loads(pickle.dumps(several))
        assert isinstance(again, SpectralTokensList)
        for a, b in zip(again, several, strict=True):
            assert_same_tokens(a, b)

    def test_network_is_not_pickled(self, tokens):
        assert len(pickle.dumps(tokens)) < tokens.values.nbytes + tokens.geometry.nbytes + 20_000


class TestFiles:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"axis_unit": u.GHz, "flux_unit": u.Jy},
            {"axis_unit": u.um, "flux_unit": u.Unit("furlong", parse_strict="silent")},
            {"flux_unit": u.dimensionless_unscaled},
            {"flux_unit": u.Unit("1e-17 erg / (s cm2 AA)")},
            {"flux_unit": u.mag},
            {"meta": {"name": "Ångström's 'star' & " + "x" * 200}},
        ],
    )
    def test_one(self, tiny_weights, path, options):
        tokens = tokenize(make_spectrum(**options), weights=tiny_weights)
        tokens.write(path)
        again = SpectralTokens.read(path)
        assert_same_tokens(again, tokens)

    def test_packaged(self, tokens, path):
        tokens.write(path)
        assert_same_tokens(SpectralTokens.read(path), tokens)

    def test_without_unfiltered_coefficients(self, tokens, path):
        """Tokens of earlier versions lack them, alone and in a file with others."""
        former = dataclasses.replace(tokens, unfiltered=None)
        SpectralTokensList([former, tokens]).write(path)
        for again, own in zip(SpectralTokensList.read(path), (former, tokens), strict=True):
            assert_same_tokens(again, own)

    def test_velocity_and_air(self, tiny_weights, path):
        spectrum = make_spectrum()
        axis = u.Quantity(spectrum.spectral_axis).to(u.km / u.s, u.doppler_optical(5500 * u.AA))
        moving = Spectrum(flux=spectrum.flux, spectral_axis=axis, rest_value=5500 * u.AA, velocity_convention="optical")
        tokens = tokenize(moving, weights=tiny_weights, medium="air")
        tokens.write(path)
        assert_same_tokens(SpectralTokens.read(path), tokens)

    def test_logarithmic_flux(self, tiny_weights, path):
        axis = np.linspace(4000, 7000, 700) * u.AA
        tokens = tokenize((axis, np.linspace(18, 19, 700) * u.ABmag), weights=tiny_weights)
        tokens.write(path)
        assert_same_tokens(SpectralTokens.read(path), tokens)

    def test_list(self, several, path):
        several.write(path)
        again = SpectralTokensList.read(path)
        assert isinstance(again, SpectralTokensList)
        for a, b in zip(again, several, strict=True):
            assert_same_tokens(a, b)
        assert again[0].decoder is again[2].decoder
        with pytest.raises(ValueError, match=r"tokens of 3 spectra; read it with SpectralTokensList.read"):
            SpectralTokens.read(path)

    def test_empty_list(self, path):
        SpectralTokensList().write(path)
        assert SpectralTokensList.read(path) == []

    def test_only_flagged(self, several, path):
        SpectralTokensList([several[1]]).write(path)
        again = SpectralTokensList.read(path)
        assert_same_tokens(again[0], several[1])

    def test_is_a_table(self, several, path):
        """Others can read it: a row per token, with the wavelength in Angstrom."""
        several.write(path)
        table = QTable.read(path)
        assert list(table["spectrum"]) == [0] * 22 + [2] * 10
        assert table["wavelength_vacuum"].unit == u.AA
        np.testing.assert_allclose(table["wavelength_vacuum"][:22], several[0].wavelength, rtol=1e-12)
        np.testing.assert_array_equal(table["values"][:22], several[0].values)

    def test_overwrite(self, tiny_weights, path):
        first, second = (tokenize(make_spectrum(seed=seed), weights=tiny_weights) for seed in (0, 1))
        first.write(path)
        with pytest.raises(FileExistsError, match=r"exists; give overwrite=True \(--overwrite\)"):
            second.write(path)
        assert_same_tokens(SpectralTokens.read(path), first)
        second.write(path, overwrite=True)
        assert_same_tokens(SpectralTokens.read(path), second)

    def test_other_weights_are_refused(self, tiny_weights, tmp_path, path):
        """Tokens of one network mean nothing to another; the right one may stand somewhere else."""
        import torch

        from astro_spectok.network import build_network, get_config
        from astro_spectok.weights import write_network

        other = tmp_path / "other.safetensors"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            network = build_network(get_config("tiny"))
        write_network(other, network)
        tokens = tokenize(make_spectrum(), weights=other)
        tokens.write(path)
        model = tokens.decode(tokens.own_axis())
        moved = other.rename(tmp_path / "moved.safetensors")

        with pytest.raises(WeightsError, match=r"SpectralTokens.read\(path, weights=\.\.\.\)"):
            SpectralTokens.read(path).decode(tokens.own_axis())
        with pytest.raises(
            WeightsError, match=r"were made with the weights .* tokenize the spectrum again, or say where"
        ):
            SpectralTokens.read(path, weights=tiny_weights).decode(tokens.own_axis())
        again = SpectralTokens.read(path, weights=moved, device="cpu").decode(tokens.own_axis())
        np.testing.assert_array_equal(again.flux.value, model.flux.value)

    def test_foreign_table(self, path):
        table = QTable({"a": [1, 2]})
        table.write(path)
        with pytest.raises(ValueError, match=r"holds no tokens; write them with SpectralTokens.write"):
            SpectralTokens.read(path)

    def test_newer_format(self, tiny_weights, path, monkeypatch):
        from astro_spectok.tokens import token_files as tokens_io

        monkeypatch.setattr(tokens_io, "_FORMAT", 99)
        tokenize(make_spectrum(), weights=tiny_weights).write(path)
        monkeypatch.undo()
        with pytest.raises(ValueError, match="has format 99, this version reads 1; upgrade astro_spectok"):
            SpectralTokens.read(path)

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            SpectralTokens.read(tmp_path / "none.ecsv")

    def test_unknown_ending(self, tiny_weights, tmp_path):
        tokens = tokenize(make_spectrum(), weights=tiny_weights)
        with pytest.raises(ValueError, match=r"path must end in .ecsv, .fits, .fit, .parquet, got 'tokens.csv'"):
            tokens.write(tmp_path / "tokens.csv")
        with pytest.raises(ValueError, match="path must end in"):
            SpectralTokens.read(tmp_path / "tokens")

    def test_nothing_warns(self, tokens, path):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            tokens.write(path)
            SpectralTokens.read(path)
        assert not [str(w.message) for w in record]


def test_parts_of_a_list_are_lists(weights):
    """A slice, positions, a mask and a sum have what a list has."""
    many = tokenize([make_spectrum(seed=seed) for seed in range(4)], weights=weights, medium="vacuum")
    mask = np.array([False, True, True, False])
    for part in (many[1:3], many[[1, 2]], many[mask], many[np.array([1, -2])], many[1:2] + many[2:3]):
        assert isinstance(part, SpectralTokensList)
        np.testing.assert_array_equal(part.embedding, many.embedding[1:3])
    assert isinstance(many[np.int64(2)], SpectralTokens)
    assert isinstance(many[[]], SpectralTokensList)
    assert not len(many[[]])
    with pytest.raises(IndexError):
        many[[True]]


def test_tokens_are_no_spectra(weights):
    """What reads spectra says what to do with tokens."""
    tokens = tokenize(make_spectrum(), weights=weights, medium="vacuum")
    for obj in (tokens, SpectralTokensList([tokens])):
        with pytest.raises(TypeError, match=r"obj must be spectra; got tokens.*tokens\.embedding.*tokens\.decode"):
            tokenize(obj, weights=weights)
