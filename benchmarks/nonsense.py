# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether flags know what is beyond them: answers to nothing, to other kinds, to wrong errors, and to good spectra.

    python benchmarks/nonsense.py --data DIR [--weights NAME|PATH] [--limit N] [--only WORD] [--train] [--json FILE]

For each set the share with ``zwarn`` 0 and how much of that is right; for sets of stars, and those without any object,
the same of ``warn`` of stellar parameters. Right is the class, with a redshift within 0.0033 (quasars and low
resolution: 0.01) where it is known; where there is no object of a class, no answer is right. A star's parameters are
right where the temperature lies within 10 per cent; where there is no star, never.

``--train`` measures sets of the folder ``train`` and simulated spectra instead: what thresholds are fitted on.

The JSON file holds what describes the run, and ``rows``, one for each set, with the figures of `score`.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from _nonsense_sets import list_sets
from _scores import is_right
from astropy import units as u

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator

__all__ = ["measure", "score"]

#: spectra measured at once
CHUNK = 100
#: groups whose stellar parameters are looked at, beside sets of which temperatures are known
STELLAR = ("null", "window", "other kind")
#: share by which a temperature may be off
TEMPERATURE = 0.1


def measure(cases, estimator, columns):
    """Columns of the table of an estimator for all cases, dict of str to ndarray."""
    found = {name: [] for name in columns}
    media = sorted({str(case.medium) for case in cases})
    order = [k for medium in media for k, case in enumerate(cases) if str(case.medium) == medium]
    for medium in media:
        same = [case for case in cases if str(case.medium) == medium]
        for start in range(0, len(same), CHUNK):
            inputs = [_to_input(case) for case in same[start : start + CHUNK]]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is wrong with inputs is what is asked here
                table = estimator.estimate(inputs, medium=None if medium == "None" else medium, progress=False)
            for name in columns:
                found[name].append(np.asarray(table[name]))
    out = {name: np.concatenate(parts) for name, parts in found.items()}
    back = np.argsort(order)
    return {name: values[back] for name, values in out.items()}


def _to_input(case):
    axis, one = case.wavelength * u.AA, u.dimensionless_unscaled
    return (axis, case.flux * one) if case.sigma is None else (axis, case.flux * one, case.sigma * one)


def score(cases, redshifts, stars=None):
    """What is kept, and how much of that is right.

    Parameters
    ----------
    cases : list of `~_nonsense_sets.Case`
    redshifts, stars : dict of str to ndarray, or None
        As of `measure`.

    Returns
    -------
    dict
        ``n``; ``right``, of all; ``kept``, with ``zwarn`` 0; ``pure``, the share of these that is right; ``wrong``,
        their number that is not; and of stellar parameters ``kept_star``, ``wrong_star``.
    """
    truth = {
        "class_true": np.array([case.spectype for case in cases], "U6"),
        "z_true": np.array([case.z for case in cases]),
        "wide": np.array([case.wide for case in cases]),
    }
    right = (redshifts["spectype"] == truth["class_true"]) & (truth["class_true"] != "")
    with np.errstate(invalid="ignore"):
        right &= ~np.isfinite(truth["z_true"]) | is_right(truth | {"z": redshifts["z"]})
    kept = redshifts["zwarn"] == 0
    out = {"n": len(cases), "right": float(right.mean()), "kept": float(kept.mean()),
           "pure": float(right[kept].mean()) if kept.any() else None, "wrong": int((kept & ~right).sum())}  # fmt: skip
    if stars is not None:
        teff = np.array([case.teff for case in cases])
        with np.errstate(invalid="ignore"):
            fine = (truth["class_true"] == "STAR") & ~(np.abs(stars["teff"] / teff - 1) > TEMPERATURE)
        kept = (stars["warn"] == 0) & np.isfinite(stars["teff"])
        out |= {"kept_star": float(kept.mean()), "wrong_star": int((kept & ~fine).sum())}
    return out


def show(group, name, row):
    """One line of the table."""

    def share(key):
        return f"{'-':>8s}" if row.get(key) is None else f"{100 * row[key]:8.1f}"

    line = f"{group:11s}{name:34s}{row['n']:5d}{share('right')}{share('kept')}{share('pure')}{row['wrong']:6d}"
    return line + (f"  |{share('kept_star')}{row['wrong_star']:6d}" if "kept_star" in row else "")


def main(argv=None):
    """Measure all sets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory with the folders test and train")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=int, default=60, help="most spectra of a set (default: 60)")
    parser.add_argument("--only", default="", help="sets whose group or name holds this")
    parser.add_argument("--train", action="store_true", help="the sets that thresholds are fitted on")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    redshift = RedshiftEstimator(options.weights, options.device)
    stellar = StellarParameterEstimator(options.weights, options.device)
    print(f"{'':45s}{'n':>5s}{'right':>8s}{'kept':>8s}{'pure':>8s}{'wrong':>6s}  |{'warn 0':>8s}{'wrong':>6s}")
    rows = []
    for group, name, draw in list_sets(options.data, limit=options.limit, train=options.train):
        if options.only not in f"{group} {name}":
            continue
        cases = draw()
        if not cases:
            continue
        found = measure(cases, redshift, ("spectype", "z", "zwarn"))
        stars = None
        if group in STELLAR or any(np.isfinite(case.teff) for case in cases):
            stars = measure(cases, stellar, ("teff", "warn"))
        row = score(cases, found, stars)
        rows.append({"group": group, "name": name} | row)
        print(show(group, name, row), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        content = {"version": astro_spectok.__version__, "train": options.train, "limit": options.limit, "rows": rows}
        options.json.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
