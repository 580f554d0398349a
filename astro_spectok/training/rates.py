# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The course of the learning rate."""

import math

__all__ = ["cosine_rate"]


def cosine_rate(rate, step, steps, warmup):
    """Rate of the optimiser after ``step`` of ``steps``: linear warm-up, and a cosine down to zero at the last step.

    Parameters
    ----------
    rate : float
        At its highest.
    step, steps, warmup : int

    Returns
    -------
    float
    """
    ramp = min(1.0, (step + 1) / max(warmup, 1))
    return rate * ramp * 0.5 * (1 + math.cos(math.pi * min(step / max(steps, 1), 1)))
