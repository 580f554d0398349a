# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the level that every token carries, and of its course between patches."""

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, arrange_one, make_spectrum, stack_spectra
from test_network_model import make_network

from astro_spectok.network.level import (
    LARGEST,
    interpolate_level,
    interpolate_slots,
    limit_flux,
    patch_extent,
    patch_level,
)
from astro_spectok.network.patch_grid import patch_positions


@pytest.mark.parametrize("level", [3.0, -2.0])
def test_level_of_a_flat_spectrum_is_its_flux(level):
    """asinh of the flux over its scale, whatever the noise; bad pixels do not count."""
    x, flux, ivar = make_spectrum(GRIDS["sdss"][:320])
    flux = np.where(ivar > 0, level, 1e5).astype(np.float32)
    patches = stack_spectra([(x, flux, ivar)])
    wanted = torch.full((1, 10), np.sign(level)).asinh()
    torch.testing.assert_close(patch_level(patches), wanted, rtol=1e-5, atol=0)


def test_level_trusts_good_pixels_more():
    """A noisy outlier among good pixels hardly counts."""
    x = GRIDS["single token"]
    flux, ivar = np.ones(32, np.float32), np.full(32, 1e4, np.float32)
    flux[5], ivar[5] = 1000, 1e-4
    assert patch_level(stack_spectra([(x, flux, ivar)])).item() == pytest.approx(np.arcsinh(1), rel=1e-3)


def test_level_and_extent_are_the_first_values_of_the_token():
    """Encoded as they are, and zero without a good pixel."""
    x, flux, ivar = make_spectrum(GRIDS["desi"])
    ivar[:64] = 0
    patches = stack_spectra([(x, flux, ivar)])
    with torch.inference_mode():
        tokens = make_network().encode(patches)
    assert torch.equal(tokens[..., 0], patch_level(patches) * patches.mask)
    assert torch.equal(tokens[..., 1], patch_extent(patches) * patches.mask)
    assert tokens[0, :2].abs().max() == 0


def test_interpolation_matches_numpy():
    """Linear between good patches, constant beyond them, bad ones skipped whatever stands there."""
    rng = np.random.default_rng(0)
    centre = np.sort(rng.uniform(8, 9, 12))
    level = rng.normal(size=12).astype(np.float32)
    good = rng.random(12) < 0.6
    position = np.sort(np.concatenate([rng.uniform(7.9, 9.1, 300), centre]))
    junk = np.where(good, level, np.nan).astype(np.float32)
    tensors = [torch.from_numpy(part)[None] for part in (junk, good, centre, position)]
    wanted = np.interp(position, centre[good], level[good])
    np.testing.assert_allclose(interpolate_level(*tensors)[0].numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.1, 0.0])
@pytest.mark.parametrize("name", GRIDS)
def test_slots_have_the_level_of_their_place(name, share):
    """Without a search, as with one: gaps, pixels that widen, bad patches anywhere, none good."""
    grid = arrange_one(GRIDS[name])
    torch.manual_seed(0)
    level, mask = torch.randn(grid.present.shape), torch.rand(grid.present.shape) < share
    place = patch_positions(grid.geometry, 32)
    wanted = interpolate_level(level, mask, grid.geometry[..., 0], place.flatten(1)).view(place.shape)
    torch.testing.assert_close(interpolate_slots(level, mask, grid.geometry, 32), wanted, rtol=1e-5, atol=1e-5)


def test_padding_changes_no_level():
    """Masked repetitions of the last patch, as a batch has them."""
    grid = arrange_one(GRIDS["infrared"])
    centre = grid.geometry[..., 0]
    torch.manual_seed(0)
    level, mask = torch.randn(centre.shape), torch.ones(centre.shape, dtype=torch.bool)
    position = torch.linspace(9.5, 9.8, 99, dtype=torch.float64)[None]
    padded = [torch.cat([level, torch.full((1, 3), 7.0)], 1), torch.nn.functional.pad(mask, (0, 3))]
    padded.append(torch.cat([centre, centre[:, -1:].expand(1, 3)], 1))
    assert torch.equal(interpolate_level(level, mask, centre, position), interpolate_level(*padded, position))


@pytest.mark.parametrize("number", [0, 1])
def test_none_or_one_good_patch(number):
    """Zero everywhere, or that one level everywhere."""
    centre = torch.linspace(8, 9, 5, dtype=torch.float64)[None]
    level, mask = torch.full((1, 5), 2.5), torch.zeros(1, 5, dtype=torch.bool)
    mask[0, 2] = bool(number)
    position = torch.linspace(7, 10, 40, dtype=torch.float64)[None]
    torch.testing.assert_close(interpolate_level(level, mask, centre, position), torch.full((1, 40), 2.5 * number))


def test_extent_is_the_largest_absolute_flux_of_good_pixels():
    """Of either sign; bad pixels do not count."""
    x = GRIDS["single token"]
    flux, ivar = np.ones(32, np.float32), np.full(32, 1e4, np.float32)
    flux[5], flux[7], ivar[7] = -30, 500, 0
    assert patch_extent(stack_spectra([(x, flux, ivar)])).item() == pytest.approx(np.arcsinh(30), rel=1e-5)


def test_limit_is_twice_the_brightest_good_pixel():
    """Values inside pass unchanged; where nothing is known the arithmetic alone limits."""
    level = torch.tensor([[-20.0, -1.0, 0.0, 4.0, 20.0]])
    extent = torch.tensor([[2.0, 5.0, 9.0]])
    limited = limit_flux(level, extent, torch.tensor([[True, True, False]]))
    np.testing.assert_allclose(torch.sinh(limited[0, [0, -1]]), np.sinh(5.0) * np.array([-2, 2]), rtol=1e-3)
    assert torch.equal(limited[0, 1:4], level[0, 1:4])
    assert limit_flux(level, extent, torch.zeros(1, 3, dtype=torch.bool)).abs().max() == LARGEST


def test_decoder_never_exceeds_twice_the_brightest_pixel():
    """Not even with weights that have gone wild."""
    network = make_network()
    with torch.no_grad():
        for parameter in network.decoder.parameters():
            parameter.mul_(30)
    x, flux, ivar = make_spectrum(GRIDS["sdss"][:640])
    patches = stack_spectra([(x, flux, ivar)])
    with torch.inference_mode():
        mean, log_sigma = network.eval()(patches, patches.grid)
    brightest = np.abs(flux[ivar > 0]).max() / patches.scale.item()
    assert 1.5 * brightest < mean.abs().max() <= 2.5 * brightest
    assert torch.isfinite(log_sigma).all()
