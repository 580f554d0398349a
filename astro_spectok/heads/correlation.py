# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Correlation of features with templates over many lags, by FFT, with a backward pass that keeps no large products."""

import torch
from scipy.fft import next_fast_len

__all__ = ["correlate", "cut_range", "sum_products"]


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
