# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fit of the rule that separates transients from galaxies, quasars and stars, on simulated and real spectra."""

from pathlib import Path

import numpy as np

from astro_spectok.redshift import Calibration
from astro_spectok.redshift.reliance import FEATURES, expand_features
from astro_spectok.redshift.solutions import take_spectrum
from astro_spectok.redshift.transient_rule import TransientRule
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import convert_to_vacuum
from astro_spectok.training.calibrate_redshift import (
    answer,
    draw_measured,
    find_redshift_head,
    find_right,
    list_redshifts,
    measure_rows,
)
from astro_spectok.training.redshift_reliance import fit_logistic
from astro_spectok.training.transient_thresholds import find_certain

__all__ = ["choose_templates", "fit_transient_rules", "measure_cases"]

#: templates of each type that are compared
OF_TYPE = 8
#: real stars of each set
STARS = 60
#: sets of real stars, and whether their wavelengths are in air
STAR_SETS = {
    "miles_real_stars": True, "cflib_real_stars": True, "stelib_real_stars": True, "splat_spex_real": False,
    "calspec_real_stars": False, "pyhammer_sdss_stars": False,
}  # fmt: skip
#: families that are drawn: blends and blank sky are neither what is meant nor transients
FAMILIES = ("galaxies", "quasars", "stars", "blazars")
#: share of right answers of a class that is flagged; least probability from which any is
LOST, LEAST = 0.006, 0.5
#: fewest spectra of each kind of a class
FEWEST = 12
#: parts that are left out in turn, and what is tried: whether products count, and the inverse variance of coefficients
PARTS, TRIED = 5, ((False, 1.0), (False, 10.0), (True, 10.0), (True, 60.0))


def choose_templates(library, number=OF_TYPE):
    """Templates of each type that are as unlike each other as they can be: list of int."""
    out = []
    for kind in range(len(library.config.types)):
        rows = np.flatnonzero(library.kind == kind)
        values = library.templates[rows, 1:]
        # the most usual one first, then always the one that is farthest from those chosen
        chosen = [int(np.argmin(((values - np.median(values, axis=0)) ** 2).sum(1)))]
        while len(chosen) < min(number, len(rows)):
            distance = ((values[:, None] - values[chosen]) ** 2).sum(2).min(1)
            chosen.append(int(np.argmax(distance)))
        out += rows[chosen].tolist()
    return out


def measure_cases(runner, cases):
    """Rows as of `~astro_spectok.training.calibrate_redshift.measure_rows` of observations of transients."""
    truth = [
        {
            "cls": "",
            "z": np.nan,
            "snr": np.nan,
            "family": "transient",
            "wide": False,
            "row": one.row,
            "case": k,
            "z_true": one.z,
        }
        for k, one in enumerate(cases)
    ]
    return measure_rows(runner, [one[:3] for one in cases], truth)


def fit_transient_rules(runner, head, measured, data, n, seed, *, only=None, report=None):
    """Rules of a head, as `~astro_spectok.redshift.transient_rule.TransientRule` takes them.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        With a head for redshifts, calibrated.
    head : `~astro_spectok.heads.TransientHead`
        Its rules are set.
    measured : list of dict
        Transients, as of `measure_cases`.
    data : path-like
    n, seed : int
        Objects without a transient that are simulated.
    only : ndarray of int, shape (objects,), optional
        Number of the network that has not seen each object.
    report : callable, optional

    Returns
    -------
    figures : dict
        By class, how many of each kind there are, and the shares that are flagged.
    probability : ndarray, shape (n,)
        Of a transient, of each of what is none and of a right answer.
    """
    head.rules |= {"few": choose_templates(head.get_library()), "classes": {}, "flagged": LEAST}
    rule, library = TransientRule(head), head.get_library()
    table = _answer(runner, measured)
    head.rules["certain"] = find_certain(table, [row["z_true"] for row in measured])
    parts = [_describe(rule, measured, table, library, only)]
    if report:
        report(f"described: {len(measured)} transients")
    rows = [row for row in draw_measured(runner, data, n, seed)[0] if row["family"] in FAMILIES]
    parts.append(_describe(rule, rows, _answer(runner, rows), library, only))
    stars = _read_stars(data, np.random.default_rng(seed))
    known = [{"cls": "STAR", "z": np.nan, "snr": np.nan, "family": "stars", "wide": True} for _ in stars]
    rows = measure_rows(runner, stars, known)
    parts.append(_describe(rule, rows, _answer(runner, rows), library, only))
    if report:
        report(f"described: {sum(len(part[0]) for part in parts[1:])} galaxies, quasars and stars")
    cls, features, transient, right, group = (np.concatenate(values) for values in zip(*parts, strict=True))
    classes, figures, scores = _fit(cls, features, transient, group % PARTS)
    head.rules |= {"classes": classes}
    kept = scores[right & ~transient]
    head.rules["flagged"] = round(max(LEAST, float(np.quantile(kept, 1 - LOST)) if len(kept) else LEAST), 4)
    figures["flagged"] = {
        "transients": round(float(np.mean(scores[transient] > head.rules["flagged"])), 4),
        "right": round(float(np.mean(kept > head.rules["flagged"])), 4) if len(kept) else None,
    }
    return figures, kept


def _answer(runner, rows):
    """Answers of a runner beside the truth, as of `~astro_spectok.training.calibrate_redshift.answer`."""
    return answer(rows, list_redshifts(runner), Calibration.from_head(find_redshift_head(runner)))


def _describe(rule, rows, table, library, only):
    """Classes of answers, features, whether of transients, whether right and unflagged, numbers of objects: arrays."""
    if not rows:
        return (
            np.empty(0, "U6"),
            np.empty((0, len(FEATURES) + 6 + 4 * bool(rule.head.networks))),
            np.empty(0, bool),
            np.empty(0, bool),
            np.empty(0, int),
        )
    right = find_right(table) | (~np.isfinite(table["z_true"]) & (table["cls"] == table["cls_true"]))
    right &= table["zwarn"] == 0
    out = []
    for k, row in enumerate(rows):
        own = int(library.group[row["row"]]) if "row" in row else None
        # one network for all, as means of several are surer
        network = None if only is None else int(only[own]) if own is not None else k % len(rule.head.networks)
        spectrum = take_spectrum(row["batch"], row["i"])
        found = rule.describe(*spectrum, table["features"][k], np.log1p(table["z"][k]), left_out=own, only=network)
        if found is not None and np.isfinite(found).all():
            out.append((table["cls"][k], found, row["family"] == "transient", right[k], k if own is None else own))
    return tuple(np.array(values) for values in zip(*out, strict=True))


def _fit(cls, features, transient, part):
    """Rules by class, how many there are, and probabilities (n,) by rules that are fitted to other parts."""
    classes, figures, scores = {}, {}, np.zeros(len(cls))
    for name in np.unique(cls).tolist():
        own = cls == name
        x, y = features[own], transient[own]
        count = np.count_nonzero(y), np.count_nonzero(~y)
        if min(count) < FEWEST:
            continue
        centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
        centre, scale = (np.array([float(f"{v:.4g}") for v in values]) for values in (centre, scale))
        expanded = expand_features(x, centre, scale)
        # both kinds count the same
        weight = np.where(y, 0.5 / count[0], 0.5 / count[1]) * len(y)
        loss, size, ridge, p = min(
            (_leave_out(expanded[:, : None if products else x.shape[1]], y, weight, part[own], ridge)
             for products, ridge in TRIED),
            key=lambda one: one[0],
        )  # fmt: skip
        constant, *weights = fit_logistic(expanded[:, :size], y, weight, ridge=ridge).tolist()
        classes[name] = {
            "constant": float(f"{constant:.4g}"), "centre": centre.tolist(), "scale": scale.tolist(),
            "weights": [float(f"{value:.4g}") for value in weights],
        }  # fmt: skip
        scores[own] = p
        figures[name] = {
            "transients": int(count[0]), "others": int(count[1]), "loss": round(loss, 4), "features": size,
            "ridge": ridge,
        }  # fmt: skip
    return classes, figures, scores


def _leave_out(x, y, weight, part, ridge):
    """Loss of a logistic rule on parts that are left out in turn, number of features, ridge, and probabilities."""
    p = np.empty(len(y))
    for k in range(PARTS):
        out = part == k
        constant, *weights = fit_logistic(x[~out], y[~out], weight[~out], ridge=ridge)
        p[out] = 1 / (1 + np.exp(-np.clip(constant + x[out] @ weights, -30, 30)))
    loss = -float(np.average(np.log(np.clip(np.where(y, p, 1 - p), 1e-4, 1)), weights=weight))
    return loss, x.shape[1], ridge, p


def _read_stars(data, rng):
    """Some real stars of each set there is, as (wavelength in vacuum, flux, ivar)."""
    out = []
    for name, in_air in STAR_SETS.items():
        path = Path(data) / f"{name}.npz"
        if not path.is_file():
            continue
        spectra, _ = load_set(path)
        for i in np.sort(rng.permutation(len(spectra))[:STARS]).tolist():
            wavelength, flux, ivar = (np.asarray(values, np.float64) for values in spectra[i])
            out.append((convert_to_vacuum(wavelength) if in_air else wavelength, flux, ivar))
    return out
