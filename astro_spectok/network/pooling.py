# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens to one vector, by learned queries."""

import torch
from torch import nn

from astro_spectok.network.blocks import Attention

__all__ = ["SummaryPooling"]


class SummaryPooling(nn.Module):
    """Learned queries gather the tokens into one embedding, and unfold it again as memory for the decoder.

    A mean over tokens loses where the lines stand; queries learn what to look at. Some training examples are decoded
    from the embedding alone, so that it holds what the spectrum as a whole looks like.
    """

    def __init__(self, config):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.summary_queries, config.width) * 0.02)
        self.attention = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.width)
        self.to_embedding = nn.Linear(config.summary_queries * config.width, config.embedding_size)
        self.unfold = nn.Sequential(
            nn.Linear(config.embedding_size, 2 * config.embedding_size),
            nn.GELU(),
            nn.Linear(2 * config.embedding_size, config.summary_queries * config.width),
        )

    def forward(self, tokens, mask, phases):
        """Embedding (B, E) of ``tokens`` (B, T, D) where ``mask`` (B, T) is True."""
        queries = self.queries.expand(len(tokens), -1, -1)  # (B, Q, D)
        summary = self.norm(self.attention(queries, tokens, mask, None, phases))  # (B, Q, D)
        return self.to_embedding(summary.flatten(1))

    def memory(self, embedding):
        """Memory (B, Q, D) for the decoder from ``embedding`` (B, E)."""
        return self.unfold(embedding).unflatten(1, self.queries.shape)
