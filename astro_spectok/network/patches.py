# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Native pixels to patches: what the network is shown of them."""

import math
from dataclasses import dataclass, fields

import torch
from torch.nn import functional as F

from astro_spectok.network.patch_grid import PatchGrid, arrange_patches

__all__ = ["N_CHANNELS", "PatchBatch", "build_patches", "fill_patches"]

N_CHANNELS = 4  # flux, flux without its continuum, noise, validity
CONTINUUM_PIXELS = 101
LARGE = 1e15  # where asinh is a logarithm, to single precision


@dataclass(frozen=True)
class PatchBatch:
    """Input of the encoder.

    Attributes
    ----------
    channels : float32 tensor, shape (B, T, P, 4)
        Flux over ``scale``, compressed by arcsinh; flux without its continuum in units of the noise, likewise;
        logarithm of the noise; and 1 for a good pixel. All are 0 in bad pixels.
    valid : bool tensor, shape (B, T, P)
        Good pixels.
    mask : bool tensor, shape (B, T)
        Patches with a good pixel.
    resolution : float32 tensor, shape (B, T)
        Resolving power, NaN where unknown.
    scale : float32 tensor, shape (B,)
        The robust positive scale that the flux was divided by.
    grid : `PatchGrid`
        Where the patches lie.

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.network import build_patches
    >>> ln_wavelength = torch.log(torch.linspace(4000, 4063, 64, dtype=torch.float64))
    >>> flux, ivar = torch.full((64,), 3.0), torch.ones(64)
    >>> ivar[5] = 0
    >>> patches = build_patches(ln_wavelength, flux, ivar, torch.tensor([0, 64]), 32)
    >>> tuple(patches.channels.shape), patches.scale.tolist(), patches.valid.sum().item()
    ((1, 2, 32, 4), [3.0], 63)
    """

    channels: torch.Tensor
    valid: torch.Tensor
    mask: torch.Tensor
    resolution: torch.Tensor
    scale: torch.Tensor
    grid: PatchGrid

    def to(self, device):
        """Copy on a device, but for wavelengths where it has no float64.

        Parameters
        ----------
        device : str or `torch.device`

        Returns
        -------
        PatchBatch
        """
        return PatchBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


def _robust_scale(flux, valid):
    """Median of the absolute flux of good pixels (B,); never zero, where a plain median could be negative."""
    size = flux.abs().masked_fill(~valid, torch.nan)
    median = size.nanmedian(dim=1).values
    mean = size.nan_to_num(0).sum(1) / valid.sum(1).clamp_min(1)
    scale = torch.where(median > 0, median, mean)  # more than half exactly zero: the mean
    return torch.where(scale > 0, scale, 1.0)


def build_patches(ln_wavelength, flux, ivar, offsets, patch, resolution=None):
    """Spectra as plain tensors to what the encoder is shown.

    Flux is divided by a robust positive scale, so that its unit and sign do not matter: the median of its absolute
    value over good pixels.

    Parameters
    ----------
    ln_wavelength : float64 tensor, shape (N,)
        Strictly increasing within each spectrum.
    flux, ivar : float32 tensor, shape (N,)
        ``ivar`` 0 marks bad pixels, whose flux is never used.
    offsets : int64 tensor, shape (B + 1,)
        Where each spectrum starts; none may be empty.
    patch : int
        Slots per patch, P.
    resolution : float32 tensor, shape (N,), optional
        Resolving power per pixel, NaN where unknown.

    Returns
    -------
    PatchBatch

    Examples
    --------
    The unit of the flux, and what stands in bad pixels, do not matter:

    >>> import torch
    >>> from astro_spectok.network import build_patches
    >>> ln_wavelength = torch.log(torch.linspace(4000, 4063, 64, dtype=torch.float64))
    >>> flux, ivar = 2 + torch.sin(torch.arange(64.0)), torch.full((64,), 100.0)
    >>> ivar[5] = 0
    >>> corrupted = torch.where(ivar > 0, 8 * flux, 1e9)
    >>> one, other = (build_patches(ln_wavelength, x, w, torch.tensor([0, 64]), 32)
    ...               for x, w in ((flux, ivar), (corrupted, ivar / 64)))
    >>> torch.allclose(one.channels, other.channels, atol=1e-4), round((other.scale / one.scale).item(), 3)
    (True, 8.0)
    """
    return fill_patches(arrange_patches(ln_wavelength, offsets, patch), flux, ivar, resolution=resolution)


def fill_patches(grid, flux, ivar, *, resolution=None):
    """The same on a grid that is arranged already.

    Parameters
    ----------
    grid : `PatchGrid`
    flux, ivar, resolution
        As for `build_patches`.

    Returns
    -------
    PatchBatch
    """
    shape = grid.index.shape  # (B, T, P)
    slots = grid.index.flatten(1).clamp_min(0)  # (B, T * P)
    ivar = torch.where(grid.index.flatten(1) >= 0, ivar[slots], 0.0)
    valid = ivar > 0
    flux = torch.where(valid, flux[slots], 0.0)

    scale = _robust_scale(flux, valid)
    flux = flux / scale[:, None]
    sigma = torch.where(valid, torch.rsqrt(torch.where(valid, ivar, 1.0)) / scale[:, None], 1.0).clamp(1e-5, 1e5)
    weight = torch.where(valid, sigma**-2, 0.0)
    continuum = _running_mean(flux * weight) / _running_mean(weight).clamp_min(1e-12)
    detail = (flux - continuum) / sigma
    # all of these are 0 in bad pixels
    channels = torch.stack(
        [_asinh(flux), torch.where(valid, _asinh(detail) / 2, 0.0), torch.log(sigma) / 2, valid.float()], dim=-1
    ).unflatten(1, shape[1:])  # (B, T, P, 4)
    valid = valid.unflatten(1, shape[1:])
    if resolution is None:
        resolving = torch.full(shape[:2], torch.nan, dtype=flux.dtype, device=flux.device)
    else:
        resolving = torch.where(grid.index >= 0, resolution[grid.index.clamp_min(0)], torch.nan).nanmean(dim=2)
    return PatchBatch(channels, valid, valid.any(2), resolving, scale, grid)


def _asinh(x):
    """`torch.asinh` to rounding, which takes ten times as long."""
    size = x.abs()
    square = size * size
    near = torch.log1p(size + square / (1 + torch.sqrt(square + 1)))
    return torch.copysign(torch.where(size < LARGE, near, torch.log(size) + math.log(2)), x)


def _running_mean(x):
    """Mean over `CONTINUUM_PIXELS` slots, zeros beyond the ends; (B, N) to (B, N)."""
    # sums of 1, 2, 4, ... slots, joined to one of the length of the window: nine passes in place of a hundred
    sums, length = F.pad(x, (CONTINUUM_PIXELS // 2, CONTINUUM_PIXELS // 2)), 1
    joined, at, n = sums[:, : x.shape[1]], 1, x.shape[1]
    while 2 * length <= CONTINUUM_PIXELS:
        sums, length = sums[:, :-length] + sums[:, length:], 2 * length
        if CONTINUUM_PIXELS & length:
            joined, at = joined + sums[:, at : at + n], at + length
    return joined / CONTINUUM_PIXELS
