# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Correct the errors of the stellar labels of a set of weights on simulated stars that trained nothing.

    python benchmarks/calibrate_stellar.py --data DIR [--weights NAME|PATH] [-n N] [--json FILE]
                                           [--write FILE [--overwrite]]

``--data`` is the directory of the public template sets. Half of the N stars fit a scale and a floor for the error of
each label, so that pulls are as wide at every signal-to-noise ratio; the other half shows what they are worth.
``--write`` writes the weights again with these and with the hull of the labels drawn in their metadata
(`astro_spectok.results.stellar_training.StellarTraining`), where `StellarParameterEstimator` finds them; their sha256
changes with it. Run it after ``calibrate.py``: velocities are those of the calibrated posterior.
"""

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from _real_sets import to_inputs
from _rewrite import rewrite_weights
from _simulated import to_spectra
from astropy.stats import mad_std

from astro_spectok.engine import Runner
from astro_spectok.estimators.stellar import require_stellar_head
from astro_spectok.estimators.stellar_velocity import find_velocity
from astro_spectok.results import Calibration, RedshiftPosterior
from astro_spectok.results.calibration import measure_pixel
from astro_spectok.results.redshift_grid import RedshiftGrid
from astro_spectok.results.stellar_hull import StellarHull
from astro_spectok.results.stellar_training import STELLAR_KEY, StellarTraining
from astro_spectok.simulate.stellar_survey import StellarSurvey
from astro_spectok.spectra import to_batch
from astro_spectok.weights import load_weights

#: far from the seeds of any training and of the benchmarks
SEED = 5501
CHUNK = 100
SNR_EDGES = (5, 10, 20, 50, 100, 300)
#: fewest stars whose pulls are measured
LEAST = 20
#: floors that are tried, over the median error: a larger one would hide how well the best spectra tell a label
FLOORS = (0.0, *np.geomspace(0.05, 0.5, 20))


def draw_measured(runner, data, n, seed):
    """Labels as found and as drawn, of simulated stars.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    data : path-like
    n : int
    seed : int

    Returns
    -------
    dict of str to ndarray
        ``snr`` (n,), and by label ``found``, ``sigma`` and ``truth``: dict of str to ndarray (n,), the last NaN where
        unknown.
    """
    survey, head = StellarSurvey(data), runner.network.stellar_head
    calibration = Calibration.from_metadata(runner.loaded.metadata)
    names, rows = tuple(head.names), []
    for number, start in enumerate(range(0, n, CHUNK)):
        for group in survey.draw(min(CHUNK, n - start), [seed, number]):
            batch = to_batch(to_inputs(to_spectra(group.observations[0])), medium="vacuum", on_error="flag")
            velocity = measure_velocities(runner, batch, calibration)
            labels = group.objects.labels
            for i, mean, covariance in runner.measure_stellar(batch, velocity, progress=False):
                truth = [float(labels[name][i]) if name in labels else np.nan for name in names]
                rows.append((float(group.snr[0][i]), mean, np.sqrt(np.diag(covariance)), truth))
    snr, *parts = (np.array(x) for x in zip(*rows, strict=True))
    parts = [dict(zip(names, part.T, strict=True)) for part in parts]
    return {"snr": snr} | dict(zip(("found", "sigma", "truth"), parts, strict=True))


def measure_velocities(runner, batch, calibration):
    """ln(1 + rv / c) of each star as the estimator finds it, (n,); NaN where it cannot be measured."""
    out = np.full(len(batch), np.nan)
    for i, measured in runner.measure(batch, progress=False, labels=False, embedding=False):
        pixel = measure_pixel(batch.wavelength[batch.grid(i)])
        grid = RedshiftGrid.from_redshifts(measured.redshifts)
        posterior = RedshiftPosterior(grid, calibration.apply(measured.log_probability, pixel))
        out[i] = find_velocity(posterior, calibration, batch, i).ln_doppler
    return out


def fit_errors(difference, sigma, snr):
    """Scale and floor of the errors of one label, under which pulls are one wide at every signal-to-noise ratio.

    Parameters
    ----------
    difference, sigma, snr : ndarray, shape (n,)
        Found less true, its error, and the signal-to-noise ratio.

    Returns
    -------
    scale, floor : float
    """
    bins = np.digitize(snr, SNR_EDGES)
    parts = [bins == k for k in np.unique(bins) if np.count_nonzero(bins == k) >= LEAST] or [bins >= 0]
    typical, best = np.median(sigma), None
    for share in FLOORS:
        pull = difference / np.hypot(sigma, share * typical)
        widths = np.log([mad_std(pull[part]) for part in parts])
        loss = np.var(widths)
        if best is None or loss < best[0]:
            best = loss, float(np.exp(widths.mean())), float(share * typical)
    return best[1:]


def fit_training(stars, known):
    """`StellarTraining` with errors and hull fitted to stars.

    Parameters
    ----------
    stars : dict
        As of `draw_measured`.
    known : `~astro_spectok.results.stellar_training.StellarTraining`
        What stays as it is.

    Returns
    -------
    StellarTraining
    """
    scale, floor = {}, {}
    for name, truth in stars["truth"].items():
        told = np.isfinite(truth)
        if np.count_nonzero(told) >= LEAST:
            difference = (stars["found"][name] - truth)[told]
            scale[name], floor[name] = fit_errors(difference, stars["sigma"][name][told], stars["snr"][told])
    hull = StellarHull.from_labels(*(stars["truth"][name] for name in ("teff", "logg", "fe_h")))
    return replace(known, hull=hull, error_scale=scale, error_floor=floor)


def score(stars, training):
    """Pulls by label and signal-to-noise ratio: rows of ``label, snr_low, snr_high, n, width, scatter``."""
    out = []
    for name, truth in stars["truth"].items():
        sigma = np.hypot(stars["sigma"][name], training.error_floor.get(name, 0.0))
        difference = stars["found"][name] - truth
        pull = difference / (sigma * training.error_scale.get(name, 1.0))
        for low, high in itertools.pairwise(SNR_EDGES):
            own = np.isfinite(truth) & (stars["snr"] >= low) & (stars["snr"] < high)
            if np.count_nonzero(own) >= LEAST:
                row = {"label": name, "snr_low": low, "snr_high": high, "n": int(own.sum())}
                out.append(row | {"width": float(mad_std(pull[own])), "scatter": float(mad_std(difference[own]))})
    return out


def main(argv=None):
    """Fit, show, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="directory of the public template sets")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-n", type=int, default=3000, help="stars, half to fit and half to show (default: 3000)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--write", metavar="FILE", help="weights with the correction")
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args(argv)
    runner = Runner(options.weights, options.device)
    require_stellar_head(runner)
    stars = draw_measured(runner, options.data, options.n, options.seed)
    # neighbours are of one family: every other one, so that both halves have all of them
    halves = [
        {"snr": stars["snr"][k::2]}
        | {part: {name: x[k::2] for name, x in stars[part].items()} for part in ("found", "sigma", "truth")}
        for k in (0, 1)
    ]
    training = fit_training(halves[0], StellarTraining.from_metadata(runner.loaded.metadata))
    result = {
        "weights": runner.loaded.name, "sha256": runner.loaded.sha256, "n": len(stars["snr"]), "seed": options.seed,
        "stellar": training.to_dict(), "before": score(halves[1], StellarTraining()),
        "after": score(halves[1], training),
    }  # fmt: skip
    for title in ("before", "after"):
        print(f"\n{title}\n  label       S/N          n   scatter   width of pulls")
        for row in result[title]:
            snr = f"{row['snr_low']:5.0f}-{row['snr_high']:5.0f}"
            print(f"  {row['label']:10s} {snr} {row['n']:5d} {row['scatter']:9.4f} {row['width']:9.2f}")
    print({"scale": training.error_scale, "floor": training.error_floor})
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    if options.write:
        source = load_weights(options.weights).path
        values = {STELLAR_KEY: training.to_dict()}
        print(f"\nweights: {rewrite_weights(source, options.write, values, overwrite=options.overwrite)}")


if __name__ == "__main__":
    main()
