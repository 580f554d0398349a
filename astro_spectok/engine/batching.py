# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of spectra that go through the network together."""

import numpy as np

__all__ = ["plan_batches"]


def plan_batches(lengths, budget, *, overhead=None):
    """Group spectra of like length so that no group, padded to its longest, exceeds a budget.

    Parameters
    ----------
    lengths : array_like of int, shape (n,)
        Size of each spectrum, in tokens; those of size 0 are left out.
    budget : int
        Most tokens of a group, padding included. A single spectrum above it is a group of its own.
    overhead : int, optional
        What a group costs besides its tokens, in tokens: one is divided where that saves more padding. None divides
        nothing for that.

    Returns
    -------
    list of ndarray of int
        Positions in ``lengths``, longest spectra first, so that a lack of memory shows at once.
    """
    lengths = np.asarray(lengths)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    groups, start = [], 0
    while start < len(order):
        rest = len(order) - start
        number = -(-rest // max(int(budget // lengths[order[start]]), 1))
        size = -(-rest // number)  # no small group is left for the end
        if overhead is not None and size > 1:
            within = lengths[order[start : start + size]]
            saved = (within[0] - within[1:]) * np.arange(size - 1, 0, -1)  # by a division before each but the first
            if saved.max() > overhead:
                size = 1 + int(saved.argmax())
        groups.append(order[start : start + size])
        start += size
    return groups
