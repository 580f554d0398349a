# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Conserving resampling of features from the slots of tokens onto any other pixels, differentiable."""

import torch

from astro_spectok.network.patch_grid import patch_positions
from astro_spectok.network.shared_rows import compute_shared

__all__ = ["resample_features"]


def _exact_dtype(device):
    return torch.float32 if device.type == "mps" else torch.float64


def _find_edges(geometry, n_slot):
    """Edges of the cells of each spectrum, with one more cell between each two tokens: (B, T * (P + 1))."""
    centre = patch_positions(geometry, n_slot)  # (B, T, P)
    inner = (centre[..., 1:] + centre[..., :-1]) / 2
    edges = torch.cat(
        [1.5 * centre[..., :1] - 0.5 * centre[..., 1:2], inner, 1.5 * centre[..., -1:] - 0.5 * centre[..., -2:-1]], -1
    )  # (B, T, P + 1)
    return torch.cummax(edges.flatten(1), dim=1).values  # runs may touch, never cross


def _find_cells(edges, x):
    """The edge at or behind each ``x`` (B, N), and how far across the cell before it ``x`` is."""
    right = torch.searchsorted(edges.contiguous(), x.contiguous()).clamp(1, edges.shape[1] - 1)
    left_edge, right_edge = edges.gather(1, right - 1), edges.gather(1, right)
    return right, ((x - left_edge) / (right_edge - left_edge).clamp_min(1e-12)).clamp(0, 1)


def resample_features(features, mask, geometry, low, high):
    """Average features over pixels, as flux is averaged by a flux-conserving resampler.

    Every slot of a token is a cell with one value per feature; a requested pixel gets the mean over the part of it
    that cells cover. On the tokens' own grid this returns the features as they are.

    Parameters
    ----------
    features : tensor, shape (B, T, P, C)
    mask : bool tensor, shape (B, T) or (B, T, P)
        Tokens whose cells count, or cells that do.
    geometry : float64 tensor, shape (B, T, 3)
    low, high : float64 tensor, shape (B, N)
        ln(wavelength) of the edges of each requested pixel.

    Returns
    -------
    values : tensor, shape (B, N, C)
        Zero where nothing is covered.
    covered : tensor, shape (B, N)
        Fraction of each pixel that cells cover.
    """
    exact = _exact_dtype(features.device)
    n_slot = features.shape[2]
    edges = compute_shared(lambda geometry: _find_edges(geometry, n_slot), geometry)  # (B, T * (P + 1))
    size = torch.diff(edges, dim=1).to(features.device)  # one cell more between each two tokens, of value zero
    size = size.to(exact)

    counted = mask[..., None] if mask.ndim == 2 else mask
    values = torch.cat([features, torch.ones_like(features[..., :1])], dim=-1) * counted[..., None]
    values = torch.nn.functional.pad(values, (0, 0, 0, 1)).flatten(1, 2)[:, :-1]  # (B, T * (P + 1) - 1, C + 1)
    integral = torch.cumsum(values.to(exact) * size[..., None], dim=1)
    integral = torch.nn.functional.pad(integral, (0, 0, 1, 0))  # (B, T * (P + 1), C + 1)

    def at(x):
        """The integral up to ``x`` (B, N), linear inside each cell."""
        right, part = compute_shared(_find_cells, edges, x)  # (B, N)
        part = part.to(features.device, exact)[..., None]
        right = right.to(features.device)[..., None].expand(-1, -1, integral.shape[2])
        return torch.lerp(integral.gather(1, right - 1), integral.gather(1, right), part.expand_as(right))

    total = at(high) - at(low)  # (B, N, C + 1)
    covered = total[..., -1]
    mean = total[..., :-1] / covered.clamp_min(1e-12)[..., None]
    fraction = covered / (high - low).to(features.device, exact).clamp_min(1e-12)
    fraction = fraction.clamp(0, 1)
    inside = fraction > 1e-3  # less is rounding
    return torch.where(inside[..., None], mean, 0.0).to(features.dtype), torch.where(inside, fraction, 0.0).to(
        features.dtype
    )
