# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class and redshift by correlation with learned rest-frame templates.

A redshift is a shift in ln(wavelength). Features per pixel are laid on a fine common grid and correlated with one
learned template per class; the scores over class and lag are one joint posterior, on any instrument's pixels.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from astro_spectok.heads.posterior_summary import PosteriorSummary
from astro_spectok.heads.protocol import Head, HeadConfig, HeadLoss
from astro_spectok.heads.redshift_loss import redshift_loss
from astro_spectok.heads.redshift_solutions import find_solutions
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.small_numbers import REDSHIFT_RULES
from astro_spectok.heads.template_spectra import QUANTUM, TemplateSpectra, correlate, cut_range
from astro_spectok.network.linear import Linear
from astro_spectok.network.patches import N_CHANNELS

__all__ = ["RedshiftConfig", "RedshiftHead"]

#: spectra that are correlated at a time on a CPU, where no gradients are wanted
AT_ONCE = 8


@dataclass(frozen=True)
class RedshiftConfig(HeadConfig):
    """Sizes of the head that correlates features with learned rest-frame templates.

    Attributes
    ----------
    classes : tuple of str
        One template per class.
    z_range : tuple of (float, float)
        Redshifts searched for each class; stars by radial velocity, hence below zero too.
    channels : int
        Feature channels per pixel.
    step : float
        Step of the common grid in ln(wavelength); 1e-4 is 30 km/s.
    observed_range, rest_range : tuple of float
        Wavelengths in Angstrom that the grid of the spectrum and of the templates span.
    kernel : int
        Taps of the convolution that carries input pixels past the transformer.
    summary_periods : int
        Periods in ln(1 + z) at which the redshifts that the tokens allow enter the embedding; 0 for none.
    target_sigma : float
        Width in ln(1 + z) of the Gaussian that the posterior is trained towards.
    floor : float
        Share of the prior mixed into the posterior while training, so that no single spectrum dominates.
    template_rate : float
        Learning rate of the templates over that of the network.

    Examples
    --------
    >>> from astro_spectok.heads import RedshiftConfig
    >>> config = RedshiftConfig(classes=("GALAXY", "STAR"), z_range=((0.0, 1.0), (-0.002, 0.002)), step=2e-4)
    >>> config.lags
    ((0, 3465), (-10, 9))
    """

    classes: tuple[str, ...] = ("GALAXY", "QSO", "STAR")
    z_range: tuple[tuple[float, float], ...] = ((-0.003, 15.0), (0.0, 7.0), (-0.0024, 0.0024))
    channels: int = 8
    step: float = 1e-4
    observed_range: tuple[float, float] = (900.0, 55000.0)
    rest_range: tuple[float, float] = (600.0, 26000.0)
    kernel: int = 15
    summary_periods: int = 0
    target_sigma: float = 6e-5
    floor: float = 1e-5
    template_rate: float = 4.0

    @property
    def lags(self):
        """First and last bin of each class on the grid of redshifts: tuple of (int, int)."""
        return tuple(
            (math.ceil(math.log1p(low) / self.step - 1e-9), math.floor(math.log1p(high) / self.step + 1e-9))
            for low, high in self.z_range
        )


@register_head
class RedshiftHead(Head):
    """Scores over (class, redshift) from tokens and input pixels.

    Parameters
    ----------
    config : `RedshiftConfig`
    network : `~astro_spectok.network.NetworkConfig`
    """

    kind = "redshift"
    config_class = RedshiftConfig
    needs = ("tokens", "patches")
    figures = ("redshift", "right", "right_class")
    # ten times as large as all others together: clipped with them, its fluctuations would scale their steps
    clips_apart = True
    begins_with: ClassVar[dict] = {"rules": REDSHIFT_RULES}

    def __init__(self, config, network):
        super().__init__(config, network)
        self.patch = network.patch
        self.ln_observed = math.log(config.observed_range[0])
        self.n_grid = round(math.log(config.observed_range[1] / config.observed_range[0]) / config.step) + 2
        n_rest = round(math.log(config.rest_range[1] / config.rest_range[0]) / config.step) + 1
        # template bin 0 lies this many bins to the blue of the grid's
        self.offset = round(math.log(config.observed_range[0] / config.rest_range[0]) / config.step)
        self.features = Linear(network.width, network.patch * config.channels)
        self.skip = nn.Conv1d(N_CHANNELS, config.channels, config.kernel, padding=config.kernel // 2)
        self.templates = nn.Parameter(torch.randn(len(config.classes), config.channels, n_rest) * 0.02)
        self.class_query = nn.Linear(network.width, 1, bias=False)
        self.class_logit = nn.Linear(network.width, len(config.classes))
        self.lags = config.lags
        self.spectra = TemplateSpectra(config.lags)
        self.summary = None
        if config.summary_periods:
            self.summary = PosteriorSummary(config.lags, config.step, config.summary_periods)

    @property
    def gives(self):
        """For each class the logarithm of the probability of each of its redshifts; see `Head.gives`."""
        return dict.fromkeys(self.config.classes, "")

    @property
    def summary_size(self):
        """Numbers that the redshifts which tokens allow are summarised by."""
        return 0 if self.summary is None else self.summary.size

    def list_rates(self):
        """Templates learn faster; see `Head.list_rates`."""
        return [(self.templates, self.config.template_rate)]

    def redshifts(self):
        """Redshift of every score, one float64 tensor per class."""
        return [
            torch.expm1(torch.arange(a, b + 1, dtype=torch.float64, device="cpu") * self.config.step)
            for a, b in self.lags
        ]

    def forward(self, inputs):
        """
        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            With tokens and pixels.

        Returns
        -------
        list of tensor
            For each class the scores (B, number of lags); a softmax over all of them is the joint posterior under a
            prior that is flat in class and, within a class, in ln(1 + z).
        """
        tokens, patches = inputs.tokens, inputs.patches
        skipped = self.skip(patches.channels.flatten(1, 2).transpose(1, 2)).float()  # (B, K, T * P)
        features = self._make_features(tokens) + skipped
        return self._score(
            features, patches.grid.ln_wavelength.flatten(1), patches.valid.flatten(1), tokens, patches.mask
        )

    def interpret(self, output):
        """Logarithm of the probability of each redshift, for each class; all together sum to one.

        Parameters
        ----------
        output : list of tensor, shape (B, lags)

        Returns
        -------
        dict of str to tensor, shape (B, lags)
        """
        log_p = torch.log_softmax(torch.cat(output, dim=1), dim=1).split([scores.shape[1] for scores in output], dim=1)
        return dict(zip(self.config.classes, log_p, strict=True))

    def loss(self, output, batch, targets):
        """Divergence of the posterior from the truth, of spectra of a known class and of those without a redshift.

        Parameters
        ----------
        output, batch, targets
            As of `Head.loss`.

        Returns
        -------
        HeadLoss
        """
        config = self.config
        loss, scored, right, right_class = redshift_loss(
            output, self.lags, config.step, batch.cls, batch.ln_one_plus_z, batch.measurable, config.target_sigma,
            floor=config.floor,
        )  # fmt: skip
        figures = {"redshift": (loss, scored), "right": (right, scored), "right_class": (right_class, scored)}
        return HeadLoss(loss, torch.ones_like(scored), figures)

    def summarise_tokens(self, inputs):
        """The redshifts that tokens allow, in numbers that can be compared; see `PosteriorSummary`.

        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`

        Returns
        -------
        tensor, shape (B, ``summary_size``)
        """
        return self.summary(self.score_tokens(inputs.tokens, inputs.mask, inputs.geometry))

    def solve_tokens(self, inputs):
        """The same, and the best redshifts of each class; see `Head.solve_tokens`.

        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`

        Returns
        -------
        summary : tensor, shape (B, ``summary_size``)
        solutions : tensor, shape (B, S, 3)
            Number of the class, ln(1 + z) and probability.
        """
        scores = self.score_tokens(inputs.tokens, inputs.mask, inputs.geometry)
        return self.summary(scores), self.list_solutions(scores)

    def list_solutions(self, scores):
        """The best redshifts of each class, (B, S, 3), of scores as of `score_tokens`; see `solve_tokens`."""
        return find_solutions(scores, self.lags, self.config.step)

    def score_tokens(self, tokens, mask, geometry):
        """Scores from tokens alone, less precise: what the pixels say past the transformer is not there.

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
            As of `forward`.
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
        # evidence for a class as a whole; not from the embedding, which separates objects, not classes
        logit = self.class_logit((attention[..., None] * tokens).sum(1)).float()  # (B, classes)
        correlate = self._correlate if torch.is_grad_enabled() else self._correlate_with_kept
        # 0.1 keeps the first steps gentle; the last term makes the prior of a class independent of its lags
        return [
            0.1 * scores + (logit[:, k : k + 1] - math.log(scores.shape[1]))
            for k, scores in enumerate(correlate(features, self._find_bins(ln_wavelength, valid, features.device)))
        ]

    def _find_bins(self, ln_wavelength, valid, device):
        """Bins of the common grid that pixels (B, N) overlap, and their shares."""
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
