# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits that make probabilities and errors mean what they say, and figures of how far they do."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy.stats import mad_std
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, ndtr

from astro_spectok.redshift.calibration import PIVOT, PIXEL, measure_breadth
from astro_spectok.redshift.peaks import WINDOW

__all__ = [
    "Evidence",
    "Probabilities",
    "find_pit",
    "fit_confident",
    "fit_errors",
    "fit_probabilities",
    "judge_reliability",
    "measure_evidence",
    "measure_ks",
    "measure_reliability",
]

#: at which sums are tabulated; the fit interpolates between them
TEMPERATURES = np.geomspace(0.25, 8.0, 21)
#: least and most of a temperature
LIMITS = 0.25, 3.0
#: penalties on the square of ln(temperature), so that a class of few spectra stays as it is, and on doubt, which is to
#: earn what it costs
PENALTY, DOUBT_PENALTY = 1e-3, 0.02
#: most of the power of the width of pixels
MOST_POWER = 0.5
#: most of epsilon, sharpening, doubt and ln(warmth)
MOST_EPSILON, MOST_SHARPENING, MOST_DOUBT, MOST_WARMTH = 0.3, 1.0, 0.5, 0.98
#: rounds of the minimiser
ROUNDS = 30
#: degrees of freedom of Student's t that offsets are thought to follow: wavelength scales give them long wings
TAIL = 4.0
#: floors that the fit of the errors starts from; priors of the logarithms of scale, floor and power and of the trends:
#: their centres are 1, 1e-5, 1 and 0, these are their standard deviations
STARTS, TYPICAL = (6e-6, 4e-5), 1e-5
SCALE_PRIOR, FLOOR_PRIOR, POWER_PRIOR, TREND_PRIOR = 10.0, 1.0, 0.3, 0.3
RELIABILITY_EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: fewest spectra that a bin is judged by
LEAST = 20
#: thresholds of probability that are tried
THRESHOLDS = np.arange(0.5, 0.96, 0.05)
#: prices of a wrong solution, in right ones, that are tried
PRICES = np.geomspace(0.05, 100, 40)


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
    pixel : ndarray, shape (n,), or float
        As of `~astro_spectok.redshift.calibration.measure_pixel`.
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
    pixel: np.ndarray | float = PIXEL


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
    best : `~astro_spectok.redshift.peaks.Peak`
        The most probable solution.
    broad : float
        As of `~astro_spectok.redshift.Calibration`.
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


def _predict(evidence, made, broad):
    """Probability of the truth and of the best solution under a `Probabilities`, (n,) each."""
    cooling = -made.sharpening * np.log(np.maximum(evidence.breadth / broad, 1.0))
    cooling = cooling - made.pixel_power * np.log(evidence.pixel / PIXEL)
    rows = np.arange(len(cooling))
    parts = ((evidence.log_truth, evidence.cls), (evidence.log_best, evidence.cls_best))
    out = [made.epsilon * evidence.prior_truth, made.epsilon * evidence.prior_best]
    for share, warmth in ((1 - made.doubt, 1.0), (made.doubt, made.warmth)):
        if share:
            log_t = cooling[:, None] + np.log(made.temperatures) + np.log(warmth)  # (n, classes)
            classes = [_interpolate(evidence.log_classes[:, k], log_t[:, k]) for k in range(log_t.shape[1])]
            total = logsumexp(classes, axis=0)
            for k, (values, cls) in enumerate(parts):
                log_p = _interpolate(values, log_t[rows, cls]) - total
                out[k] = out[k] + (1 - made.epsilon) * share * np.exp(log_p)
    return out


class Probabilities(NamedTuple):
    """What `fit_probabilities` finds, as of `~astro_spectok.redshift.Calibration`; temperatures by class."""

    temperatures: list
    epsilon: float = 0.0
    sharpening: float = 0.0
    doubt: float = 0.0
    warmth: float = 1.0
    pixel_power: float = 0.0


def fit_probabilities(evidence, broad):
    """Temperatures and shares under which the truth is most probable and p_best is true.

    What is minimised is the sum of two proper scores: -ln of the probability of the truth, and that of whether the best
    solution is right, given ``p_best``; the first alone cares little for solutions of middling probability.

    Parameters
    ----------
    evidence : `Evidence`
    broad : float
        As of `~astro_spectok.redshift.Calibration`.

    Returns
    -------
    made : `Probabilities`
        The temperature of a class without a spectrum is near 1.
    before, after : float
        Mean of -ln p of the truth, as it was and with these.
    """
    n_classes = evidence.log_classes.shape[1]

    def unpack(x):
        # logistic curves keep the others in their ranges without an edge for the minimiser to stick to
        *shares, warmth = (expit(x[n_classes:-1]) * [MOST_EPSILON, MOST_SHARPENING, MOST_DOUBT, MOST_WARMTH]).tolist()
        return Probabilities(np.exp(x[:n_classes]).tolist(), *shares, float(np.exp(warmth)), float(x[-1]))

    def measure_loss(x):
        made = unpack(x)
        truth, best = _predict(evidence, made, broad)
        best = np.clip(np.where(evidence.right, best, 1 - best), 1e-12, 1)
        penalty = PENALTY * (np.sum(x[:n_classes] ** 2) + x[-1] ** 2) + DOUBT_PENALTY * made.doubt
        return -np.log(np.maximum(truth, 1e-30)).mean() - np.log(best).mean() + penalty

    bounds = [tuple(np.log(LIMITS))] * n_classes + [(-12.0, 12.0)] * 4 + [(-MOST_POWER, MOST_POWER)]
    # without doubt at first: what temperatures can do they are to do
    start, none = np.concatenate([np.zeros(n_classes), logit([0.03, 0.1])]), [-12.0, 0.0, 0.0]
    method = {"method": "Powell", "options": {"maxiter": ROUNDS, "xtol": 1e-3}}
    found = minimize(lambda x: measure_loss(np.concatenate([x, none])), start, bounds=bounds[:-3], **method)
    start = np.concatenate([found.x, logit([0.2, 0.5]), [0.0]])
    found = minimize(measure_loss, start, bounds=bounds, **method)
    made = unpack(found.x)
    losses = [
        float(-np.log(np.maximum(_predict(evidence, options, broad)[0], 1e-30)).mean())
        for options in (Probabilities([1.0] * n_classes), made)
    ]
    return made, *losses


def fit_errors(offset, width, group=None, clues=None):
    """Scale, floor and power under which errors are true, of faint spectra and of bright ones, and trends with clues.

    Offsets over errors are thought to follow Student's t distribution, so that the wings, which errors of wavelength
    scales give to every distribution, do not decide; the scale then makes the median absolute deviation of each group
    that of a Gaussian of width 1.

    Parameters
    ----------
    offset : ndarray, shape (n,)
        Measured minus true ln(1 + z).
    width : ndarray, shape (n,)
        What the error is thought to be; see `~astro_spectok.redshift.Calibration` for what becomes of it.
    group : ndarray of int, shape (n,), optional
        Which of the groups that have a scale, floor and power of their own, counted from 0; one if not given.
    clues : ndarray, shape (n, clues), optional
        What the logarithm of the error depends on in all groups alike; nothing if not given.

    Returns
    -------
    scale, floor, power : ndarray, shape (groups,)
    trend : ndarray, shape (clues,)
    """
    group = np.zeros(len(offset), int) if group is None else group
    clues = np.zeros((len(offset), 0)) if clues is None else clues
    n = int(group.max()) + 1

    def predict(x):
        scale, floor, power, trend = np.split(np.asarray(x), [n, 2 * n, 3 * n])
        whole = np.hypot(width, np.exp(floor[group])) / PIVOT
        return np.exp(scale[group] + clues @ trend) * PIVOT * whole ** np.exp(power[group])

    def measure_loss(x):
        error = predict(x)
        surprise = np.log(error) + 0.5 * (TAIL + 1) * np.log1p((offset / error) ** 2 / TAIL)
        return surprise.sum() + 0.5 * np.sum(((x - centre) / spread) ** 2)

    centre = np.concatenate([np.zeros(n), np.full(n, np.log(TYPICAL)), np.zeros(n + clues.shape[1])])
    spread = np.repeat([SCALE_PRIOR, FLOOR_PRIOR, POWER_PRIOR, TREND_PRIOR], [n, n, n, clues.shape[1]])
    starts = np.tile(centre, (len(STARTS), 1))
    starts[:, :n], starts[:, n : 2 * n] = 0.5, np.log(STARTS)[:, None]
    best = min((minimize(measure_loss, x, method="L-BFGS-B") for x in starts), key=lambda fit: fit.fun).x
    pull = offset / predict(best)
    scale, floor, power, trend = np.split(best, [n, 2 * n, 3 * n])
    wide = np.array([float(mad_std(pull[group == k])) for k in range(n)])
    return np.exp(scale) * wide, np.exp(floor), np.exp(power), trend


def fit_confident(cls, probability, right, *, purity, least, kept=0):
    """Probabilities, by class, from which solutions are relied on.

    They are made stricter, each class where that costs fewest right ones, until ``purity`` is reached; or, if ``least``
    is, until fewer than ``kept`` right ones would be left.

    Parameters
    ----------
    cls : ndarray of str, shape (n,)
        Of solutions that nothing else gives reason to doubt.
    probability : ndarray, shape (n,)
    right : ndarray of bool, shape (n,)
    purity, least : float
        Share of right ones among those that are relied on, of all classes together: what is aimed at, and what is
        needed.
    kept : int, optional

    Returns
    -------
    dict of str to float
        The strictest of `THRESHOLDS` where they do not suffice.
    """
    above = (probability[:, None] >= THRESHOLDS).astype(float)  # (n, thresholds)
    gains = {name: ((cls == name) & right) @ above for name in sorted(set(cls.tolist()))}
    losses = {name: ((cls == name) & ~right) @ above for name in gains}
    before = None
    for price in PRICES:
        # of thresholds that are as good the strictest: what lies between them was not seen
        places = {k: len(THRESHOLDS) - 1 - int(np.argmax((gains[k] - price * losses[k])[::-1])) for k in gains}
        good, bad = (sum(x[name][k] for name, k in places.items()) for x in (gains, losses))
        found = {name: float(THRESHOLDS[k]) for name, k in places.items()}
        if good < kept and before is not None:
            return before
        if good >= purity * (good + bad):
            return found
        before = found if good >= least * (good + bad) else None
    return dict.fromkeys(gains, float(THRESHOLDS[-1])) if before is None else before


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
