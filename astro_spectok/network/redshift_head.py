# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class and redshift by correlation with learned rest-frame templates.

A redshift is a shift in ln(wavelength). Features per pixel are laid on a fine common grid and correlated with one
learned template per class; the scores over class and lag are one joint posterior, on any instrument's pixels.
"""

import math

import torch
from torch import nn

from astro_spectok.network.patches import N_CHANNELS

__all__ = ["RedshiftHead"]


class RedshiftHead(nn.Module):
    """Scores over (class, redshift) from tokens and input pixels."""

    def __init__(self, config):
        super().__init__()
        head = config.redshift
        self.config, self.patch = head, config.patch
        self.n_grid = round(math.log(head.observed_range[1] / head.observed_range[0]) / head.step) + 2
        n_rest = round(math.log(head.rest_range[1] / head.rest_range[0]) / head.step) + 1
        # templates reach shorter wavelengths than the grid: their bin 0 lies this many bins away from the grid's
        self.offset = round(math.log(head.observed_range[0] / head.rest_range[0]) / head.step)
        self.n_fft = 1 << (self.n_grid + n_rest - 1).bit_length()
        self.features = nn.Linear(config.width, config.patch * head.channels)
        self.skip = nn.Conv1d(N_CHANNELS, head.channels, head.kernel, padding=head.kernel // 2)
        self.templates = nn.Parameter(torch.randn(len(head.classes), head.channels, n_rest) * 0.02)
        self.class_logit = nn.Linear(config.embedding_size, len(head.classes))
        self.lags = tuple(
            (math.ceil(math.log1p(low) / head.step - 1e-9), math.floor(math.log1p(high) / head.step + 1e-9))
            for low, high in head.z_range
        )

    def redshifts(self):
        """Redshift of every score, one float64 tensor per class."""
        return [torch.expm1(torch.arange(a, b + 1, dtype=torch.float64) * self.config.step) for a, b in self.lags]

    def forward(self, tokens, embedding, patches):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        embedding : tensor, shape (B, E)
        patches : `PatchBatch`

        Returns
        -------
        list of tensor
            For each class the scores (B, number of lags); a softmax over all of them is the joint posterior under a
            prior that is flat in class and, within a class, in ln(1 + z).
        """
        features = self.features(tokens).float().unflatten(-1, (self.patch, -1)).flatten(1, 2)  # (B, T * P, K)
        skipped = self.skip(patches.channels.flatten(1, 2).transpose(1, 2)).transpose(1, 2)  # (B, T * P, K)
        features = (features + skipped) * patches.valid.flatten(1)[..., None]
        grid = self._scatter(features, patches.grid.ln_wavelength.flatten(1))  # (B, K, M)
        scores = self._correlate(grid)  # (B, classes, n_fft)
        logit = self.class_logit(embedding)
        out = []
        for k, (low, high) in enumerate(self.lags):
            lag = (torch.arange(low, high + 1, device=scores.device) - self.offset) % self.n_fft
            # 0.1 keeps the first steps gentle; the last term makes the prior of a class independent of its lags
            out.append(0.1 * scores[:, k, lag] + logit[:, k : k + 1] - math.log(high - low + 1))
        return out

    def _scatter(self, features, ln_wavelength):
        """Lay features (B, N, K) on the common grid, shared between the two nearest bins: (B, K, M)."""
        position = (ln_wavelength - math.log(self.config.observed_range[0])) / self.config.step
        left = position.floor()
        inside = ((left >= 0) & (left < self.n_grid - 1)).to(features.device)
        part = (position - left).float().to(features.device)[..., None]
        left = left.long().to(features.device).clamp(0, self.n_grid - 2)
        features = features * inside[..., None]
        grid = features.new_zeros(len(features), self.n_grid, features.shape[2])
        bins = left[..., None].expand_as(features)
        grid = grid.scatter_add(1, bins, features * (1 - part)).scatter_add(1, bins + 1, features * part)
        return grid.transpose(1, 2)

    def _correlate(self, grid):
        """Scores (B, classes, n_fft) of every cyclic lag: sum over channels of grid times shifted template."""
        grid = torch.fft.rfft(grid, n=self.n_fft)  # (B, K, F)
        templates = torch.fft.rfft(self.templates, n=self.n_fft).conj()  # (classes, K, F)
        return torch.fft.irfft((grid[:, None] * templates[None]).sum(2), n=self.n_fft)
