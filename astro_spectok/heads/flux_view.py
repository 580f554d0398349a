# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A spectrum on a fixed grid, whatever its pixels: lines relative to the continuum, and the broad-band shape.

For features at fixed wavelengths: those of stars, whose velocities are smaller than a bin.
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.level import LARGEST

__all__ = ["LEAST_WEIGHT", "BinSums", "FluxView", "bin_pixels", "weigh_pixels"]

#: weight of the pixels in a bin, in parts of one, below which it is empty
LEAST_WEIGHT = 1e-3
#: over the median variance of a spectrum: what makes a pixel count half as much as a quiet one
NOISY = 9.0
#: continuum, over the mean flux of the spectrum, below which contrast is no longer relative to it
_LEAST_CONTINUUM = 0.1
#: limits of the contrast, and of the flux over its mean
_CONTRAST, _FLUX = (-1.5, 3.0), (-3.0, 30.0)
#: relative errors at which a bin of either view counts half
_ERROR, _BROAD_ERROR = 0.05, 0.02


def bin_pixels(patches, edges):
    """Mean flux in bins, and its error.

    Pixels count the same but for those that are far noisier than most: weights by inverse variance would prefer the
    bottoms of absorption bands.

    Parameters
    ----------
    patches : `~astro_spectok.network.PatchBatch`
        Bad pixels do not count.
    edges : float64 tensor, shape (N + 1,)
        ln(wavelength) of the edges of the bins.

    Returns
    -------
    flux, variance : float32 tensor, shape (B, N)
        Over the scale of the spectrum and its square; zero in bins without a good pixel.
    covered : bool tensor, shape (B, N)
        Bins with good pixels.
    """
    total, noise, weight = weigh_pixels(patches).find(patches.grid.geometry, edges).unbind(-1)
    covered = weight > LEAST_WEIGHT
    divisor = torch.where(covered, weight, 1.0)
    # of pixels wider than a bin each fills several: its error is theirs
    return (
        torch.where(covered, total / divisor, 0.0),
        torch.where(covered, noise / divisor / divisor.clamp_min(1.0), 0.0),
        covered,
    )


def weigh_pixels(patches):
    """`BinSums` of weighted flux, its weighted variance, and the weight of pixels: noisy ones count less."""
    flux = torch.sinh(patches.channels[..., 0].clamp(-LARGEST, LARGEST))
    variance = torch.exp(4 * patches.channels[..., 2])  # the channel is half the logarithm of sigma
    usual = variance.masked_fill(~patches.valid, torch.nan).flatten(1).nanmedian(1).values[:, None, None]
    weight = torch.where(patches.valid, 1 / (1 + variance / (NOISY * usual)), 0.0)
    return BinSums.of(torch.stack([weight * flux, weight**2 * variance, weight], -1))


class BinSums(NamedTuple):
    """Sums over pixels in bins, those on an edge in parts; what does not depend on the bins is computed once.

    Attributes
    ----------
    integral : tensor, shape (B, T * (P + 1), C)
        Of the values up to each pixel, with one more of value zero between each two tokens.
    n_slot : int
        P, pixels of a token.
    """

    integral: torch.Tensor
    n_slot: int

    @classmethod
    def of(cls, values):
        """Those of values (B, T, P, C), which are zero where nothing is to be counted."""
        cells = F.pad(values, (0, 0, 0, 1)).flatten(1, 2)
        exact = torch.float32 if values.device.type == "mps" else torch.float64
        return cls(F.pad(torch.cumsum(cells.to(exact), 1), (0, 0, 1, 0))[:, :-1], values.shape[2])

    def take(self, rows):
        """The same of some spectra."""
        return self._replace(integral=self.integral[rows])

    def find(self, geometry, edges):
        """Sums in some bins.

        Parameters
        ----------
        geometry : float64 tensor, shape (B, T, 3)
            As of `~astro_spectok.network.PatchGrid`.
        edges : float64 tensor, shape (N + 1,)
            ln(wavelength), increasing.

        Returns
        -------
        float32 tensor, shape (B, N, C)
        """
        integral = self.integral
        n_batch, _, n_channel = integral.shape
        borders = torch.arange(-0.5, self.n_slot, dtype=geometry.dtype, device=geometry.device) - (self.n_slot - 1) / 2
        place = geometry @ torch.stack([torch.ones_like(borders), borders, borders**2])  # (B, T, P + 1)
        place = torch.cummax(place.flatten(1), 1).values.contiguous()  # tokens may touch, never cross
        low, high = torch.searchsorted(edges, torch.stack([place[:, 0].min(), place[:, -1].max()])).tolist()
        first, last = max(low - 1, 0), min(high + 1, len(edges))  # all other bins lie beyond all pixels
        shape = n_batch, len(edges) - 1, n_channel
        out = torch.zeros(*shape, dtype=torch.float32, device=integral.device)
        if last - first < 2:
            return out
        wanted = edges[first:last].expand(n_batch, -1).contiguous()
        right = torch.searchsorted(place, wanted).clamp(1, place.shape[1] - 1)  # (B, M)
        before, after = place.gather(1, right - 1), place.gather(1, right)
        part = ((wanted - before) / (after - before).clamp_min(1e-12)).clamp(0, 1).to(integral)[..., None]
        right = right.to(integral.device)[..., None].expand(-1, -1, n_channel)
        sums = torch.lerp(integral.gather(1, right - 1), integral.gather(1, right), part.expand_as(right))
        out[:, first : last - 1] = sums.diff(dim=1).to(out)
        return out


class FluxView(nn.Module):
    """Lines and broad-band shape of spectra, each with a measure of how well it is known.

    Parameters
    ----------
    low, high : float
        Vacuum Angstrom.
    step : float
        Width of the bins of the lines in ln(wavelength).
    first : float
        Vacuum Angstrom; below it only the broad-band shape is given.
    continuum : float
        Width in ln(wavelength) of the running mean that lines are relative to.
    joined : int
        Bins of the lines in one bin of the broad-band shape.

    Attributes
    ----------
    n_lines, n_broad : int
        Numbers of bins.
    """

    def __init__(self, low, high, step, *, first, continuum, joined):
        super().__init__()
        self.low, self.step, self.joined = math.log(low), step, joined
        self.n_broad = math.floor(math.log(high / low) / step / joined)
        self.skipped = math.floor(math.log(first / low) / step)
        self.n_lines = self.n_broad * joined - self.skipped
        self.window = round(continuum / step) // 2 * 2 + 1

    def forward(self, patches):
        """
        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`

        Returns
        -------
        lines : float32 tensor, shape (B, 2, n_lines)
            Flux over the continuum, less one; and how well that is known: 1 where errors are small, 0 where nothing is.
        broad : float32 tensor, shape (B, 3, n_broad)
            asinh of the flux over its mean, how well it is known, and 1 where it is.
        """
        number = torch.arange(self.n_broad * self.joined + 1, dtype=torch.float64, device=patches.grid.geometry.device)
        flux, variance, covered = bin_pixels(patches, self.low + self.step * number)
        covered = covered.to(flux)
        broad, mean = self._join(flux, variance, covered)
        return self._find_lines(flux / mean, variance / mean**2, covered)[..., self.skipped :], broad

    def _join(self, flux, variance, covered):
        """The broad-band shape (B, 3, n_broad), and the mean of the absolute flux over it (B, 1)."""
        shape = (-1, self.n_broad, self.joined)
        counts = covered.view(shape).sum(-1)  # (B, n_broad)
        there, number = (counts > 0).to(flux), counts.clamp_min(1)
        joined, errors = flux.view(shape).sum(-1) / number, variance.view(shape).sum(-1) / number**2
        mean = (joined.abs().sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp_min(1)).clamp_min(1e-6)
        known = there / (1 + torch.sqrt(errors) / mean / _BROAD_ERROR)
        values = torch.asinh((joined / mean).clamp(*_FLUX)) * there
        return torch.stack([values, known, there], 1), mean

    def _find_lines(self, flux, variance, covered):
        """Contrast and how well it is known, (B, 2, bins), of flux over its mean."""
        mean, share = self._average(flux), self._average(covered)
        continuum = (mean / share.clamp_min(1 / self.window)).abs() + _LEAST_CONTINUUM
        contrast = ((flux - mean / share.clamp_min(1 / self.window)) / continuum).clamp(*_CONTRAST)
        known = covered / (1 + torch.sqrt(variance) / continuum / _ERROR)
        return torch.stack([contrast * covered, known], 1)

    def _average(self, values):
        """Running mean (B, bins) over the window of the continuum, zeros beyond the ends."""
        half = self.window // 2
        exact = torch.float32 if values.device.type == "mps" else torch.float64  # sums are subtracted
        total = torch.cumsum(F.pad(values, (half + 1, half)), 1, dtype=exact)
        return ((total[:, self.window :] - total[:, : -self.window]) / self.window).to(values)
