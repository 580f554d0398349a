# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The best redshifts of a comparison with a library, and what networks and the lines of a host say of them."""

import numpy as np
from scipy.special import logsumexp

from astro_spectok.heads.transient_net import REACH

__all__ = ["add_judgement", "bin_host", "divide_shifts", "weigh_judgement"]

#: limits of a judgement
LIMITS = (-8.0, 8.0)


def weigh_judgement(calibration, precision):
    """Weight of what networks say beside templates, by the share of the errors that is not noise: float."""
    clean, noisy = calibration.judged
    return clean * precision + noisy * (1 - precision)


def add_judgement(log_p, ln1pz, places, log_types, weight, unjudged):
    """ln of the probability of shift and type, (S, types), with what networks say of some shifts: of any constant.

    Parameters
    ----------
    log_p : ndarray, shape (S, types)
    ln1pz : ndarray, shape (S,)
    places : ndarray of int, shape (K,)
        Bins that are judged, the best first; a bin within reach of two belongs to the first.
    log_types : ndarray, shape (K, types)
    weight, unjudged : float
        Of what networks say, and ln of what stands in its place for all other shifts.
    """
    said = np.full(log_p.shape, unjudged)
    for place, one in zip(places[::-1], log_types[::-1], strict=True):
        said[np.abs(ln1pz - ln1pz[place]) <= REACH] = np.clip(one, *LIMITS)
    return log_p + weight * said


def bin_host(posterior, ln1pz, share):
    """ln of what a redshift of a galaxy by its lines makes each shift more probable by: ndarray (S,).

    Parameters
    ----------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
    ln1pz : ndarray, shape (S,)
        In equal steps.
    share : float
        Of transients for which it holds; 0 to let it be.
    """
    if not share or "GALAXY" not in posterior.probability:
        return np.zeros(len(ln1pz))
    step = ln1pz[1] - ln1pz[0]
    place = np.rint((posterior.grid.ln1pz["GALAXY"] - ln1pz[0]) / step).astype(np.int64)
    inside = (place >= 0) & (place < len(ln1pz))
    p = np.bincount(place[inside], posterior.probability["GALAXY"][inside], len(ln1pz))
    # a peak between two bins belongs to both, and templates are no sharper
    p = np.convolve(p, [0.25, 0.5, 0.25], mode="same")
    return np.log1p(share * (len(ln1pz) * p - 1))


def divide_shifts(log_p, ln1pz, places):
    """ln of the probability of each type near each candidate, and elsewhere: ndarray (K + 1, types)."""
    owner = np.full(len(ln1pz), len(places))
    for k in range(len(places))[::-1]:
        owner[np.abs(ln1pz - ln1pz[places[k]]) <= REACH] = k
    out = np.full((len(places) + 1, log_p.shape[1]), -np.inf)
    for k in np.unique(owner):
        out[k] = logsumexp(log_p[owner == k], axis=0)
    return out
