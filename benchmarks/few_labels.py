# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is learned from few labels with and without what the heads say, beside an untrained network and baselines.

    python benchmarks/few_labels.py --data DIR [--weights NAME|PATH] [--labels N ...] [--only TASK ...] [--cnn N ...]
                                    [--seeds N] [--keep DIR] [--json FILE] [--update]

Tasks and scores are those of ``benchmarks/representation.py``, with labels of LAMOST, subtypes of dwarfs and phases of
supernovae besides. The rows: ``linear``, the linear depth of ``astro_spectok.adapt``; ``no heads``, the same without
what the heads say; ``untrained``, the same of a network of the same sizes with random weights, which has no heads;
``PCA-20``, ``PCA-50``, ``flux``, ridge regression on principal components and on the flux itself; ``CNN``, a small
convolutional network from scratch. A mean over draws of the labels, and its scatter. A reading is ahead where its mean
difference from each rival, on the same draws, is larger than the standard error of that; how often it is larger than
the scatter of single draws is printed beside it. Components and maps are those that estimators fit; folds, on which
these calibrate errors and probabilities, are left out, so that all takes half an hour.

The packaged heads have learned from labels of MILES and CFLIB (labels of stars), of the SpeX library (types) and of
superfit (types and phases of supernovae). Of these sets objects that no head has seen are scored, but those with labels
are among those that heads have seen. Heads have seen no labels of LAMOST, VANDELS, and of the sets of SDSS and DESI;
and none gives subtypes.

``--keep`` names a folder for what networks make of each set, for another run. With ``--json`` finished tasks are kept
beside the file until all are: the same command goes on from there. With ``--update`` tasks that are not measured stay
in the file as they were; each row names the weights that it was measured with.
"""

import argparse
import json
import pickle
from pathlib import Path

import numpy as np
import torch
from _draws import count_ahead
from _few_labels_tasks import FEW_TASKS, choose_rows
from _kept import Kept
from _representation_probes import N_GRID, _fit_network, _score, fit_ridge
from _representation_spectra import common_range, make_untrained, open_runner, read_spectra, resample_common

from astro_spectok.adapt import SpectrumSet
from astro_spectok.adapt.features import BLOCKS, ERRORS, HEADS, FeatureGrid, make_blocks, read_set
from astro_spectok.adapt.heads_say import find_teaching, list_owners, list_spreads
from astro_spectok.adapt.reading import LinearReading, list_candidates
from astro_spectok.spectra import SpectrumBatch
from astro_spectok.weights.backbone import digest_backbone, digest_heads

#: share of the labels that are asked for below which a row would be one of fewer labels
LEAST_SHARE = 0.9
#: networks and blocks of the linear readings
READINGS = {
    "linear": ("weights", (*BLOCKS, HEADS)),
    "no heads": ("weights", BLOCKS),
    "untrained": ("untrained", BLOCKS),
}


def read_once(path, data, runner, folder, heads):
    """Batch, columns and readings of a set, as `~astro_spectok.adapt.features.read_set` gives them."""
    teaching = digest_heads(runner.network, find_teaching(runner.network) if heads else ())
    key = f"{digest_backbone(runner.network)[:8]}-{teaching[:8]}-{path.replace('/', '-')}"
    kept = None if folder is None else folder / f"{key}.pkl"
    if kept is not None and kept.is_file():
        return pickle.loads(kept.read_bytes())
    where, name = path.split("/")
    batch, columns = read_spectra(data / where, name)
    batch, readings, _, _ = read_set(SpectrumSet(batch), runner, "observed", heads=heads, progress=False)
    if kept is not None:
        kept.write_bytes(pickle.dumps((batch, columns, readings)))
    return batch, columns, readings


def join_sets(paths, data, runner, folder, heads):
    """The same of several sets, one after the other."""
    parts = [read_once(path, data, runner, folder, heads) for path in paths]
    shared = set.intersection(*(set(columns) for _, columns, _ in parts))
    columns = {key: np.concatenate([one[key] for _, one, _ in parts]) for key in shared}
    return (
        SpectrumBatch.concatenate([one for one, _, _ in parts]),
        columns,
        [one for *_, readings in parts for one in readings],
    )


def prepare(task, data, runners, folder):
    """Columns of both sides, features of the baselines, and blocks by the name of the network."""
    blocks = {}
    for name, runner in runners.items():
        heads = any(HEADS in wanted for network, wanted in READINGS.values() if network == name)
        sides = [join_sets(paths, data, runner, folder, heads) for paths in (task.train, task.test)]
        grid = FeatureGrid.of_batch(sides[0][0], "observed")
        blocks[name] = [make_blocks(batch, readings, grid, heads=heads)[0] for batch, _, readings in sides]
    batches = [batch for batch, _, _ in sides]
    low, high = common_range(SpectrumBatch.concatenate(batches))
    flux = [resample_common(batch, low, high, N_GRID) for batch in batches]
    mean = flux[0].mean(0)
    vectors = np.linalg.svd(flux[0] - mean, full_matrices=False)[2]
    features = {f"PCA-{k}": [(x - mean) @ vectors[:k].T for x in flux] for k in (20, 50)} | {"flux": flux}
    return [columns for _, columns, _ in sides], features, blocks


def fit_reading(blocks, names, chosen, scored, targets, balanced, about=()):
    """Predictions (n, k) of the linear depth for scored spectra; ``about`` are spreads and owners of what is said."""
    kept = [*names, *([ERRORS] if HEADS in names and ERRORS in blocks[0] else [])]
    sides = [{name: side[name][rows] for name in kept} for side, rows in zip(blocks, (chosen, scored), strict=True)]
    centre, scale, weights = targets.mean(0), targets.std(0), None
    if balanced:
        centre, scale, weights = 0.0, 1.0, (targets / targets.sum(0)).sum(1)
    reading = LinearReading.begin(None, sides[0], *(about if HEADS in names else ()))
    reading.add_map(
        np.arange(len(chosen)), (targets - centre) / scale, list_candidates(names), weights=weights,
        scale=None if balanced else float(scale[0]), folds=False,
    )  # fmt: skip
    return reading.predict(sides[1], reading.transform(sides[1]))[0][0] * scale + centre


def measure(runners, data, tasks, *, numbers, seeds, cnn, folder, kept):
    """Rows of scores, one for each draw, by task and number of labels; tasks that an earlier run kept are left."""
    rows = kept.content.get("rows", [])
    done, network = {row["task"] for row in rows}, runners["weights"].network
    about = list_spreads(network), list_owners(network)
    for few in tasks:
        task = few.task
        there = all((data / f"{path}.npz").is_file() for path in (*task.train, *task.test))
        if task.name in done or not there:
            continue
        columns, features, blocks = prepare(task, data, runners, folder)
        labels = [task.read(one) for one in columns]
        known = [(y != "") if y.dtype.kind == "U" else np.isfinite(y) for y in labels]
        for number in numbers:
            if number and len(choose_rows(few, columns, known, number, 0)[0]) < LEAST_SHARE * number:
                continue
            scores = {}
            for seed in range(seeds):
                chosen, scored = choose_rows(few, columns, known, number, seed)
                names = np.unique(labels[0][chosen]) if labels[0].dtype.kind == "U" else None
                targets = labels[0][chosen][:, None]
                targets = targets if names is None else (targets == names).astype(float)
                found = {
                    name: fit_reading(blocks[network], wanted, chosen, scored, targets, names is not None, about)
                    for name, (network, wanted) in READINGS.items()
                }
                found |= {name: fit_ridge(x[chosen], targets)(more[scored]) for name, (x, more) in features.items()}
                if number in cnn:
                    x, more = features["flux"]
                    found["CNN"] = _fit_network(x[chosen], targets, seed)(more[scored])
                for name, predicted in found.items():
                    figure = _score(labels[1][scored], predicted, names, scatter=task.scatter)
                    scores.setdefault(name, []).append(float(figure))
            kind = "accuracy" if names is not None else "scatter" if task.scatter else "R2"
            row = {"task": task.name, "known": few.known, "score": kind, "labels": len(chosen), "n_test": len(scored)}
            rows.append(row | {"asked": number, "sha256": runners["weights"].loaded.sha256} | scores)
            cells = [f"{name} {np.mean(x):.3f}±{np.std(x):.3f}" for name, x in scores.items()]
            print(f"{task.name} [{kind}, {len(chosen)} labels, {len(scored)}]", *cells, sep="  ", flush=True)
        kept.write(rows=rows)
    order = [few.task.name for few in tasks]
    return sorted((row for row in rows if row["task"] in order), key=lambda row: order.index(row["task"]))


def add_others(rows, before):
    """Rows of tasks, and those of other tasks that were measured before, all in the order of the tasks."""
    order, done = [few.task.name for few in FEW_TASKS], {row["task"] for row in rows}
    others = [{"sha256": before["sha256"]} | row for row in before["rows"] if row["task"] not in done]
    return sorted([*rows, *others], key=lambda row: (order.index(row["task"]), row["asked"] or np.inf))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory that holds train and test")
    parser.add_argument("--weights", help="name or path (default: the packaged set)")
    parser.add_argument("--labels", nargs="+", type=int, default=[10, 30, 100], metavar="N", help="0 for all")
    parser.add_argument("--only", nargs="+", metavar="TASK", help="tasks whose names hold one of these")
    parser.add_argument("--cnn", nargs="*", type=int, default=[30], metavar="N", help="labels the CNN is trained with")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for what networks make of the sets")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--update", action="store_true", help="keep other tasks that are in the file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runner = open_runner(options.weights)
    print(f"{runner.loaded.name} ({runner.loaded.sha256[:12]})", flush=True)
    tasks = [few for few in FEW_TASKS if not options.only or any(text in few.task.name for text in options.only)]
    numbers = [n or None for n in options.labels]
    about = {"sha256": runner.loaded.sha256, "labels": numbers, "seeds": options.seeds, "cnn": options.cnn}
    kept = Kept(options.json, about)
    rows = measure(
        {"weights": runner, "untrained": make_untrained(runner)}, options.data, tasks, numbers=numbers,
        seeds=options.seeds, cnn=options.cnn, folder=options.keep, kept=kept,
    )  # fmt: skip
    if options.update and options.json and options.json.is_file():
        rows = add_others(rows, json.loads(options.json.read_text()))
    counts = [row for name in ("linear", "no heads") for row in count_ahead(rows, name)]
    for row in counts:
        print(
            f"{row['reading']}, {row['asked'] or 'all'} labels, of {row['n']} tasks: by the error of the mean "
            f"difference ahead of all on {row['ahead']}, behind one on {row['behind']}; by the scatter of single draws "
            f"{row['ahead_each']} and {row['behind_each']}"
        )
    if options.json:
        content = {"weights": runner.loaded.name, "sha256": runner.loaded.sha256, "seeds": options.seeds, "rows": rows}
        content["counts"] = counts
        options.json.write_text(json.dumps(content, indent=1) + "\n")
        kept.remove()


if __name__ == "__main__":
    main()
