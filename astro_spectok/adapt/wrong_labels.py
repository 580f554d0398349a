# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels that cannot be right by what a head says: of the star next to it, or with a digit lost."""

import numpy as np

__all__ = ["ALIKE", "LEAST_SAID", "find_wrong"]

#: share of the spectra of which a number must be said for labels to begin with it
LEAST_SAID = 0.9
#: factor within which a label spreads as what is expected to be the same label
ALIKE = 2.0
#: errors by which a label that is wrong is off, and by which the worst count when lines are compared
FARTHEST, CLIP = 5.0, 4.0
#: fits of a line, each without the labels that the one before found wrong
ROUNDS = 4
#: usual deviation over the median absolute one
GAUSSIAN = 1.4826


def find_wrong(said, targets, weights):
    """Labels that are far from what a head gives as the same quantity, most others being near.

    Far is meant in units of the usual deviation and of the error that the head states, so that what it is unsure of, or
    does not know as this quantity, is never wrong.

    Parameters
    ----------
    said : `~astro_spectok.adapt.bend.Said`
    targets, weights : ndarray, shape (n,)

    Returns
    -------
    wrong : ndarray of bool, shape (n,)
    line : ndarray, shape (n,)
        What labels are by the head; themselves where it says nothing.
    """
    tried = []
    for k, values in enumerate(said.values.T if said.slopes is not None else ()):
        there = values != 0  # of the others nothing is said
        alike = abs(said.slopes[k]) * _measure_size(values[there]) / max(_measure_size(targets), 1e-300)
        if there.mean() >= LEAST_SAID and 1 / ALIKE < alike < ALIKE:
            tried += [_judge_labels(said, k, there, targets, weights, slope) for slope in (None, said.slopes[k])]
    if not tried:
        return np.zeros(len(targets), bool), targets
    worst = CLIP * min(size for *_, size in tried)
    rest, wrong, _ = min(tried, key=lambda one: np.mean(np.minimum(one[0] ** 2, worst**2)))
    return wrong, targets - rest


def _measure_size(values):
    return GAUSSIAN * float(np.median(np.abs(values - np.median(values)))) if len(values) else 0.0


def _judge_labels(said, k, there, targets, weights, slope):
    """What a line in a number leaves of labels (n,), which are wrong (n,), and the usual size of what is left."""
    x, wrong = said.values[:, k], np.zeros(len(targets), bool)
    stated = np.zeros(len(x)) if said.errors is None else np.nan_to_num(said.errors[:, k])
    for _ in range(ROUNDS):
        w, rise = weights * (there & ~wrong), slope
        if slope is None:
            away = x - w @ x / w.sum()
            rise = (w * away) @ targets / max((w * away) @ away, 1e-300)
        rest = targets - rise * x
        rest = np.where(there, rest - np.median(rest[there]), 0.0)
        size = GAUSSIAN * float(np.median(np.abs(rest[there])))
        wrong = np.abs(rest) > FARTHEST * np.hypot(size, rise * stated) + 1e-9
    return rest, wrong, size
