# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The lines of a spectrum on a fixed grid: its flux over its own continuum, from what tokens hold explicitly."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.resample import resample_features

__all__ = ["FluxContrast", "flux_contrast"]

#: share of a bin that pixels must cover
LEAST_COVERED = 0.5
#: continuum, over the scale of the spectrum, below which the contrast is no longer relative to it
LEAST_CONTINUUM = 0.1
#: limits of the contrast: bright lines are a hundred times their continuum, and all that matters is that they are there
LIMITS = (-2.0, 4.0)


def flux_contrast(flux, mask, geometry, edges, window):
    """Flux over its running mean, less one, in bins.

    Parameters
    ----------
    flux : tensor, shape (B, T, P)
        Over the scale of the spectrum, in the slots of each token, as of `~astro_spectok.network.detail.local_flux`.
    mask : bool tensor, shape (B, T)
        Tokens that count.
    geometry : float64 tensor, shape (B, T, 3)
    edges : float64 tensor, shape (B, N + 1)
        ln(wavelength) of the edges of the bins.
    window : int
        Bins, an odd number, over which the mean runs.

    Returns
    -------
    contrast : tensor, shape (B, N)
        Zero where less than half of a bin is covered.
    covered : bool tensor, shape (B, N)
    """
    binned, fraction = resample_features(flux[..., None], mask, geometry, edges[:, :-1], edges[:, 1:])
    covered = fraction > LEAST_COVERED
    here = covered.to(binned.dtype)
    mean, share = (
        F.avg_pool1d(x[:, None], window, stride=1, padding=window // 2)[:, 0] for x in (binned[..., 0] * here, here)
    )
    continuum = mean / share.clamp_min(1 / window)
    contrast = (binned[..., 0] - continuum) / (continuum.abs() + LEAST_CONTINUUM)
    return contrast.clamp(*LIMITS) * here, covered


class FluxContrast(nn.Module):
    """Part of the embedding: a linear map of the lines, which `WavelengthNodes` are too wide to resolve.

    What distinguishes one star from another like it are a few per cent in many lines. Learned features of tokens do not
    keep these, as a linear map of the flux over its continuum does, principal components of it for one.
    """

    #: width in ln(wavelength) of the running mean
    CONTINUUM = 0.06

    def __init__(self, config):
        super().__init__()
        low, high = config.span
        self.low, self.step, self.number = low, config.contrast_step, math.floor((high - low) / config.contrast_step)
        self.window = 2 * round(self.CONTINUUM / config.contrast_step / 2) + 1
        self.project = nn.Linear(self.number, config.embedding_size, bias=False)

    def forward(self, flux, mask, geometry):
        """Vector (B, E) of the flux (B, T, P) of tokens, as `flux_contrast` takes it."""
        first, last = self._find_reach(mask, geometry, flux.shape[2])
        place = torch.arange(first, last + 1, dtype=geometry.dtype, device=geometry.device)
        edges = self.low + self.step * place
        contrast, _ = flux_contrast(flux, mask, geometry, edges.expand(len(flux), -1), self.window)
        return F.linear(contrast, self.project.weight[:, first:last])

    def _find_reach(self, mask, geometry, patch):
        """First and last bin that tokens reach, with the running mean: all others are zero."""
        half = geometry[..., 1].abs() * patch + geometry[..., 2].abs() * patch**2
        mask = mask.to(geometry.device)
        start = (geometry[..., 0] - half).masked_fill(~mask, math.inf).min()
        stop = (geometry[..., 0] + half).masked_fill(~mask, -math.inf).max()
        ends = ((torch.stack([start, stop]) - self.low) / self.step).clamp(0, self.number)
        first, last = (0, self.number) if torch.isnan(ends).any() else ends.tolist()
        first, last = max(int(first) - self.window, 0), min(int(last) + 1 + self.window, self.number)
        return (first, last) if first < last else (0, self.number)
