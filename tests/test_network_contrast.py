# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the flux over its own continuum in fixed bins, and of the part of the embedding made of it."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, PATCH, stack_spectra

from astro_spectok.network import build_network, get_config
from astro_spectok.network.contrast import LIMITS, flux_contrast
from astro_spectok.network.detail import filter_detail, local_flux
from astro_spectok.network.level import patch_level

EDGES = 8.1 + 1e-3 * torch.arange(1200, dtype=torch.float64)[None]


def absorb(ln_wavelength, *, slope=0.0, factor=1.0, noise=0.0):
    """A continuum with absorption lines, through an instrument of one grid: wavelengths, flux and inverse variance."""
    lines = np.arange(8.15, 9.3, 0.017)
    depth = 0.3 * np.exp(-0.5 * ((ln_wavelength[:, None] - lines) / 1.2e-3) ** 2).sum(1)
    flux = factor * np.exp(slope * (ln_wavelength - 8.6)) * (1 - depth)
    flux = flux + np.random.default_rng(0).normal(0, noise, len(flux)) if noise else flux
    return ln_wavelength, flux.astype(np.float32), np.full(len(flux), 1e4 / factor**2, np.float32)


def contrast(spectrum):
    """Of one spectrum: (N,), and whether each bin is covered."""
    patches = stack_spectra([spectrum])
    level = patch_level(patches)
    flux = local_flux(level, filter_detail(patches, level, 16), patches.mask, patches.grid.geometry, PATCH)
    return [x[0] for x in flux_contrast(flux, patches.mask, patches.grid.geometry, EDGES, 61)]


def test_two_instruments_agree():
    """Grids of their own, another unit, another colour: the same lines."""
    (one, covered), (other, also) = (
        contrast(absorb(GRIDS["sdss"])), contrast(absorb(GRIDS["desi"], slope=1.0, factor=7.0)),
    )  # fmt: skip
    both = covered & also
    both[np.flatnonzero(both.numpy())[[*range(40), *range(-40, 0)]]] = False  # the mean runs on one side only
    assert both.sum() > 200
    assert one[both].std() > 0.05
    assert (one - other)[both].std() < 0.1 * one[both].std()


def test_nothing_where_nothing_is_covered():
    """Zero beyond the ends and in gaps; a masked token covers nothing."""
    found, covered = contrast(absorb(GRIDS["arms"]))
    assert torch.equal(found[~covered], torch.zeros(int((~covered).sum())))
    inside = (EDGES[0, :-1] > math.log(4920)) & (EDGES[0, 1:] < math.log(5630))  # a patch ends there
    assert not covered[inside].any()
    assert covered.any()


def test_bright_lines_are_limited():
    """A line a thousand times its continuum."""
    x = GRIDS["sdss"]
    flux = np.ones(len(x), np.float32)
    flux[1000:1010] = 1000
    found, _ = contrast((x, flux, np.full(len(x), 1e4, np.float32)))
    assert found.max() == LIMITS[1]
    assert torch.isfinite(found).all()


@pytest.fixture(scope="module")
def network():
    """Random weights whose embedding has contrast in it."""
    torch.manual_seed(5)
    config = dataclasses.replace(get_config("tiny"), dct_coefficients=16, contrast_step=1e-3)
    return build_network(config).eval()


def embed(network, spectrum):
    """Embedding (E,) of one spectrum."""
    patches = stack_spectra([spectrum])
    with torch.inference_mode():
        return network.embed(network.encode(patches), patches.mask, patches.grid.geometry)[0]


def test_embedding_depends_on_the_lines(network):
    """On those of the contrast's own part too: without it the vector is another."""
    with_lines = embed(network, absorb(GRIDS["sdss"]))
    part, network.pooling.contrast = network.pooling.contrast, None
    without = embed(network, absorb(GRIDS["sdss"]))
    network.pooling.contrast = part
    patches = stack_spectra([absorb(GRIDS["sdss"])])
    with torch.inference_mode():
        tokens = network.encode(patches)
        flux = local_flux(tokens[..., 0], tokens[..., 32:], patches.mask, patches.grid.geometry, PATCH)
        own = part(flux, patches.mask, patches.grid.geometry)[0]
    torch.testing.assert_close(with_lines - without, own, rtol=1e-4, atol=1e-5)
    assert own.abs().max() > 1e-3


def test_gradients_reach_its_weights(network):
    """They are trained by alignment."""
    patches = stack_spectra([absorb(GRIDS["sdss"], noise=0.01)])
    network.zero_grad()
    network.embed(network.encode(patches), patches.mask, patches.grid.geometry).square().sum().backward()
    assert network.pooling.contrast.project.weight.grad.abs().sum() > 0
