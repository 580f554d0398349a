# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Show how well a calibration of redshifts holds on simulated spectra that neither trained nor fitted anything.

    python benchmarks/calibration.py [--data DIR] [--weights NAME|PATH] [-n N] [--json FILE]

``--data`` is the directory of the public template sets; without it templates are analytic, and easier than the sky.
Half of the N objects fit a calibration, as ``spectok build`` fits that of weights; shown is what it is worth on the
other half, and what probabilities and errors are worth without it: reliability of p_best, PIT, pulls by class and
signal-to-noise ratio, and what ``zwarn`` keeps (the probabilities from which solutions are relied on are those that all
fit: wrong ones are few).
"""

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from _reliability import LEAST, judge_reliability, measure_ks, measure_reliability
from astropy.stats import mad_std

from astro_spectok.engine import Runner
from astro_spectok.redshift import Calibration
from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.training.calibrate_redshift import (
    NO_THRESHOLD,
    answer,
    draw_measured,
    find_redshift_head,
    find_right,
    fit_calibration,
    fit_reliance,
)

#: far from the seed of any training, and from that of the benchmark
SEED = 4711
SNR_EDGES = (0.3, 2, 5, 10, 30, 100)
BRIGHT = 2.0
#: the figures of `score` that are one number, in words
FIGURES = {
    "pit_ks": "PIT, KS distance", "kept": "right ones at S/N > 2 that zwarn 0 keeps",
    "right": "of those at S/N > 2 that zwarn 0 keeps, right", "nothing": "spectra of nothing that are flagged",
}  # fmt: skip


def score(table):
    """What the answers are worth: plain numbers.

    Returns
    -------
    dict
        ``reliability`` (`measure_reliability`), ``pit_ks``, ``pulls`` (rows of ``class, snr_low, snr_high, n, width``),
        ``kept`` and ``right`` of zwarn 0 among right ones at S/N > 2, ``nothing`` (share of what has no redshift that
        is flagged), each with its number.
    """
    known = np.isfinite(table["z_true"])
    offset = np.abs(table["z"] - table["z_true"]) / (1 + table["z_true"])
    near = find_right(table)
    # p_best is the probability of a class and of 1000 km/s on either side, for quasars too
    claimed = (offset < WINDOW) & (table["cls"] == table["cls_true"])
    named = known & (table["cls_true"] != "")
    pulls = []
    for name in sorted(set(table["cls_true"][named].tolist())):
        for low, high in itertools.pairwise(SNR_EDGES):
            own = named & claimed & (table["cls_true"] == name) & (table["snr"] >= low) & (table["snr"] < high)
            if np.count_nonzero(own) > 1:
                pull = (table["z"] - table["z_true"])[own] / table["z_err"][own]
                pulls.append({
                    "class": name, "snr_low": low, "snr_high": high, "n": int(own.sum()), "width": float(mad_std(pull)),
                })  # fmt: skip
    clear = table["zwarn"] == 0
    bright = named & (table["snr"] > BRIGHT)
    empty = ~known

    def share(of, among):
        return (float(np.mean(of[among])) if among.any() else None, int(np.count_nonzero(among)))

    return {
        "reliability": measure_reliability(table["p_best"][named], claimed[named]),
        "pit_ks": (measure_ks(table["pit"][named]), int(named.sum())) if named.any() else (None, 0),
        "pulls": pulls,
        "kept": share(clear, bright & near),
        "right": share(near, bright & clear),
        "nothing": share(~clear, empty),
    }


def report(title, scores):
    """Print scores."""
    print(f"\n{title}\n  p_best        n   claimed   right   binomial error")
    for row in scores["reliability"]:
        bounds = f"{row['low']:.2f}-{row['high']:.2f} {row['n']:6d}"
        print(f"  {bounds}   {row['claimed']:.3f}     {row['right']:.3f}   {row['error']:.3f}")
    worst, mean = judge_reliability(scores["reliability"])
    if worst is not None:
        print(f"  wrong by, worst bin beyond twice its binomial error (bins of {LEAST} or more): {worst:.3f}")
        print(f"  wrong by, mean: {mean:.3f}")
    for name, what in FIGURES.items():
        value, n = scores[name]
        print(f"  {what}: {'-' if value is None else f'{value:.3f}'} ({n})")
    print("  width of (z - z_true) / z_err:")
    for row in scores["pulls"]:
        snr = f"{row['snr_low']:5.1f}-{row['snr_high']:5.1f}"
        print(f"    {row['class']:7s} S/N {snr} {row['n']:5d} {row['width']:6.2f}")


def main(argv=None):
    """Fit to one half, show on the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the public template sets")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-n", type=int, default=4000, help="objects (default: 4000)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args(argv)
    runner = Runner(options.weights, options.device)
    rows, redshifts = draw_measured(runner, options.data, options.n, options.seed)
    plain = Calibration(target_sigma=find_redshift_head(runner).config.target_sigma)
    # neighbours are of one family: every other one, so that both halves have all of them
    half, fit = fit_calibration(rows[::2], redshifts, plain.target_sigma)
    unlimited = replace(half, confident=dict.fromkeys(redshifts, NO_THRESHOLD))
    half = replace(half, confident=fit_reliance(answer(rows, redshifts, unlimited)))
    result = {
        "weights": runner.loaded.name, "sha256": runner.loaded.sha256, "seed": options.seed, "n": len(rows),
        "templates": "analytic" if options.data is None else "public", "calibration": half.to_dict(), "fit": fit,
        "before": score(answer(rows[1::2], redshifts, plain)), "after": score(answer(rows[1::2], redshifts, half)),
    }  # fmt: skip
    print(json.dumps(result["calibration"], indent=1))
    for title in ("before", "after"):
        report(title, result[title])
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
