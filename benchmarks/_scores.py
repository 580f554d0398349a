# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures of merit on plain arrays: redshifts and classes, stellar labels, retrieval."""

import itertools

import numpy as np
from astropy.stats import mad_std
from scipy.ndimage import median_filter

__all__ = [
    "SNR_EDGES",
    "find_own",
    "flatten_flux",
    "group_redshifts",
    "is_right",
    "retrieve_repeats",
    "score_labels",
    "score_redshifts",
]

LIGHT_SPEED = 299792.458
#: |dz|/(1+z) within which a redshift is right: 1000 km/s; quasars' own are no better than about that
NARROW, WIDE = 0.0033, 0.01
CONFIDENT = 0.9
SNR_EDGES = (-1e9, 2, 5, 10, 30, 1e9)


def _offset(table):
    """(z - z_true) / (1 + z_true), NaN where the truth is unknown."""
    return (table["z"] - table["z_true"]) / (1 + table["z_true"])


def _mean(values):
    """Mean as a float; None of nothing, which JSON can hold."""
    return float(np.mean(values)) if len(values) else None


def is_right(table):
    """Whether each redshift is right: within 0.01 for quasars and at R of 600 or less, else within 0.0033.

    Parameters
    ----------
    table : dict of str to ndarray, shape (n,)
        ``z``, ``z_true``, ``class_true`` and ``wide`` (bool: the data allow no better than 0.01).
    """
    wide = table["wide"] | (table["class_true"] == "QSO")
    return np.abs(_offset(table)) < np.where(wide, WIDE, NARROW)


def score_redshifts(table):
    """Figures of merit of classes and redshifts.

    Parameters
    ----------
    table : dict of str to ndarray, shape (n,)
        As of `is_right`, with ``class``, ``z_err`` and ``p_best``. Rows whose ``z_true`` is NaN count for the class
        alone, rows whose ``class_true`` is '' for the redshift alone.

    Returns
    -------
    dict
        ``n``; ``class_right``; ``within_0033`` and ``within_01``, shares of |dz|/(1+z); ``median_dv``, ``nmad_dv``
        and ``median_abs_dv`` in km/s; ``confident``, the share with p_best > 0.9, and ``purity``, the share of those
        that is right; ``coverage``, the share within the stated error, and ``pull_width``, the normalised median
        absolute deviation of dz / z_err. None where there is nothing to measure.
    """
    classed = table["class_true"] != ""
    known = np.isfinite(table["z_true"])
    offset, z_err = _offset(table)[known], table["z_err"][known]
    dv = LIGHT_SPEED * offset
    dz = (table["z"] - table["z_true"])[known]
    sure = (table["p_best"] > CONFIDENT)[known]
    # an error of zero is a claim of certainty: any offset is then infinitely many of them
    pull = np.divide(dz, z_err, out=np.full(len(dz), np.inf), where=z_err > 0)
    return {
        "n": len(known),
        "class_right": _mean((table["class"] == table["class_true"])[classed]),
        "within_0033": _mean(np.abs(offset) < NARROW),
        "within_01": _mean(np.abs(offset) < WIDE),
        "median_dv": float(np.median(dv)) if len(dv) else None,
        "nmad_dv": float(mad_std(dv)) if len(dv) else None,
        "median_abs_dv": float(np.median(np.abs(dv))) if len(dv) else None,
        "confident": _mean(table["p_best"] > CONFIDENT),
        "purity": _mean(is_right(table)[known][sure]),
        "coverage": _mean(np.abs(dz) < z_err),
        "pull_width": float(mad_std(pull[np.isfinite(pull)])) if np.isfinite(pull).any() else None,
    }


def group_redshifts(table):
    """`score_redshifts` of all rows, of each class, and of each class and bin in signal-to-noise ratio.

    Parameters
    ----------
    table : dict of str to ndarray, shape (n,)
        As of `score_redshifts`, with ``snr``.

    Returns
    -------
    list of dict
        With ``class`` ('all' for all of them), ``snr_low`` and ``snr_high`` (None: no bound).
    """
    everything = np.ones(len(table["z"]), bool)
    groups = [("all", None, None, everything)]
    for name in sorted(set(table["class_true"].tolist())):
        members = table["class_true"] == name
        groups.append((name, None, None, members))
        for low, high in itertools.pairwise(SNR_EDGES):
            inside = members & (table["snr"] >= low) & (table["snr"] < high)
            groups.append((name, low if low > -1e6 else None, high if high < 1e6 else None, inside))
    return [
        {"class": name, "snr_low": low, "snr_high": high} | score_redshifts({k: v[rows] for k, v in table.items()})
        for name, low, high, rows in groups
        if rows.any()
    ]


def score_labels(predicted, stated, truth):
    """Figures of merit of one label.

    Parameters
    ----------
    predicted, stated, truth : ndarray, shape (n,)
        Values, their stated errors, and true values, all in one unit; NaN where unknown.

    Returns
    -------
    dict
        ``n``; ``offset``, the median of predicted - true; ``scatter``, the normalised median absolute deviation of
        it; ``stated``, the median stated error; ``coverage``, the share of offsets within it.
    """
    known = np.isfinite(predicted) & np.isfinite(truth)
    if not known.any():
        return {"n": 0, "offset": None, "scatter": None, "stated": None, "coverage": None}
    error, stated = (predicted - truth)[known], stated[known]
    return {
        "n": len(error),
        "offset": float(np.median(error)),
        "scatter": float(mad_std(error)),
        "stated": float(np.median(stated)),
        "coverage": _mean(np.abs(error) < stated),
    }


def _normalize_rows(vectors):
    """Vectors (n, E) of length 1; one that is zero or not finite becomes zero: it resembles nothing."""
    vectors = np.asarray(vectors, np.float64)
    vectors = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def find_own(embeddings_a, embeddings_b):
    """Whether row i of ``b`` is the one that is nearest, by cosine, to row i of ``a``.

    Parameters
    ----------
    embeddings_a, embeddings_b : ndarray, shape (n, E)
        The same objects in the same order. A row that is not finite is never found; a tie counts as not found.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    similarity = _normalize_rows(embeddings_a) @ _normalize_rows(embeddings_b).T  # (n, n)
    own = np.diag(similarity).copy()
    np.fill_diagonal(similarity, -np.inf)
    return own > similarity.max(axis=1)


def retrieve_repeats(embeddings, objects):
    """Recall@1 of repeat visits by cosine: of the rows whose object has another row, how often is the nearest of it.

    Parameters
    ----------
    embeddings : ndarray, shape (n, E)
    objects : ndarray, shape (n,)
        Equal for rows of the same object.

    Returns
    -------
    recall : float or None
        None if no object has two rows.
    n : int
        Rows that have a repeat.
    """
    vectors = _normalize_rows(embeddings)
    similarity = vectors @ vectors.T  # (n, n)
    np.fill_diagonal(similarity, -np.inf)
    same = objects[:, None] == objects[None]
    np.fill_diagonal(same, False)
    repeated = same.any(axis=1)
    best = np.where(same, similarity, -np.inf).max(axis=1)
    other = np.where(same, -np.inf, similarity).max(axis=1)
    return _mean((best > other)[repeated]), int(np.count_nonzero(repeated))


def flatten_flux(flux, *, width=151):
    """Flux over its running median, less 1: what is compared where there is no network.

    Parameters
    ----------
    flux : ndarray, shape (n,)
        Finite, on a grid even in ln(wavelength).
    width : int, optional
        Pixels that the running median spans.

    Returns
    -------
    ndarray, shape (n,)
        Clipped to -1 to 1, so that no cosmic ray decides.
    """
    level = median_filter(flux, size=width, mode="nearest")
    level = np.maximum(level, 0.01 * np.median(np.abs(flux)) + 1e-300)
    return np.clip(flux / level - 1, -1, 1)
