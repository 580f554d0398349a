# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of stated errors to those that are known, and of the probabilities from which solutions are relied on."""

import numpy as np
from astropy.stats import mad_std
from scipy.optimize import minimize

from astro_spectok.redshift.calibration import PIVOT

__all__ = ["fit_confident", "fit_errors"]

#: degrees of freedom of Student's t that offsets are thought to follow: wavelength scales give them long wings
TAIL = 4.0
#: floors that the fit of the errors starts from; priors of the logarithms of scale, floor and power and of the trends:
#: their centres are 1, 1e-5, 1 and 0, these are their standard deviations
STARTS, TYPICAL = (6e-6, 4e-5), 1e-5
SCALE_PRIOR, FLOOR_PRIOR, POWER_PRIOR, TREND_PRIOR = 10.0, 1.0, 0.3, 0.3
#: logarithms of powers between which the fit looks: beyond them numbers overflow
POWERS = (-2.0, 2.0)
#: thresholds of probability that are tried
THRESHOLDS = np.arange(0.5, 0.96, 0.05)
#: prices of a wrong solution, in right ones, that are tried
PRICES = np.geomspace(0.05, 100, 40)


def fit_errors(offset, width, group=None, features=None):
    """Scale, floor and power that make errors correct, of faint and of bright spectra, and trends with features.

    Offsets over errors are thought to follow Student's t distribution, so that the wings, which errors of wavelength
    scales give to every distribution, do not decide; the scale then makes the median absolute deviation of each group
    that of a Gaussian of width 1.

    Parameters
    ----------
    offset : ndarray, shape (n,)
        Measured minus true ln(1 + z).
    width : ndarray, shape (n,)
        Stated error; `~astro_spectok.redshift.Calibration` explains how it is corrected.
    group : ndarray of int, shape (n,), optional
        Which of the groups that have a scale, floor and power of their own, counted from 0; one if not given.
    features : ndarray, shape (n, features), optional
        Error predictors: the logarithm of the error is linear in them, in all groups alike; none if not given.

    Returns
    -------
    scale, floor, power : ndarray, shape (groups,)
    trend : ndarray, shape (features,)
    """
    group = np.zeros(len(offset), int) if group is None else group
    features = np.zeros((len(offset), 0)) if features is None else features
    n = int(group.max()) + 1

    def predict(x):
        scale, floor, power, trend = np.split(np.asarray(x), [n, 2 * n, 3 * n])
        whole = np.hypot(width, np.exp(floor[group])) / PIVOT
        return np.exp(scale[group] + features @ trend) * PIVOT * whole ** np.exp(np.clip(power[group], *POWERS))

    def measure_loss(x):
        error = predict(x)
        surprise = np.log(error) + 0.5 * (TAIL + 1) * np.log1p((offset / error) ** 2 / TAIL)
        return surprise.sum() + 0.5 * np.sum(((x - centre) / spread) ** 2)

    centre = np.concatenate([np.zeros(n), np.full(n, np.log(TYPICAL)), np.zeros(n + features.shape[1])])
    spread = np.repeat([SCALE_PRIOR, FLOOR_PRIOR, POWER_PRIOR, TREND_PRIOR], [n, n, n, features.shape[1]])
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
        Of solutions without any other flag.
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
