# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Line profiles and smoothing on grids that are even in ln(wavelength)."""

import math

import torch

__all__ = ["add_gaussians", "find_bins", "measure_continuum", "normalize_flux", "smooth_flux"]


def find_bins(grid, low, high):
    """The slice of a rest-frame grid between two wavelengths in Angstrom."""
    first = math.ceil((math.log(low) - grid.ln_start) / grid.ln_step)
    last = math.floor((math.log(high) - grid.ln_start) / grid.ln_step) + 1
    return slice(min(max(first, 0), grid.size), min(max(last, 0), grid.size))


def add_gaussians(values, grid, ln_centre, sigma, peak, *, reach=4.0):
    """Add Gaussian profiles to rows, in place.

    Parameters
    ----------
    values : float32 tensor, shape (B, N)
    grid : `~astro_spectok.simulate.objects.RestGrid`
    ln_centre : float64 tensor, shape (B, L) or (L,)
        Where the profiles lie; what falls outside the grid is left out.
    sigma, peak : float32 tensor, broadcasting to (B, L)
        Width in ln(wavelength) and height; NaN heights spread.
    reach : float
        Where the profile is cut, in sigma of the widest.

    Returns
    -------
    float32 tensor, shape (B, N)
        ``values``.
    """
    n_row, n_bin = values.shape
    centre, sigma, peak = torch.broadcast_tensors(ln_centre, sigma, peak)
    if centre.shape[0] != n_row:
        centre, sigma, peak = (t.expand(n_row, -1) for t in (centre, sigma, peak))
    half = int(reach * float(sigma.max()) / grid.ln_step) + 1
    position = (centre - grid.ln_start) / grid.ln_step  # (B, L) in bins
    nearest = position.round().long()
    offset = torch.arange(-half, half + 1, device=values.device)
    bins = nearest[..., None] + offset  # (B, L, 2 half + 1)
    distance = ((nearest - position).float()[..., None] + offset) * (grid.ln_step / sigma[..., None])
    profile = peak[..., None] * torch.exp(-0.5 * distance.square())
    inside = (bins >= 0) & (bins < n_bin)
    profile = profile * inside
    bins = bins.clamp(0, n_bin - 1)
    return values.scatter_add_(1, bins.flatten(1), profile.float().flatten(1))


def smooth_flux(flux, n_bins, *, passes=3):
    """Smooth rows by repeated running means, close to a Gaussian of sigma ``n_bins * sqrt(passes / 12)``.

    Parameters
    ----------
    flux : float32 tensor, shape (..., N)
        Without NaN.
    n_bins : int
        Width of each running mean.
    passes : int

    Returns
    -------
    float32 tensor, shape (..., N)
        At the ends the first and last value are taken to go on.
    """
    half = int(n_bins) // 2
    if half < 1:
        return flux
    out = flux.double()  # running sums lose digits in float32
    for _ in range(passes):
        left, right = out[..., :1], out[..., -1:]
        padded = torch.cat([left.expand(*left.shape[:-1], half + 1), out, right.expand(*right.shape[:-1], half)], -1)
        total = padded.cumsum(-1)
        out = (total[..., 2 * half + 1 :] - total[..., : -2 * half - 1]) / (2 * half + 1)
    return out.float()


def measure_continuum(flux, grid, ln_centre, *, inner=0.010, outer=0.020):
    """Mean flux in two windows beside each of some lines.

    Parameters
    ----------
    flux : float32 tensor, shape (B, N)
        Without the lines. NaN bins are left out.
    grid : `~astro_spectok.simulate.objects.RestGrid`
    ln_centre : float64 tensor, shape (L,)
    inner, outer : float
        Where the windows begin and end, in ln(wavelength) from the line.

    Returns
    -------
    float32 tensor, shape (B, L)
        0 where nothing is known.
    """
    offset = torch.arange(round(inner / grid.ln_step), round(outer / grid.ln_step) + 1, 4, device=flux.device)
    offset = torch.cat([-offset, offset])
    bins = ((ln_centre - grid.ln_start) / grid.ln_step).round().long()[:, None] + offset  # (L, window)
    values = flux[:, bins.clamp(0, grid.size - 1).flatten()].unflatten(1, bins.shape)
    known = torch.isfinite(values) & (bins >= 0) & (bins < grid.size)
    return torch.where(known, values, 0).sum(2) / known.sum(2).clamp(min=1)


def normalize_flux(flux, *, stride=16):
    """Divide rows by the median of their positive bins.

    Parameters
    ----------
    flux : float32 tensor, shape (B, N)
        NaN bins are ignored and kept.
    stride : int
        Only every so many-th bin is looked at.

    Returns
    -------
    flux : float32 tensor, shape (B, N)
    scale : float32 tensor, shape (B, 1)
        What it was divided by; 1 where no bin is positive.
    """
    sample = flux[:, ::stride]
    scale = torch.nanmedian(torch.where(sample > 0, sample, torch.nan), dim=1, keepdim=True).values
    scale = torch.where(torch.isfinite(scale) & (scale > 0), scale, torch.ones_like(scale))
    return flux / scale, scale
