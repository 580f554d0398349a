# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Vectors of spectra: of one length, and their nearest neighbours."""

import numpy as np

__all__ = ["check_count", "find_nearest", "scale_vectors"]

#: rows that are compared at once
BLOCK = 2**16


def scale_vectors(vectors):
    """Vectors over their length; NaN where this is zero, since they are like no other."""
    vectors = np.asarray(vectors, np.float32)
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(size > 0, size, np.float32(np.nan))


def check_count(k):
    """A number of neighbours, if it is a positive integer."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        msg = f"k must be a positive integer; got {k!r}"
        raise ValueError(msg)
    return int(k)


def find_nearest(vectors, known, allowed, k):
    """Number of the query, row and likeness of the ``k`` nearest of the allowed rows of ``known``, queries in order."""
    k = min(k, int(allowed.sum()))
    best = [np.zeros((len(vectors), 0), np.float32), np.zeros((len(vectors), 0), np.int64)]
    for start in range(0, len(known), BLOCK):
        part, own = np.asarray(known[start : start + BLOCK]), allowed[start : start + BLOCK]
        rows = np.arange(len(part))
        if 2 * own.sum() < len(own):  # to copy rows takes longer than to compare them
            rows = np.flatnonzero(own)
            part, own = part[rows], own[rows]
        likeness, rows = vectors @ part.T, start + rows
        likeness = np.where(np.isfinite(likeness) & own, likeness, -np.inf)
        joined = np.concatenate([best[0], likeness], axis=1)
        places = np.concatenate([best[1], np.broadcast_to(rows, likeness.shape)], axis=1)
        if joined.shape[1] > k:
            kept = np.argpartition(-joined, k - 1, axis=1)[:, :k] if k else np.zeros((len(joined), 0), int)
            joined, places = np.take_along_axis(joined, kept, 1), np.take_along_axis(places, kept, 1)
        best = [joined, places]
    order = np.lexsort((best[1], -best[0]), axis=1)
    likeness, rows = (np.take_along_axis(x, order, 1) for x in best)
    there = np.isfinite(likeness)
    number = np.broadcast_to(np.arange(len(vectors))[:, None], likeness.shape)
    return number[there], rows[there], likeness[there]
