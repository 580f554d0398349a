# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pooling of tokens to one vector: by learned queries, around fixed wavelengths, and with summaries by heads."""

import torch
from torch import nn

from astro_spectok.network.blocks import Attention
from astro_spectok.network.contrast import FluxContrast
from astro_spectok.network.wavelength_nodes import WavelengthNodes

__all__ = ["SummaryPooling"]


class SummaryPooling(nn.Module):
    """Learned queries gather the tokens into one embedding, and unfold it again as memory for the decoder.

    A mean over tokens loses where the lines stand; queries learn what to look at. Some training examples are decoded
    from the embedding alone, so that it holds what the spectrum as a whole looks like.

    Features that distinguish an object from similar ones are added where the configuration asks for them: colours and
    lines around fixed wavelengths, summaries by heads (of the redshift posterior, say), and the contrast of the flux on
    a fine grid.
    """

    def __init__(self, config):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.summary_queries, config.width) * 0.02)
        self.attention = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.width)
        self.to_embedding = nn.Linear(config.summary_queries * config.width, config.embedding_size)
        self.nodes = WavelengthNodes(config) if config.embedding_nodes else None
        size = sum(number for _, number in config.summaries)
        self.from_summaries = nn.Linear(size, config.embedding_size) if size else None
        self.contrast = FluxContrast(config) if config.contrast_step else None
        self.unfold = nn.Sequential(
            nn.Linear(config.embedding_size, 2 * config.embedding_size),
            nn.GELU(),
            nn.Linear(2 * config.embedding_size, config.summary_queries * config.width),
        )

    def forward(self, tokens, mask, phases, geometry, summary=None, flux=None):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
            Tokens that count.
        phases : tuple of tensor
            Of the tokens, as `~astro_spectok.network.wavelength.RotaryPhases` gives them.
        geometry : float64 tensor, shape (B, T, 3)
            Of the tokens.
        summary : tensor, shape (B, S), optional
            What heads have to say; needed where ``from_summaries`` is not None.
        flux : tensor, shape (B, T, P), optional
            Of the slots of the tokens, as of `~astro_spectok.network.detail.local_flux`; needed where `contrast` is not
            None.

        Returns
        -------
        tensor, shape (B, E)
        """
        queries = self.queries.expand(len(tokens), -1, -1)  # (B, Q, D)
        found = self.norm(self.attention(queries, tokens, mask, None, phases))  # (B, Q, D)
        embedding = self.to_embedding(found.flatten(1))
        if self.nodes is not None:
            embedding = embedding + self.nodes(tokens, mask, geometry[..., 0])
        if self.from_summaries is not None:
            embedding = embedding + self.from_summaries(summary)
        if self.contrast is not None:
            embedding = embedding + self.contrast(flux, mask, geometry)
        return embedding

    def memory(self, embedding):
        """Memory (B, Q, D) for the decoder from ``embedding`` (B, E)."""
        return self.unfold(embedding).unflatten(1, self.queries.shape)
