# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of what the encoder is shown of a spectrum: scale, channels, validity, resolution."""

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, PATCH, make_spectrum, stack_spectra
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_spectok.network import build_patches
from astro_spectok.network.patches import CONTINUUM_PIXELS, _asinh, _running_mean


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30, -5.0])
@pytest.mark.parametrize("stated", [0.0, -3.0, np.nan])
def test_junk_in_bad_pixels_changes_nothing(junk, stated):
    """Whatever stands where ``ivar`` is zero, negative or NaN."""
    x, flux, ivar = make_spectrum(GRIDS["desi"])
    bad = ivar == 0
    assert bad.sum() > 50
    clean = stack_spectra([(x, flux, ivar)])
    corrupted = stack_spectra([(x, np.where(bad, np.float32(junk), flux), np.where(bad, np.float32(stated), ivar))])
    for name in ("channels", "valid", "mask", "scale"):
        assert torch.equal(getattr(clean, name), getattr(corrupted, name)), name
    assert torch.isfinite(clean.channels).all()


@settings(max_examples=30)
@given(exponent=st.floats(-12, 12), seed=st.integers(0, 20))
def test_unit_of_flux_does_not_matter(exponent, seed):
    """``flux * a, ivar / a**2`` gives the same channels, and a scale ``a`` times as large."""
    a = 10**exponent
    x, flux, ivar = make_spectrum(GRIDS["single token"], seed)
    one = stack_spectra([(x, flux, ivar)])
    other = stack_spectra([(x, (flux * a).astype(np.float32), (ivar / a**2).astype(np.float32))])
    assert torch.allclose(one.channels, other.channels, rtol=1e-5, atol=2e-5)
    assert torch.equal(one.valid, other.valid)
    assert torch.allclose(other.scale, one.scale * a, rtol=1e-5)


def test_powers_of_two_change_no_bit():
    """The scales that the boundary uses are exact."""
    x, flux, ivar = make_spectrum(GRIDS["desi"])
    one, other = stack_spectra([(x, flux, ivar)]), stack_spectra([(x, flux * 2**20, ivar / 2**40)])
    assert torch.equal(one.channels, other.channels)


@pytest.mark.parametrize("level", [-0.5, 0.0, -30.0])
def test_scale_is_positive_for_noise_of_any_median(level):
    """A sky-subtracted spectrum may well have a negative median."""
    x = GRIDS["sdss"][:640]
    flux = np.random.default_rng(1).normal(level, 1, len(x)).astype(np.float32)
    patches = stack_spectra([(x, flux, np.ones_like(flux))])
    assert patches.scale.item() == pytest.approx(np.median(np.abs(flux)), rel=0.01)
    assert torch.isfinite(patches.channels).all()


@pytest.mark.parametrize(("flux", "scale"), [(0.0, 1.0), ("one line", 2.0 / 640)])
def test_scale_of_flux_that_is_mostly_zero(flux, scale):
    """A flux of zeros has scale one; a single line on zeros its mean."""
    x = GRIDS["sdss"][:640]
    values = np.zeros(640, np.float32)
    if flux:
        values[300] = 2
    patches = stack_spectra([(x, values, np.ones_like(values))])
    assert patches.scale.item() == pytest.approx(scale)
    assert torch.isfinite(patches.channels).all()


def test_channels_are_what_they_say():
    """asinh of the flux over its scale, log of its noise, validity; zero in bad pixels."""
    x, flux, ivar = make_spectrum(GRIDS["desi"])
    patches = stack_spectra([(x, flux, ivar)])
    slots = patches.grid.index[0]
    pixel = slots.clamp_min(0).numpy()
    valid = (slots.numpy() >= 0) & (ivar[pixel] > 0)
    channels, scale = patches.channels[0].numpy(), patches.scale.item()
    np.testing.assert_array_equal(patches.valid[0].numpy(), valid)
    np.testing.assert_array_equal(channels[..., 3], valid)
    np.testing.assert_array_equal(channels[~valid], 0)
    np.testing.assert_allclose(channels[..., 0][valid], np.arcsinh(flux[pixel] / scale)[valid], rtol=1e-5)
    sigma = 1 / np.sqrt(ivar[pixel][valid]) / scale
    np.testing.assert_allclose(channels[..., 2][valid], np.log(sigma) / 2, rtol=1e-4)
    assert np.abs(channels[..., 1]).max() > 1  # the line stands out of the continuum


def test_mask_is_where_a_patch_has_a_good_pixel():
    """Patches without one are distinguished from padding by ``present``."""
    x, flux, ivar = make_spectrum(GRIDS["sdss"][:320], bad=0)
    ivar[32:96] = 0
    ivar[100] = 0
    patches = stack_spectra([(x, flux, ivar)])
    assert patches.mask[0].tolist() == [True, False, False] + [True] * 7
    assert patches.grid.present.all()


def test_resolution_is_the_mean_over_the_known_pixels():
    """NaN where none is known, or none was given."""
    x, flux, ivar = (torch.from_numpy(part) for part in make_spectrum(GRIDS["sdss"][:96]))
    resolution = torch.full((96,), 2000.0)
    resolution[16:32] = 1000
    resolution[32:64] = torch.nan
    resolution[64:80] = torch.nan
    offsets = torch.tensor([0, 96])
    patches = build_patches(x, flux, ivar, offsets, PATCH, resolution=resolution)
    torch.testing.assert_close(patches.resolution, torch.tensor([[1500.0, torch.nan, 2000.0]]), equal_nan=True)
    assert torch.isnan(build_patches(x, flux, ivar, offsets, PATCH).resolution).all()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_to_moves_every_tensor(device):
    """As on a graphics card; the meta device stands in for one."""
    patches = stack_spectra([make_spectrum(GRIDS["desi"])]).to(device)
    tensors = [getattr(patches, name) for name in ("channels", "valid", "mask", "resolution", "scale")]
    tensors += [getattr(patches.grid, name) for name in ("index", "ln_wavelength", "geometry", "present")]
    assert {tensor.device.type for tensor in tensors} == {device}


@pytest.mark.parametrize("size", [1, 40, 101, 1000])
def test_running_mean_is_the_mean_of_a_window(size):
    """Zeros beyond the ends; what is small beside a value that is huge keeps its precision."""
    x = torch.randn(2, size, dtype=torch.float32)
    x[1, 0] = 1e12
    half = CONTINUUM_PIXELS // 2
    wanted = torch.nn.functional.pad(x.double(), (half, half)).unfold(1, CONTINUUM_PIXELS, 1).mean(-1)
    found = _running_mean(x)
    beyond = slice(half + 1, None)
    torch.testing.assert_close(found[0], wanted[0].float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1, beyond], wanted[1, beyond].float(), rtol=1e-5, atol=1e-6)


def test_asinh_is_that_of_torch():
    """For all sizes that single precision holds, both signs, and NaN."""
    x = torch.cat([torch.logspace(-37, 38.4, 2000), torch.tensor([0.0, torch.inf, torch.nan])])
    x = torch.cat([x, -x])
    wanted = torch.asinh(x.double()).float()
    torch.testing.assert_close(_asinh(x), wanted, rtol=3e-7, atol=0, equal_nan=True)
