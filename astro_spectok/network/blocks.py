# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Attention and transformer blocks."""

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.wavelength import rotate

__all__ = ["Attention", "CrossBlock", "SelfBlock"]


def _prefers_parts(query):
    """Whether gradients are wanted in half precision on a CPU, where PyTorch's fused attention is four times slower."""
    return query.requires_grad and query.device.type == "cpu" and query.dtype == torch.bfloat16


def _attend_in_parts(query, key, value, attn_mask):
    """What ``scaled_dot_product_attention`` computes, as products of matrices; where all is masked, the mean of all."""
    bias = torch.zeros(attn_mask.shape, dtype=query.dtype).masked_fill(~attn_mask, -1e4)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias  # (B, H, T, S)
    # spelt out, since autocast would do it in float32, and copy twice
    return torch.softmax(scores, -1, dtype=query.dtype) @ value


class Attention(nn.Module):
    """Multi-head attention of queries to keys, both turned by their wavelength."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def _split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, T, D) -> (B, H, T, d)

    def forward(self, x, memory, mask, x_phases=None, memory_phases=None):
        """Attend from ``x`` (B, T, D) to ``memory`` (B, S, D) where ``mask`` (B, S) is True; returns (B, T, D).

        Phases are those of `~astro_spectok.network.wavelength.RotaryPhases`; None leaves that side unturned.
        """
        key, value = self.key_value(memory).chunk(2, dim=-1)
        query, key, value = self._split(self.query(x)), self._split(key), self._split(value)
        if x_phases is not None:
            query = rotate(query, x_phases)
        if memory_phases is not None:
            key = rotate(key, memory_phases)
        attend = _attend_in_parts if _prefers_parts(query) else F.scaled_dot_product_attention
        y = attend(query, key, value, attn_mask=mask[:, None, None, :])  # (B, H, T, d)
        return self.out(y.transpose(1, 2).flatten(2))  # (B, T, D)


class _Feedforward(nn.Sequential):
    def __init__(self, width, ratio):
        super().__init__(nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width))


class _Block(nn.Module):
    """What both kinds of block are made of: attention and feedforward, each behind its norm."""

    def __init__(self, config):
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.width)
        self.attention = Attention(config.width, config.heads)
        self.norm_feedforward = nn.LayerNorm(config.width)
        self.feedforward = _Feedforward(config.width, config.mlp_ratio)


class SelfBlock(_Block):
    """Pre-norm transformer block of the encoder."""

    def forward(self, x, mask, phases):
        """Let tokens ``x`` (B, T, D) look at those where ``mask`` (B, T) is True; returns (B, T, D)."""
        y = self.norm_attention(x)
        x = x + self.attention(y, y, mask, phases, phases)
        return x + self.feedforward(self.norm_feedforward(x))


class CrossBlock(_Block):
    """Pre-norm block whose queries look at a memory and not at each other: an answer never depends on the others."""

    def forward(self, x, memory, mask, x_phases, memory_phases):
        """Let ``x`` (B, T, D) look at ``memory`` (B, S, D) where ``mask`` (B, S) is True; returns (B, T, D)."""
        x = x + self.attention(self.norm_attention(x), memory, mask, x_phases, memory_phases)
        return x + self.feedforward(self.norm_feedforward(x))
