# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a small network pretrained on sequences of any axis is worth, beside what is usual for them, in the same run.

    python benchmarks/sequences.py [--only SET ...] [--networks N] [--seeds N] [--steps N] [--json FILE] [--keep DIR]

The sets are in wheels: ``fermentation``, infrared spectra with glucose (chemotools; 21 of calibration, 34 of a
fermentation with HPLC; its spectra are seen in pretraining without their values), ``vowels``, twelve cepstral
coefficients of unlike length by nine speakers (aeon: JapaneseVowels), laid end to end, ``gestures``, accelerations of
unlike length (aeon: PickupGestureWiimoteZ), and ``elnino``, 24 to 48 months of sea-surface temperature, a fifth of them
missing, with that three months later (statsmodels). Sets and methods whose packages are not installed are left out.

The rows: the linear depth of `SpectrumClassifier` or `SpectrumRegressor` on weights of ``spectok pretrain --axis``, in
``--networks`` runs, and on ``--seeds`` networks of the same sizes with random weights; of both also without the values
themselves, which are one of its blocks (``no values``), and the values alone (``values``); then, on values resampled to
one grid, PCA-20 with ridge or logistic regression, PLS (its components by cross-validation), MiniRocket in ``--seeds``
runs; and the nearest neighbour under DTW. Accuracy, or the root of the mean squared error; mean and scatter over runs.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _sequence_sets import SETS

from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.network import build_network
from astro_spectok.spectra.sequences import measure_axis
from astro_spectok.training.sequences import make_sequence_config, pretrain_sequences
from astro_spectok.weights import write_network

#: components of PLS that are tried
MOST_COMPONENTS = 12
#: blocks of the linear depth without the values themselves
LEARNED = ("tokens", "embedding", "levels")


def score(one, predicted):
    """Accuracy of classes, root of the mean squared error of numbers."""
    if one.classes:
        return float(np.mean(np.asarray(predicted) == one.test_y))
    return float(np.sqrt(np.mean((np.asarray(predicted, float).ravel() - one.test_y) ** 2)))


def read_linear(one, weights, blocks=None):
    """Score of the linear depth on weights."""
    kind = SpectrumClassifier if one.classes else SpectrumRegressor
    model = kind(weights=str(weights), device="cpu", blocks=blocks).fit(one.train, one.train_y, progress=False)
    return score(one, model.predict(one.test))


def make_untrained(one, out, seed):
    """Weights of the same sizes with random numbers."""
    axis, length = measure_axis(one.unlabelled, one.axis)
    torch.manual_seed(seed)
    network = build_network(make_sequence_config(axis, length, name=f"untrained-{seed}"))
    return write_network(out / f"untrained-{seed}.safetensors", network, half=True, overwrite=True)


def measure_networks(one, out, options):
    """Scores of pretrained and untrained networks, by row, and seconds of processor time of a pretraining run."""
    rows, seconds = {}, []

    def add(name, value):
        rows.setdefault(name, []).append(value)

    for seed in range(options.networks):
        begun, name = time.process_time(), f"{one.name}-{seed}"
        settings = {"steps": options.steps, "batch_tokens": options.batch_tokens, "seed": seed}
        weights = out / f"run-{seed}" / f"{name}.safetensors"
        if not weights.exists():  # those that were kept
            weights = pretrain_sequences(
                one.unlabelled, weights.parent, one.axis, name=name, settings=settings, device="cpu"
            )
            seconds.append(time.process_time() - begun)
        add("network", read_linear(one, weights))
        add("network, no values", read_linear(one, weights, LEARNED))
        if seed == 0:
            add("values", read_linear(one, weights, "flux"))
    for seed in range(options.seeds):
        weights = make_untrained(one, out, seed)
        add("untrained", read_linear(one, weights))
        add("untrained, no values", read_linear(one, weights, LEARNED))
    return rows, float(np.mean(seconds)) if seconds else None


def measure_rivals(one, seeds):
    """Scores of what is usual, by row; those whose packages are there."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = (x.reshape(len(x), -1) for x in one.grids)
    least = min(20, len(train) - 1, train.shape[1])
    last = LogisticRegressionCV(cv=3, max_iter=2000) if one.classes else RidgeCV(np.logspace(-3, 4, 22))
    pca = make_pipeline(PCA(least), StandardScaler(), last).fit(train, one.train_y)
    rows = {"PCA-20": [score(one, pca.predict(test))]}
    most = min(MOST_COMPONENTS, len(train) * 4 // 5 - 1, train.shape[1])
    target = (one.train_y[:, None] == np.unique(one.train_y)).astype(float) if one.classes else one.train_y
    search = GridSearchCV(
        PLSRegression(scale=False), {"n_components": range(1, most + 1)}, cv=KFold(5, shuffle=True, random_state=0),
        scoring="neg_mean_squared_error",
    ).fit(train, target)  # fmt: skip
    found = search.predict(test)
    rows["PLS"] = [score(one, np.unique(one.train_y)[found.argmax(1)] if one.classes else found)]
    return rows | measure_aeon(one, seeds)


def measure_aeon(one, seeds):
    """Scores of MiniRocket and of the nearest neighbour under DTW, where aeon is installed."""
    try:
        from aeon.classification.convolution_based import MiniRocketClassifier
        from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier
        from aeon.regression.convolution_based import MiniRocketRegressor
        from aeon.regression.distance_based import KNeighborsTimeSeriesRegressor
    except ImportError:
        return {}
    rocket = MiniRocketClassifier if one.classes else MiniRocketRegressor
    nearest = KNeighborsTimeSeriesClassifier if one.classes else KNeighborsTimeSeriesRegressor
    train, test = one.grids
    rows = {
        "MiniRocket": [
            score(one, rocket(random_state=seed).fit(train, one.train_y).predict(test)) for seed in range(seeds)
        ]
    }
    model = nearest(n_neighbors=1, distance="dtw", distance_params={"window": 0.1} if one.equal else None)
    rows["1-NN DTW"] = [score(one, model.fit(one.series[0], one.train_y).predict(one.series[1]))]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="SET", choices=list(SETS))
    parser.add_argument(
        "--networks", type=int, default=3, metavar="N", help="pretraining runs of each set (default: 3)"
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--steps", type=int, default=400, metavar="N", help="of pretraining")
    parser.add_argument("--batch-tokens", type=int, default=512, metavar="N", help="of pretraining")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--keep", type=Path, help="folder for the weights, which are taken from it where they are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", SpectokWarning)
    warnings.simplefilter("ignore", FutureWarning)  # of the packages compared with
    content = {"steps": options.steps, "batch_tokens": options.batch_tokens, "sets": {}}
    for name in options.only or SETS:
        try:
            one = SETS[name]()
        except ImportError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        rows = measure_rivals(one, options.seeds) | {"predicting the mean": [score(one, one.guess)]}
        with tempfile.TemporaryDirectory() as folder:
            own, seconds = measure_networks(one, Path(options.keep or folder) / name, options)
        best = "accuracy" if one.classes else f"error [{one.unit}]"
        print(f"\n{name}: {len(one.train)} and {len(one.test)}, {best}", flush=True)
        for row, values in (own | rows).items():
            print(f"  {row:22s} {np.mean(values):8.4f} +- {np.std(values):.4f} ({len(values)})", flush=True)
        content["sets"][name] = {
            "train": len(one.train), "test": len(one.test), "score": best, "pretraining_cpu_s": seconds,
            "rows": own | rows,
        }  # fmt: skip
        if options.json:
            options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
