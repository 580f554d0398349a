# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Attention and transformer blocks."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.linear import Linear, add_linear, apply_linear, is_plain, is_plain_inference
from astro_spectok.network.wavelength import rotate

__all__ = ["Attention", "CrossBlock", "SelfBlock", "run_in_parts"]

#: tokens that pass through the blocks together where no gradients are wanted: what is made of them (2.6 MB at a width
#: of 160) stays in the processor's cache, which saves a tenth of an embedding
PART_TOKENS = 1024


def _prefers_parts(query):
    """Whether gradients are wanted in half precision on a CPU, where PyTorch's fused attention is four times slower."""
    return query.requires_grad and query.device.type == "cpu" and query.dtype == torch.bfloat16


def _attend_in_parts(query, key, value, attn_mask):
    """Result of ``scaled_dot_product_attention``, as products of matrices; where all is masked, the mean of all."""
    bias = torch.zeros(attn_mask.shape, dtype=query.dtype, device=query.device).masked_fill(~attn_mask, -1e4)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias  # (B, H, T, S)
    # spelt out, since autocast would do it in float32, and copy twice
    return torch.softmax(scores, -1, dtype=query.dtype) @ value


def _mask_keys(mask):
    """``mask`` (B, S) as attention takes it on a processor, where to look costs less than to mask nothing."""
    return None if mask.all() else mask[:, None, None, :]


def _to_turns(phases):
    """Phases as complex numbers (B, T, 1, d / 2), or None."""
    return None if phases is None else torch.complex(*(p.transpose(1, 2) for p in phases))


def _turn(x, heads, turns):
    """Turn ``x`` (B, T, D), whose parts are neighbours, in place; None leaves it as it is."""
    if turns is not None:
        torch.view_as_complex(x.unflatten(-1, (heads, -1, 2))).mul_(turns)  # of (B, T, H, d / 2, 2)
    return x


def _split(x, heads):
    """Heads apart: (B, T, D) to (B, H, T, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _pair_rows(width, heads, device):
    """Order of the rows of weights in which the two parts that `rotate` turns are neighbours, (D,)."""
    return torch.arange(width, device=device).view(heads, 2, -1).transpose(1, 2).flatten()


class Attention(nn.Module):
    """Multi-head attention of queries to keys, both turned by their wavelength."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.out = Linear(width, width)

    def _project(self, x, memory, x_phases, memory_phases):
        """Queries (B, H, T, d), keys and values (B, H, S, d), turned."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        query, key, value = (_split(part, self.heads) for part in (self.query(x), key, value))
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
        width = x.shape[-1]
        rows = _pair_rows(width, self.heads, x.device)
        key_value_rows = torch.cat([rows, torch.arange(width, 2 * width, device=x.device)])
        query = apply_linear(x, self.query.weight[rows], self.query.bias[rows])
        both = apply_linear(memory, self.key_value.weight[key_value_rows], self.key_value.bias[key_value_rows])
        key, value = both.chunk(2, dim=-1)
        query, key = _turn(query, self.heads, _to_turns(x_phases)), _turn(key, self.heads, _to_turns(memory_phases))
        return tuple(_split(part, self.heads) for part in (query, key, value))

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
        attn_mask = _mask_keys(mask) if plain else mask[:, None, None, :]
        attend = _attend_in_parts if _prefers_parts(query) else F.scaled_dot_product_attention
        y = attend(query, key, value, attn_mask=attn_mask)  # (B, H, T, d)
        return self.out(y.transpose(1, 2).flatten(2))  # (B, T, D)


class _Feedforward(nn.Sequential):
    def __init__(self, width, ratio):
        super().__init__(Linear(width, ratio * width), nn.GELU(), Linear(ratio * width, width))

    @property
    def joins_gelu(self):
        """Whether the first layer and the activation do just what their classes say, and may be one operation."""
        first, activation, _ = self
        return is_plain(first, Linear) and is_plain(activation, nn.GELU) and activation.approximate == "none"

    def forward(self, x):
        first, activation, last = self
        if is_plain_inference(x) and self.joins_gelu:
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
        if is_plain_inference(x) and (plain := _PlainBlock.of(self)):
            return plain.run_in_place(x.clone(memory_format=torch.contiguous_format), mask, _to_turns(phases))
        y = self.norm_attention(x)
        x = x + self.attention(y, y, mask, phases, phases)
        return x + self.feedforward(self.norm_feedforward(x))

    def weigh(self, x, mask, phases):
        """Attention weights of each head on each token, (B, H, T, T); arguments as of `forward`."""
        y = self.norm_attention(x)
        return self.attention.weigh(y, y, mask, phases, phases)


class _PlainBlock(NamedTuple):
    """A `SelfBlock` without gradients: one product for queries, keys and values, and what is added is added in place.

    That takes seven eighths of the time. As in `Attention._project_in_place`, rows of the weights stand in another
    order.

    Attributes
    ----------
    block : `SelfBlock`
    weight, bias : tensor
        Of queries, keys and values, (3 D, D) and (3 D,).
    """

    block: SelfBlock
    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, block):
        """That of a block, or None if one of its layers does not do just what its class says."""
        attention, feedforward = block.attention, block.feedforward
        layers = attention.query, attention.key_value, attention.out, feedforward[-1]
        plain = is_plain(attention, Attention) and is_plain(feedforward, _Feedforward) and feedforward.joins_gelu
        if not (plain and all(is_plain(layer, Linear) for layer in layers)):
            return None
        joined = (
            torch.cat([getattr(layer, name) for layer in (attention.query, attention.key_value)])
            for name in ("weight", "bias")
        )
        width = attention.query.out_features
        rows = _pair_rows(width, attention.heads, attention.query.weight.device)
        return cls(block, *(torch.cat([x[:width][rows], x[width : 2 * width][rows], x[2 * width :]]) for x in joined))

    def run_in_place(self, x, mask, turns):
        """Result of the block for ``x`` (B, T, D), which is overwritten with it."""
        attention, (first, _, last) = self.block.attention, self.block.feedforward
        width, heads = x.shape[-1], attention.heads
        all_parts = apply_linear(self.block.norm_attention(x), self.weight, self.bias)
        both, value = all_parts.split((2 * width, width), dim=-1)
        query, key = _turn(both, 2 * heads, turns).chunk(2, dim=-1)
        y = F.scaled_dot_product_attention(
            *(_split(part, heads) for part in (query, key, value)), attn_mask=_mask_keys(mask)
        )
        add_linear(x, y.transpose(1, 2).flatten(2), attention.out.weight, attention.out.bias)
        y = apply_linear(self.block.norm_feedforward(x), first.weight, first.bias, gelu=True)
        return add_linear(x, y, last.weight, last.bias)


def run_in_parts(blocks, x, mask, phases):
    """Output of blocks for ``x`` (B, T, D) without gradients, a few spectra at a time, which stay in the cache.

    Parameters
    ----------
    blocks : sequence of `SelfBlock`
    x : tensor, shape (B, T, D)
    mask : bool tensor, shape (B, T)
        Tokens that count; zeros are returned for those behind the last of them.
    phases : tuple of tensor
        As `~astro_spectok.network.wavelength.RotaryPhases` gives them.

    Returns
    -------
    tensor, shape (B, T, D)
    """
    size, found = max(PART_TOKENS // x.shape[1], 1), torch.zeros_like(x)
    plain = [_PlainBlock.of(block) if is_plain(block, SelfBlock) else None for block in blocks]
    for start in range(0, len(x), size):
        # without what only longer spectra of the batch need
        covered = mask[start : start + size].any(dim=0).nonzero()
        part = slice(start, start + size), slice(int(covered[-1]) + 1 if len(covered) else 1)
        y, here, own = x[part].contiguous(), mask[part], tuple(phase[part[0], :, part[1]] for phase in phases)
        turns = _to_turns(own)
        for block, quick in zip(blocks, plain, strict=True):
            y = block(y, here, own) if quick is None else quick.run_in_place(y, here, turns)
        found[part] = y
    return found


class CrossBlock(_Block):
    """Pre-norm block whose queries look at a memory and not at each other: an answer never depends on the others."""

    def forward(self, x, memory, mask, x_phases, memory_phases):
        """Let ``x`` (B, T, D) look at ``memory`` (B, S, D) where ``mask`` (B, S) is True; returns (B, T, D)."""
        x = x + self.attention(self.norm_attention(x), memory, mask, x_phases, memory_phases)
        return x + self.feedforward(self.norm_feedforward(x))
