# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How often an object can be found again at all: a fit of every pixel, where noise is all that is wrong."""

from dataclasses import replace

import numpy as np

from astro_spectok.simulate import Randomness
from astro_spectok.simulate.observe import observe

__all__ = ["find_by_fit", "fit_pairs"]


def fit_pairs(first, second, ivar):
    """Whether row i of ``second``, times any positive factor, fits row i of ``first`` better than all others do.

    Parameters
    ----------
    first, second, ivar : ndarray, shape (n, P)
        Flux of the same objects on the same pixels, and the inverse variance of their difference, 0 in bad pixels.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    cross = (ivar * first) @ second.T  # (n, n)
    # chi2 less what depends on i alone; a negative factor fits nothing
    gain = np.clip(cross, 0, None) ** 2 / np.maximum(ivar @ np.square(second).T, 1e-300)
    own = np.diag(gain).copy()
    np.fill_diagonal(gain, -np.inf)
    return own > gain.max(axis=1)


def find_by_fit(groups, view, seed):
    """Whether each object is found among all by `fit_pairs`, seen twice through one instrument with Gaussian noise.

    Parameters
    ----------
    groups : list of `~astro_spectok.simulate.SimulatedGroup`
    view : int
        The longest instrument that this view was seen with is used for all objects.
    seed : sequence of int

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    one = max((x for group in groups for x in group.instruments[view]), key=len)
    one = replace(one, has_errors=True, calibrated=True, normalised=False, smoothed=0.0)
    visits = []
    for visit in (0, 1):
        seen = [
            observe(group.objects, [one] * len(group.objects), group.snr[view],
                    Randomness([*seed, number, visit]), clean=True)
            for number, group in enumerate(groups)
        ]  # fmt: skip
        visits.append([np.concatenate([getattr(s, key).numpy() for s in seen]) for key in ("flux", "ivar")])
    (first, ivar), (second, other) = visits
    level = np.median(np.abs(first), axis=1, keepdims=True).astype(float)
    good = (ivar > 0) & (other > 0) & (level > 0)
    level = np.where(level > 0, level, 1.0)
    # the noise drawn for both has about the same variance
    weight = np.where(good, 0.5 * ivar * level**2, 0.0)
    return fit_pairs(*(np.where(good, flux / level, 0.0) for flux in (first, second)), weight)
