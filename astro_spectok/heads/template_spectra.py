# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Correlation with templates by FFT: with gradients, and without, where their transforms are made once and kept."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import next_fast_len

__all__ = ["QUANTUM", "Block", "TemplateSpectra", "correlate", "cut_range", "sum_products"]

#: grids begin and end at multiples of so many bins, so that those of one survey share transforms
QUANTUM = 512
#: lengths of transforms are multiples of this: MKL's are a fifth faster there than at other products of small primes
LENGTHS = 512
#: stretches that the lags are divided into at most
MOST_BLOCKS = 12
#: grids whose transforms are kept: some 5 MB each for an optical spectrum and three classes
KEPT = 4
#: one in so many values of the templates is compared to see whether they changed: all of them would take a millisecond
SAMPLED = 61


@dataclass(frozen=True)
class Block:
    """A stretch of lags.

    Attributes
    ----------
    low, high : int
        First and last lag.
    begin : int
        Where the first lag stands in what is transformed back.
    classes : tuple of int
        Those that have lags here.
    spectra : complex tensor, shape (classes, K, F)
        Transforms of their templates, conjugated.
    """

    low: int
    high: int
    begin: int
    classes: tuple
    spectra: torch.Tensor


@dataclass(frozen=True)
class _Source:
    """Identity of templates: a parameter that was trained further, moved or replaced is another one."""

    place: tuple
    sample: torch.Tensor

    @classmethod
    def of(cls, templates):
        return cls(cls._locate(templates), templates.detach().flatten()[::SAMPLED].clone())

    def fits(self, templates):
        # fused optimizers, and assignments to `.data`, change neither address nor version
        return self.place == self._locate(templates) and torch.equal(
            self.sample, templates.detach().flatten()[::SAMPLED]
        )

    @staticmethod
    def _locate(templates):
        version = None if templates.is_inference() else templates._version
        return id(templates), templates.data_ptr(), templates.device, templates.dtype, version


class TemplateSpectra:
    """Correlates grids with templates that stay the same for many of them.

    Of a grid a short transform serves stretch after stretch of the lags. Pickles and copies without what it keeps;
    threads may share it.

    Parameters
    ----------
    lags : sequence of (int, int)
        First and last lag of each class.
    """

    def __init__(self, lags):
        self.lags = tuple(lags)
        # how to know the templates again, and what was made of them; replaced as a whole, for other threads
        self._kept = None, {}

    def __getstate__(self):
        return {"lags": self.lags, "_kept": (None, {})}

    def get_blocks(self, templates, start, size):
        """Template spectra for a grid of ``size`` bins of which the first meets template bin ``start`` at lag 0.

        Parameters
        ----------
        templates : tensor, shape (classes, K, N)
        start, size : int

        Returns
        -------
        n : int
            Length of the transforms.
        blocks : list of Block
            By increasing lag; a lag in none of them meets no template.
        """
        source, kept = self._kept
        if source is None or not source.fits(templates):
            source, kept = _Source.of(templates), {}
        key = start, size
        found = kept.get(key) or self._make_blocks(templates, start, size)
        others = [pair for pair in kept.items() if pair[0] != key]
        self._kept = source, dict([*others, (key, found)][-KEPT:])  # the last is the latest
        return found

    def _make_blocks(self, templates, start, size):
        # lags at which the grid meets the templates at all
        low = max(min(a for a, _ in self.lags), start - templates.shape[-1] + 1)
        high = min(max(b for _, b in self.lags), start + size - 1)
        if high < low:
            return LENGTHS, []
        n = self._choose_length(size, low, high, templates.shape[1])
        blocks = []
        count = n - size  # lags that a transform has room for
        for first, last, classes in self._divide(low, high, count):
            if classes:
                # the template is shifted by `count` at the first lag and by 1 at the last; the conjugate turns this
                # around, so that redshifts come out in their order
                cut = cut_range(templates[list(classes)], start - first - count, n)
                spectra = torch.fft.rfft(cut).conj().resolve_conj()
                blocks.append(Block(first, last, n - count, classes, spectra))
        return n, blocks

    def _divide(self, low, high, count):
        """First and last lag of each stretch of at most ``count`` lags, and the classes that have lags in it."""
        for first in range(low, high + 1, count):
            last = min(first + count - 1, high)
            yield first, last, tuple(k for k, (a, b) in enumerate(self.lags) if a <= last and b >= first)

    def _choose_length(self, size, low, high, channels):
        """The length of the transforms that costs least for a grid of ``size`` bins and these lags."""
        best = np.inf, 0
        for number in range(1, MOST_BLOCKS + 1):
            wanted = size + -(-(high - low + 1) // number)
            n = LENGTHS * next_fast_len(-(-wanted // LENGTHS), real=True)
            back = sum(len(classes) for *_, classes in self._divide(low, high, n - size))
            # products of eight channels take as long as the transform of their sum
            best = min(best, (n * (channels + back * (1 + channels / 8)), n))
        return best[1]

    def correlate(self, grid, n, blocks):
        """Sums of products over channels and bins.

        Parameters
        ----------
        grid : tensor, shape (B, K, n)
            Zero beyond the size that the blocks were made for.
        n, blocks
            From `get_blocks`.

        Returns
        -------
        list of tensor, shape (B, lags of the class)
            For each class, by increasing lag.
        """
        scores = [grid.new_zeros(len(grid), b - a + 1) for a, b in self.lags]
        spectrum = torch.fft.rfft(grid) if blocks else None  # (B, K, F)
        for block in blocks:
            for k, template in zip(block.classes, block.spectra, strict=True):
                found = torch.fft.irfft(sum_products(spectrum, template), n=n)  # (B, n)
                a, b = max(self.lags[k][0], block.low), min(self.lags[k][1], block.high)
                first, begin = a - self.lags[k][0], block.begin + a - block.low
                scores[k][:, first : first + b - a + 1] = found[:, begin : begin + b - a + 1]
        return scores


def correlate(grid, templates, n_lags):
    """Sum of products of ``grid`` with ``templates`` at every shift.

    ``scores[b, c, s] = sum over k and i of grid[b, k, i] * templates[c, k, i + s]``.

    Parameters
    ----------
    grid : tensor, shape (B, K, M)
    templates : tensor, shape (C, K, M + n_lags - 1)
    n_lags : int

    Returns
    -------
    tensor, shape (B, C, n_lags)

    See Also
    --------
    astro_spectok.heads.template_spectra.TemplateSpectra : faster, without gradients.
    """
    return _Correlation.apply(grid, templates, n_lags)


class _Correlation(torch.autograd.Function):
    """Products are summed channel by channel: with all of them at once memory traffic costs five times the FFTs."""

    @staticmethod
    def forward(ctx, grid, templates, n_lags):
        n = next_fast_len(templates.shape[-1], real=True)
        spectrum, template = torch.fft.rfft(grid, n=n), torch.fft.rfft(templates, n=n)  # (B, K, F), (C, K, F)
        ctx.save_for_backward(spectrum, template)
        ctx.sizes = n, grid.shape[-1], templates.shape[-1]
        product = torch.stack([sum_products(spectrum.conj(), one) for one in template], dim=1)  # (B, C, F)
        return torch.fft.irfft(product, n=n)[..., :n_lags].contiguous()

    @staticmethod
    def backward(ctx, gradient):
        spectrum, template = ctx.saved_tensors
        n, n_grid, n_template = ctx.sizes
        gradient = torch.fft.rfft(gradient, n=n)  # (B, C, F)
        to_grid = torch.stack([sum_products(gradient.conj(), one) for one in template.transpose(0, 1)], dim=1)
        to_template = torch.stack(
            [sum_products(gradient.transpose(0, 1), one) for one in spectrum.transpose(0, 1)], dim=1
        )  # (C, K, F)
        return torch.fft.irfft(to_grid, n=n)[..., :n_grid], torch.fft.irfft(to_template, n=n)[..., :n_template], None


def sum_products(many, one):
    """Sum over j of ``many[:, j] * one[j]``, of tensors (B, J, F) and (J, F) to (B, F)."""
    total = many[:, 0] * one[0]
    for j in range(1, many.shape[1]):
        total.addcmul_(many[:, j], one[j])
    return total


def cut_range(templates, start, size):
    """Bins ``start`` to ``start + size`` of templates (..., N), zero where they have none."""
    n = templates.shape[-1]
    inside = templates[..., min(max(start, 0), n) : min(max(start + size, 0), n)]
    missing = min(max(-start, 0), size)
    return torch.nn.functional.pad(inside, (missing, size - missing - inside.shape[-1]))
