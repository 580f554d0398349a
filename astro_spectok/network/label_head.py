# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Physical labels of a spectrum, each with its uncertainty, from tokens gathered by learned queries."""

import torch
from torch import nn

from astro_spectok.network.blocks import Attention

__all__ = ["LabelHead"]


class LabelHead(nn.Module):
    """Mean and standard deviation of every label in ``config.labels``.

    The queries are its own: what stellar labels need is spread over weak lines that an embedding made for comparing
    spectra may leave out.
    """

    def __init__(self, config):
        super().__init__()
        self.names = tuple(name for name, _, _ in config.labels)
        self.queries = nn.Parameter(torch.randn(config.summary_queries, config.width) * 0.02)
        self.attention = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.summary_queries * config.width)
        self.hidden = nn.Linear(config.summary_queries * config.width, 2 * config.width)
        self.out = nn.Linear(2 * config.width, 2 * len(self.names))
        self.register_buffer("centre", torch.tensor([c for _, c, _ in config.labels]), persistent=False)
        self.register_buffer("spread", torch.tensor([s for _, _, s in config.labels]), persistent=False)

    def forward(self, tokens, mask, phases):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
        phases : tuple of tensor
            Of the tokens, as `~astro_spectok.network.wavelength.RotaryPhases` gives them.

        Returns
        -------
        mean, log_sigma : float32 tensor, shape (B, number of labels)
            In the units of the labels, in the order of ``names``.
        """
        queries = self.queries.expand(len(tokens), -1, -1)
        summary = self.attention(queries, tokens, mask, None, phases).flatten(1)  # (B, Q * D)
        hidden = nn.functional.gelu(self.hidden(self.norm(summary)))
        mean, log_sigma = self.out(hidden).float().chunk(2, dim=-1)
        return self.centre + self.spread * mean, torch.log(self.spread) + log_sigma.clamp(-4.5, 2)
