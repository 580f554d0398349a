# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Encodings of ln(wavelength): sinusoids of a patch's centre, and rotations inside the attention."""

import math

import torch
from torch import nn

from astro_spectok.network.linear import Linear
from astro_spectok.network.shared_rows import compute_shared

__all__ = ["RotaryPhases", "WavelengthEncoding", "rotate"]


def _angular_frequencies(number, longest, shortest):
    """Frequencies for ``number`` periods in ln(wavelength), evenly spaced in their logarithm, float64."""
    periods = torch.logspace(math.log10(longest), math.log10(shortest), number, dtype=torch.float64, device="cpu")
    return 2 * math.pi / periods


def _phases(ln_wavelength, reference, omega):
    """Phases (..., F) in float64, where the wavelengths are (on the CPU for a device without float64)."""
    return (ln_wavelength - reference)[..., None] * omega.to(ln_wavelength.device)


class WavelengthEncoding(nn.Module):
    """Encode centre, pixel width and resolution of patches as vectors of the token's size.

    Sinusoids averaged over the pixels of a patch lose their fast components; those of the centre do not. Phases are
    computed in float64: in float32 the fastest would be wrong by several per cent.
    """

    def __init__(self, config):
        super().__init__()
        self.frequencies = (config.frequencies, config.longest_period, config.shortest_period)
        self.reference = config.axis.reference
        self.project = Linear(2 * config.frequencies + 5, config.width)

    def forward(self, geometry, resolution):
        """
        Parameters
        ----------
        geometry : float64 tensor, shape (B, T, 3)
            ln(wavelength) of the patch centre, its width per pixel and its curvature.
        resolution : float32 tensor, shape (B, T)
            Resolving power, NaN where unknown.

        Returns
        -------
        tensor, shape (B, T, D)
            Rows of spectra on one grid may share their memory.
        """
        return compute_shared(self._encode, geometry, resolution)

    def _encode(self, geometry, resolution):
        device = self.project.weight.device
        phase = _phases(geometry[..., 0], self.reference, _angular_frequencies(*self.frequencies))  # (B, T, F)
        ln_width = torch.log(geometry[..., 1].clamp_min(1e-9))
        known = torch.isfinite(resolution) & (resolution > 0)
        ln_resolution = torch.log(torch.where(known, resolution, 1.0)).to(device)
        known, ln_width = known.to(device), ln_width.float().to(device)
        features = torch.cat(
            [
                phase.sin().float().to(device),
                phase.cos().float().to(device),
                (geometry[..., :1] - self.reference).float().to(device),
                ln_width[..., None] + 8.4,
                known[..., None].float(),
                torch.where(known, ln_resolution - 7.5, 0.0)[..., None],
                torch.where(known, ln_resolution + ln_width + 0.7, 0.0)[..., None],  # ln of pixels per FWHM, inverted
            ],
            dim=-1,
        )  # (B, T, 2F + 5)
        return self.project(features)


class RotaryPhases(nn.Module):
    """Rotary encoding: sines and cosines that rotate queries and keys by their ln(wavelength).

    Attention then depends on ratios of wavelengths alone, which a redshift leaves as they are (rotary encoding,
    Su et al. 2021, arXiv 2104.09864, with ln(wavelength) in place of the token's number).
    """

    def __init__(self, config):
        super().__init__()
        self.frequencies = (config.width // config.heads // 2, config.rotary_longest, config.rotary_shortest)
        self.reference = config.axis.reference

    def forward(self, centre, device):
        """Tensors (B, 1, T, head size / 2) of cosines and of sines for ``centre`` (B, T)."""

        def turn(centre):
            phase = _phases(centre, self.reference, _angular_frequencies(*self.frequencies))[:, None]  # (B, 1, T, d/2)
            return phase.cos().float().to(device), phase.sin().float().to(device)

        return compute_shared(turn, centre)


def rotate(x, phases):
    """Turn ``x`` (B, H, T, d) by ``phases`` (two tensors (B, 1, T, d / 2))."""
    cos, sin = (p.to(x.dtype) for p in phases)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
