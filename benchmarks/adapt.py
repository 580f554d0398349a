# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What estimators for labels of one's own learn from few spectra, beside the baselines, in the same run.

    python benchmarks/adapt.py --data DIR [--weights NAME|PATH] [--labels N ...] [--only TASK ...] [--cnn N ...]
                               [--depths linear ...] [--limit N] [--seeds N] [--json FILE]

Tasks, splits by object and scores are those of ``benchmarks/representation.py``. The rows: ``adapt`` of each depth;
``PCA-20``, ``PCA-50`` and ``flux``, ridge regression on principal components (of all training spectra) and on the flux
itself; ``CNN``, a small convolutional network from scratch; ``untrained``, the same reading as that of tokens, of a
network of the same sizes with random weights. A mean over draws of the labels, with its scatter; at the end on how many
tasks a depth beats every baseline, and what fit and prediction cost on one core.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _representation_probes import TASKS, _fit_network, _score, _split, fit_ridge
from _representation_spectra import make_untrained, open_runner
from _task_sides import prepare_sides

from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor
from astro_spectok.exceptions import SpectokWarning

NUMBERS = (10, 30, 100, None)
BASELINES = ("PCA-20", "PCA-50", "flux", "CNN", "untrained")


def fit_adapted(spectra, labels, chosen, scored, names, weights, depth):
    """Predictions of an adapted estimator for the scored spectra, (n, k), and seconds of fit and prediction."""
    y, start = labels[0][chosen], time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        if names is None:
            model = SpectrumRegressor(weights, "cpu", adapt=depth).fit(spectra[0][chosen], y, progress=False)
            fitted = time.process_time()
            found, error = model.predict(spectra[1][scored], return_std=True)
            pull = (found - labels[1][scored]) / error
            return found[:, None], fitted - start, time.process_time() - fitted, float(np.mean(np.abs(pull) < 1))
        model = SpectrumClassifier(weights, "cpu", adapt=depth, class_weight="balanced")
        model.fit(spectra[0][chosen], y, progress=False)
        fitted = time.process_time()
        found = model.predict_proba(spectra[1][scored])
    return found, fitted - start, time.process_time() - fitted, float("nan")


def measure(runner, data, *, tasks, numbers, seeds, limit, cnn, depths, weights):
    """Rows of scores by task and number of labels."""
    rows, made, untrained = [], {}, make_untrained(runner)
    for task in tasks:
        key = task.train, task.test
        if not all((data / f"{path}.npz").is_file() for side in key for path in side):
            continue
        if key not in made:
            made = {key: prepare_sides(task, data, limit, untrained)}  # those of one task at a time
        columns, spectra, features = made[key]
        labels = [task.read(c) for c in columns]
        known = [(y != "") if y.dtype.kind == "U" else np.isfinite(y) for y in labels]
        for number in numbers:
            scores = {name: [] for name in (*(f"adapt {depth}" for depth in depths), *features)}
            times, within = [], []
            for seed in range(seeds):
                chosen, scored = _split(task, columns, known, number, seed)
                names = np.unique(labels[0][chosen]) if labels[0].dtype.kind == "U" else None
                targets = labels[0][chosen][:, None]
                targets = targets if names is None else (targets == names).astype(float)
                found = {}
                for depth in depths:
                    predicted, *cost, share = fit_adapted(spectra, labels, chosen, scored, names, weights, depth)
                    found[f"adapt {depth}"] = predicted
                    times.append(cost)
                    within.append(share)
                for name, (x, more) in features.items():
                    found[name] = fit_ridge(x[chosen], targets)(more[scored])
                if number in cnn:
                    x, more = features["flux"]
                    found["CNN"] = _fit_network(x[chosen], targets, seed)(more[scored])
                for name, predicted in found.items():
                    figure = _score(labels[1][scored], predicted, names, scatter=task.scatter)
                    scores.setdefault(name, []).append(figure)
            kind = "accuracy" if names is not None else "scatter" if task.scatter else "R2"
            row = {"task": task.name, "score": kind, "labels": number or len(chosen), "n_test": len(scored)}
            row |= {name: (float(np.mean(v)), float(np.std(v))) for name, v in scores.items()}
            row |= {"within": float(np.mean(within)), "fit_s": float(np.median([t[0] for t in times]))}
            rows.append(row)
            print_row(row)
    return rows


def print_row(row):
    """One row as it comes."""
    cells = [f"{name} {v[0]:.3f}±{v[1]:.3f}" for name, v in row.items() if isinstance(v, tuple)]
    more = f"within one error {row['within']:.2f}" if np.isfinite(row["within"]) else ""
    print(
        f"{row['task']} [{row['score']}, {row['labels']} labels, {row['n_test']}]", *cells, more, sep="  ", flush=True
    )


def count_wins(rows, depths):
    """By number of labels, on how many tasks the best depth is better than every baseline."""
    out = {}
    for row in rows:
        sign = -1 if row["score"] == "scatter" else 1
        best = max(sign * row[f"adapt {depth}"][0] for depth in depths)
        rival = max(sign * row[name][0] for name in BASELINES if name in row)
        number = row["labels"] if row["labels"] in NUMBERS else "all"
        won, tasks = out.get(number, (0, 0))
        out[number] = won + (best > rival), tasks + 1
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory that holds train and test")
    parser.add_argument("--weights", help="name or path (default: the packaged set)")
    parser.add_argument("--labels", nargs="+", type=int, default=[10, 30, 100, 0], metavar="N", help="0 for all")
    parser.add_argument("--only", nargs="+", metavar="TASK", help="tasks whose names hold one of these")
    parser.add_argument("--cnn", nargs="*", type=int, default=[30], metavar="N", help="labels the CNN is trained with")
    parser.add_argument("--depths", nargs="+", default=["linear"], metavar="DEPTH")
    parser.add_argument("--limit", type=int, metavar="N", help="most spectra of a set")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runner = open_runner(options.weights)
    print(f"{runner.loaded.name} ({runner.loaded.sha256[:12]})", flush=True)
    tasks = [t for t in TASKS if not options.only or any(text in t.name for text in options.only)]
    rows = measure(
        runner, options.data, tasks=tasks, numbers=[n or None for n in options.labels], seeds=options.seeds,
        limit=options.limit, cnn=options.cnn, depths=options.depths, weights=runner.loaded.path,
    )  # fmt: skip
    for number, (won, count) in count_wins(rows, options.depths).items():
        print(f"{number} labels: better than every baseline on {won} of {count} tasks")
    if options.json:
        content = {"weights": runner.loaded.name, "sha256": runner.loaded.sha256, "rows": rows}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
