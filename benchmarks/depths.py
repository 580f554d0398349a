# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the deeper ways of learning from labels of one's own gain over the linear one, and what each costs.

    python benchmarks/depths.py --data DIR [--weights NAME|PATH] [--only TASK ...] [--labels N ...] [--depths DEPTH ...]
                                [--seeds N] [--limit N] [--cost N] [--json FILE]

Tasks, splits by object and scores are those of ``benchmarks/few_labels.py``. Each depth of ``astro_spectok.adapt`` is
fitted to the same labels, beside ridge regression on principal components (``PCA-20``, ``PCA-50``) and on the flux, and
a small convolutional network from scratch (``CNN``). A row has the score of each draw of the labels, the gain that a
depth has chosen for itself, seconds of one core for the fit without the reading of spectra, which depths share, and the
share of labels within one error.

``--cost N``: N of the training spectra of the first task are read and fitted by each depth in a process of its own:
seconds of one core, in which the fit, the reading and the imports are, for the prediction of as many, and the memory
that the process had at most.
"""

import argparse
import json
import multiprocessing
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _few_labels_tasks import FEW_TASKS, choose_rows
from _representation_probes import _fit_network, _score, fit_ridge
from _representation_spectra import open_runner
from _task_sides import prepare_sides, read_side

from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor, SpectrumSet
from astro_spectok.adapt.deep import DEPTHS
from astro_spectok.exceptions import SpectokWarning

#: spectra of a few hundred pixels, so that all fits take minutes of one core
TASKS = ("subtype (SpeX)", "phase (SN)", "ln(1 + z) (VANDELS)")
BASELINES = ("PCA-20", "PCA-50", "flux", "CNN")


def fit_depth(depth, weights, spectra, y, others, true):
    """Predictions (n, k) for other spectra, seconds of the fit, gain, and the share within one error."""
    regress = y.dtype.kind != "U"
    make = SpectrumRegressor if regress else SpectrumClassifier
    options = {} if regress else {"class_weight": "balanced"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        start = time.process_time()
        model = make(weights, "cpu", adapt=depth, **options).fit(spectra, y, progress=False)
        seconds = time.process_time() - start
        gain = None if model.deep_ is None else model.deep_.gain
        if not regress:
            return model.predict_proba(others), seconds, gain, None
        found, error = model.predict(others, return_std=True)
    return found[:, None], seconds, gain, float(np.mean(np.abs(found - true) < error))


def measure(data, tasks, weights, *, numbers, depths, seeds, limit):
    """Rows by task and number of labels."""
    rows = []
    for few in tasks:
        task = few.task
        columns, spectra, features = prepare_sides(task, data, limit)
        labels = [task.read(one) for one in columns]
        known = [(y != "") if y.dtype.kind == "U" else np.isfinite(y) for y in labels]
        for number in numbers:
            row = {"task": task.name, "asked": number, "scores": {}, "gain": {}, "fit_s": {}, "within": {}}
            for seed in range(seeds):
                chosen, scored = choose_rows(few, columns, known, number, seed)
                y, true = labels[0][chosen], labels[1][scored]
                names = np.unique(y) if y.dtype.kind == "U" else None
                targets = y[:, None] if names is None else (y[:, None] == names).astype(float)
                found = {name: fit_ridge(x[chosen], targets)(more[scored]) for name, (x, more) in features.items()}
                x, more = features["flux"]
                found["CNN"] = _fit_network(x[chosen], targets, seed)(more[scored])
                if not seed:  # read once, before anything is timed
                    fit_depth("linear", weights, spectra[0][chosen], y, spectra[1][scored], true)
                for depth in depths:
                    found[depth], *told = fit_depth(depth, weights, spectra[0][chosen], y, spectra[1][scored], true)
                    for key, value in zip(("fit_s", "gain", "within"), told, strict=True):
                        row[key].setdefault(depth, []).append(value)
                for name, predicted in found.items():
                    figure = float(_score(true, predicted, names, scatter=task.scatter))
                    row["scores"].setdefault(name, []).append(figure)
            row |= {"labels": len(chosen), "n_test": len(scored)}
            row["score"] = "accuracy" if names is not None else "scatter" if task.scatter else "R2"
            rows.append(row)
            cells = [f"{name} {np.mean(x):.3f}±{np.std(x):.3f}" for name, x in row["scores"].items()]
            more = [f"{name} {np.median(x):.0f} s, gain {x2}" for (name, x), x2 in zip(row["fit_s"].items(),
                    row["gain"].values(), strict=True)]  # fmt: skip
            print(
                f"{task.name} [{row['score']}, {len(chosen)} labels, {len(scored)}]",
                *cells,
                *more,
                sep="  ",
                flush=True,
            )
    return rows


def measure_cost(depth, weights, data, task, n):
    """What one depth needs for ``n`` spectra, measured in this process."""
    torch.set_num_threads(1)
    batch, columns = read_side(task.train, data, None)
    y = task.read(columns)
    known = np.flatnonzero((y != "") if y.dtype.kind == "U" else np.isfinite(y))[:n]
    part, y = batch.take(known), y[known]
    make = SpectrumClassifier if y.dtype.kind == "U" else SpectrumRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        start = time.process_time()
        model = make(weights, "cpu", adapt=depth).fit(SpectrumSet(part), y, progress=False)
        fitted = time.process_time()
        model.predict(SpectrumSet(part))
    return {
        "depth": depth, "n": len(known), "pixels": float(np.median(part.lengths)), "fit_s": fitted - start,
        "predict_s": time.process_time() - fitted, "gain": None if model.deep_ is None else model.deep_.gain,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def compare(rows, depths):
    """For each depth on how many rows it is better than the linear one, the same, and worse; mean and worst gain."""
    out = {}
    for depth in depths:
        gains = [
            (-1 if row["score"] == "scatter" else 1)
            * (np.mean(row["scores"][depth]) - np.mean(row["scores"]["linear"]))
            for row in rows
        ]
        out[depth] = [int(sum(g > 1e-9 for g in gains)), int(sum(abs(g) <= 1e-9 for g in gains)),
                      int(sum(g < -1e-9 for g in gains)), float(np.mean(gains)), float(min(gains))]  # fmt: skip
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory that holds train and test")
    parser.add_argument("--weights", help="name or path (default: the packaged set)")
    parser.add_argument("--only", nargs="+", default=TASKS, metavar="TASK", help="tasks whose names hold one of these")
    parser.add_argument("--labels", nargs="+", type=int, default=[30, 100, 0], metavar="N", help="0 for all")
    parser.add_argument("--depths", nargs="+", default=list(DEPTHS), metavar="DEPTH")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--limit", type=int, metavar="N", help="most spectra of a set")
    parser.add_argument("--cost", type=int, default=300, metavar="N", help="spectra for time and memory; 0 for none")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaded = open_runner(options.weights).loaded
    print(f"{loaded.name} ({loaded.sha256[:12]})", flush=True)
    tasks = [few for few in FEW_TASKS if any(text in few.task.name for text in options.only)]
    numbers, depths = [n or None for n in options.labels], ["linear", *(d for d in options.depths if d != "linear")]
    rows = measure(
        options.data, tasks, loaded.path, numbers=numbers, depths=depths, seeds=options.seeds, limit=options.limit
    )
    for depth, (more, same, less, mean, worst) in compare(rows, depths[1:]).items():
        print(
            f"{depth}: better than linear on {more}, the same on {same}, worse on {less}; "
            f"mean gain {mean:.3f}, the least {worst:.3f}"
        )
    content = {"weights": loaded.name, "sha256": loaded.sha256, "seeds": options.seeds, "limit": options.limit}
    content |= {"rows": rows, "cost": []}
    for depth in depths if options.cost else ():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cost = pool.apply(measure_cost, (depth, loaded.path, options.data, tasks[0].task, options.cost))
        content["cost"].append(cost)
        print({key: round(x, 1) if isinstance(x, float) else x for key, x in cost.items()}, flush=True)
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
