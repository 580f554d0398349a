# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a head says, bent: corrected along its own labels, by as much as it says that it may be wrong."""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Bend", "Said", "find_bend", "weigh_errors"]

#: error that a number has besides what is stated, over the spread of its label: labels have errors, too
LEAST_ERROR = 0.1
#: largest stated error that counts: of what has a larger one nothing is known but that it is such a label
MOST_ERROR = 1.0
#: how much a correction may be of the stated error, for labels a spread away from the mean
SIZES = (0.01, 0.03, 0.1, 0.3, 1.0)
#: median of the square of a Gaussian deviate
MEDIAN_SQUARE = 0.455


@dataclass(frozen=True)
class Said:
    """What heads say of some spectra.

    Attributes
    ----------
    values : ndarray, shape (n, m)
        Numbers that may say a label already, less their mean; 0 where they say nothing.
    slopes : ndarray, shape (m,), or None
        By what the target rises with each of these if it is the same label; NaN where it cannot be.
    errors : ndarray, shape (n, m), or None
        What is stated as the error of each; NaN where nothing is.
    owners : ndarray of int, shape (m,), or None
        Which head gives each.
    """

    values: np.ndarray
    slopes: np.ndarray | None = None
    errors: np.ndarray | None = None
    owners: np.ndarray | None = None

    def take(self, rows):
        """Those of some spectra."""
        return replace(self, values=self.values[rows], errors=None if self.errors is None else self.errors[rows])


@dataclass(frozen=True)
class Bend:
    """A correction of one number by the labels that its head says, times the error that it states.

    Attributes
    ----------
    number : int
    members : ndarray of int, shape (L,)
        The numbers that are labels of the same head.
    low, high : ndarray, shape (L,)
        Of these among the spectra learned from: beyond, nothing is extrapolated.
    slopes : ndarray, shape (1 + L + L (L + 1) / 2, 1)
        Of what `show` gives.
    usual : float
        Usual stated error, which errors of predictions are in proportion to; 0 if those of left-out spectra were not.
    """

    number: int
    members: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slopes: np.ndarray
    usual: float = 0.0

    def show(self, said):
        """Terms up to second order in the labels, times the stated error: (n, d); 0 where none is stated."""
        x = np.clip(said.values[:, self.members], self.low, self.high)
        row, column = np.triu_indices(x.shape[1])
        terms = np.concatenate([np.ones((len(x), 1)), x, x[:, row] * x[:, column] / 2], axis=1)
        return terms * np.clip(np.nan_to_num(said.errors[:, self.number]), 0.0, MOST_ERROR)[:, None]

    def predict(self, said):
        """The correction of spectra, (n, 1)."""
        return self.show(said) @ self.slopes

    def widen(self, said):
        """What errors of predictions are multiplied by, (n,)."""
        return _add_least(said.errors[:, self.number]) / self.usual if self.usual else np.ones(len(said.values))

    def judge(self, said, left):
        """The same correction, having learned from what is left of left-out spectra, (n, 1), whether it widens."""
        size, width = np.abs(left[:, 0]), _add_least(said.errors[:, self.number])
        usual = float(np.exp(np.log(width).mean()))
        return replace(self, usual=usual if (size / width).mean() * usual < size.mean() else 0.0)


def _add_least(errors):
    """Stated errors with what there is besides; the largest where none is stated."""
    return np.hypot(LEAST_ERROR, np.nan_to_num(errors, nan=MOST_ERROR))


def weigh_errors(said, number):
    """Weights (n,) of spectra by the stated error of a number; the same for all where none is stated."""
    if said.errors is None or not np.isfinite(said.errors[:, number]).all():
        return np.ones(len(said.values))
    weights = 1 / (LEAST_ERROR**2 + said.errors[:, number] ** 2)
    return weights / weights.mean()


def find_bend(said, number, rest, slope, weights, rows):
    """The correction that predicts best what a line leaves of left-out spectra.

    A Gaussian process whose spread grows with the stated error, so that what the head is sure of is left alone, and
    whose noise does, so that odd spectra do not lead.

    Parameters
    ----------
    said : Said
    number : int
    rest : ndarray, shape (n, 1)
        What a line in the number leaves of the targets.
    slope : float
        Of the line.
    weights : ndarray, shape (n,)
        Of the spectra.
    rows : ndarray of int, shape (n,)
        Spectra of one number are left out together.

    Returns
    -------
    bend : Bend or None
        None where the head states no errors.
    left_out : ndarray, shape (n, 1)
        The correction of each spectrum by those of other groups.
    """
    there = said.values[:, number] != 0
    if said.errors is None or said.owners is None or not np.isfinite(said.errors[there, number]).all():
        return None, np.zeros_like(rest)
    members = np.flatnonzero(said.owners == said.owners[number])
    bend = Bend(number, members, *(f(said.values[there][:, members], axis=0) for f in (np.min, np.max)), np.zeros(0))
    x = bend.show(said)
    own = weigh_errors(said, number) if there.all() else np.ones(len(rest))
    noise = np.median(rest[there] ** 2) / MEDIAN_SQUARE / np.median(1 / own) / np.maximum(own * weights, 1e-9)
    noise, best = noise[:, None] + 1e-12, None
    scaled, single = x / noise, len(np.unique(rows)) == len(rows)
    gram, eye = x.T @ scaled, np.eye(x.shape[1])
    for size in SIZES:
        # the inverse of the covariance of the spectra is 1 / noise less root @ root.T
        power, vectors = np.linalg.eigh(eye / max((size * slope) ** 2, 1e-300) + gram)
        root = scaled @ vectors / np.sqrt(power)
        dual = rest / noise - root @ (root.T @ rest)
        if single:
            left = dual / (1 / noise - (root**2).sum(1, keepdims=True))
        else:
            left = np.empty_like(rest)
            for k in np.unique(rows):
                part = rows == k
                left[part] = np.linalg.solve(np.diag(1 / noise[part, 0]) - root[part] @ root[part].T, dual[part])
        error = float(weights @ left[:, 0] ** 2)
        if best is None or error < best[0]:
            best = error, (size * slope) ** 2 * (x.T @ dual), rest - left
    return replace(bend, slopes=best[1]), best[2]
