# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class and redshift by correlation with learned rest-frame templates.

A redshift is a shift in ln(wavelength). Features per pixel are laid on a fine common grid and correlated with one
learned template per class; the scores over class and lag are one joint posterior, on any instrument's pixels.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import nn

from astro_spectok.network.correlation import correlate, cut_range
from astro_spectok.network.linear import Linear
from astro_spectok.network.patches import N_CHANNELS
from astro_spectok.network.template_spectra import QUANTUM, TemplateSpectra

__all__ = ["RedshiftHead"]

#: spectra that are correlated at a time on a CPU, where no gradients are wanted
AT_ONCE = 8


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
        self.features = Linear(config.width, config.patch * head.channels)
        self.skip = nn.Conv1d(N_CHANNELS, head.channels, head.kernel, padding=head.kernel // 2)
        self.templates = nn.Parameter(torch.randn(len(head.classes), head.channels, n_rest) * 0.02)
        self.class_query = nn.Linear(config.width, 1, bias=False)
        self.class_logit = nn.Linear(config.width, len(head.classes))
        self.lags = head.lags
        self.spectra = TemplateSpectra(head.lags)

    def redshifts(self):
        """Redshift of every score, one float64 tensor per class."""
        return [
            torch.expm1(torch.arange(a, b + 1, dtype=torch.float64, device="cpu") * self.config.step)
            for a, b in self.lags
        ]

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
        skipped = self.skip(patches.channels.flatten(1, 2).transpose(1, 2)).float()  # (B, K, T * P)
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
        """Features (B, K, T * P) that tokens give to their pixels."""
        return self.features(tokens).float().unflatten(-1, (self.patch, -1)).permute(0, 3, 1, 2).flatten(2)

    def _score(self, features, ln_wavelength, valid, tokens, mask):
        """Scores of features (B, K, N) on pixels, of which some are valid."""
        attention = self.class_query(tokens)[..., 0].masked_fill(~mask, -1e4).softmax(1)  # (B, T)
        # what speaks for a class as a whole; not from the embedding, which is to tell objects apart, not classes
        logit = self.class_logit((attention[..., None] * tokens).sum(1)).float()  # (B, classes)
        correlate = self._correlate if torch.is_grad_enabled() else self._correlate_with_kept
        # 0.1 keeps the first steps gentle; the last term makes the prior of a class independent of its lags
        return [
            0.1 * scores + (logit[:, k : k + 1] - math.log(scores.shape[1]))
            for k, scores in enumerate(correlate(features, self._find_bins(ln_wavelength, valid, features.device)))
        ]

    def _find_bins(self, ln_wavelength, valid, device):
        """Which bins of the common grid pixels (B, N) share, and how."""
        position = (ln_wavelength - self.ln_observed) / self.config.step
        inside = valid.to(position.device) & (position >= 0) & (position < self.n_grid - 1)
        left = position.floor()
        first, last = 0, 0
        if inside.any():
            first, last = int(left.masked_fill(~inside, math.inf).min()), int(left.masked_fill(~inside, 0).max())
        return _Bins(
            left.long().to(device), (position - left).float().to(device), inside.to(device), first, last - first + 2
        )

    def _correlate(self, features, bins):
        """Scores (B, number of lags) of each class: sum over channels of grid times shifted template."""
        grid = bins.scatter(features, bins.first, bins.size)
        # one Fourier transform of the grid serves all classes, be their lags few or many
        low, high = min(a for a, _ in self.lags), max(b for _, b in self.lags)
        start = bins.first + self.offset  # template bin under the grid's first at lag 0
        # each class by itself: what its lags do not reach must have no gradient, not even one of rounding
        templates = torch.stack(
            [
                nn.functional.pad(cut_range(template, start - b, bins.size + b - a), (high - b, a - low))
                for template, (a, b) in zip(self.templates, self.lags, strict=True)
            ]
        )
        scores = correlate(grid, templates, high - low + 1)  # (B, classes, lags), the greatest lag first
        return [scores[:, k, high - b : high - a + 1].flip(-1) for k, (a, b) in enumerate(self.lags)]

    def _correlate_with_kept(self, features, bins):
        """The same without gradients, with transforms of the templates that are kept for grids alike."""
        first = bins.first // QUANTUM * QUANTUM
        size = -(-(bins.first + bins.size - first) // QUANTUM) * QUANTUM
        n, blocks = self.spectra.get_blocks(self.templates, first + self.offset, size)
        # a few at a time, so that they stay in the cache
        count = AT_ONCE if features.device.type == "cpu" else max(len(features), 1)
        parts = [
            self.spectra.correlate(bins.take(part).scatter(features[part], first, n), n, blocks)
            for part in (slice(i, i + count) for i in range(0, len(features), count))
        ]
        return [torch.cat(scores) for scores in zip(*parts, strict=True)]


@dataclass(frozen=True)
class _Bins:
    """Bins of the common grid that pixels are shared between.

    Attributes
    ----------
    left : int64 tensor, shape (B, N)
        The bin at or before each pixel.
    part : tensor, shape (B, N)
        What the bin behind it gets.
    inside : bool tensor, shape (B, N)
        Pixels that count.
    first, size : int
        The part of the grid that is reached.
    """

    left: torch.Tensor
    part: torch.Tensor
    inside: torch.Tensor
    first: int
    size: int

    def take(self, rows):
        """The same for a slice of the spectra."""
        return replace(self, left=self.left[rows], part=self.part[rows], inside=self.inside[rows])

    def scatter(self, features, first, size):
        """Lay features (B, K, N) on ``size`` bins from ``first`` on: (B, K, size)."""
        features = features.contiguous() * self.inside[:, None]
        bins = (self.left - first).clamp(0, size - 2)[:, None].expand_as(features)
        right = features * self.part[:, None]
        grid = features.new_zeros(*features.shape[:2], size)
        return grid.scatter_add_(2, bins, features - right).scatter_add_(2, bins + 1, right)
