# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens gathered in fixed bins of ln(wavelength), so that spectra of any instrument become as many vectors."""

import numpy as np
import torch

__all__ = ["FIRST", "N_NODES", "STEP", "find_places", "gather_nodes"]

#: ln(vacuum Angstrom) of the first edge, width of a bin (9,000 km/s), and number of bins, up to 6 micron
FIRST, STEP, N_NODES = 6.8, 0.03, 140


def find_places():
    """Centres of the bins in ln(vacuum Angstrom): ndarray of float64, shape (`N_NODES`,)."""
    return FIRST + STEP * (np.arange(N_NODES) + 0.5)


def gather_nodes(values, mask, centre):
    """Mean of the tokens in each bin.

    Parameters
    ----------
    values : tensor, shape (B, T, D)
    mask : bool tensor, shape (B, T)
        Tokens that count.
    centre : tensor, shape (B, T)
        ln(wavelength) of each.

    Returns
    -------
    nodes : float32 tensor, shape (B, `N_NODES`, D)
        Zero where there is no token.
    filled : bool tensor, shape (B, `N_NODES`)
    """
    place = ((centre - FIRST) / STEP).floor().long()
    counts = mask & (place >= 0) & (place < N_NODES)
    place = place.clamp(0, N_NODES - 1)
    weight = counts.to(torch.float32)
    values = values.float() * weight[..., None]  # (B, T, D)
    nodes = values.new_zeros(len(values), N_NODES, values.shape[2])
    nodes.scatter_add_(1, place[..., None].expand_as(values), values)
    number = nodes.new_zeros(len(values), N_NODES).scatter_add_(1, place, weight)  # (B, N)
    return nodes / number.clamp_min(1)[..., None], number > 0
