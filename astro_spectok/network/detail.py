# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""DCT coefficients of the flux within each patch, kept in its token without learning, as far as they exceed the noise.

To reproduce a spectrum at a signal-to-noise ratio of 100, a network must learn a linear map of its pixels to one per
cent, which takes very long. The last values of each token are therefore not learned: they are coefficients of the
DCT (type II) of the flux less the interpolated level, shrunk by a Wiener filter where they
are noise.
"""

import functools
import math

import torch

from astro_spectok.network.level import LARGEST, interpolate_slots

__all__ = ["detail_basis", "expand_detail", "filter_detail", "local_flux"]

#: expected power spectrum: its width in DCT orders, and its floor relative to the largest
POWER_WIDTH, POWER_FLOOR = 12.0, 3e-3
#: sigma in asinh flux below which no pixel is trusted, and the same over the root of the power of its patch: single
#: precision would run away where a few pixels are all that a patch has
LEAST_SIGMA, LEAST_RATIO = 3e-3, 0.01
#: power in a patch that is taken for the scatter of its noise, in standard deviations of that
NOISE_MARGIN = 1.0


def detail_basis(patch, number, device=None):
    """Orthonormal DCT basis (P, M) in the slots of a patch, beginning with the constant."""
    slot, order = (torch.arange(n, dtype=torch.float32, device=device) for n in (patch, number))
    basis = torch.cos(math.pi / patch * (slot[:, None] + 0.5) * order) * math.sqrt(2 / patch)
    basis[:, 0] = math.sqrt(1 / patch)
    return basis


def filter_detail(patches, level, number):
    """DCT coefficients of the flux of each patch less the interpolated level, in units of asinh of flux over scale.

    The best linear estimate where the coefficients are Gaussian with a power that falls with their order and is scaled
    to what the patch shows beyond its noise (Wiener filter; Rybicki & Press 1992, ApJ 398, 169).

    Parameters
    ----------
    patches : `~astro_spectok.network.PatchBatch`
    level : tensor, shape (B, T)
        As of `~astro_spectok.network.level.patch_level`.
    number : int
        Of coefficients, M.

    Returns
    -------
    float32 tensor, shape (B, T, M)
        Zero for patches without a good pixel.
    """
    basis = detail_basis(patches.valid.shape[2], number, level.device)
    flux, valid = patches.channels[..., 0], patches.valid
    rest = torch.where(valid, flux - interpolate_slots(level, patches.mask, patches.grid.geometry, len(basis)), 0.0)
    # sigma of the asinh of a flux; exp(2 ...) undoes how the noise is shown to the encoder
    sigma = torch.exp(2 * patches.channels[..., 2]) * torch.rsqrt(1 + torch.sinh(flux) ** 2)
    variance = torch.where(valid, sigma**2 + LEAST_SIGMA**2, torch.inf)
    return _shrink(rest, variance, basis) * patches.mask[..., None]


def _shrink(rest, variance, basis):
    """Coefficients (B, T, M) of ``rest`` (B, T, P), given the variance of each pixel (B, T, P), inf for bad ones."""
    weight = 1 / variance
    count, total = (weight > 0).sum(-1), weight.sum(-1).clamp_min(1e-12)
    # both averaged as the pixels weigh, so that a few noisy ones do not decide
    power, noise = (weight * rest**2).sum(-1) / total, count / total
    signal = power - noise * (1 + NOISE_MARGIN * torch.rsqrt(count.clamp_min(1).to(power) / 2))
    signal = signal.clamp_min(0.0)[..., None]  # (B, T, 1)
    weight = 1 / (variance + LEAST_RATIO**2 * signal)
    shape, products = _scale_products(len(basis), basis.shape[1], basis.device)
    normal = ((signal * weight) @ products).unflatten(-1, (len(shape), -1))  # (B, T, M, M)
    normal.diagonal(dim1=-2, dim2=-1).add_(1)
    root = torch.sqrt(signal) * shape  # (B, T, M)
    target = root * ((weight * rest) @ basis)
    return root * torch.cholesky_solve(target[..., None], torch.linalg.cholesky(normal))[..., 0]


@functools.lru_cache(maxsize=8)
def _scale_products(patch, number, device):
    """Expected root of the power of each order (M,), and products of each two orders so scaled (P, M * M)."""
    with torch.inference_mode(False):  # what is kept must serve with gradients too
        basis = detail_basis(patch, number, device)
        order = torch.arange(number, dtype=basis.dtype, device=device)
        shape = torch.exp(-((order / POWER_WIDTH) ** 2)) + POWER_FLOOR
        shape = torch.sqrt(shape * (patch / shape.sum()))
        scaled = basis * shape
        return shape, (scaled[:, :, None] * scaled[:, None]).flatten(1)


def expand_detail(coefficients, patch):
    """asinh flux less the interpolated level in the slots of each patch, (B, T, P), from coefficients (B, T, M)."""
    return coefficients @ detail_basis(patch, coefficients.shape[-1], coefficients.device).T


def local_flux(level, coefficients, mask, geometry, patch):
    """Flux over scale in the slots of each patch, denoised, from the level and DCT coefficients of the tokens.

    Parameters
    ----------
    level : tensor, shape (B, T)
    coefficients : tensor, shape (B, T, M)
        As of `filter_detail`.
    mask : bool tensor, shape (B, T)
        Tokens that count.
    geometry : float64 tensor, shape (B, T, 3)
    patch : int
        Slots per patch, P.

    Returns
    -------
    tensor, shape (B, T, P)
    """
    flux = interpolate_slots(level, mask, geometry, patch) + expand_detail(coefficients, patch)
    return torch.sinh(flux.clamp(-LARGEST, LARGEST))
