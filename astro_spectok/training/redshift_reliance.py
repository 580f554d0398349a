# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fit of the rule that judges whether an answer is like right ones."""

import numpy as np

from astro_spectok.redshift.reliance import expand_features

__all__ = ["fit_logistic", "fit_reliable"]

#: share of right answers of a class that the rule may flag
LOST = 0.012
#: times as much as a right answer that a wrong one counts, and share of the weight of right ones that all wrong ones
#: have at most
WRONG, MOST_WRONG = 3.0, 0.3
#: inverse variance of the weights of features, which are scaled to variance 1
RIDGE = 3.0
#: fewest right and wrong answers of a class; fewest wrong ones for products of features, which otherwise learn them by
#: heart; and most steps of Newton
LEAST, ENOUGH, STEPS = 10, 100, 50


def fit_reliable(spectype, features, right, *, lost=LOST):
    """The rules ``reliable`` of answers whose truth is known.

    Parameters
    ----------
    spectype : ndarray of str, shape (n,)
        Classes of the answers.
    features : ndarray, shape (n, features)
        As of `~astro_spectok.redshift.reliance.describe_answer`.
    right : ndarray of bool, shape (n,)
        Whether they are right, of those that nothing else flags.
    lost : float, optional
        Share of right ones of each class that may be flagged.

    Returns
    -------
    dict of str to dict
        As of `~astro_spectok.redshift.reliance.is_dubious`; classes with fewer than ten right or ten wrong answers are
        left out.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.reliance import FEATURES, is_dubious
    >>> from astro_spectok.training.redshift_reliance import fit_reliable
    >>> rng = np.random.default_rng(0)
    >>> right, features = np.arange(600) < 500, rng.normal(size=(600, len(FEATURES)))
    >>> features[:, 0] += np.where(right, 4.0, -4.0)
    >>> rules = fit_reliable(np.full(600, "STAR"), features, right)
    >>> bool(np.mean([is_dubious("STAR", x, rules) for x in features[500:]]) > 0.9)
    True
    """
    out = {}
    for cls in np.unique(spectype).tolist():
        own = spectype == cls
        x, y = features[own], right[own]
        if min(np.count_nonzero(y), np.count_nonzero(~y)) < LEAST:
            continue
        centre, scale = _round(x.mean(axis=0)), _round(np.maximum(x.std(axis=0), 1e-3))
        expanded = expand_features(x, centre, scale)
        if np.count_nonzero(~y) < ENOUGH:
            expanded = expanded[:, : x.shape[1]]
        wrong = min(WRONG, MOST_WRONG * np.count_nonzero(y) / np.count_nonzero(~y))
        weights = _round(fit_logistic(expanded, y, np.where(y, 1.0, wrong))[1:])
        least = np.quantile(expanded[y] @ weights, lost)
        out[cls] = {"offset": _round([-least])[0], "centre": centre, "scale": scale, "weights": weights}
    return out


def _round(values):
    """Numbers of four digits, as a list: more mean nothing."""
    return [float(f"{value:.4g}") for value in values]


def fit_logistic(x, y, weight, *, ridge=RIDGE):
    """Coefficients of a logistic regression, the constant first, by Newton's method.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Of the order of 1.
    y : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
    ridge : float, optional
        Inverse variance of the coefficients, but not of the constant.

    Returns
    -------
    ndarray, shape (1 + k,)
    """
    x = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-6
    coefficients = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ coefficients, -30, 30)))
        gradient = x.T @ (weight * (y - p)) - penalty * coefficients
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        # far from the solution Newton's step is too long
        coefficients += step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-8:
            break
    return coefficients
