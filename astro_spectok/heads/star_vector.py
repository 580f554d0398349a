# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A vector of stars that is learned from pairs: which star it is, and how it moves."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["StarVector"]

#: windows of bins whose weights the perceptron is told
WINDOWS = 30
#: periods in km/s that a velocity is told by
PERIODS = (3000.0, 1500.0, 750.0, 400.0, 220.0, 120.0, 70.0, 40.0)
#: km/s: unit of the velocity that is put in, and of the correction that comes out; ln of the usual error
SPEED, CORRECTION, USUAL = 200.0, 30.0, 3.0
#: what is added to the mean weight of a window before its logarithm
LEAST = 0.02


class StarVector(nn.Module):
    """Lines of a star to a vector whose cosine says whether it is the same star.

    Coefficients of components are the most probable ones under the noise of each bin, found by conjugate gradients
    (Hestenes & Stiefel 1952, J. Res. Natl. Bur. Stand. 49, 409). A perceptron that is told how well the windows are
    known makes of them a vector of the star, a correction of its velocity, and the error of that. The velocity is
    given as the mean cosine and sine of its posterior at some periods: two stars are alike as far as their velocities
    agree within their errors.

    Parameters
    ----------
    n_bins : int
        Bins, N, a multiple of 30.
    n_components, hidden, size : int
        Components, width of the perceptron, and numbers of the vector of the star.
    floor : float
        Least error of a velocity in km/s: what wavelength scales of surveys differ by.
    rounds : int
        Of conjugate gradients.

    Attributes
    ----------
    mean, sigma : tensor, shape (N,)
        Mean of a bin over stars, and what components leave of it.
    basis : tensor, shape (K, N)
        In units of ``sigma``, each over the standard deviation of its coefficient.
    share : tensor, shape (periods,)
        Weight of each period, beside the vector's one.
    """

    def __init__(self, n_bins, n_components, hidden, size, *, floor=0.0, rounds=6):
        super().__init__()
        plain = {"dtype": torch.float32, "device": "cpu"}
        self.rounds, self.floor = rounds, floor
        self.register_buffer("mean", torch.zeros(n_bins, **plain))
        self.register_buffer("sigma", torch.ones(n_bins, **plain))
        self.register_buffer("basis", torch.zeros(n_components, n_bins, **plain))
        self.first = nn.Linear(n_components + 2 * WINDOWS + 1, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.vector = nn.Linear(hidden, size)
        self.skip = nn.Linear(n_components, size, bias=False)
        self.speed = nn.Linear(hidden, 2)
        self.register_buffer("share", torch.zeros(len(PERIODS), **plain))
        self.register_buffer("waves", 2 * math.pi / torch.tensor(PERIODS, **plain), persistent=False)

    @staticmethod
    def count(size):
        """Numbers of the whole vector, where that of the star has ``size``."""
        return size + 2 * len(PERIODS)

    def forward(self, values, variance, weight, ln_one_plus_z):
        """
        Parameters
        ----------
        values, variance, weight : float32 tensor, shape (B, N)
            Flux over the continuum less 1, the variance of its noise, and the share of each bin that counts.
        ln_one_plus_z : tensor, shape (B,)
            That the bins were shifted by: a guess at the velocity.

        Returns
        -------
        float32 tensor, shape (B, size + 2 * periods)
            The vector of the star at unit length, and cosines and sines; zero where no bin is known.
        """
        guess = (ln_one_plus_z * LIGHT_SPEED).to(values)
        features = self.reduce(values, variance, weight)
        vector, velocity, error = self.read(features, guess)
        known = (weight > 0).any(1, keepdim=True).to(values)
        return torch.cat([vector, self.wave(velocity, error)], 1) * known

    def reduce(self, values, variance, weight):
        """What the perceptron is told of bins: float32 tensor (B, K + 60)."""
        known = weight / (1 + variance / self.sigma**2)
        right = (known * (values - self.mean) / self.sigma) @ self.basis.T
        diagonal = 1 + known @ (self.basis**2).T
        found = right / diagonal
        left = right - self._multiply(found, known)
        step = eased = left / diagonal
        size = (left * eased).sum(1, keepdim=True)
        for _ in range(self.rounds - 1):
            product = self._multiply(step, known)
            length = size / (step * product).sum(1, keepdim=True).clamp_min(1e-9)
            found, left = found + length * step, left - length * product
            eased = left / diagonal
            after = (left * eased).sum(1, keepdim=True)
            step, size = eased + after / size.clamp_min(1e-9) * step, after
        shares = [x.unflatten(1, (WINDOWS, -1)).mean(2) for x in (known, weight)]
        return torch.cat([torch.asinh(found), torch.log(shares[0] + LEAST) / 2, shares[1]], 1)

    def _multiply(self, coefficients, known):
        """The normal equations, with a prior of unit variance, times coefficients."""
        return coefficients + (known * (coefficients @ self.basis)) @ self.basis.T

    def read(self, features, guess):
        """Vector (B, size) at unit length, velocity in km/s and ln of its error, (B,), of `reduce` and a guess."""
        x = F.gelu(self.first(torch.cat([features, guess[:, None] / SPEED], 1)))
        x = x + F.gelu(self.second(x))
        change, error = self.speed(x).unbind(1)
        vector = self.vector(x) + self.skip(features[:, : self.skip.in_features])
        return F.normalize(vector, dim=1), guess + CORRECTION * change, USUAL + error

    def wave(self, velocity, ln_error):
        """Mean cosines and sines (B, 2 * periods) of velocities with their errors, in km/s."""
        variance = torch.exp(2 * ln_error.clamp(0, 6))[:, None] + self.floor**2
        size = self.share * torch.exp(-0.5 * self.waves**2 * variance)
        phase = self.waves * velocity[:, None]
        return torch.cat([size * phase.cos(), size * phase.sin()], 1)
