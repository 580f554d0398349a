# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Principal components of spectra on a grid, found under the noise and the gaps of each spectrum, and whitened."""

import math

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["SpectralComponents", "smooth_boxes", "smooth_waves"]

#: bins over which weights are averaged for the normal equations, not for what is projected
JOINED = 8


class SpectralComponents(nn.Module):
    """Coefficients of components of a spectrum, as probable given its noise, as a whitened vector.

    A spectrum is a mean, components with coefficients of unit variance, smooth curves that are nobody's (errors of
    calibration), noise of its own, and what the components leave (Tipping & Bishop 1999, J. R. Stat. Soc. B 61, 611).
    The coefficients are their posterior mean: bins that are bad, missing or noisy count for little or nothing, and what
    they alone would say becomes zero, not noise. A linear map then makes the differences between observations of one
    object alike in all directions.

    Parameters
    ----------
    n_bins : int
        Bins of the grid, N.
    n_components, n_out : int
        Components, K, and numbers that become of them.
    waves : tensor, shape (J, N), optional
        Smooth curves, each over the standard deviation of its coefficient.

    Attributes
    ----------
    mean : tensor, shape (N,)
    basis : tensor, shape (K, N)
    sigma : tensor, shape (N,)
        Standard deviation of what components leave of a bin.
    centre, whiten : tensor, shape (K,), (K, n_out)
        The vector is (coefficients - centre) @ whiten.
    """

    def __init__(self, n_bins, n_components, n_out, waves=None):
        super().__init__()
        plain = {"dtype": torch.float32, "device": "cpu"}  # whatever the defaults of the program around are
        self.register_buffer("mean", torch.zeros(n_bins, **plain))
        self.register_buffer("basis", torch.zeros(n_components, n_bins, **plain))
        self.register_buffer("sigma", torch.ones(n_bins, **plain))
        self.register_buffer("centre", torch.zeros(n_components, **plain))
        self.register_buffer("whiten", torch.eye(n_components, n_out, **plain))
        self.register_buffer("waves", waves if waves is not None else torch.zeros(0, n_bins, **plain), persistent=False)
        self._products = None

    def forward(self, values, variance, weight):
        """
        Parameters
        ----------
        values, variance : float32 tensor, shape (B, N)
            What is known of each bin, and the variance of its noise.
        weight : float32 tensor, shape (B, N)
            Share of each bin that counts, 0 to 1.

        Returns
        -------
        vector : float32 tensor, shape (B, n_out)
            Zero where nothing is known.
        """
        return (self.find_coefficients(values, variance, weight) - self._shrink(weight)) @ self.whiten

    def project(self, coefficients):
        """The vector (B, n_out) of coefficients (B, K) of spectra of which something is known."""
        return (coefficients - self.centre) @ self.whiten

    def _shrink(self, weight):
        """The centre, or nothing for spectra of which no bin is known."""
        return self.centre * (weight > 0).any(1, keepdim=True)

    def find_coefficients(self, values, variance, weight):
        """Posterior mean (B, K) of the coefficients; as of `forward`."""
        weight = weight / (variance + self.sigma**2)  # (B, N)
        rows, number = torch.cat([self.basis, self.waves]), len(self.basis)
        right = (weight * (values - self.mean)) @ rows.T  # (B, K + J)
        joined = F.pad(weight, (0, -weight.shape[1] % JOINED)).unflatten(1, (-1, JOINED)).mean(2)
        products, place = self._find_products(rows)
        normal = (joined @ products)[:, place].unflatten(1, (len(rows), len(rows)))
        exact = torch.float32 if rows.device.type == "mps" else torch.float64
        normal = normal.to(exact) + torch.eye(len(rows), dtype=exact, device=rows.device)
        found = torch.cholesky_solve(right.to(exact)[..., None], torch.linalg.cholesky(normal))
        return found[:, :number, 0].to(values)

    def _find_products(self, rows):
        """Sums over joined bins of the products of each two rows, (bins / `JOINED`, pairs), and where each stands.

        Kept, as the rows are what the weights have.
        """
        kept = self._products
        version = self.basis._version, self.basis.device, self.basis.dtype
        if kept is None or kept[0] != version:
            one, other = torch.triu_indices(len(rows), len(rows), device=rows.device)
            padded = F.pad(rows, (0, -rows.shape[1] % JOINED)).unflatten(1, (-1, JOINED))  # (K, bins, JOINED)
            products = torch.einsum("knj,lnj->nkl", padded, padded)[:, one, other].contiguous()
            place = torch.empty(len(rows), len(rows), dtype=torch.int64, device=rows.device)
            place[one, other] = place[other, one] = torch.arange(len(one), device=rows.device)
            kept = self._products = version, (products, place.flatten())
        return kept[1]


def smooth_waves(n_bins, number, amplitude, knee):
    """Cosines over a grid, (number, n_bins): of amplitudes that fall beyond some of them, the first a constant."""
    order = torch.arange(number, dtype=torch.float32, device="cpu")[:, None]
    size = amplitude / (1 + (order / knee) ** 2)
    size[0] = 10 * amplitude
    return size * torch.cos(math.pi * order * torch.linspace(0, 1, n_bins, dtype=torch.float32, device="cpu"))


def smooth_boxes(values, width):
    """Three running means of ``width`` bins (odd) one after the other, zeros beyond the ends: (B, N) as given.

    That is nearly a Gaussian whose standard deviation is half of the width.
    """
    half = width // 2
    out = values.to(torch.float32 if values.device.type == "mps" else torch.float64)
    for _ in range(3):
        total = torch.cumsum(F.pad(out, (half + 1, half)), 1)
        out = total[:, width:] - total[:, :-width]
    return (out / width**3).to(values)
