# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Physical labels of a spectrum, each with its uncertainty, from tokens gathered by learned queries."""

import torch
from torch import nn

from astro_spectok.network.blocks import Attention

__all__ = ["LabelHead", "PooledHead"]


class PooledHead(nn.Module):
    """Some numbers for each spectrum, from tokens that learned queries gather.

    The queries are its own: what stellar labels need is spread over weak lines that an embedding made for comparing
    spectra may leave out.

    Parameters
    ----------
    config : `~astro_spectok.network.NetworkConfig`
    n_out : int
        How many numbers.
    """

    def __init__(self, config, n_out):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.summary_queries, config.width) * 0.02)
        self.attention = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.summary_queries * config.width)
        self.hidden = nn.Linear(config.summary_queries * config.width, 2 * config.width)
        self.out = nn.Linear(2 * config.width, n_out)

    def forward(self, tokens, mask, phases):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
            Tokens that count.
        phases : tuple of tensor
            Of the tokens, as `~astro_spectok.network.wavelength.RotaryPhases` gives them.

        Returns
        -------
        float32 tensor, shape (B, n_out)
        """
        queries = self.queries.expand(len(tokens), -1, -1)
        summary = self.attention(queries, tokens, mask, None, phases).flatten(1)  # (B, Q * D)
        return self.out(nn.functional.gelu(self.hidden(self.norm(summary)))).float()


class LabelHead(PooledHead):
    """Mean and standard deviation of every label in ``config.labels``."""

    def __init__(self, config):
        super().__init__(config, 2 * len(config.labels))
        self.names = tuple(name for name, _, _ in config.labels)
        self.register_buffer(
            "centre", torch.tensor([c for _, c, _ in config.labels], dtype=torch.float32), persistent=False
        )
        self.register_buffer(
            "spread", torch.tensor([s for _, _, s in config.labels], dtype=torch.float32), persistent=False
        )

    def forward(self, tokens, mask, phases):
        """
        Parameters
        ----------
        tokens, mask, phases
            As of `PooledHead`.

        Returns
        -------
        mean, log_sigma : float32 tensor, shape (B, number of labels)
            In the units of the labels, in the order of ``names``.
        """
        mean, log_sigma = super().forward(tokens, mask, phases).chunk(2, dim=-1)
        return self.centre + self.spread * mean, torch.log(self.spread) + log_sigma.clamp(-4.5, 2)
