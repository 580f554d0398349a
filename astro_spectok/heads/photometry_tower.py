# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The tower of photometry: a set of fluxes in any filters to one vector, and spectra to vectors that it meets."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Photometry", "PhotometryTower", "TokenProjection", "contrast_views", "find_scale"]

#: flux over the scale at which its compression bends; ratio to its error likewise
BEND, RATIO_BEND = 0.1, 1.0
#: weight of a band without any flux in the scale, over that of one that is seen well
UNSEEN = 0.02
#: limits of the logarithm of the error over the scale
ERRORS = (-7.0, 7.0)
#: ln(Angstrom) that wavelengths are relative to; period of the slowest wave of their encoding, which halve from it on
MIDDLE, LONGEST = 9.0, 8.0
#: ln of the usual width of a filter in ln(wavelength)
USUAL_WIDTH = math.log(0.06)


class Photometry(NamedTuple):
    """Fluxes of B objects in at most F filters each.

    Attributes
    ----------
    flux, error : float32 tensor, shape (B, F)
        Per unit frequency, in any unit, one for each object; may be negative.
    ln_wavelength, ln_width : float32 tensor, shape (B, F)
        Pivot wavelength of the filter in ln(Angstrom), and logarithm of its width in ln(wavelength).
    mask : bool tensor, shape (B, F)
        Filters that count; the others may hold anything finite.
    """

    flux: torch.Tensor
    error: torch.Tensor
    ln_wavelength: torch.Tensor
    ln_width: torch.Tensor
    mask: torch.Tensor

    def take(self, rows):
        """Some of the objects."""
        return Photometry(*(x[rows] for x in self))


def find_scale(photometry):
    """Flux that the others are relative to: a mean absolute flux of the bands that are seen, float32 (B, 1)."""
    flux, error, *_, mask = photometry
    squared = (flux / error) ** 2
    weight = torch.where(mask, UNSEEN + squared / (squared + 4), 0.0)
    mean = (weight * flux.abs()).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1e-6)
    faintest = torch.where(mask, error, torch.inf).amin(1, keepdim=True)
    # where nothing is seen, errors are all there is
    scale = torch.sqrt(mean**2 + (0.1 * faintest.clamp(max=1e30)) ** 2)
    return torch.where(torch.isfinite(scale) & (scale > 0), scale, 1.0)


def encode_wavelength(x, frequencies):
    """Sines and cosines (..., 2 * frequencies) of ln(wavelength)."""
    periods = LONGEST * 0.5 ** torch.arange(frequencies, dtype=torch.float32, device=x.device)
    phase = 2 * math.pi * (x[..., None] - MIDDLE) / periods
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def contrast_views(first, second, temperature, groups=None):
    """Symmetric contrastive loss of two views (van den Oord et al. 2018; Radford et al. 2021).

    Parameters
    ----------
    first, second : tensor, shape (B, E)
        Vectors of unit length; row i of both is one object.
    temperature : tensor or float
        What cosines are divided by.
    groups : int64 tensor, shape (B,), optional
        Rows of one number are one object, all of which are right answers.

    Returns
    -------
    loss : tensor, shape ()
    right : float
        Share of the rows of ``first`` whose nearest of ``second`` is of their object.
    """
    among = first @ second.T / temperature
    if groups is None:
        target = torch.arange(len(among), device=among.device)
        loss = (F.cross_entropy(among, target) + F.cross_entropy(among.T, target)) / 2
        return loss, float((among.argmax(1) == target).float().mean())
    same = (groups[:, None] == groups).to(among)
    share = same / same.sum(1, keepdim=True)
    loss = -((share * among.log_softmax(1)).sum(1).mean() + (share * among.T.log_softmax(1)).sum(1).mean()) / 2
    return loss, float(same.gather(1, among.argmax(1, keepdim=True)).mean())


class Block(nn.Module):
    """Attention among the filters of an object, and a perceptron."""

    def __init__(self, width, heads, ratio):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.rise, self.fall = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, x, mask):
        b, f, w = x.shape
        asked = self.ask(self.before(x)).view(b, f, 3, self.heads, w // self.heads)
        q, k, v = asked.permute(2, 0, 3, 1, 4)  # (B, H, F, w / H) each
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = x + self.join(seen.transpose(1, 2).reshape(b, f, w))
        return x + self.fall(F.gelu(self.rise(self.between(x))))


class PhotometryTower(nn.Module):
    """A transformer on the filters of an object, whose order does not matter.

    Parameters
    ----------
    width, heads, blocks, ratio, frequencies : int
        Sizes.
    hidden : int
        Of what it gives.
    """

    def __init__(self, width=48, heads=4, blocks=3, ratio=2, frequencies=6, hidden=96):
        super().__init__()
        self.frequencies, self.hidden = frequencies, hidden
        self.enter = nn.Linear(5 + 2 * frequencies, width)
        # a token of its own that gathers the others
        self.query = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, heads, ratio) for _ in range(blocks))
        self.leave = nn.LayerNorm(width)
        self.out = nn.Linear(width, hidden)

    def forward(self, photometry):
        """Numbers (B, hidden) of a `Photometry`."""
        flux, error, ln_wavelength, ln_width, mask = photometry
        scale = find_scale(photometry)
        relative, noise = flux / scale, error / scale
        values = [
            torch.asinh(relative / BEND) / 3,
            torch.asinh(flux / error / RATIO_BEND) / 4,
            torch.log(noise.clamp_min(1e-9)).clamp(*ERRORS) / 3,
            ln_wavelength - MIDDLE,
            ln_width - USUAL_WIDTH,
        ]
        tokens = torch.cat([torch.stack(values, -1), encode_wavelength(ln_wavelength, self.frequencies)], -1)
        tokens = torch.where(mask[..., None], tokens, 0.0)  # whatever stands in filters that do not count
        x = torch.cat([self.query.expand(len(flux), 1, -1), self.enter(tokens)], dim=1)  # (B, 1 + F, w)
        mask = F.pad(mask, (1, 0), value=True)
        for block in self.blocks:
            x = block(x, mask)
        return F.gelu(self.out(self.leave(x[:, 0])))


class TokenProjection(nn.Module):
    """Tokens of a spectrum, gathered by learned queries, and its redshifts, as one vector.

    Parameters
    ----------
    width : int
        Values of a token.
    redshift : int
        Numbers in the summary of the redshifts; 0 for none.
    size : int
        Of the vector.
    queries, values, hidden, frequencies : int
        Sizes.

    Attributes
    ----------
    mean, spread : tensor, shape (width,)
        Of the values of tokens in training, which are taken out.
    """

    def __init__(self, width, redshift, size, *, queries=8, values=24, hidden=96, frequencies=7):
        super().__init__()
        self.frequencies = frequencies
        self.register_buffer("mean", torch.zeros(width, dtype=torch.float32))
        self.register_buffer("spread", torch.ones(width, dtype=torch.float32))
        inputs = width + 2 * frequencies
        self.keys, self.values = nn.Linear(inputs, values), nn.Linear(inputs, values)
        self.queries = nn.Parameter(0.2 * torch.randn(queries, values))
        self.first = nn.Linear(queries * values + redshift, hidden)
        self.second = nn.Linear(hidden, size)

    def forward(self, nodes, filled, ln_wavelength, redshift):
        """
        Parameters
        ----------
        nodes : float32 tensor, shape (B, N, D)
            Tokens.
        filled : bool tensor, shape (B, N)
            Those that count.
        ln_wavelength : float32 tensor, shape (B, N) or (N,)
        redshift : float32 tensor, shape (B, R)

        Returns
        -------
        tensor, shape (B, size)
            At unit length.
        """
        waves = encode_wavelength(ln_wavelength, self.frequencies).expand(*nodes.shape[:2], -1)
        values = ((nodes - self.mean) / self.spread).clamp(-8, 8)
        inputs = torch.cat([torch.where(filled[..., None], values, 0.0), waves], -1)
        scores = self.keys(inputs) @ self.queries.T / math.sqrt(self.queries.shape[1])  # (B, N, Q)
        scores = scores.masked_fill(~filled[..., None], -1e4)
        gathered = scores.softmax(1).transpose(1, 2) @ self.values(inputs)  # (B, Q, v)
        joined = torch.cat([gathered.flatten(1), redshift], dim=1)
        return F.normalize(self.second(F.gelu(self.first(joined))), dim=1)
