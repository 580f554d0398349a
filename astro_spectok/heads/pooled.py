# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Some numbers for each spectrum, from tokens that learned queries gather: what many heads on tokens are made of."""

from typing import Any

import torch
from torch import nn

from astro_spectok.network.blocks import Attention
from astro_spectok.network.config import NetworkConfig
from astro_spectok.network.wavelength import RotaryPhases

__all__ = ["TokenReader"]


class TokenReader(nn.Module):
    """Some numbers for each spectrum, from tokens that learned queries gather.

    The queries are its own: what stellar labels need is spread over weak lines that an embedding made for comparing
    spectra may leave out.

    Parameters
    ----------
    config : `~astro_spectok.network.NetworkConfig`
    n_out : int
        How many numbers.

    Examples
    --------
    >>> from astro_spectok.heads import TokenReader
    >>> from astro_spectok.network import get_config
    >>> reader = TokenReader(get_config("tiny"), 2)
    >>> reader.out.out_features
    2
    """

    def __init__(self, config: NetworkConfig, n_out: int) -> None:
        super().__init__()
        self.rotary = RotaryPhases(config)
        self.queries = nn.Parameter(torch.randn(config.summary_queries, config.width) * 0.02)
        self.attention = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.summary_queries * config.width)
        self.hidden = nn.Linear(config.summary_queries * config.width, 2 * config.width)
        self.out = nn.Linear(2 * config.width, n_out)

    def forward(self, inputs: Any) -> torch.Tensor:
        """The numbers for some spectra.

        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            With tokens.

        Returns
        -------
        float32 tensor, shape (B, n_out)
        """
        tokens = inputs.tokens
        queries = self.queries.expand(len(tokens), -1, -1)
        phases = self.rotary(inputs.geometry[..., 0], tokens.device)
        summary = self.attention(queries, tokens, inputs.mask, None, phases).flatten(1)  # (B, Q * D)
        return self.out(nn.functional.gelu(self.hidden(self.norm(summary)))).float()
