# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rows of training batches, half of which hold objects alike: what is hard to keep apart teaches most."""

import numpy as np

__all__ = ["SimilarBatches"]

#: chance of a batch of objects alike, and of how many groups of such it is made
ALIKE, GROUPS = 0.5, 4


class SimilarBatches:
    """Rows of batches.

    Parameters
    ----------
    rows : ndarray of int
        Those to draw from.
    classes : ndarray, shape (n,), optional
        Of all objects, numbers or texts; without, batches are random.
    redshift : ndarray, shape (n,), optional
        By which objects of a class are near to each other; their order if not given.
    """

    def __init__(self, rows, classes=None, redshift=None):
        self.rows, self.order = rows, []
        if classes is None:
            return
        for name in np.unique(classes[rows]):
            own = rows[classes[rows] == name]
            self.order.append(own if redshift is None else own[np.argsort(redshift[own], kind="stable")])

    def draw(self, n, rng):
        """At most ``n`` different rows, ndarray of int."""
        if len(self.rows) <= n:
            return rng.permutation(self.rows)
        if not self.order or rng.random() > ALIKE:
            return rng.choice(self.rows, n, replace=False)
        chances = np.array([len(one) for one in self.order], float)
        parts = []
        for k in rng.choice(len(self.order), size=GROUPS, p=chances / chances.sum()):
            start = rng.integers(max(1, len(self.order[k]) - n // GROUPS + 1))
            parts.append(self.order[k][start : start + n // GROUPS])
        return np.unique(np.concatenate(parts))
