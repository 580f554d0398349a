# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of stars as a function of their labels, learnt from labelled stars: kernel regression, and its residuals."""

import numpy as np
import torch

from astro_spectok.simulate.label_transfer import kernel

__all__ = ["StarModel"]

#: lengths of the kernel in log10(Teff), logg, [Fe/H]: by leave-one-out residuals of MILES
LENGTHS = np.array([0.1, 2.0, 1.5])
#: variance of the noise over that of the kernel, and what a constant is allowed
_NOISE, _CONSTANT = 0.03, 3.0
#: residual, over the median one, beyond which a star counts less; rounds
_ODD, _ROUNDS = 1.3, 3


class StarModel:
    """Logarithm of the flux of a star, given its labels.

    Parameters
    ----------
    labels : ndarray, shape (n, 3)
        log10(Teff), logg, [Fe/H].
    log_flux : ndarray, shape (n, N)
        Natural logarithm of flux.
    device : str or `torch.device`, optional

    Attributes
    ----------
    residuals : float32 tensor, shape (n, N)
        What each star has that the model does not.
    left_out : float
        Median, over the stars, of the standard deviation of what the model of all others leaves.
    """

    def __init__(self, labels, log_flux, device="cpu"):
        covariance = kernel(labels, labels, LENGTHS) + _CONSTANT
        mean = log_flux.mean(0)
        trust = np.ones(len(labels))
        for _ in range(_ROUNDS):
            inverse = np.linalg.inv(covariance + _NOISE * np.diag(1 / trust))
            solved = inverse @ (log_flux - mean)
            size = (solved / np.diag(inverse)[:, None]).std(1)
            trust = 1 / np.maximum(1.0, (size / (_ODD * np.median(size))) ** 2)
        self.left_out = float(np.median(size))

        def to_tensor(values):
            return torch.from_numpy(np.asarray(values, np.float32)).to(device)

        self.residuals = to_tensor(log_flux - mean - covariance @ solved)
        self.mean, self.solved = to_tensor(mean), to_tensor(solved)
        self.lengths = to_tensor(LENGTHS)
        self.nodes = to_tensor(labels) / self.lengths

    def __call__(self, labels):
        """Natural logarithm of flux (B, N) for labels (B, 3)."""
        near = torch.exp(-0.5 * torch.cdist(labels / self.lengths, self.nodes) ** 2)
        return torch.addmm(self.mean, near + _CONSTANT, self.solved)
