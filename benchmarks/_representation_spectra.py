# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra, weights and features for the benchmark of the representation."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _real_sets import to_inputs
from _test_sets import load_set
from safetensors import safe_open

from astro_spectok.engine import Runner
from astro_spectok.heads import ModelConfig, build_model
from astro_spectok.spectra import to_batch
from astro_spectok.training.checkpoint import read_configs
from astro_spectok.weights import write_network

__all__ = [
    "effective_rank",
    "encode_spectra",
    "make_untrained",
    "node_features",
    "open_runner",
    "read_spectra",
    "resample_common",
    "spectrum",
    "unit_rows",
]

#: sets in air; all others are in vacuum
IN_AIR = {"miles_real_stars", "cflib_real_stars", "vandels_real", "sixdf_real", "galah_real"}
#: prefix of the tensors of the network in a checkpoint
PREFIX = "network."
#: wavelengths around which learned values are averaged, evenly spaced in ln(wavelength)
N_NODES = 24


def open_runner(weights):
    """A `Runner` of weights by name or path; of a training checkpoint, the network in it."""
    path = None if weights is None else Path(weights)
    if path is None or not path.is_file():
        return Runner(weights, "cpu", precision="float32")
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        if not any(name.startswith(PREFIX) for name in names):
            return Runner(path, "cpu", precision="float32")
        tensors = {name.removeprefix(PREFIX): file.get_tensor(name) for name in names if name.startswith(PREFIX)}
    network = build_model(ModelConfig.from_dict(read_configs(path)["network"]))
    network.load_state_dict(tensors)
    return _open_network(network)


def make_untrained(runner, seed=0):
    """A `Runner` of random weights of the sizes of another one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _open_network(build_model(ModelConfig.from_network(runner.network)))


def _open_network(network):
    with tempfile.TemporaryDirectory() as folder:
        return Runner(write_network(Path(folder) / "network.safetensors", network), "cpu", precision="float32")


def read_spectra(directory, name, *, rows=None, limit=None, seed=7):
    """Spectra of a set as a `~astro_spectok.spectra.SpectrumBatch` in vacuum, and its columns for the same rows.

    Rows that cannot be used are left out; ``limit`` of the others are taken at random, in order.
    """
    spectra, columns = load_set(directory / f"{name}.npz")
    rows = np.arange(len(spectra)) if rows is None else np.flatnonzero(rows(columns)) if callable(rows) else rows
    if limit is not None and len(rows) > limit:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:limit])
    medium = "air" if name in IN_AIR else "vacuum"
    batch = to_batch(to_inputs([spectra[i] for i in rows]), medium=medium, on_error="flag")
    usable = np.flatnonzero(batch.lengths > 0)
    if len(usable) < len(rows):
        rows = rows[usable]
        batch = to_batch(to_inputs([spectra[i] for i in rows]), medium=medium, on_error="flag")
    return batch, {key: values[rows] for key, values in columns.items()}


def spectrum(batch, i):
    """Wavelength, flux and ivar of one spectrum of a batch."""
    return batch.wavelength[batch.grid(i)], batch.flux[batch.pixels(i)], batch.ivar[batch.pixels(i)]


def encode_spectra(runner, batch, *, ivar=None):
    """The `~astro_spectok.engine.EncodedSpectrum` of each spectrum, with other inverse variances where given.

    None for a spectrum in which no pixel is left.
    """
    if ivar is not None:
        batch = replace(batch, ivar=ivar.astype(np.float32))
    out = [None] * len(batch)
    for i, encoded in runner.encode(batch, progress=False):
        out[i] = encoded
    return out


def common_range(batch, *, reach=10):
    """ln(wavelength) between which all but ``reach`` per cent of the spectra of a batch are known."""
    ends = np.array([_find_ends(*spectrum(batch, i)) for i in range(len(batch))])
    return np.percentile(ends[:, 0], 100 - reach), np.percentile(ends[:, 1], reach)


def _find_ends(wavelength, flux, ivar):
    good = np.flatnonzero(ivar > 0)
    return np.log(wavelength[[good[0], good[-1]]]) if len(good) else (-np.inf, np.inf)


def resample_common(batch, low, high, number):
    """Flux of each spectrum over its median on ``number`` pixels between two ln(wavelength): (n, number) float32.

    Averages over pixels, weighted by inverse variance; what is bad or not covered is interpolated.
    """
    edges = np.linspace(low, high, number + 1)
    centre = (edges[1:] + edges[:-1]) / 2
    out = np.empty((len(batch), number), np.float32)
    for i in range(len(batch)):
        wavelength, flux, ivar = spectrum(batch, i)
        good = ivar > 0
        x, flux = np.log(wavelength[good]), flux[good].astype(float)
        place = np.digitize(x, edges) - 1
        inside = (place >= 0) & (place < number)
        count = np.bincount(place[inside], minlength=number)
        total = np.bincount(place[inside], weights=flux[inside], minlength=number)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        known = np.isfinite(mean)
        if known.sum() > number // 2:
            values = np.interp(centre, centre[known], mean[known])
        else:  # wider pixels than those of the common grid
            values = np.interp(centre, x, flux)
        scale = np.median(np.abs(values))
        out[i] = np.clip(values / (scale if scale > 0 else 1), -20, 50)
    return out


def node_features(encoded, config, low, high, *, number=N_NODES):
    """Learned values of tokens averaged around wavelengths between two ln(wavelength): (n, number * values)."""
    nodes = np.linspace(low, high, number)
    width = 0.5 * (nodes[1] - nodes[0])
    rows = []
    for one in encoded:
        learned = one.values[one.good, 2 : config.width]
        weight = np.exp(-0.5 * ((one.geometry[one.good, 0] - nodes[:, None]) / width) ** 2) + 1e-12
        rows.append((weight / weight.sum(1, keepdims=True) @ learned).ravel())
    return np.array(rows, np.float32)


def effective_rank(values):
    """Exponential of the entropy of the shares of variance of the principal components."""
    share = np.linalg.svd((values - values.mean(0)).astype(float), compute_uv=False) ** 2
    if not share.any():
        return 0.0  # no spectrum says anything
    share = share[share > 1e-12 * share.sum()] / share.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def unit_rows(values):
    """Rows over their length."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
