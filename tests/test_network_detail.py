# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the explicit detail of tokens: the filtered flux of a patch, and what is made of it."""

import dataclasses

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, PATCH, make_spectrum, stack_spectra
from test_network_model import make_network

from astro_spectok.heads import RedshiftConfig, build_model
from astro_spectok.network import NetworkConfig, get_config
from astro_spectok.network.detail import detail_basis, expand_detail, filter_detail, local_flux
from astro_spectok.network.level import patch_level
from astro_spectok.network.shown import find_pixels, find_unfiltered

NUMBER = 16


def make_line(snr, *, width=2.0, seed=0, n=640, strength=0.5, bad=()):
    """A flat spectrum with lines in every patch at a signal-to-noise ratio: its `PatchBatch` and its noiseless flux."""
    x = 8.3 + np.arange(n) * 1e-4
    place = np.arange(20, n, 40)
    clean = 1 + strength * np.exp(-0.5 * ((np.arange(n)[:, None] - place) / width) ** 2).sum(1)
    noise = np.random.default_rng(seed).normal(0, 1 / snr, n)
    flux, ivar = (clean + noise).astype(np.float32), np.full(n, snr**2, np.float32)
    flux[list(bad)], ivar[list(bad)] = 1e6, 0
    return stack_spectra([(x, flux, ivar)]), torch.from_numpy(clean.astype(np.float32)).view(1, -1, PATCH)


def filtered_flux(patches):
    """Flux over scale from level and detail."""
    level = patch_level(patches)
    coefficients = filter_detail(patches, level, NUMBER)
    return local_flux(level, coefficients, patches.mask, patches.grid.geometry, PATCH)


def test_basis_is_orthonormal():
    """The DCT of type II."""
    basis = detail_basis(PATCH, NUMBER)
    torch.testing.assert_close(basis.T @ basis, torch.eye(NUMBER), rtol=0, atol=1e-5)


def test_bright_lines_come_out_as_they_are():
    """At a signal-to-noise ratio of 200 to its noise, where the level alone is off by the lines."""
    patches, clean = make_line(200.0)
    found = filtered_flux(patches) * patches.scale
    assert (found - clean).std() < 1 / 200
    level = patch_level(patches)
    none = local_flux(level, torch.zeros(*level.shape, NUMBER), patches.mask, patches.grid.geometry, PATCH)
    assert (none * patches.scale - clean).std() > 0.1


@pytest.mark.parametrize("snr", [3.0, 10.0, 30.0])
def test_filter_is_better_than_the_data_and_no_worse_than_the_level(snr):
    """Less noise than there was, and no more error than the level alone leaves of lines."""
    errors = []
    for seed in range(8):
        patches, clean = make_line(snr, seed=seed)
        errors.append(((filtered_flux(patches) * patches.scale - clean) ** 2).mean())
    level_error = (clean - clean.mean(-1, keepdim=True)).var()
    assert np.mean(errors) < 0.8 / snr**2
    assert np.mean(errors) < 1.2 * level_error


def test_noise_without_a_signal_is_filtered_out():
    """Most patches of a flat spectrum have no detail to speak of."""
    rng = np.random.default_rng(3)
    flux = (1 + rng.normal(0, 0.2, 6400)).astype(np.float32)
    patches = stack_spectra([(8.3 + np.arange(6400) * 1e-4, flux, np.full(6400, 25, np.float32))])
    detail = expand_detail(filter_detail(patches, patch_level(patches), NUMBER), PATCH)
    assert detail.std() < 0.05


def test_bad_pixels_do_not_count():
    """Whatever stands there; a patch without a good one has no detail."""
    x, flux, ivar = make_spectrum(GRIDS["desi"], bad=0.2)
    ivar[64:96] = 0
    one = stack_spectra([(x, flux, ivar)])
    other = stack_spectra([(x, np.where(ivar > 0, flux, 1e6).astype(np.float32), ivar)])
    coefficients = filter_detail(one, patch_level(one), NUMBER)
    assert torch.equal(coefficients, filter_detail(other, patch_level(other), NUMBER))
    assert coefficients[0, 2].abs().max() == 0
    assert coefficients.abs().max() > 0


def test_detail_stands_at_the_end_of_each_token():
    """After what the transformer made of it, and the same for one spectrum as among others."""
    network = make_network(dct_coefficients=NUMBER)
    spectra = [make_spectrum(GRIDS[name]) for name in ("desi", "sdss", "single token")]
    alone, together = stack_spectra(spectra[1:2]), stack_spectra(spectra)
    with torch.inference_mode():
        token, tokens = network.encode(alone), network.encode(together)
        without = network.encode(alone, detail=False)
    assert token.shape[2] == network.config.token_size == network.config.width + NUMBER
    expected = filter_detail(alone, patch_level(alone), NUMBER)
    torch.testing.assert_close(token[..., network.config.width :], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(tokens[1:2, : token.shape[1]], token, rtol=1e-4, atol=1e-5)
    assert torch.equal(without, token[..., : network.config.width])


def test_decoder_starts_from_the_detail():
    """Untrained, and with its last layer silenced, it answers with the filtered flux on the spectrum's own grid."""
    network = make_network(dct_coefficients=NUMBER)
    torch.nn.init.zeros_(network.decoder.head[-1].weight)
    torch.nn.init.zeros_(network.decoder.head[-1].bias)
    patches, _ = make_line(100.0)
    with torch.inference_mode():
        mean, _ = network(patches, patches.grid)
    torch.testing.assert_close(mean, filtered_flux(patches), rtol=1e-3, atol=1e-4)


def test_heads_do_without_the_detail():
    """Class and redshift are the same from tokens with it and without it."""
    torch.manual_seed(0)
    network = build_model(
        dataclasses.replace(get_config("tiny"), dct_coefficients=NUMBER), {"redshift": RedshiftConfig()}
    )
    patches = stack_spectra([make_spectrum(GRIDS["sdss"])])
    where = patches.mask, patches.grid.geometry, patches
    with torch.inference_mode():
        own, given = (network.eval().read("redshift", network.encode(patches, detail=x), *where) for x in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(own, given, strict=True))


def show_lines(patches, filtered):
    """Slope of the flux that the explicit part of tokens shows over the noiseless contrast of lines: 1 where kept."""
    network = make_network(dct_coefficients=NUMBER)
    where = patches.mask, patches.grid.geometry
    with torch.inference_mode():
        tokens = network.encode(patches, learned=False)
        coefficients = None if filtered else find_unfiltered(patches, tokens, network.config)
        *_, flux = find_pixels(tokens, *where, network.config, coefficients)
    return flux * patches.scale


def test_weak_lines_are_kept_without_the_filter():
    """Lines of a third of the noise, which the filter takes away: as strong as they are in the mean over many."""
    slopes = {True: [], False: []}
    for seed in range(8):
        patches, clean = make_line(20.0, strength=0.03, seed=seed)
        contrast = clean - clean.mean()
        for filtered, found in slopes.items():
            found.append(float((contrast * show_lines(patches, filtered)).sum() / (contrast**2).sum()))
    assert np.mean(slopes[False]) == pytest.approx(1.0, abs=0.1)
    assert np.mean(slopes[True]) < 0.5


def test_unfiltered_coefficients_are_those_of_the_filter_where_pixels_are_bad():
    """Whatever stands in them; those of the good ones are the flux itself, up to what is finer than coefficients."""
    bad = (101, 102, 103)
    found = [show_lines(make_line(500.0, bad=which)[0], filtered=False) for which in ((), bad)]
    clean = make_line(500.0)[1]
    assert (found[0] - clean).abs().max() < 0.02
    assert (found[1] - clean).abs().max() < 0.1


def test_contrast_needs_the_detail():
    """The message says which of two numbers to change."""
    with pytest.raises(ValueError, match=r"dct_coefficients must be above 0 where contrast_step is.*give 16"):
        NetworkConfig(contrast_step=1e-3)


def test_few_good_pixels_of_high_signal_stay_finite_and_bounded():
    """Three pixels of a patch, far from its level, with hardly any noise: too much for single precision alone."""
    n = 96
    flux, ivar = np.ones(n, np.float32), np.full(n, 1e7, np.float32)
    ivar[35:61] = 0
    flux[[32, 33, 34, 61, 62, 63]] = (0.1, 40.0, 3.0, 60.0, 0.2, 30.0)
    patches = stack_spectra([(8.3 + np.arange(n) * 1e-4, flux, ivar)])
    found = torch.asinh(filtered_flux(patches))
    largest = patches.channels[..., 0].abs().max()
    assert torch.isfinite(found).all()
    assert found.abs().max() < 3 * largest


def test_explicit_tokens_are_those_of_the_encoder_but_for_what_is_learned():
    """Level, extent and detail; zeros between."""
    network = make_network(dct_coefficients=NUMBER)
    patches = stack_spectra([make_spectrum(GRIDS[name]) for name in ("desi", "sdss")])
    with torch.inference_mode():
        whole, explicit = network.encode(patches), network.encode(patches, learned=False)
    width = network.config.width
    assert torch.equal(whole[..., :2], explicit[..., :2])
    assert torch.equal(whole[..., width:], explicit[..., width:])
    assert explicit[..., 2:width].abs().max() == 0
