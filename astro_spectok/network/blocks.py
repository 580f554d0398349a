# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Attention and transformer blocks."""

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.linear import Linear, apply_linear, is_plain, is_plain_inference
from astro_spectok.network.wavelength import rotate

__all__ = ["Attention", "CrossBlock", "SelfBlock"]


def _prefers_parts(query):
    """Whether gradients are wanted in half precision on a CPU, where PyTorch's fused attention is four times slower."""
    return query.requires_grad and query.device.type == "cpu" and query.dtype == torch.bfloat16


def _attend_in_parts(query, key, value, attn_mask):
    """Result of ``scaled_dot_product_attention``, as products of matrices; where all is masked, the mean of all."""
    bias = torch.zeros(attn_mask.shape, dtype=query.dtype, device=query.device).masked_fill(~attn_mask, -1e4)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias  # (B, H, T, S)
    # spelt out, since autocast would do it in float32, and copy twice
    return torch.softmax(scores, -1, dtype=query.dtype) @ value


def _turn(x, heads, phases):
    """Turn ``x`` (B, T, D), whose parts are neighbours, by phases in place; None leaves it as it is."""
    if phases is not None:
        cos, sin = (p.transpose(1, 2) for p in phases)  # (B, T, 1, d / 2)
        parts = x.unflatten(-1, (heads, -1, 2))  # (B, T, H, d / 2, 2)
        torch.view_as_complex(parts).mul_(torch.complex(cos, sin))
    return x


class Attention(nn.Module):
    """Multi-head attention of queries to keys, both turned by their wavelength."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.out = Linear(width, width)

    def _split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, T, D) -> (B, H, T, d)

    def _project(self, x, memory, x_phases, memory_phases):
        """Queries (B, H, T, d), keys and values (B, H, S, d), turned."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        query, key, value = self._split(self.query(x)), self._split(key), self._split(value)
        if x_phases is not None:
            query = rotate(query, x_phases)
        if memory_phases is not None:
            key = rotate(key, memory_phases)
        return query, key, value

    def _project_in_place(self, x, memory, x_phases, memory_phases):
        """The same without gradients, in a quarter of the time but for the products of matrices.

        `rotate` takes the first and the second half of a head as real and imaginary parts. Here rows of the weights
        are taken in such an order that the two parts are neighbours: products of queries with keys do not mind, and
        turning them is one product of complex numbers.
        """
        width, device = x.shape[-1], x.device
        rows = torch.arange(width, device=device).view(self.heads, 2, -1).transpose(1, 2).flatten()
        key_value_rows = torch.cat([rows, torch.arange(width, 2 * width, device=device)])
        weight, key_value_weight = self.query.weight[rows], self.key_value.weight[key_value_rows]
        bias, key_value_bias = self.query.bias[rows], self.key_value.bias[key_value_rows]
        if x is memory and x_phases is memory_phases:
            weight, bias = torch.cat([weight, key_value_weight]), torch.cat([bias, key_value_bias])
            both, value = apply_linear(x, weight, bias).split((2 * width, width), dim=-1)
            query, key = _turn(both, 2 * self.heads, x_phases).chunk(2, dim=-1)
        else:
            query = _turn(apply_linear(x, weight, bias), self.heads, x_phases)
            key, value = apply_linear(memory, key_value_weight, key_value_bias).chunk(2, dim=-1)
            key = _turn(key, self.heads, memory_phases)
        return self._split(query), self._split(key), self._split(value)

    def weigh(self, x, memory, mask, x_phases=None, memory_phases=None):
        """Attention weights of each head on ``memory`` for each of ``x``, (B, H, T, S); arguments as of `forward`.

        The fused attention of `forward` never forms them: this is for looking at them alone.
        """
        query, key, _ = self._project(x, memory, x_phases, memory_phases)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (B, H, T, S)
        return torch.softmax(scores.float().masked_fill(~mask[:, None, None, :], -torch.inf), dim=-1)

    def forward(self, x, memory, mask, x_phases=None, memory_phases=None):
        """Attend from ``x`` (B, T, D) to ``memory`` (B, S, D) where ``mask`` (B, S) is True; returns (B, T, D).

        Phases are those of `~astro_spectok.network.wavelength.RotaryPhases`; None leaves that side unturned.
        """
        plain = is_plain_inference(x)
        past = plain and is_plain(self.query, Linear) and is_plain(self.key_value, Linear)
        project = self._project_in_place if past else self._project
        query, key, value = project(x, memory, x_phases, memory_phases)
        # to look costs less than a mask that masks nothing; elsewhere it would have to be waited for
        attn_mask = None if plain and mask.all() else mask[:, None, None, :]
        attend = _attend_in_parts if _prefers_parts(query) else F.scaled_dot_product_attention
        y = attend(query, key, value, attn_mask=attn_mask)  # (B, H, T, d)
        return self.out(y.transpose(1, 2).flatten(2))  # (B, T, D)


class _Feedforward(nn.Sequential):
    def __init__(self, width, ratio):
        super().__init__(Linear(width, ratio * width), nn.GELU(), Linear(ratio * width, width))

    def forward(self, x):
        first, activation, last = self
        exact = is_plain(activation, nn.GELU) and activation.approximate == "none"
        if exact and is_plain_inference(x) and is_plain(first, Linear):
            return last(apply_linear(x, first.weight, first.bias, gelu=True))
        return last(activation(first(x)))


class _Block(nn.Module):
    """Parts of both kinds of block: attention and feedforward, each behind its norm."""

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

    def weigh(self, x, mask, phases):
        """Attention weights of each head on each token, (B, H, T, T); arguments as of `forward`."""
        y = self.norm_attention(x)
        return self.attention.weigh(y, y, mask, phases, phases)


class CrossBlock(_Block):
    """Pre-norm block whose queries look at a memory and not at each other: an answer never depends on the others."""

    def forward(self, x, memory, mask, x_phases, memory_phases):
        """Let ``x`` (B, T, D) look at ``memory`` (B, S, D) where ``mask`` (B, S) is True; returns (B, T, D)."""
        x = x + self.attention(self.norm_attention(x), memory, mask, x_phases, memory_phases)
        return x + self.feedforward(self.norm_feedforward(x))
