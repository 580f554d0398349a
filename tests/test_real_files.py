# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Every real file that holds a spectrum, as its archive serves it, goes all the way: read, tokens, embedding, model."""

import numpy as np
import pytest
from _paths import FITS, needs, read_real
from astropy import units as u
from conftest import FLAM, assert_same_vectors
from specutils import SpectrumList

from astro_spectok import embed, embed_table, tokenize
from astro_spectok.spectra import InputFlag, to_batch

# files of real archives make readers warn about their headers, and the weights may not reach JWST's wavelengths
pytestmark = [
    needs(FITS),
    pytest.mark.filterwarnings("ignore"),
]

CGS = u.Unit("erg / (s cm2 AA)")
#: flux unit, medium, and the range in which the median S/N per pixel must lie
FILES = {
    # tau Ceti, a star of magnitude 3.5
    "1407080064012031.fits": (u.ct, "air", (500, 1000)),
    "1407080064012032.fits": (u.ct, "air", (500, 1000)),
    "1407080064012033.fits": (u.ct, "air", (500, 1000)),
    "1407080064012034.fits": (u.ct, "air", (500, 1000)),
    "aaomega_emlLinearSkyAirHelio.fits": (u.ct, "air", (5, 15)),
    "aaomega_emlLogVacuumNoHelio.fits": (u.ct, "vacuum", (5, 15)),
    "apVisit-r13-5095-55844-128.fits": (FLAM, "vacuum", (30, 60)),
    "calspec_16cygb_stis_004.fits.gz": (CGS, "vacuum", (30, 300)),
    "desi_coadd-4-80613.fits": (FLAM, "vacuum", (2, 10)),
    "gtc_osiris_gp121903.fits": (CGS, "air", (20, 100)),
    "jwst_ceers_nirspec10-001027_x1d.fits": (u.Jy, "vacuum", (0.5, 3)),
    "lamost_spec-55859-F5902_sp01-001_dr7.fits.gz": (u.one, "vacuum", (10, 30)),
    "lamost_spec-55862-B6212_sp06-003.fits": (u.one, "vacuum", (50, 150)),
    "sdss_SHOC579_dr18.fits": (FLAM, "vacuum", (10, 40)),
    "spec-0266-51602-0031.fits": (FLAM, "vacuum", (4, 15)),
    "spec-3655-55240-0002.fits": (FLAM, "vacuum", (4, 15)),
}
NO_SPECTRUM = {"desi_redrock-4-80613.fits"}


def test_none_is_forgotten():
    assert {path.name for path in FITS.glob("*.fits*")} == set(FILES) | NO_SPECTRUM


@pytest.mark.parametrize("name", FILES)
def test_file(packaged_weights, name):
    """Tokens, vector, row and model in the unit, medium and signal-to-noise ratio that the file has."""
    weights = packaged_weights
    flux_unit, medium, (least, most) = FILES[name]
    obj = read_real(name)
    tokens, vector = tokenize(obj, weights=weights), embed(obj, weights=weights)
    arms = obj if isinstance(obj, SpectrumList) else [obj]
    if isinstance(obj, SpectrumList):
        assert vector.shape[0] == len(tokens) == 1
        tokens, vector = tokens[0], vector[0]
    assert len(tokens) >= sum(arm.spectral_axis.size for arm in arms) // 32 * 0.8
    assert np.isfinite(tokens.values).all()
    assert np.isfinite(vector).all()
    assert (tokens.info.flux_unit, tokens.info.medium) == (flux_unit, medium)
    assert not tokens.meta["warn"] & InputFlag.MEDIUM_ASSUMED

    table = embed_table(obj, weights=weights)
    assert len(table) == 1
    assert_same_vectors(table["embedding"][0], vector)
    assert least < table["snr"][0] < most

    for arm in arms:
        model = tokens.decode(arm.spectral_axis)
        assert model.shape == arm.spectral_axis.shape
        assert model.flux.unit == flux_unit
        assert np.isfinite(model.flux).all()
        assert (model.uncertainty.array > 0).all()
        np.testing.assert_array_equal(u.Quantity(model.spectral_axis), u.Quantity(arm.spectral_axis))
    own = tokens.own_axis()
    assert (np.diff(own.to(u.AA, u.spectral())) > 0).all()
    assert np.isfinite(tokens.decode(own).flux).all()


@pytest.mark.parametrize("name", FILES)
def test_model_is_like_the_data(packaged_weights, name):
    """Trained weights describe each spectrum better than a constant does."""
    obj = read_real(name)
    tokens = tokenize(obj, weights=packaged_weights)
    tokens = tokens[0] if isinstance(tokens, list) else tokens
    batch = to_batch(obj)
    good = batch.ivar > 0
    flux, weight = batch.flux[good].astype(float), np.sqrt(batch.ivar[good].astype(float))
    model, _ = tokens.decoder.decode(tokens.values, tokens.geometry, ~tokens.mask, np.log(batch.wavelength))
    model = model[good] * tokens.scale / batch.scale[0]
    constant = np.sum(weight**2 * flux) / np.sum(weight**2)
    assert np.median(np.abs(flux - model) * weight) < np.median(np.abs(flux - constant) * weight)
    # nor does it run away where it has data to go by
    assert np.abs(model).max() < 10 * np.abs(flux).max()


def test_all_in_one_list(tiny_weights):
    """Files of all surveys together: a row each, the same as alone."""
    names = [name for name in FILES if not name.startswith("desi")]
    spectra = [read_real(name) for name in names]
    vectors = embed(spectra, weights=tiny_weights)
    assert vectors.shape == (len(names), 16)
    for vector, spectrum in zip(vectors, spectra, strict=True):
        assert_same_vectors(vector, embed(spectrum, weights=tiny_weights))
