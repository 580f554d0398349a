# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Principal components of spectra that do not all cover the same bins."""

import numpy as np
import torch

__all__ = ["find_components"]

#: rounds in which what is not covered is filled in from the components
ROUNDS = 10
#: least standard deviation that is left in a bin, and the greatest
LEAST_LEFT, MOST_LEFT = 0.01, 0.5


def find_components(rows, number, *, seed=0):
    """Mean, components and what they leave, of rows that do not all cover the same bins and have any zero point.

    What is not covered is filled in from the components of the last round, of which there are few at first
    (expectation and maximisation for principal components; Tipping & Bishop 1999, J. R. Stat. Soc. B 61, 611).

    Parameters
    ----------
    rows : ndarray of float32, shape (n, G)
        NaN where not covered.
    number : int
        Of components, K; fewer where there are few rows.
    seed : int, optional

    Returns
    -------
    mean : ndarray of float32, shape (G,)
    basis : ndarray of float32, shape (K, G)
        Each times the standard deviation of its coefficients, which are then of unit variance.
    variance : ndarray of float32, shape (G,)
        Of what is left.
    """
    covered = np.isfinite(rows)
    values = np.where(covered, rows, 0.0)
    weight = covered / np.maximum(covered.sum(1, keepdims=True), 1)  # (n, G), for means over what a row covers
    count = np.maximum(covered.sum(0), 1)
    number = max(1, min(number, len(rows) // 4))
    zero = (values * weight).sum(1, keepdims=True)
    mean = ((values - zero) * covered).sum(0) / count
    guess = np.zeros_like(values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step in range(ROUNDS + 1):
            k = number if step == ROUNDS else max(1, round(number * (step + 1) / ROUNDS))
            zero = ((values - mean - guess) * weight).sum(1, keepdims=True)
            filled = np.where(covered, values - zero - mean, guess).astype(np.float32)
            shift = filled.mean(0)
            mean, filled = mean + shift, filled - shift
            u, size, v = torch.svd_lowrank(torch.from_numpy(filled), q=min(k + 8, *filled.shape), niter=2)
            u, size, v = (x.numpy()[..., :k] for x in (u, size, v))
            guess = (u * size) @ v.T
    basis = (v * (size / np.sqrt(len(rows)))).T
    left = np.where(covered, values - zero - mean - guess, 0.0)
    # what so many components fit of so few rows is not left, and would be of others
    freedom = np.maximum(count - number * covered.mean(), 1)
    variance = np.clip((left**2).sum(0) / freedom, LEAST_LEFT**2, MOST_LEFT**2)
    variance[covered.sum(0) < 2 * number] = MOST_LEFT**2  # known of too few
    return mean.astype(np.float32), basis.astype(np.float32), variance.astype(np.float32)
