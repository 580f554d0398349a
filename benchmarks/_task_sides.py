# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Both sides of a task of few labels, and the features of the baselines."""

import numpy as np
from _representation_probes import N_GRID
from _representation_spectra import common_range, encode_spectra, node_features, read_spectra, resample_common

from astro_spectok.adapt import SpectrumSet
from astro_spectok.spectra import SpectrumBatch

__all__ = ["prepare_sides", "read_side"]


def read_side(paths, data, limit):
    """Spectra and columns of the sets of one side of a task."""
    parts = [read_spectra(data / path.split("/")[0], path.split("/")[1], limit=limit) for path in paths]
    shared = set.intersection(*(set(columns) for _, columns in parts))
    columns = {key: np.concatenate([columns[key] for _, columns in parts]) for key in shared}
    return SpectrumBatch.concatenate([batch for batch, _ in parts]), columns


def prepare_sides(task, data, limit, untrained=None):
    """Columns, spectra and features of the baselines for both sides of a task.

    Parameters
    ----------
    task : `~_representation_probes.Task`
    data : `~pathlib.Path`
    limit : int or None
        Most spectra of a set.
    untrained : `~astro_spectok.engine.Runner`, optional
        Of a network with random weights, whose tokens are a baseline as well.
    """
    train = read_side(task.train, data, limit)
    test = train if task.test == task.train else read_side(task.test, data, limit)
    batches = train[0], test[0]
    low, high = common_range(SpectrumBatch.concatenate(list(batches)))
    flux = [resample_common(batch, low, high, N_GRID) for batch in batches]
    mean = flux[0].mean(0)
    vectors = np.linalg.svd(flux[0] - mean, full_matrices=False)[2]
    features = {f"PCA-{k}": [(x - mean) @ vectors[:k].T for x in flux] for k in (20, 50)} | {"flux": flux}
    if untrained is not None:
        features["untrained"] = [
            node_features(encode_spectra(untrained, batch), untrained.network.config, low, high) for batch in batches
        ]
    first = SpectrumSet(train[0])
    return (train[1], test[1]), (first, first if test is train else SpectrumSet(test[0])), features
