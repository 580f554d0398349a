# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens to flux and its variance on any requested pixels."""

import torch
from torch import nn

from astro_spectok.network.blocks import CrossBlock
from astro_spectok.network.detail import expand_detail
from astro_spectok.network.level import interpolate_level, limit_flux
from astro_spectok.network.resample import resample_features

__all__ = ["Decoder"]

LOG_SIGMA_RANGE = (-7.0, 4.0)


class Decoder(nn.Module):
    """Cross-attention from requested patches to tokens, with the tokens' own pixels resampled beside it.

    The flux starts from what the tokens hold explicitly, the levels of the patches, interpolated, and their detail, and
    the network adds what deviates from it.
    Context (what stands beyond the data, at another resolution, in a gap) comes through the attention; the sharp
    detail of each token is kept in features per pixel and resampled onto the requested ones, so that a shift of the
    grid never has to be learned.
    """

    def __init__(self, config):
        super().__init__()
        self.patch, self.channels = config.patch, config.detail_channels
        self.detail = nn.Linear(config.width, config.patch * config.detail_channels)
        self.query = nn.Linear(config.patch * (config.detail_channels + 2), config.width)
        self.blocks = nn.ModuleList([CrossBlock(config) for _ in range(config.decoder_layers)])
        self.norm = nn.LayerNorm(config.width)
        self.to_pixels = nn.Linear(config.width, config.patch * config.detail_channels)
        hidden = 2 * config.detail_channels
        self.head = nn.Sequential(
            nn.Conv1d(2 * config.detail_channels + 2, hidden, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(hidden, hidden, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(hidden, 2, 1),
        )

    def forward(self, tokens, mask, geometry, memory, query, autocast, coefficients=None):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
            Of the tokens.
        memory : tuple
            What the attention sees: values (B, S, D), mask (B, S), and phases.
        query : tuple
            `PatchGrid` asked for, its encoding (B, Tq, D) and phases.
        autocast : callable
            Gives the context in which the matrix products run.
        coefficients : tensor, shape (B, T, M), optional
            DCT coefficients of the tokens, as returned by `~astro_spectok.network.detail.filter_detail`.

        Returns
        -------
        mean, log_sigma : float32 tensor, shape (B, Tq, P)
            Of the flux over the tokens' scale.
        """
        grid, encoding, phases = query
        position = grid.ln_wavelength  # (B, Tq, P)
        half_width = _pixel_widths(position) / 2
        present = grid.present[:, None, :, None].expand(-1, -1, -1, self.patch).flatten(2)  # (B, 1, Tq * P)
        with autocast():
            detail = self.detail(tokens)
        detail = detail.float().unflatten(-1, (self.patch, self.channels))  # (B, T, P, C)
        if coefficients is not None:
            detail = torch.cat([detail, expand_detail(coefficients, self.patch)[..., None]], dim=-1)
        local, covered = resample_features(
            detail, mask, geometry, (position - half_width).flatten(1), (position + half_width).flatten(1)
        )
        base = interpolate_level(tokens[..., 0], mask, geometry[..., 0], position.flatten(1))  # (B, Tq * P)
        if coefficients is not None:
            base, local = base + local[..., -1], local[..., :-1]
        local = torch.cat([local, covered[..., None], base[..., None]], dim=-1)  # (B, Tq * P, C + 2)
        with autocast():
            x = encoding + self.query(local.unflatten(1, position.shape[1:]).flatten(2))  # (B, Tq, D)
            for block in self.blocks:
                x = block(x, *memory[:2], phases, memory[2])
            context = self.to_pixels(self.norm(x))  # (B, Tq, P * C)
        context = context.float().unflatten(-1, (self.patch, self.channels)).flatten(1, 2)  # (B, Tq * P, C)
        out = torch.cat([local, context], dim=-1).transpose(1, 2)
        for layer in self.head:  # zeros behind the end of a spectrum, as where it stands alone and is not padded
            out = layer(out * present if isinstance(layer, nn.Conv1d) else out)  # in the end (B, 2, Tq * P)
        level = limit_flux(base + out[:, 0], tokens[..., 1], mask, leak=0.01 if self.training else 0.0)
        # sigma is predicted on the asinh scale, where it is relative for bright lines and absolute for faint ones
        log_sigma = out[:, 1].clamp(*LOG_SIGMA_RANGE) + torch.log(torch.cosh(level))
        return torch.sinh(level).unflatten(1, position.shape[1:]), log_sigma.unflatten(1, position.shape[1:])


def _pixel_widths(position):
    """Width of every slot in ln(wavelength), (B, T, P)."""
    step = torch.diff(position, dim=-1)
    return torch.cat([step[..., :1], (step[..., 1:] + step[..., :-1]) / 2, step[..., -1:]], dim=-1).abs()
