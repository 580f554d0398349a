# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Evidence of posteriors of known redshift for the truth, and the fit that calibrates their probabilities."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, ndtr

from astro_spectok.redshift.calibration import PIXEL, measure_breadth
from astro_spectok.redshift.peaks import WINDOW

__all__ = ["Evidence", "Probabilities", "find_pit", "fit_probabilities", "measure_evidence"]

#: at which sums are tabulated; the fit interpolates between them
TEMPERATURES = np.geomspace(0.25, 8.0, 21)
#: least and most of a temperature
LIMITS = 0.25, 3.0
#: penalties on the square of ln(temperature), so that a class of few spectra stays as it is, and on the tail
#: fraction, which must improve the fit by more than that
PENALTY, TAIL_PENALTY = 1e-3, 0.02
#: most of the power of the width of pixels
MOST_POWER = 0.5
#: upper limits of sharpening, tail fraction and ln(tail temperature ratio)
MOST_SHARPENING, MOST_TAIL, MOST_LN_RATIO = 1.0, 0.5, 0.98
#: rounds of the minimiser
ROUNDS = 30


@dataclass(frozen=True)
class Evidence:
    """Inputs of the fit of probabilities, of n spectra whose truth is known.

    Attributes
    ----------
    log_classes : ndarray, shape (n, classes, temperatures)
        Logarithm of the sum over the bins of each class, with their evidence divided by each of `TEMPERATURES`.
    log_truth, log_best : ndarray, shape (n, temperatures)
        The same for the bins of the true class within 1000 km/s of the true redshift, and of the most probable one
        around its highest bin.
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
    sums = []
    for name, centre in ((cls, ln_true), (best.spectype, ln1pz[best.spectype][best.lag])):
        near = np.abs(ln1pz[name] - centre) <= WINDOW
        sums.append(log_prior[name] + _sum_tempered(evidence[name][near]))
    right = best.spectype == cls and abs(np.log1p(best.z) - ln_true) < WINDOW
    found = classes.index(cls), classes.index(best.spectype), right, measure_breadth(log_probability, broad)
    return np.array(log_classes), *sums, *found


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
    out = [0.0, 0.0]
    for share, ratio in ((1 - made.tail_fraction, 1.0), (made.tail_fraction, made.tail_temperature_ratio)):
        if share:
            log_t = cooling[:, None] + np.log(made.temperatures) + np.log(ratio)  # (n, classes)
            classes = [_interpolate(evidence.log_classes[:, k], log_t[:, k]) for k in range(log_t.shape[1])]
            total = logsumexp(classes, axis=0)
            for k, (values, cls) in enumerate(parts):
                log_p = _interpolate(values, log_t[rows, cls]) - total
                out[k] = out[k] + share * np.exp(log_p)
    return out


class Probabilities(NamedTuple):
    """Result of `fit_probabilities`, as of `~astro_spectok.redshift.Calibration`; temperatures by class."""

    temperatures: list
    sharpening: float = 0.0
    tail_fraction: float = 0.0
    tail_temperature_ratio: float = 1.0
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
        *shares, ln_ratio = (expit(x[n_classes:-1]) * [MOST_SHARPENING, MOST_TAIL, MOST_LN_RATIO]).tolist()
        return Probabilities(np.exp(x[:n_classes]).tolist(), *shares, float(np.exp(ln_ratio)), float(x[-1]))

    def measure_loss(x):
        made = unpack(x)
        truth, best = _predict(evidence, made, broad)
        best = np.clip(np.where(evidence.right, best, 1 - best), 1e-12, 1)
        penalty = PENALTY * (np.sum(x[:n_classes] ** 2) + x[-1] ** 2) + TAIL_PENALTY * made.tail_fraction
        return -np.log(np.maximum(truth, 1e-30)).mean() - np.log(best).mean() + penalty

    bounds = [tuple(np.log(LIMITS))] * n_classes + [(-12.0, 12.0)] * 3 + [(-MOST_POWER, MOST_POWER)]
    # without a tail at first, so that temperatures explain as much as they can
    start, none = np.concatenate([np.zeros(n_classes), logit([0.1])]), [-12.0, 0.0, 0.0]
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


def find_pit(posterior, peak, z_err, z_true):
    """Probability of a redshift below the true one: Gaussian within the peak, from the posterior beyond it."""
    here, truth = np.log1p(peak.z), np.log1p(z_true)
    if abs(truth - here) > WINDOW:
        return float(posterior.find_cumulative(z_true))
    low, high = posterior.find_cumulative(np.expm1([here - WINDOW, here + WINDOW]))
    return float(low + (high - low) * ndtr((z_true - peak.z) / z_err))
