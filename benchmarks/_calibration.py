# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits that make probabilities and errors mean what they say, and figures of how far they do."""

from dataclasses import dataclass

import numpy as np
from astropy.stats import mad_std
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, ndtr

from astro_spectok.results.calibration import measure_breadth
from astro_spectok.results.posterior import WINDOW

__all__ = [
    "Evidence",
    "find_pit",
    "fit_errors",
    "fit_probabilities",
    "judge_reliability",
    "measure_evidence",
    "measure_ks",
    "measure_reliability",
]

#: at which sums are tabulated; the fit interpolates between them
TEMPERATURES = np.geomspace(0.25, 4.0, 17)
#: penalty on the square of ln(temperature): a class of few spectra stays as it is
PENALTY = 1e-3
#: most of epsilon and sharpening
MOST_EPSILON, MOST_SHARPENING = 0.3, 1.0
#: rounds of the minimiser
ROUNDS = 30
FLOORS = np.geomspace(2e-6, 3e-4, 22)
RELIABILITY_EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: fewest spectra that a bin is judged by
LEAST = 20
#: parts of the spectra, by their S/N, in which errors are to be true
SHARES = 5


@dataclass(frozen=True)
class Evidence:
    """What the fit of probabilities needs to know of n spectra whose truth is known.

    Attributes
    ----------
    log_classes : ndarray, shape (n, classes, temperatures)
        Logarithm of the sum over the bins of each class, with their evidence divided by each of `TEMPERATURES`.
    log_truth, log_best : ndarray, shape (n, temperatures)
        The same for the bins of the true class within 1000 km/s of the true redshift, and of the most probable one
        around its highest bin.
    prior_truth, prior_best : ndarray, shape (n,)
        Prior probability of these.
    cls, cls_best : ndarray of int, shape (n,)
        The true class and the most probable one.
    right : ndarray of bool, shape (n,)
        Whether the most probable solution is.
    breadth : ndarray, shape (n,)
        Of the highest peak, in bins.
    """

    log_classes: np.ndarray
    log_truth: np.ndarray
    log_best: np.ndarray
    prior_truth: np.ndarray
    prior_best: np.ndarray
    cls: np.ndarray
    cls_best: np.ndarray
    right: np.ndarray
    breadth: np.ndarray


def measure_evidence(log_probability, ln1pz, cls, ln_true, best, broad):
    """One row of each array of `Evidence`, in their order.

    Parameters
    ----------
    log_probability, ln1pz : dict of str to ndarray, shape (lags,)
        Normalised, as the network gives it.
    cls : str
        True class.
    ln_true : float
        ln(1 + z).
    best : `~astro_spectok.results.posterior.Peak`
        The most probable solution.
    broad : float
        As of `~astro_spectok.results.Calibration`.
    """
    classes = list(ln1pz)
    log_prior = {name: -np.log(len(x) * len(ln1pz)) for name, x in ln1pz.items()}
    evidence = {name: np.asarray(x, np.float64) - log_prior[name] for name, x in log_probability.items()}
    log_classes = [log_prior[name] + _sum_tempered(values) for name, values in evidence.items()]
    sums, priors = [], []
    for name, centre in ((cls, ln_true), (best.spectype, ln1pz[best.spectype][best.lag])):
        near = np.abs(ln1pz[name] - centre) <= WINDOW
        sums.append(log_prior[name] + _sum_tempered(evidence[name][near]))
        priors.append(np.count_nonzero(near) * np.exp(log_prior[name]))
    right = best.spectype == cls and abs(np.log1p(best.z) - ln_true) < WINDOW
    found = classes.index(cls), classes.index(best.spectype), right, measure_breadth(log_probability, broad)
    return np.array(log_classes), *sums, *priors, *found


def _sum_tempered(evidence):
    """Logarithm of the sum of exp(evidence / temperature), (temperatures,)."""
    highest = evidence.max()
    below = (evidence - highest).astype(np.float32)
    return np.array([np.log(np.exp(below / np.float32(t)).sum()) + highest / t for t in TEMPERATURES])


def _interpolate(values, log_temperature):
    """Values tabulated at `TEMPERATURES`, (n, temperatures), at a temperature each, (n,)."""
    first, step = np.log(TEMPERATURES[0]), np.log(TEMPERATURES[1] / TEMPERATURES[0])
    place = np.clip((log_temperature - first) / step, 0, len(TEMPERATURES) - 1 - 1e-9)
    low, rows = place.astype(int), np.arange(len(values))
    part = place - low
    return (1 - part) * values[rows, low] + part * values[rows, low + 1]


def _predict(evidence, log_temperatures, epsilon, sharpening, broad):
    """Probability of the truth and of the best solution under a calibration, (n,) each."""
    cooling = -sharpening * np.log(np.maximum(evidence.breadth / broad, 1.0))
    log_t = cooling[:, None] + log_temperatures  # (n, classes)
    classes = [_interpolate(evidence.log_classes[:, k], log_t[:, k]) for k in range(log_t.shape[1])]
    total, rows = logsumexp(classes, axis=0), np.arange(len(cooling))
    parts = (
        (evidence.log_truth, evidence.cls, evidence.prior_truth),
        (evidence.log_best, evidence.cls_best, evidence.prior_best),
    )
    return [
        (1 - epsilon) * np.exp(_interpolate(values, log_t[rows, cls]) - total) + epsilon * prior
        for values, cls, prior in parts
    ]


def fit_probabilities(evidence, broad):
    """Temperatures, share of the prior and sharpening under which the truth is most probable and p_best is true.

    What is minimised is the sum of two proper scores: -ln of the probability of the truth, and that of whether the best
    solution is right, given ``p_best``; the first alone cares little for solutions of middling probability.

    Parameters
    ----------
    evidence : `Evidence`
    broad : float
        As of `~astro_spectok.results.Calibration`.

    Returns
    -------
    temperatures : list of float
        In the order of the classes; near 1 for a class without a spectrum.
    epsilon, sharpening : float
    before, after : float
        Mean of -ln p of the truth, as it was and with these.
    """
    n_classes = evidence.log_classes.shape[1]

    def unpack(x):
        # logistic curves keep both in their ranges without an edge for the minimiser to stick to
        return x[:n_classes], MOST_EPSILON * expit(x[-2]), MOST_SHARPENING * expit(x[-1])

    def measure_loss(x):
        truth, best = _predict(evidence, *unpack(x), broad)
        best = np.clip(np.where(evidence.right, best, 1 - best), 1e-12, 1)
        return -np.log(np.maximum(truth, 1e-30)).mean() - np.log(best).mean() + PENALTY * np.sum(x[:n_classes] ** 2)

    start = np.concatenate([np.zeros(n_classes), logit([0.03, 0.1])])
    bounds = [(np.log(TEMPERATURES[0]), np.log(TEMPERATURES[-1]))] * n_classes + [(-12.0, 12.0)] * 2
    found = minimize(measure_loss, start, method="Powell", bounds=bounds, options={"maxiter": ROUNDS, "xtol": 1e-3})
    log_temperatures, epsilon, sharpening = unpack(found.x)
    losses = [
        float(-np.log(np.maximum(_predict(evidence, *options, broad)[0], 1e-30)).mean())
        for options in ((np.zeros(n_classes), 0.0, 0.0), (log_temperatures, epsilon, sharpening))
    ]
    return np.exp(log_temperatures).tolist(), float(epsilon), float(sharpening), *losses


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
        logs = np.log([max(float(mad_std(pull[part])), 1e-3) for part in parts])
        if np.var(logs) < best[0]:
            best = np.var(logs), float(np.exp(np.mean(logs))), float(floor)
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
        bin: what a bin of few spectra cannot tell is not held against it.
    mean : float or None
        Mean of that difference, nothing taken off, weighted with the number of spectra.
    """
    if not rows:
        return None, None
    wrong = [abs(row["right"] - row["claimed"]) for row in rows]
    beyond = [max(x - 2 * row["error"], 0.0) for x, row in zip(wrong, rows, strict=True)]
    return max(beyond), float(np.average(wrong, weights=[row["n"] for row in rows]))
