# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Noise of the pixels that patches are made of, and where the slots of patches lie: kept beside the tokens."""

import torch

from astro_spectok.network.detail import local_flux
from astro_spectok.network.patch_grid import patch_positions

__all__ = ["find_noise", "find_pixels"]


def find_noise(patches):
    """Standard deviation of a good pixel of each patch over the scale of the spectrum, (B, T); NaN where there is none.

    Parameters
    ----------
    patches : `~astro_spectok.network.PatchBatch`

    Returns
    -------
    float32 tensor, shape (B, T)
        1 / sqrt(mean of ivar).
    """
    ivar = torch.exp(-4 * patches.channels[..., 2]) * patches.valid
    count = patches.valid.sum(-1)
    return torch.where(count > 0, torch.rsqrt(ivar.sum(-1) / count.clamp_min(1)), torch.nan)


def find_pixels(tokens, mask, geometry, config):
    """The explicit part of tokens as pixels.

    Parameters
    ----------
    tokens : tensor, shape (B, T, D)
    mask : bool tensor, shape (B, T)
    geometry : float64 tensor, shape (B, T, 3)
    config : `~astro_spectok.network.NetworkConfig`

    Returns
    -------
    position : float64 tensor, shape (B, T, P)
        ln(wavelength) of each slot.
    width : float64 tensor, shape (B, T)
        Of a slot, in ln(wavelength).
    flux : float32 tensor, shape (B, T, P)
        Over the scale of the spectrum, denoised.
    """
    coefficients = tokens[..., config.width :]
    if not coefficients.shape[-1]:  # levels alone
        coefficients = tokens.new_zeros(*tokens.shape[:2], 1)
    flux = local_flux(tokens[..., 0], coefficients, mask, geometry, config.patch)
    return patch_positions(geometry, config.patch), geometry[..., 1], flux
