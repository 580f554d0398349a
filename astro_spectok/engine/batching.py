# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which spectra go through the network together."""

import numpy as np

__all__ = ["plan_batches"]


def plan_batches(lengths, budget):
    """Group spectra of like length so that no group, padded to its longest, exceeds a budget.

    Parameters
    ----------
    lengths : array_like of int, shape (n,)
        Size of each spectrum, in tokens; those of size 0 are left out.
    budget : int
        Most tokens of a group, padding included. A single spectrum above it is a group of its own.

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
        size = max(int(budget // lengths[order[start]]), 1)
        groups.append(order[start : start + size])
        start += size
    return groups
