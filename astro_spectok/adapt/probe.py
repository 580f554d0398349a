# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small read-out that attends to tokens, and low-rank changes of the layers of an encoder."""

import math

import torch
from torch import nn
from torch.nn.utils import parametrize

__all__ = ["AttentiveProbe", "add_low_rank", "apply_factors", "list_layers", "merge_low_rank", "set_low_rank"]

#: periods in ln(wavelength) of the phases that a token's place is given by
PERIODS = tuple(4.0 / 2.0**k for k in range(10))
DROPOUT = 0.2


class AttentiveProbe(nn.Module):
    """Learned queries that attend to tokens, and a linear map of what they gather; zero before it is trained.

    Parameters
    ----------
    width : int
        Learned values of a token.
    n_out : int
    queries, size : int
        Queries, and values that each gathers.
    """

    def __init__(self, width, n_out, queries=4, size=24):
        super().__init__()
        self.settings = {"width": width, "n_out": n_out, "queries": queries, "size": size}
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.key = nn.Linear(width + 2 * len(PERIODS), queries)
        self.value = nn.Linear(width, size)
        self.place = nn.Linear(2 * len(PERIODS), size)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(queries * size, n_out)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, learned, centre, mask):
        """Outputs (B, n_out) of learned values (B, T, W) at ln(wavelength) ``centre`` (B, T) where ``mask`` (B, T)."""
        phase = 2 * math.pi * centre[..., None] / centre.new_tensor(PERIODS)
        place = torch.cat([phase.sin(), phase.cos()], -1).to(learned)
        x = self.norm(learned)
        weight = self.key(torch.cat([x, place], -1)).masked_fill(~mask[..., None], -1e4).softmax(1)  # (B, T, Q)
        value = nn.functional.gelu(self.value(x) + self.place(place))  # (B, T, S)
        return self.out(self.dropout((weight.transpose(1, 2) @ value).flatten(1)))


class _LowRank(nn.Module):
    """A weight plus a product of two narrow matrices, the second of which begins at zero."""

    def __init__(self, weight, rank):
        super().__init__()
        self.first = nn.Parameter(torch.randn(rank, weight.shape[1]) / math.sqrt(weight.shape[1]))
        self.second = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, weight):
        return weight + self.second @ self.first


def list_layers(network):
    """The linear layers of the blocks of the encoder, by name."""
    modules = network.named_modules()
    return {name: layer for name, layer in modules if name.startswith("blocks.") and isinstance(layer, nn.Linear)}


def add_low_rank(network, rank):
    """Give linear layers of the encoder changes of low rank (Hu et al. 2021, arXiv:2106.09685), and freeze the rest.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    rank : int

    Returns
    -------
    list of `torch.nn.Parameter`
        Those that are trained.
    """
    network.requires_grad_(False)
    out = []
    for layer in list_layers(network).values():
        change = _LowRank(layer.weight, rank).to(layer.weight)
        parametrize.register_parametrization(layer, "weight", change)
        out += list(change.parameters())
    return out


def set_low_rank(network, factors):
    """Give changes that `add_low_rank` has made the values of stored factors, of the same rank."""
    with torch.no_grad():
        for name, layer in list_layers(network).items():
            (change,) = layer.parametrizations.weight
            change.first.copy_(factors[f"{name}.first"])
            change.second.copy_(factors[f"{name}.second"])


def merge_low_rank(network):
    """Put the changes into the weights, and the layers back as they were: the network is as fast as before.

    Returns
    -------
    dict of str to tensor
        The factors, by layer.
    """
    factors = {}
    for name, layer in list_layers(network).items():
        if parametrize.is_parametrized(layer, "weight"):
            (change,) = layer.parametrizations.weight
            factors[f"{name}.first"], factors[f"{name}.second"] = change.first.detach(), change.second.detach()
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    network.requires_grad_(False)
    return factors


def apply_factors(network, factors):
    """Put stored factors into the weights of a network; the reverse of what `merge_low_rank` returned."""
    layers = list_layers(network)
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight += factors[f"{name}.second"].to(layer.weight) @ factors[f"{name}.first"].to(layer.weight)
