# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits that make probabilities and errors mean what they say, and figures of how far they do."""

import itertools
from dataclasses import dataclass

import numpy as np
from astropy.stats import mad_std
from scipy.special import logsumexp, ndtr

from astro_spectok.results.posterior import WINDOW

__all__ = [
    "Evidence",
    "find_pit",
    "fit_errors",
    "fit_probabilities",
    "measure_evidence",
    "measure_ks",
    "measure_reliability",
]

TEMPERATURES = np.geomspace(0.5, 4.0, 13)
EPSILONS = np.array([0.0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.05])
FLOORS = np.geomspace(2e-6, 3e-4, 22)
RELIABILITY_EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: parts of the spectra, by their S/N, in which errors are to be true
SHARES = 5


@dataclass(frozen=True)
class Evidence:
    """What the fit of probabilities needs to know of n spectra whose truth is known.

    Attributes
    ----------
    log_classes : ndarray, shape (n, classes, temperatures)
        Logarithm of the sum over the bins of each class, with their evidence divided by each of `TEMPERATURES`.
    log_truth : ndarray, shape (n, temperatures)
        The same for the bins of the true class within 1000 km/s of the true redshift.
    prior_truth : ndarray, shape (n,)
        Prior probability of these.
    cls : ndarray of int, shape (n,)
        The true class.
    """

    log_classes: np.ndarray
    log_truth: np.ndarray
    prior_truth: np.ndarray
    cls: np.ndarray


def measure_evidence(log_probability, ln1pz, cls, ln_true):
    """One row of each array of `Evidence`.

    Parameters
    ----------
    log_probability, ln1pz : dict of str to ndarray, shape (lags,)
        Normalised, as the network gives it.
    cls : str
        True class.
    ln_true : float
        ln(1 + z).
    """
    log_prior = {name: -np.log(len(x) * len(ln1pz)) for name, x in ln1pz.items()}
    evidence = {name: np.asarray(x, np.float64) - log_prior[name] for name, x in log_probability.items()}
    log_classes = [log_prior[name] + _sum_tempered(values) for name, values in evidence.items()]
    near = np.abs(ln1pz[cls] - ln_true) <= WINDOW
    log_truth = log_prior[cls] + _sum_tempered(evidence[cls][near])
    return np.array(log_classes), log_truth, np.count_nonzero(near) * np.exp(log_prior[cls])


def _sum_tempered(evidence):
    """Logarithm of the sum of exp(evidence / temperature), (temperatures,)."""
    highest = evidence.max()
    return np.log(np.exp((evidence - highest) / TEMPERATURES[:, None]).sum(axis=1)) + highest / TEMPERATURES


def fit_probabilities(evidence):
    """Temperatures of the classes and share of the prior under which the truth is most probable.

    Parameters
    ----------
    evidence : `Evidence`

    Returns
    -------
    temperatures : tuple of float
        In the order of the classes; 1 for a class without a spectrum.
    epsilon : float
    before, after : float
        Mean of -ln p of the truth, as it was and with these.
    """
    n, n_classes, _ = evidence.log_classes.shape
    neutral = int(np.argmin(np.abs(TEMPERATURES - 1)))
    choices = [
        range(len(TEMPERATURES)) if (evidence.cls == k).any() else (neutral,) for k in range(n_classes)
    ]  # fmt: skip
    rows, best = np.arange(n), (np.inf, None, None)
    before = None
    for chosen in itertools.product(*choices):
        chosen = np.array(chosen)
        total = logsumexp(evidence.log_classes[:, np.arange(n_classes), chosen], axis=1)
        p = np.exp(evidence.log_truth[rows, chosen[evidence.cls]] - total)
        mixed = (1 - EPSILONS[:, None]) * p + EPSILONS[:, None] * evidence.prior_truth  # (epsilons, n)
        losses = -np.log(np.maximum(mixed, 1e-30)).mean(axis=1)
        if (chosen == neutral).all():
            before = float(losses[0])
        k = int(losses.argmin())
        if losses[k] < best[0]:
            best = float(losses[k]), tuple(TEMPERATURES[chosen].tolist()), float(EPSILONS[k])
    return best[1], best[2], before, best[0]


def fit_errors(offset, width, snr):
    """Scale and floor under which errors are as true for faint spectra as for bright ones.

    Widths of pulls are compared between equal shares of the spectra, in order of their signal-to-noise ratio; these are
    robust, as errors of wavelength that differ from one instrument to the next give every distribution long wings.

    Parameters
    ----------
    offset : ndarray, shape (n,)
        Measured minus true ln(1 + z).
    width : ndarray, shape (n,)
        What the error is thought to be; the floor adds to it in quadrature, the scale multiplies both.
    snr : ndarray, shape (n,)

    Returns
    -------
    scale, floor : float
    """
    parts = np.array_split(np.argsort(snr, kind="stable"), SHARES)
    best = (np.inf, 1.0, FLOORS[0])
    for floor in FLOORS:
        pull = offset / np.hypot(width, floor)
        scale = max(float(mad_std(pull)), 1e-3)
        loss = sum(np.log(max(float(mad_std(pull[part])), 1e-3) / scale) ** 2 for part in parts)
        if loss < best[0]:
            best = loss, scale, float(floor)
    return best[1:]


def find_pit(posterior, peak, z_err, z_true):
    """Probability of a redshift below the true one: Gaussian within the peak, from the posterior beyond it."""
    here, truth = np.log1p(peak.z), np.log1p(z_true)
    if abs(truth - here) > WINDOW:
        return float(posterior.find_cumulative(z_true))
    low, high = posterior.find_cumulative(np.expm1([here - WINDOW, here + WINDOW]))
    return float(low + (high - low) * ndtr((z_true - peak.z) / z_err))


def measure_ks(values):
    """Largest distance between the distribution of values and one that is even between 0 and 1."""
    ordered, n = np.sort(values), len(values)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def measure_reliability(p_best, right):
    """How often solutions are right, by the probability that they claim.

    Returns
    -------
    list of dict
        ``low``, ``high``, ``n``, ``claimed`` (mean probability), ``right`` (share); bins without a spectrum left out.
    """
    out = []
    for low, high in itertools.pairwise(RELIABILITY_EDGES):
        members = (p_best >= low) & ((p_best < high) | (high == 1.0))
        if members.any():
            claimed, share = float(p_best[members].mean()), float(right[members].mean())
            out.append(
                {"low": low, "high": high, "n": int(members.sum()), "claimed": claimed, "right": share}
            )  # fmt: skip
    return out
