# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a linear read-out learns from a few labelled spectra: tokens, embeddings and plain flux side by side."""

import re
from dataclasses import dataclass

import numpy as np
import torch
from _draws import compare_draws
from _representation_spectra import common_range, encode_spectra, node_features, read_spectra, resample_common
from _types import read_types
from torch import nn

from astro_spectok.spectra import SpectrumBatch

__all__ = ["TASKS", "Task", "fit_ridge", "measure_few_shot"]

#: ridge penalties tried, over the largest singular value squared of the features
PENALTIES = 10.0 ** np.arange(-7, 1.01, 0.5)
N_COMPONENTS = 50
N_GRID = 1024
#: rounds of the convolutional network from scratch, and its batch
CNN_STEPS, CNN_BATCH = 200, 32


def _read_letter(columns):
    return np.array([(re.match(r"[MLT]", t) or [""])[0] for t in columns["sptype"].astype(str)])


def _read_supernova(columns):
    return np.where(columns["subclass"] == "Others", "", columns["subclass"])


def _read_class(columns):
    return np.where(np.isin(columns["cls"], ("GALAXY", "QSO", "STAR")), columns["cls"], "")


def _read_mk(columns):
    types = read_types(columns, np.arange(len(columns["cls"])))
    return np.where(np.isin(types, list("AFGKM")), types, "")


def _read_label(name):
    def read(columns):
        values = columns[name].astype(float)
        teff = columns["teff"].astype(float)
        # temperatures as log10; where hot stars are few, a squared error would be about them alone
        values = np.where((teff > 3500) & (teff < 9000), values, np.nan)
        return np.log10(values) if name == "teff" else values

    return read


def _read_redshift(columns):
    return np.log1p(columns["z"].astype(float))


@dataclass(frozen=True)
class Task:
    """Something to be read off spectra, and where the labels come from.

    Attributes
    ----------
    name : str
    train, test : tuple of str
        Sets, ``train/...`` or ``test/...``; where both are the same the objects are split in two halves.
    read : callable
        Columns to labels (n,): text, '' for unknown, or numbers, NaN for unknown.
    group : str
        Column that identifies spectra of the same object, if any.
    scatter : bool
        Numbers on another scale than those learned from: scored by the scatter of their errors, in place of R2.
    """

    name: str
    train: tuple
    test: tuple
    read: object
    group: str = ""
    scatter: bool = False


_SDSS = ("test/sdss_boss_real", "test/sdss_more_real")
_MILES, _CFLIB = "miles_real_stars", ("train/cflib_real_stars",)
_VALUES = (("teff", "log Teff"), ("logg", "log g"), ("feh", "[Fe/H]"))
TASKS = (
    Task("M, L, T (SpeX)", ("train/splat_spex_real",), ("test/splat_spex_real",), _read_letter),
    Task("SN type", ("train/sn_superfit_real",), ("test/sn_superfit_real",), _read_supernova),
    Task("MK type (LAMOST)", ("test/lamost_real",), ("test/lamost_real",), _read_mk, "object"),
    *(Task(f"{said} (MILES)", (f"train/{_MILES}",), (f"test/{_MILES}",), _read_label(key)) for key, said in _VALUES),
    *(Task(f"{said} (CFLIB)", _CFLIB, _CFLIB, _read_label(key), "object") for key, said in _VALUES),
    *(Task(f"{said} (MILES to LAMOST)", (f"train/{_MILES}",), ("test/lamost_real",), _read_label(key), scatter=True)
      for key, said in _VALUES),
    Task("class (SDSS)", _SDSS, _SDSS, _read_class, "group"),
    Task("class (SDSS to DESI)", _SDSS, ("test/desi_andes_real",), _read_class),
    Task("ln(1 + z) (VANDELS)", ("test/vandels_real",), ("test/vandels_real",), _read_redshift),
)  # fmt: skip


def fit_ridge(features, targets):
    """A linear map of features to targets (n, k): its penalty is the one with the least leave-one-out error.

    Returns
    -------
    callable
        Features (m, d) to predictions (m, k).
    """
    mean, centre = features.mean(0), targets.mean(0)
    u, size, v = np.linalg.svd(features - mean, full_matrices=False)
    kept = size > 1e-6 * size[0]
    u, size, v = u[:, kept], size[kept], v[kept]
    inner, rest = u.T @ (targets - centre), targets - centre
    best = None
    for penalty in PENALTIES * size[0] ** 2:
        # not as differences: of more features than labels next to nothing is divided by next to nothing
        taken = penalty / (size**2 + penalty)
        left = u @ (taken[:, None] * inner) + (rest - u @ inner)
        left /= (u**2 @ taken + (1 - 1 / len(u) - (u**2).sum(1)).clip(0)).clip(1e-12)[:, None]
        error = float((left**2).sum())
        if best is None or error < best[0]:
            best = error, penalty
    weights = v.T @ ((size / (size**2 + best[1]))[:, None] * inner)
    return lambda more: (more - mean) @ weights + centre


class _Network(nn.Module):
    """A small convolutional network on flux, trained from scratch."""

    def __init__(self, n_out):
        super().__init__()
        layers, width = [], 1
        for wide in (16, 32, 64):
            layers += [nn.Conv1d(width, wide, 9, stride=3, padding=4), nn.BatchNorm1d(wide), nn.GELU()]
            width = wide
        self.layers, self.out = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(8), nn.Flatten()), nn.Linear(512, n_out)

    def forward(self, x):
        return self.out(self.layers(x[:, None]))


def _fit_network(features, targets, seed):
    """The same as `fit_ridge` by a `_Network`, with least squares."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y = torch.as_tensor(features, dtype=torch.float32), torch.as_tensor(targets, dtype=torch.float32)
        centre, scale = y.mean(0), y.std(0) + 1e-6
        network = _Network(y.shape[1]).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, CNN_STEPS)
        for _ in range(CNN_STEPS):
            rows = torch.randint(len(x), (min(CNN_BATCH, len(x)),))
            loss = ((network(x[rows]) - (y[rows] - centre) / scale) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        network.eval()

    def predict(more):
        with torch.inference_mode():
            return (network(torch.as_tensor(more, dtype=torch.float32)) * scale + centre).numpy()

    return predict


def _score(labels, predicted, names, *, scatter=False):
    """Balanced accuracy of classes; of numbers R2, clipped at -1, or 1.48 times the median absolute deviation."""
    if scatter:
        error = predicted[:, 0] - labels
        return 1.4826 * np.median(np.abs(error - np.median(error)))
    if names is None:
        return max(1 - np.sum((labels - predicted[:, 0]) ** 2) / np.sum((labels - labels.mean()) ** 2), -1.0)
    found = names[predicted.argmax(1)]
    return np.mean([np.mean(found[labels == name] == name) for name in np.unique(labels)])


def _make_features(task, runners, train, test, cnn):
    """Features of the training and the test spectra by name, those of flux first."""
    batches = train, test
    both = SpectrumBatch.concatenate([train, test])
    low, high = common_range(both)
    flux = [resample_common(batch, low, high, N_GRID) for batch in batches]
    # the components may see all spectra of the training set: they need no labels
    mean = flux[0].mean(0)
    vectors = np.linalg.svd(flux[0] - mean, full_matrices=False)[2][:N_COMPONENTS]
    features = {"flux": flux, "PCA": [(x - mean) @ vectors.T for x in flux]}
    if cnn:
        features["CNN"] = flux
    for name, runner in runners.items():
        encoded = [encode_spectra(runner, batch) for batch in batches]
        features[name] = [node_features(x, runner.network.config, low, high) for x in encoded]
        if name == "tokens":
            features["embed"] = [np.array([one.embedding for one in x]) for x in encoded]
    return features


def measure_few_shot(runners, data, *, numbers, seeds, tasks=TASKS, limit=None, cnn=True):
    """Scores of linear read-outs by task, number of labels and features.

    Parameters
    ----------
    runners : dict of str to `~astro_spectok.engine.Runner`
        ``tokens``, the weights that are measured, and others to compare with.
    data : path-like
        Directory with ``train`` and ``test``.
    numbers : sequence of int or None
        Labels; None for all.
    seeds : int
        Draws of the labels that are averaged; their scatter is the error.
    limit : int, optional
        Most spectra of each set.

    Returns
    -------
    list of dict
        ``task``, ``score`` (what it is: ``accuracy``, balanced; ``R2``; or ``scatter``, of which less is better),
        ``labels``, ``asked`` (None for all), ``n_test`` and, by features, its mean and scatter over the seeds;
        ``ahead`` and ``behind``, whether the tokens measured are ahead of all other features but ``embed``, or behind
        one, by more than the standard error of the mean difference (`compare_draws`).
    """
    results, made = [], {}
    for task in tasks:
        paths = {*task.train, *task.test}
        if not all((data / f"{path}.npz").is_file() for path in paths):
            continue
        key = task.train, task.test
        if key not in made:
            made[key] = _prepare(task, runners, data, limit, cnn)
        columns, features = made[key]
        labels = [task.read(c) for c in columns]
        known = [(y != "") if y.dtype.kind == "U" else np.isfinite(y) for y in labels]
        for number in numbers:
            scores = {name: [] for name in features}
            for seed in range(seeds):
                chosen, scored = _split(task, columns, known, number, seed)
                names = np.unique(labels[0][chosen]) if labels[0].dtype.kind == "U" else None
                if names is None:
                    targets = labels[0][chosen][:, None]
                else:
                    targets = (labels[0][chosen][:, None] == names).astype(float)
                for name, (x, more) in features.items():
                    fit = fit_ridge(x[chosen], targets) if name != "CNN" else _fit_network(x[chosen], targets, seed)
                    scores[name].append(_score(labels[1][scored], fit(more[scored]), names, scatter=task.scatter))
            kind = "accuracy" if names is not None else "scatter" if task.scatter else "R2"
            row = {"task": task.name, "score": kind, "labels": number or len(chosen), "n_test": len(scored)}
            rivals = [name for name in scores if name not in ("tokens", "embed")]
            ahead, behind = compare_draws(row | scores, "tokens", rivals)["error"]
            row |= {"asked": number, "ahead": ahead, "behind": behind}
            results.append(row | {k: (float(np.mean(v)), float(np.std(v))) for k, v in scores.items()})
    return results


def _prepare(task, runners, data, limit, cnn):
    def read(paths):
        parts = [read_spectra(data / path.split("/")[0], path.split("/")[1], limit=limit) for path in paths]
        shared = set.intersection(*(set(columns) for _, columns in parts))
        batch = SpectrumBatch.concatenate([b for b, _ in parts])
        return batch, {key: np.concatenate([columns[key] for _, columns in parts]) for key in shared}

    (train, train_columns), (test, test_columns) = read(task.train), read(task.test)
    return (train_columns, test_columns), _make_features(task, runners, train, test, cnn)


def _split(task, columns, known, number, seed):
    """Rows that are learned from, and rows that are scored, no object in both."""
    rng = np.random.default_rng([seed, 5])
    candidates, scored = (np.flatnonzero(k) for k in known)
    if task.train == task.test:
        objects = columns[0].get(task.group, np.arange(len(known[0])))
        first = set(rng.permutation(np.unique(objects))[: len(np.unique(objects)) // 2].tolist())
        half = np.array([x in first for x in objects.tolist()])
        candidates, scored = candidates[half[candidates]], scored[~half[scored]]
    return rng.permutation(candidates)[:number], scored
