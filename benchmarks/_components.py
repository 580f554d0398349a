# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Principal components of spectra that do not all cover the same wavelengths."""

import numpy as np
import torch

__all__ = ["find_components"]

#: rounds in which what is not covered is filled in from the components
ROUNDS = 10
#: least standard deviation of the values in a bin
LEAST_SIGMA = 0.01


def find_components(values, covered, number, *, seed=0):
    """Mean, components and what they leave, of spectra that do not all cover the same bins.

    What is not covered is filled in from the components of the last round, which starts with few.

    Parameters
    ----------
    values : ndarray, shape (n, N)
    covered : bool ndarray, shape (n, N)
    number : int
        Of components, K.
    seed : int, optional

    Returns
    -------
    mean : ndarray, shape (N,)
    basis : ndarray, shape (K, N)
        Each over the standard deviation of its coefficients, which are then of unit variance.
    variance : ndarray, shape (N,)
        Of what is left.
    """
    count = np.maximum(covered.sum(0), 1)
    mean = (values * covered).sum(0) / count
    filled = np.where(covered, values - mean, 0.0).astype(np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step in range(ROUNDS + 1):
            k = number if step == ROUNDS else max(1, round(number * (step + 1) / ROUNDS))
            u, size, v = torch.svd_lowrank(torch.from_numpy(filled), q=min(k + 8, *filled.shape), niter=3)
            u, size, v = (x.numpy()[..., :k] for x in (u, size, v))
            guess = (u * size) @ v.T
            if step < ROUNDS:
                filled = np.where(covered, values - mean, guess).astype(np.float32)
                shift = filled.mean(0)
                mean, filled = mean + shift, filled - shift
    basis = (v * (size / np.sqrt(len(values)))).T
    left = np.where(covered, values - mean - guess, 0.0)
    variance = (left**2).sum(0) / count + LEAST_SIGMA**2
    variance[covered.sum(0) < 2 * number] = 1.0  # known of too few: of no weight
    return mean, basis, variance
