# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether probabilities mean what they say: figures of how far they do."""

import numpy as np

__all__ = ["LEAST", "judge_reliability", "measure_ks", "measure_reliability"]

RELIABILITY_EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: fewest spectra that a bin is judged by
LEAST = 20


def measure_ks(values):
    """Largest distance between the distribution of values and one that is even between 0 and 1."""
    ordered, n = np.sort(values), len(values)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def measure_reliability(p_best, right, least=LEAST):
    """How often solutions are right, by the probability that they claim.

    Bins with fewer than ``least`` spectra are joined to the next, the last of them to the one before; empty ones are
    left out.

    Returns
    -------
    list of dict
        ``low``, ``high``, ``n``, ``claimed`` (mean probability), ``right`` (share), ``error``: the binomial standard
        error of that share if the claims are true.
    """
    bins, low, ordered = [], RELIABILITY_EDGES[0], np.sort(p_best)
    for high in RELIABILITY_EDGES[1:]:
        # the last one holds 1 itself
        first, last = np.searchsorted(ordered, [low, high if high < 1.0 else np.inf])
        n = last - first
        if n >= least:
            bins.append((low, high))
        if n >= least or not n:
            low = high
    if low < 1.0:
        bins = [*bins[:-1], (bins[-1][0] if bins else low, 1.0)]
    out = []
    for low, high in bins:
        members = (p_best >= low) & ((p_best < high) | (high == 1.0))
        p, n = p_best[members], int(members.sum())
        row = {"low": low, "high": high, "n": n, "claimed": float(p.mean()), "right": float(right[members].mean())}
        out.append(row | {"error": float(np.sqrt(np.sum(p * (1 - p))) / n)})
    return out


def judge_reliability(rows):
    """How far claims are wrong: two numbers, None without a row.

    Parameters
    ----------
    rows : list of dict
        As of `measure_reliability`.

    Returns
    -------
    worst : float or None
        By how much the share of right ones differs from what is claimed, beyond twice its binomial error, in the worst
        bin: the statistical error of a bin with few spectra does not count.
    mean : float or None
        Mean of that difference, nothing taken off, weighted with the number of spectra.
    """
    if not rows:
        return None, None
    wrong = [abs(row["right"] - row["claimed"]) for row in rows]
    beyond = [max(x - 2 * row["error"], 0.0) for x, row in zip(wrong, rows, strict=True)]
    return max(beyond), float(np.average(wrong, weights=[row["n"] for row in rows]))
