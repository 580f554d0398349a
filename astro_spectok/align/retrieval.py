# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How well objects are found across kinds of data: recall among the nearest, and the rank of the right one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["measure_retrieval"]


def measure_retrieval(queries: Any, targets: Any, *, ranks: Sequence[int] = (1, 10), groups: Any = None) -> dict:
    """Measure how well queries find their own among targets.

    Parameters
    ----------
    queries, targets : array_like, shape (n, E)
        Vectors; row i of both is one object. Rows with NaN in either are left out.
    ranks : sequence of int, optional
        For which recall is given.
    groups : array_like, shape (n,), optional
        Rows of one value are one object, any of which is right.

    Returns
    -------
    dict of str to float
        ``recall@k``, the share of queries whose own is among the k most like it, ``median_rank`` (1 is best) and ``n``.

    Raises
    ------
    ValueError
        The vectors do not match in number or length.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.align.retrieval import measure_retrieval
    >>> vectors = np.random.default_rng(1).normal(size=(50, 8))
    >>> measure_retrieval(vectors, vectors, ranks=(1,))
    {'recall@1': 1.0, 'median_rank': 1.0, 'n': 50}
    """
    queries, targets = (np.asarray(x, np.float64) for x in (queries, targets))
    if queries.shape != targets.shape or queries.ndim != 2:
        msg = (
            f"queries and targets must be vectors of the same objects, both (n, E); got {queries.shape} and "
            f"{targets.shape}; match them by id first"
        )
        raise ValueError(msg)
    usable = np.isfinite(queries).all(1) & np.isfinite(targets).all(1)
    units = [
        x[usable] / np.maximum(np.linalg.norm(x[usable], axis=1, keepdims=True), 1e-30) for x in (queries, targets)
    ]
    among = units[0] @ units[1].T
    if groups is None:
        own = among.diagonal()
    else:
        groups = np.asarray(groups)[usable]
        own = np.where(groups[:, None] == groups, among, -np.inf).max(1, initial=-np.inf)
    # of equals, half stand before
    rank = 1 + (among > own[:, None]).sum(1) + np.maximum((among == own[:, None]).sum(1) - 1, 0) / 2
    out = {f"recall@{k}": float((rank <= k).mean()) if len(rank) else float("nan") for k in ranks}
    return out | {"median_rank": float(np.median(rank)) if len(rank) else float("nan"), "n": int(usable.sum())}
