# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is kept of pixels beside the tokens: their noise, where they lie, and the coefficients before their filter."""

import math

import torch

from astro_spectok.network.detail import detail_basis, expand_detail, local_flux
from astro_spectok.network.level import interpolate_slots
from astro_spectok.network.patch_grid import patch_positions

__all__ = ["find_noise", "find_pixels", "find_quiet", "find_unfiltered"]

#: noise over the median one beyond which a pixel is not taken as it is
_NOISY = 10.0


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


def find_quiet(patches):
    """Good pixels that are not far noisier than most: bool tensor, shape (B, T, P).

    Parameters
    ----------
    patches : `~astro_spectok.network.PatchBatch`
    """
    log_sigma = 2 * patches.channels[..., 2]
    usual = log_sigma.masked_fill(~patches.valid, torch.nan).flatten(1).nanmedian(1).values[:, None, None]
    return patches.valid & (log_sigma < usual + math.log(_NOISY))


def find_unfiltered(patches, tokens, config):
    """DCT coefficients of each patch as those of its token, without their filter.

    The filter takes weak lines away with the noise; sums over many pixels need no filter. Pixels that are bad, or far
    noisier than most, are as the filter has them.

    Parameters
    ----------
    patches : `~astro_spectok.network.PatchBatch`
    tokens : tensor, shape (B, T, D)
        Of these patches.
    config : `~astro_spectok.network.NetworkConfig`

    Returns
    -------
    float32 tensor, shape (B, T, M)
        Of asinh of flux over scale, less the interpolated level.
    """
    filtered = tokens[..., config.width :].float()
    level = interpolate_slots(tokens[..., 0].float(), patches.mask, patches.grid.geometry, config.patch)
    rest = torch.where(find_quiet(patches), patches.channels[..., 0] - level, expand_detail(filtered, config.patch))
    basis = detail_basis(config.patch, filtered.shape[-1], rest.device)
    return (rest @ basis) * patches.mask[..., None]


def find_pixels(tokens, mask, geometry, config, coefficients=None):
    """The explicit part of tokens as pixels.

    Parameters
    ----------
    tokens : tensor, shape (B, T, D)
    mask : bool tensor, shape (B, T)
    geometry : float64 tensor, shape (B, T, 3)
    config : `~astro_spectok.network.NetworkConfig`
    coefficients : tensor, shape (B, T, M), optional
        In place of the filtered ones of the tokens: as of `find_unfiltered`.

    Returns
    -------
    position : float64 tensor, shape (B, T, P)
        ln(wavelength) of each slot.
    width : float64 tensor, shape (B, T)
        Of a slot, in ln(wavelength).
    flux : float32 tensor, shape (B, T, P)
        Over the scale of the spectrum, denoised where no coefficients are given.
    """
    coefficients = tokens[..., config.width :] if coefficients is None else coefficients
    if not coefficients.shape[-1]:  # levels alone
        coefficients = tokens.new_zeros(*tokens.shape[:2], 1)
    flux = local_flux(tokens[..., 0], coefficients, mask, geometry, config.patch)
    return patch_positions(geometry, config.patch), geometry[..., 1], flux
