# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of another instrument than those that labels were learned from: flagged, with larger errors."""

import numpy as np
import pytest
from _adapt import make_labelled
from numpy.testing import assert_allclose

from astro_spectok.exceptions import WeightsError
from astro_spectok.spectra import to_batch

pytest.importorskip("sklearn")

from astro_spectok.adapt import AdaptFlag, SpectrumClassifier, SpectrumRegressor, SpectrumSet
from astro_spectok.adapt.augment import smooth_flux
from astro_spectok.adapt.transfer import KINDS, alter_batch, describe_pixels

SPECTRA, LABELS = make_labelled(40)
TRAIN, TEST = slice(0, 30), slice(30, 40)


@pytest.fixture(scope="module")
def regressor(tiny_weights):
    return SpectrumRegressor(tiny_weights, "cpu").fit(
        SpectrumSet(SPECTRA[TRAIN], medium="vacuum"), LABELS["depth"][TRAIN]
    )


def average_pixels(spectrum, number):
    """The same spectrum in pixels that are wider by a whole number."""
    wavelength, flux, error = spectrum
    kept = len(wavelength) // number * number

    def mean(values):
        return values[:kept].reshape(-1, number).mean(1)

    return mean(wavelength), mean(flux), mean(error) / np.sqrt(number)


def add_noise(spectrum, share):
    """The same spectrum with noise that is a share of its median flux."""
    wavelength, flux, error = spectrum
    sigma = share * np.median(flux)
    noise = np.random.default_rng(5).normal(size=len(flux)) * sigma
    return wavelength, flux + noise, np.hypot(error.value, sigma.value) * error.unit


def predict(model, spectra):
    return model.estimate(SpectrumSet(spectra, medium="vacuum"))


def test_spectra_like_those_learned_from_have_no_flag(regressor):
    assert not (predict(regressor, SPECTRA[TEST])["warn"] & AdaptFlag.OTHER_INSTRUMENT).any()


def test_wider_pixels_are_flagged_and_errors_grow(regressor):
    """The labels hardly change, but that is not known of a real instrument: calibration and resolution are others."""
    own, other = (predict(regressor, s) for s in (SPECTRA[TEST], [average_pixels(s, 2) for s in SPECTRA[TEST]]))
    assert (other["warn"] & AdaptFlag.OTHER_INSTRUMENT).all()
    assert (other["label_err"] > 1.2 * own["label_err"]).all()
    assert np.median(np.abs(other["label"] - LABELS["depth"][TEST]) / other["label_err"]) < 1.5


def test_noisier_spectra_have_larger_errors_without_a_flag_of_the_instrument(regressor):
    own, noisy = (predict(regressor, s) for s in (SPECTRA[TEST], [add_noise(s, 0.1) for s in SPECTRA[TEST]]))
    assert not (noisy["warn"] & AdaptFlag.OTHER_INSTRUMENT).any()
    assert (noisy["label_err"] > own["label_err"]).all()


def test_what_is_measured_survives_a_file(regressor, tmp_path, tiny_weights):
    path = regressor.save(tmp_path / "mine.safetensors")
    again = SpectrumRegressor.load(path, weights=tiny_weights, device="cpu")
    wide = [average_pixels(s, 2) for s in SPECTRA[TEST]]
    assert_allclose(predict(again, wide)["label_err"], predict(regressor, wide)["label_err"], rtol=1e-4)


def test_classes_are_flagged_too(tiny_weights):
    model = SpectrumClassifier(tiny_weights, "cpu", blocks="flux")
    model.fit(SpectrumSet(SPECTRA[TRAIN], medium="vacuum"), LABELS["kind"][TRAIN])
    assert (predict(model, [average_pixels(SPECTRA[35], 3)])["warn"] & AdaptFlag.OTHER_INSTRUMENT).all()


def test_a_damaged_file_is_refused(regressor, tmp_path, tiny_weights, monkeypatch):
    arrays = {**regressor.transfer_.to_arrays(), "transfer.shifts": np.zeros((2, 2))}
    monkeypatch.setattr(type(regressor.transfer_), "to_arrays", lambda self: arrays)
    path = regressor.save(tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError, match=r"transfer.shifts must be \(1, 3\)"):
        SpectrumRegressor.load(path, weights=tiny_weights, device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_altered_spectra_keep_bad_pixels_bad(kind):
    """Flux and errors change together where it is noise or calibration; gaps stay."""
    wavelength, flux, error = SPECTRA[0]
    error = np.where(np.arange(len(flux)) % 50 == 0, np.nan, error.value) * error.unit
    batch = to_batch([(wavelength, flux, error)], medium="vacuum")
    altered = alter_batch(batch, kind, np.random.default_rng(1))
    assert ((altered.ivar > 0) == (batch.ivar > 0)).all()
    assert not np.array_equal(altered.flux, batch.flux)
    if kind == "calibration":
        good = batch.ivar > 0
        assert_allclose((altered.flux**2 * altered.ivar)[good], (batch.flux**2 * batch.ivar)[good], rtol=1e-4)


def test_pixels_are_described_by_width_and_noise():
    """Twice as wide and with noise less by the root of two is the same noise at the same width."""
    both = to_batch([SPECTRA[0], average_pixels(SPECTRA[0], 2)], medium="vacuum")
    width, noise = describe_pixels(both)
    assert_allclose(width[1] / width[0], 2, rtol=0.02)
    assert_allclose(noise[1], noise[0], rtol=0.05)


def test_bad_pixels_do_not_spill_into_others_when_smoothed():
    """A fill value stays where it is."""
    good = np.arange(50) != 20
    flux = np.where(good, 1.0, 1e6)
    assert_allclose(smooth_flux(flux, good, 2.0), flux)
