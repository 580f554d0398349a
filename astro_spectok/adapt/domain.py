# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The spectra that an adapted estimator has learned from: how far others are from them."""

from dataclasses import dataclass

import numpy as np

from astro_spectok.adapt.flags import AdaptFlag
from astro_spectok.adapt.ridge import join_first

__all__ = ["TrainedDomain"]

#: spectra that are remembered, and of these the nearest that count
MOST_REMEMBERED = 512
NEIGHBOURS = 3
#: over the distance that all but one in two hundred of the trained spectra have from the others
FAR = 1.5
#: share of the grid
LEAST_COVERAGE = 2 / 3


@dataclass(frozen=True)
class TrainedDomain:
    """The spectra that an estimator has learned from, as a cloud of points.

    Attributes
    ----------
    points : ndarray of float32, shape (m, d)
        Scores of the first principal components of the blocks, each of unit variance.
    scale : ndarray of float32, shape (d,)
        Standard deviations of the scores.
    far : float
        Distance from the nearest points beyond which a spectrum is unlike them.
    """

    points: np.ndarray
    scale: np.ndarray
    far: float

    @classmethod
    def fit(cls, scores):
        """Domain of the spectra with these scores, a sequence of (n, d_b)."""
        joined = join_first(scores)
        scale = np.maximum(joined.std(0), 1e-9)
        points = joined / scale
        if len(points) > MOST_REMEMBERED:
            points = points[np.random.default_rng(0).permutation(len(points))[:MOST_REMEMBERED]]
        points = points.astype(np.float32)
        distance = _find_nearest(points, points, skip=True)
        far = FAR * float(np.quantile(distance, 0.995)) if len(points) > 1 else np.inf
        return cls(points, scale.astype(np.float32), far)

    def measure(self, scores):
        """Distance (n,) of spectra from those that were learned from, over the one beyond which they are unlike."""
        return _find_nearest(self.points, join_first(scores) / self.scale) / max(self.far, 1e-12)

    @staticmethod
    def widen(distance):
        """What errors of spectra at these distances (n,), as of `measure`, are multiplied by: at least 1.

        Of spectra no farther than all but one in two hundred of those that were learned from errors stay as folds have
        them; of others they grow as the distance does, since nothing was learned so far away.
        """
        return np.maximum(np.where(np.isfinite(distance), distance, 1.0) * FAR, 1.0)

    def flag(self, distance, coverage):
        """Bits of `AdaptFlag`, ndarray of int64 (n,)."""
        flags = np.where(distance > 1, int(AdaptFlag.UNLIKE_TRAINING), 0)
        return flags | np.where(coverage < LEAST_COVERAGE, int(AdaptFlag.LITTLE_COVERAGE), 0)


def _find_nearest(points, wanted, *, skip=False):
    """Mean distance of ``wanted`` from their nearest points; ``skip`` leaves out the nearest, which is itself."""
    out = np.full(len(wanted), np.inf)
    number = min(NEIGHBOURS, len(points) - skip)
    if number < 1:
        return np.zeros(len(wanted))
    for start in range(0, len(wanted), 256):
        part = wanted[start : start + 256]
        square = ((part[:, None] - points) ** 2).sum(-1)
        nearest = np.sort(square, axis=1)[:, int(skip) : number + skip]
        out[start : start + 256] = np.sqrt(nearest).mean(1)
    return out
