# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens to one vector by what they say near fixed wavelengths."""

import torch
from torch import nn

from astro_spectok.network.shared_rows import compute_shared

__all__ = ["WavelengthNodes"]

#: values per node that are learned
N_FEATURES = 12
#: a node counts as covered where the weights of its tokens add up to this
LEAST_WEIGHT = 0.3


class WavelengthNodes(nn.Module):
    """Part of the embedding: tokens averaged around fixed wavelengths, and a perceptron on all of these at once.

    Two instruments put their patches elsewhere; around the nodes, evenly spaced in ln(wavelength), what they saw can be
    compared. Beside learned features each node has the level of the flux, over the mean of all nodes, and whether the
    spectrum covers it.
    """

    def __init__(self, config):
        super().__init__()
        low, high = config.span
        number, hidden = config.embedding_nodes, 2 * config.embedding_size
        self.low, self.spacing, self.number = low, (high - low) / (number - 1), number
        self.project = nn.Sequential(nn.Linear(config.width, 64), nn.GELU(), nn.Linear(64, N_FEATURES))
        self.mix = nn.Sequential(
            nn.Linear(number * (N_FEATURES + 2), hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, config.embedding_size),
        )

    def forward(self, tokens, mask, centre):
        """Vector (B, E) of ``tokens`` (B, T, D) at ``centre`` (B, T), ln(wavelength), where ``mask`` (B, T) is True."""
        weight = compute_shared(self._weigh, centre).to(tokens.device) * mask[:, None]  # (B, K, T)
        total = weight.sum(2, keepdim=True)  # (B, K, 1)
        covered = (total > LEAST_WEIGHT).float()
        # the first value of a token is the level of its patch
        values = torch.cat([tokens[..., :1], self.project(tokens).float()], dim=-1)
        means = (weight @ values) / (total + 1e-3) * covered  # (B, K, 1 + N_FEATURES)
        level = means[..., :1]
        level = (level - level.sum(1, keepdim=True) / covered.sum(1, keepdim=True).clamp_min(1)) * covered
        return self.mix(torch.cat([level, means[..., 1:], covered], dim=-1).flatten(1))

    def _weigh(self, centre):
        """Weight (B, K, T) of tokens at ``centre`` (B, T) around each node."""
        nodes = self.low + self.spacing * torch.arange(self.number, dtype=torch.float32, device=centre.device)
        distance = ((centre[:, None] - nodes[:, None]) / (0.5 * self.spacing)).float()
        return torch.exp(-0.5 * distance**2)
