# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarParameterEstimator` with tokens in place of spectra."""

from dataclasses import replace

import numpy as np
import pytest
from _stellar import SIGMA, SUN, add_stellar_head
from astropy import units as u
from conftest import make_spectrum

from astro_spectok import SpectralTokensList, tokenize
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.network import get_config
from astro_spectok.stellar import StellarFlag
from astro_spectok.stellar.from_tokens import PreparedTokens
from astro_spectok.tokens.shown_spectra import is_tokens, show_spectra
from astro_spectok.weights import load_network


@pytest.fixture(autouse=True)
def types(monkeypatch):
    """All stars are of type G, whatever a network with random parameters says."""

    def read(self, progress):
        return [(i, {"G": 0.9, "F": 0.1}) for i in range(len(self.batch))]

    monkeypatch.setattr(PreparedTokens, "_read_types", read)


@pytest.fixture
def estimator(redshift_weights, monkeypatch):
    add_stellar_head(monkeypatch, redshift_weights)
    return StellarParameterEstimator(redshift_weights, "cpu", assume_star=True)


@pytest.fixture
def tokens(redshift_weights):
    return tokenize(make_spectrum(), weights=redshift_weights, medium="vacuum", device="cpu")


def test_tokens_are_told_from_spectra(tokens):
    """One, and many; not a list of both."""
    assert is_tokens(tokens)
    assert is_tokens([tokens, tokens])
    assert not is_tokens(make_spectrum())
    assert not is_tokens([tokens, make_spectrum()])
    assert not is_tokens([])


def test_spectra_come_back():
    """Of the pixels, in place; bad ones stay bad, and errors are as given: strong lines stay where noise is small."""
    wavelength = np.linspace(4000, 7000, 700)
    flux = 3 - np.exp(-0.5 * ((wavelength - 5500) / 12) ** 2) + 2e-4 * wavelength
    error = np.full(700, 0.01)
    error[200:210] = 0
    given = (wavelength * u.AA, flux * u.Jy, error * u.Jy)
    made = tokenize(given, medium="vacuum", device="cpu")
    batch = show_spectra([made], load_network().config)
    x, ivar = batch.wavelength[batch.grid(0)], batch.ivar[batch.pixels(0)]
    good = ivar > 0
    assert good.sum() == 690
    np.testing.assert_allclose(x[good], wavelength[error > 0], rtol=1e-5)
    # per wavelength, as the network has it
    wanted = (flux / wavelength**2)[error > 0]
    found = batch.flux[batch.pixels(0)][good]
    np.testing.assert_allclose(found / np.median(found), wanted / np.median(wanted), rtol=0.02)
    snr = found * np.sqrt(ivar[good])
    np.testing.assert_allclose(np.median(snr), np.median(flux / 0.01), rtol=0.05)


def test_one(estimator, tokens):
    """What the head says, in the terms of a spectrum, flagged where errors of filtered flux are not known."""
    tokens = replace(tokens, unfiltered=None)
    found = estimator.estimate(tokens)
    assert found.teff.to_value(u.K) == pytest.approx(10 ** SUN[0])
    assert found.fe_h_err.to_value(u.dex) == pytest.approx(SIGMA[2])
    assert found.warn & StellarFlag.EXTRAPOLATED
    assert found.medium == "vacuum"
    assert np.isfinite(found.rv)


def test_unfiltered(estimator, tokens):
    """Where tokens hold coefficients without their filter, labels are as good as from pixels: no flag."""
    coefficients = np.zeros((len(tokens), 16), np.float32)
    assert not estimator.estimate(replace(tokens, unfiltered=coefficients)).warn & StellarFlag.EXTRAPOLATED


def test_known_errors(redshift_weights, monkeypatch, tokens):
    """Errors of filtered flux are those that were fitted for it, and then there is no flag."""
    tokens = replace(tokens, unfiltered=None)
    add_stellar_head(monkeypatch, redshift_weights)
    head = load_network(redshift_weights, "cpu").heads["stellar"]
    scales = {"teff": 1.0, "fe_h": 2.0} | {f"{name} 3600-7390 tokens": 3.0 for name in ("teff", "fe_h")}
    head.calibration = {"error_scale": scales}
    estimator = StellarParameterEstimator(redshift_weights, "cpu", assume_star=True)
    of_tokens, of_pixels = estimator.estimate(tokens), estimator.estimate(make_spectrum(), medium="vacuum")
    assert of_tokens.fe_h_err.value == pytest.approx(3 * SIGMA[2])
    assert of_pixels.fe_h_err.value == pytest.approx(2 * SIGMA[2])
    assert not of_tokens.warn & StellarFlag.EXTRAPOLATED


def test_many(estimator, tokens, redshift_weights):
    """A row for each in their order; those without tokens say why."""
    bad = (np.linspace(4000, 5000, 8) * u.AA, np.ones(8) * u.Jy)
    spectra = [make_spectrum(), bad, make_spectrum()]
    with pytest.warns(FlaggedSpectraWarning):
        many = tokenize(spectra, weights=redshift_weights, medium="vacuum", device="cpu")
    assert isinstance(many, SpectralTokensList)
    with pytest.warns(FlaggedSpectraWarning):
        table = estimator.estimate(many)
    assert len(table) == 3
    assert np.isfinite(table["teff"]).tolist() == [True, False, True]
    assert table["message"][1]
    assert table["rv"][0] == table["rv"][2]
    samples = estimator.sample(tokens, n_samples=10)
    assert samples.teff.n_samples == 10


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"medium": "air"}, "medium must be left out"),
        ({}, {"resolution": 2000}, "resolution must be left out"),
        ({"meta": {}}, {}, "of the weights of the estimator"),
        ({"good_pixels": None}, {}, "tokenize the spectrum again"),
    ],
)
def test_rules(estimator, tokens, change, options, words):
    """Tokens know medium and resolution, have to be of the same weights, and to say which pixels were good."""
    with pytest.raises(ValueError, match=words):
        estimator.estimate(replace(tokens, **change), **options)


def test_no_tokens(estimator, redshift_weights):
    """One spectrum that could not be used is an error, as it was."""
    bad = (np.linspace(4000, 5000, 8) * u.AA, np.ones(8) * u.Jy)
    with pytest.warns(FlaggedSpectraWarning):
        many = tokenize([bad], weights=redshift_weights, medium="vacuum", device="cpu")
    with pytest.raises(ValueError, match="no tokens to measure"):
        estimator.estimate(many[0])
    assert len(show_spectra(many, get_config("tiny")).flux) == 0
