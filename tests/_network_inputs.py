# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra as the network's tests need them: plain tensors on several grids."""

import numpy as np
import torch

from astro_spectok.network import arrange_patches, build_patches

PATCH = 32

#: grids that instruments have, as ln(wavelength / Angstrom)
GRIDS = {
    "sdss": 8.2 + np.arange(3840) * 2.3026e-4,
    "desi": np.log(3600 + 0.8 * np.arange(2001)),
    "single token": 8.5 + np.arange(32) * 1e-4,
    "infrared": np.log(np.linspace(15000, 17000, 999)),
    "arms": np.log(np.r_[4700:4900:0.5, 5650:5870:0.6, 7600:7890:0.8]),
}


def make_spectrum(ln_wavelength, seed=0, bad=0.05):
    """Wavelengths, flux and inverse variance (numpy) with lines, noise and some bad pixels."""
    rng = np.random.default_rng(seed)
    n = len(ln_wavelength)
    flux = 2 + np.sin(40 * ln_wavelength) + 3 * np.exp(-0.5 * ((np.arange(n) - 0.4 * n) / 3) ** 2)
    flux += rng.normal(0, 0.1, n)
    ivar = np.where(rng.random(n) < bad, 0, 100 * rng.uniform(0.5, 2, n))
    return np.asarray(ln_wavelength, float), flux.astype(np.float32), ivar.astype(np.float32)


def stack_spectra(spectra, resolution=None):
    """`PatchBatch` of spectra as of `make_spectrum`."""
    parts = [torch.from_numpy(np.concatenate(part)) for part in zip(*spectra, strict=True)]
    if resolution is not None:
        resolution = torch.full_like(parts[1], resolution)
    return build_patches(*parts, find_offsets(spectra), PATCH, resolution=resolution)


def find_offsets(spectra):
    """Where each spectrum starts."""
    return torch.tensor(np.concatenate([[0], np.cumsum([len(s[0]) for s in spectra])]))


def arrange_one(ln_wavelength, patch=PATCH):
    """`PatchGrid` of a single grid."""
    x = torch.as_tensor(ln_wavelength, dtype=torch.float64)
    return arrange_patches(x, torch.tensor([0, len(x)]), patch)
