# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Linear maps of blocks of features to a label: penalties are chosen, and maps averaged, by what is left out."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Components", "LinearMap", "fit_linear", "join_first"]

#: penalties tried, over the sum of the squares of the features
PENALTIES = 10.0 ** np.arange(-7, 1.6, 0.5)
#: most principal components of a block, and the first ones that distances and errors are measured in
MOST_COMPONENTS, FIRST = 150, 8
#: to which power of its inverse mean square error a map counts: of few labels, and of many
LEAST_POWER, LABELS_PER_POWER = 2.0, 12.0
#: labels for each component of each block that errors are followed along
LABELS_PER_COMPONENT = 25


@dataclass(frozen=True)
class Components:
    """Principal components of a block of features.

    Attributes
    ----------
    mean : ndarray, shape (d,)
        It stands in for features that are NaN.
    basis : ndarray, shape (k, d)
        Orthogonal; scaled so that the squares of the scores of a spectrum add up to 1 in the mean.
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def fit(cls, values, most=MOST_COMPONENTS):
        """Components of ``values`` (n, d), rows of NaN left out."""
        values = values[np.isfinite(values).any(axis=1)].astype(np.float64)
        there = np.isfinite(values)
        count = np.maximum(there.sum(0), 1)
        mean = np.where(there, values, 0).sum(0) / count
        centred = np.where(there, values - mean, 0.0)
        n, d = centred.shape
        gram = centred @ centred.T if n < d else centred.T @ centred
        power, vectors = np.linalg.eigh(gram)
        order = np.argsort(power)[::-1][: min(most, n - 1 if n > 1 else 1)]
        order = order[power[order] > 1e-10 * max(power.max(), 1e-300)]
        if not len(order):  # all spectra are alike
            return cls(mean, np.zeros((0, d)))
        basis = vectors[:, order].T
        if n < d:
            basis = basis @ centred / np.sqrt(power[order])[:, None]
        return cls(mean, basis / np.sqrt(power[order].sum() / n))

    def centre(self, values):
        """``values`` (n, d) less the mean, 0 where they are NaN."""
        return np.where(np.isfinite(values), values - self.mean, 0.0)

    def transform(self, values):
        """Scores (n, k) of ``values`` (n, d)."""
        return self.centre(values) @ self.basis.T


@dataclass(frozen=True)
class LinearMap:
    """A linear map of the scores of blocks to targets, and what is needed for its errors.

    Attributes
    ----------
    weights : ndarray, shape (d, k)
        Of the scores of all blocks one after the other.
    offset : ndarray, shape (k,)
    shares : tuple of float
        Of each block, in the mean.
    penalty : float
        In the mean.
    left_out : ndarray, shape (n, k)
        What each spectrum was predicted to be by those of other groups.
    leverage : ndarray, shape (q, q)
        The variance of a prediction is 1 + |x @ leverage|^2, in units of the noise of a label, for the ``q`` scores of
        the first components of all blocks.
    error : float
        Mean square of ``left_out`` less targets.
    """

    weights: np.ndarray
    offset: np.ndarray
    shares: tuple
    penalty: float
    left_out: np.ndarray
    leverage: np.ndarray
    error: float

    def predict(self, scores):
        """Targets (n, k) of the scores of blocks, a list of (n, d_b)."""
        return np.concatenate(scores, axis=1) @ self.weights + self.offset

    def spread(self, scores):
        """Standard deviation (n,) of predictions, in units of the noise of a label."""
        return np.sqrt(1 + ((join_first(scores) @ self.leverage) ** 2).sum(1))


def join_first(scores):
    """Scores of the first components of each block, (n, q)."""
    return np.concatenate([z[:, :FIRST] for z in scores], axis=1)


def fit_linear(scores, targets, candidates, *, weights=None, groups=None):
    """Fit with each of several shares of the blocks, and average: to choose one from few labels would be to guess.

    Each has the penalty with the least error on what was left out, and counts the more the smaller that error is.

    Parameters
    ----------
    scores : sequence of ndarray, shape (n, d_b)
        One for each block, as of `Components.transform`.
    targets : ndarray, shape (n, k)
    candidates : sequence of tuple of float
        Shares of the blocks.
    weights : ndarray, shape (n,), optional
        Of the spectra; the same for all if not given.
    groups : ndarray of int, shape (n,), optional
        Spectra that are left out together; each by itself if not given.

    Returns
    -------
    LinearMap
    """
    weights = np.ones(len(targets)) if weights is None else weights / weights.mean()
    made = [_fit_one(scores, targets, shares, weights, groups) for shares in candidates]
    errors = np.maximum([m.error for m in made], 1e-300)
    power = max(LEAST_POWER, len(targets) / LABELS_PER_POWER)
    count = (errors / errors.min()) ** -power
    count /= count.sum()

    def average(values):
        return sum(c * x for c, x in zip(count, values, strict=True))

    shares, left_out = average([np.array(m.shares) for m in made]), average([m.left_out for m in made])
    penalty = float(np.exp(average([np.log(m.penalty) for m in made])))
    return LinearMap(
        average([m.weights for m in made]), average([m.offset for m in made]), tuple(shares.tolist()), penalty,
        left_out, _find_leverage(scores, shares, weights, penalty), float(((left_out - targets) ** 2).mean()),
    )  # fmt: skip


def _fit_one(scores, targets, shares, weights, groups):
    """The `LinearMap` of one set of shares, without leverage."""
    x = np.concatenate([np.sqrt(share) * z for share, z in zip(shares, scores, strict=True) if share], axis=1)
    error, penalty, left_out, fit = _Fit(x, targets, weights).choose(groups)
    slopes = fit.solve(penalty)
    # back to the scores of all blocks, those that are not read with a weight of zero
    factor = np.concatenate([np.full(z.shape[1], np.sqrt(share)) for share, z in zip(shares, scores, strict=True)])
    whole = np.zeros((len(factor), targets.shape[1]))
    whole[factor > 0] = slopes
    offset = fit.centre - fit.mean @ slopes
    return LinearMap(whole * factor[:, None], offset, tuple(map(float, shares)), penalty, left_out, None, error)


def _find_leverage(scores, shares, weights, penalty):
    """A root (q, q) of what the noise of labels leaves open, along components of which there are few beside labels."""
    number = int(np.clip(len(weights) // LABELS_PER_COMPONENT, 1, FIRST))
    factor = join_first(
        [np.sqrt(share) * (np.arange(z.shape[1]) < number)[None] for share, z in zip(shares, scores, strict=True)]
    )[0]
    first = factor * join_first(scores)
    power, vectors = np.linalg.eigh((first * weights[:, None]).T @ first)
    # directions that hardly any spectrum varies along are not measured by them
    return (
        factor[:, None]
        * vectors
        / np.sqrt(np.maximum(power, 0) + max(penalty, 1e-3 * max(power.max(initial=0.0), 1e-12)))
    )


class _Fit:
    """Ridge regressions of ``targets`` on ``x`` for any penalty, from one decomposition."""

    def __init__(self, x, targets, weights):
        self.root = np.sqrt(weights)[:, None]
        self.mean, self.centre = (weights @ x) / len(x), (weights @ targets) / len(x)
        self.x, self.rest = self.root * (x - self.mean), self.root * (targets - self.centre)
        n, d = self.x.shape
        gram = self.x @ self.x.T if n <= d else self.x.T @ self.x
        power, vectors = np.linalg.eigh(gram)
        kept = power > 1e-12 * max(power.max(initial=0.0), 1e-300)
        self.size, vectors = np.sqrt(power[kept]), vectors[:, kept]
        self.u = vectors if n <= d else self.x @ vectors / self.size  # (n, r)
        self.v = self.x.T @ self.u / self.size if n <= d else vectors  # (d, r)
        self.inner = self.u.T @ self.rest

    def choose(self, groups):
        """Least error, its penalty, and what spectra were predicted to be when left out."""
        best = None
        for penalty in PENALTIES * max((self.size**2).sum(), 1e-300):
            left = self.leave_out(penalty, groups)
            error = float((left**2).mean())
            if best is None or error < best[0]:
                best = error, penalty, left
        error, penalty, left = best
        # residuals over the root of the weights are those of the labels
        predicted = (self.rest - left) / self.root + self.centre
        return error, penalty, predicted, self

    def leave_out(self, penalty, groups):
        """Residuals (n, k) of spectra that did not take part, times the root of their weights.

        One less the leverage is made of what the penalty takes away and of what no component spans, and not as a
        difference: with more components than spectra it is next to nothing, and so is the residual that it divides.
        """
        taken = penalty / (self.size**2 + penalty)
        flat = self.root[:, 0] / np.sqrt(len(self.x))
        residual = self.u @ (taken[:, None] * self.inner) + (self.rest - self.u @ self.inner)
        if groups is None:
            outside = np.maximum(1 - flat**2 - (self.u**2).sum(1), 0)
            return residual / np.maximum(self.u**2 @ taken + outside, 1e-12)[:, None]
        for number in np.unique(groups):
            own = np.flatnonzero(groups == number)
            u, eye = self.u[own], np.eye(len(own))
            left = (u * taken) @ u.T + (eye - np.outer(flat[own], flat[own]) - u @ u.T)
            residual[own] = np.linalg.solve(left + 1e-12 * eye, residual[own])
        return residual

    def solve(self, penalty):
        """Slopes (d, k)."""
        return self.v @ ((self.size / (self.size**2 + penalty))[:, None] * self.inner)
