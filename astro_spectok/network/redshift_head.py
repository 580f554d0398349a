# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class and redshift by correlation with learned rest-frame templates.

A redshift is a shift in ln(wavelength). Features per pixel are laid on a fine common grid and correlated with one
learned template per class; the scores over class and lag are one joint posterior, on any instrument's pixels.
"""

import math

import torch
from torch import nn

from astro_spectok.network.correlation import correlate
from astro_spectok.network.patches import N_CHANNELS

__all__ = ["RedshiftHead"]


class RedshiftHead(nn.Module):
    """Scores over (class, redshift) from tokens and input pixels."""

    def __init__(self, config):
        super().__init__()
        head = config.redshift
        self.config, self.patch = head, config.patch
        self.ln_observed = math.log(head.observed_range[0])
        self.n_grid = round(math.log(head.observed_range[1] / head.observed_range[0]) / head.step) + 2
        n_rest = round(math.log(head.rest_range[1] / head.rest_range[0]) / head.step) + 1
        # template bin 0 lies this many bins to the blue of the grid's
        self.offset = round(math.log(head.observed_range[0] / head.rest_range[0]) / head.step)
        self.features = nn.Linear(config.width, config.patch * head.channels)
        self.skip = nn.Conv1d(N_CHANNELS, head.channels, head.kernel, padding=head.kernel // 2)
        self.templates = nn.Parameter(torch.randn(len(head.classes), head.channels, n_rest) * 0.02)
        self.class_query = nn.Linear(config.width, 1, bias=False)
        self.class_logit = nn.Linear(config.width, len(head.classes))
        self.lags = head.lags

    def redshifts(self):
        """Redshift of every score, one float64 tensor per class."""
        return [torch.expm1(torch.arange(a, b + 1, dtype=torch.float64) * self.config.step) for a, b in self.lags]

    def forward(self, tokens, patches):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        patches : `PatchBatch`

        Returns
        -------
        list of tensor
            For each class the scores (B, number of lags); a softmax over all of them is the joint posterior under a
            prior that is flat in class and, within a class, in ln(1 + z).
        """
        skipped = self.skip(patches.channels.flatten(1, 2).transpose(1, 2)).transpose(1, 2).float()  # (B, T * P, K)
        features = self._make_features(tokens) + skipped
        return self._score(
            features, patches.grid.ln_wavelength.flatten(1), patches.valid.flatten(1), tokens, patches.mask
        )

    def score_tokens(self, tokens, mask, geometry):
        """The same from tokens alone, less precise: what the pixels say past the transformer is not there.

        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
            Tokens that count.
        geometry : float64 tensor, shape (B, T, 3)
            Where they lie, as of `~astro_spectok.network.PatchGrid`.

        Returns
        -------
        list of tensor
        """
        offset = torch.arange(self.patch, dtype=geometry.dtype, device=geometry.device) - (self.patch - 1) / 2
        ln_wavelength = geometry[..., :1] + geometry[..., 1:2] * offset + geometry[..., 2:] * offset**2  # (B, T, P)
        valid = mask[..., None].expand(ln_wavelength.shape).flatten(1)
        return self._score(self._make_features(tokens), ln_wavelength.flatten(1), valid, tokens, mask)

    def _make_features(self, tokens):
        """Features (B, T * P, K) that tokens give to their pixels."""
        return self.features(tokens).float().unflatten(-1, (self.patch, -1)).flatten(1, 2)

    def _score(self, features, ln_wavelength, valid, tokens, mask):
        """Scores of features (B, N, K) on pixels, of which some are valid."""
        grid, first = self._scatter(features * valid[..., None], ln_wavelength, valid)
        attention = self.class_query(tokens)[..., 0].masked_fill(~mask, -1e4).softmax(1)  # (B, T)
        # what speaks for a class as a whole; not from the embedding, which is to tell objects apart, not classes
        logit = self.class_logit((attention[..., None] * tokens).sum(1)).float()  # (B, classes)
        # 0.1 keeps the first steps gentle; the last term makes the prior of a class independent of its lags
        return [
            0.1 * scores + logit[:, k : k + 1] - math.log(scores.shape[1])
            for k, scores in enumerate(self._correlate(grid, first))
        ]

    def _scatter(self, features, ln_wavelength, valid):
        """Lay features (B, N, K) on the common grid, shared between the two nearest bins.

        Returns the part of the grid that is reached, (B, K, M), and the number of its first bin.
        """
        position = (ln_wavelength - self.ln_observed) / self.config.step
        inside = valid.to(position.device) & (position >= 0) & (position < self.n_grid - 1)
        left = position.floor()
        reached = left[inside]
        first, last = (int(reached.min()), int(reached.max())) if len(reached) else (0, 0)
        part = (position - left).float().to(features.device)[..., None]
        features = features * inside.to(features.device)[..., None]
        bins = (left.long() - first).clamp(0, last - first).to(features.device)[..., None].expand_as(features)
        grid = features.new_zeros(len(features), last - first + 2, features.shape[2])
        grid = grid.scatter_add(1, bins, features * (1 - part)).scatter_add(1, bins + 1, features * part)
        return grid.transpose(1, 2), first

    def _correlate(self, grid, first):
        """Scores (B, number of lags) of each class: sum over channels of grid times shifted template."""
        # one Fourier transform of the grid serves all classes, be their lags few or many
        low, high = min(a for a, _ in self.lags), max(b for _, b in self.lags)
        # each class by itself: what its lags do not reach must have no gradient, not even one of rounding
        templates = torch.stack(
            [
                nn.functional.pad(self._cut_templates(template, first, grid.shape[2], a, b), (high - b, a - low))
                for template, (a, b) in zip(self.templates, self.lags, strict=True)
            ]
        )
        scores = correlate(grid, templates, high - low + 1)  # (B, classes, lags), the greatest lag first
        return [scores[:, k, high - b : high - a + 1].flip(-1) for k, (a, b) in enumerate(self.lags)]

    def _cut_templates(self, templates, first, n, low, high):
        """Templates (..., K, n + high - low) where a grid of n bins meets them at lags ``high`` down to ``low``."""
        start, stop = first + self.offset - high, first + n + self.offset - low
        size = templates.shape[-1]
        inside = templates[..., min(max(start, 0), size) : min(max(stop, 0), size)]
        missing = min(max(-start, 0), stop - start)
        return nn.functional.pad(inside, (missing, stop - start - missing - inside.shape[-1]))
