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

What is measured is kept beside ``--json`` until all is done, as FILE.part: the same call goes on from there.
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
from _kept import Kept
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


def measure_draw(few, sides, weights, number, seed, depths):
    """Scores of all depths and baselines for one draw of the labels of a task."""
    task, (columns, spectra, features) = few.task, sides
    labels = [task.read(one) for one in columns]
    known = [(y != "") if y.dtype.kind == "U" else np.isfinite(y) for y in labels]
    chosen, scored = choose_rows(few, columns, known, number, seed)
    y, true = labels[0][chosen], labels[1][scored]
    names = np.unique(y) if y.dtype.kind == "U" else None
    targets = y[:, None] if names is None else (y[:, None] == names).astype(float)
    found = {name: fit_ridge(x[chosen], targets)(more[scored]) for name, (x, more) in features.items()}
    x, more = features["flux"]
    found["CNN"] = _fit_network(x[chosen], targets, seed)(more[scored])
    # read once, before anything is timed
    fit_depth("linear", weights, spectra[0][chosen], y, spectra[1][scored], true)
    draw = {"task": task.name, "asked": number, "seed": seed, "gain": {}, "fit_s": {}, "within": {}}
    for depth in depths:
        found[depth], *told = fit_depth(depth, weights, spectra[0][chosen], y, spectra[1][scored], true)
        for key, value in zip(("fit_s", "gain", "within"), told, strict=True):
            draw[key][depth] = value
    draw["scores"] = {k: float(_score(true, x, names, scatter=task.scatter)) for k, x in found.items()}
    kind = "accuracy" if names is not None else "scatter" if task.scatter else "R2"
    return draw | {"labels": len(chosen), "n_test": len(scored), "score": kind}


def measure(data, tasks, weights, *, numbers, depths, seeds, limit, kept):
    """Rows by task and number of labels; draws that a run before this one has kept are not measured again."""
    draws = {(d["task"], d["asked"], d["seed"]): d for d in kept.content.get("draws", [])}
    for few in tasks:
        sides = None
        for seed in range(seeds):
            for number in numbers:
                key = few.task.name, number, seed
                if key in draws:
                    continue
                sides = sides or prepare_sides(few.task, data, limit)
                draws[key] = measure_draw(few, sides, weights, number, seed, depths)
                kept.write(draws=list(draws.values()))
                print_draw(draws[key])
    wanted = [(few.task.name, number) for few in tasks for number in numbers]
    return [join_draws([draws[(*one, seed)] for seed in range(seeds)]) for one in wanted]


def join_draws(draws):
    """A row of draws of the same task and number of labels: lists of what each has, by depth."""
    row = {key: draws[0][key] for key in ("task", "asked", "labels", "n_test", "score")}
    for key in ("scores", "gain", "fit_s", "within"):
        row[key] = {name: [draw[key][name] for draw in draws] for name in draws[0][key]}
    return row


def print_draw(draw):
    """One draw as it comes."""
    cells = [f"{name} {x:.3f}" for name, x in draw["scores"].items()]
    more = [f"{name} {x:.0f} s, gain {draw['gain'][name]}" for name, x in draw["fit_s"].items()]
    what = f"{draw['task']} [{draw['score']}, {draw['labels']} labels, {draw['n_test']}, draw {draw['seed']}]"
    print(what, *cells, *more, sep="  ", flush=True)


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
    about = {"sha256": loaded.sha256, "limit": options.limit, "depths": depths, "cost": options.cost}
    kept = Kept(options.json, about)
    rows = measure(
        options.data, tasks, loaded.path, numbers=numbers, depths=depths, seeds=options.seeds, limit=options.limit,
        kept=kept,
    )  # fmt: skip
    for depth, (more, same, less, mean, worst) in compare(rows, depths[1:]).items():
        print(
            f"{depth}: better than linear on {more}, the same on {same}, worse on {less}; "
            f"mean gain {mean:.3f}, the least {worst:.3f}"
        )
    content = {"weights": loaded.name, "sha256": loaded.sha256, "seeds": options.seeds, "limit": options.limit}
    content |= {"rows": rows, "cost": kept.content.get("cost", [])}
    for depth in depths[len(content["cost"]) :] if options.cost else ():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cost = pool.apply(measure_cost, (depth, loaded.path, options.data, tasks[0].task, options.cost))
        content["cost"].append(cost)
        kept.write(cost=content["cost"])
        print({key: round(x, 1) if isinstance(x, float) else x for key, x in cost.items()}, flush=True)
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n")
        kept.remove()


if __name__ == "__main__":
    main()
