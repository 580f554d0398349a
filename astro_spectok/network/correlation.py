# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Correlation of features with templates over many lags, by FFT, with a backward pass that keeps no large products."""

import torch
from scipy.fft import next_fast_len

__all__ = ["correlate"]

#: lags that are computed at a time, over the bins of the grid
LAGS_PER_BIN = 1.5


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
    """
    if torch.is_grad_enabled() and (grid.requires_grad or templates.requires_grad):
        return _Correlation.apply(grid, templates, n_lags)
    return _correlate_in_blocks(grid, templates, n_lags)


def _correlate_in_blocks(grid, templates, n_lags):
    """The same without gradients: of the grid a shorter transform serves stretch after stretch of the lags."""
    size = grid.shape[-1]
    block = -(-n_lags // max(round(n_lags / (LAGS_PER_BIN * size)), 1))
    n = next_fast_len(size + block - 1, real=True)
    block = n - size + 1
    spectrum, out = torch.fft.rfft(grid, n=n).conj(), []  # (B, K, F)
    for start in range(0, n_lags, block):
        template = torch.fft.rfft(templates[..., start : start + n], n=n)  # (C, K, F)
        product = torch.stack([_sum_products(spectrum, one) for one in template], dim=1)  # (B, C, F)
        out.append(torch.fft.irfft(product, n=n)[..., : min(block, n_lags - start)])
    return torch.cat(out, dim=-1)


class _Correlation(torch.autograd.Function):
    """Products are summed channel by channel: with all of them at once memory traffic costs five times the FFTs."""

    @staticmethod
    def forward(ctx, grid, templates, n_lags):
        n = next_fast_len(templates.shape[-1], real=True)
        spectrum, template = torch.fft.rfft(grid, n=n), torch.fft.rfft(templates, n=n)  # (B, K, F), (C, K, F)
        ctx.save_for_backward(spectrum, template)
        ctx.sizes = n, grid.shape[-1], templates.shape[-1]
        product = torch.stack([_sum_products(spectrum.conj(), one) for one in template], dim=1)  # (B, C, F)
        return torch.fft.irfft(product, n=n)[..., :n_lags].contiguous()

    @staticmethod
    def backward(ctx, gradient):
        spectrum, template = ctx.saved_tensors
        n, n_grid, n_template = ctx.sizes
        gradient = torch.fft.rfft(gradient, n=n)  # (B, C, F)
        to_grid = torch.stack([_sum_products(gradient.conj(), one) for one in template.transpose(0, 1)], dim=1)
        to_template = torch.stack(
            [_sum_products(gradient.transpose(0, 1), one) for one in spectrum.transpose(0, 1)], dim=1
        )  # (C, K, F)
        return torch.fft.irfft(to_grid, n=n)[..., :n_grid], torch.fft.irfft(to_template, n=n)[..., :n_template], None


def _sum_products(many, one):
    """Sum over j of ``many[:, j] * one[j]``; (B, J, F) and (J, F) to (B, F)."""
    total = many[:, 0] * one[0]
    for j in range(1, many.shape[1]):
        total.addcmul_(many[:, j], one[j])
    return total
