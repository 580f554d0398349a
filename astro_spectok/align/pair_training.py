# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Both sides of an alignment, and the loop that trains them."""

import math
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.heads.photometry_tower import TokenProjection, contrast_views

__all__ = ["KEEP_EVERY", "Pair", "begin_pair", "train_pair"]

#: rise of the learning rate in steps, and part of it that is left at the end; limits of the temperature
WARM, LAST, COLDEST, WARMEST = 50, 0.02, 0.01, 1.0
#: decay of parameters; file of a run that was cut short; how often it is written, in steps
DECAY, CHECKPOINT, KEEP_EVERY = 0.02, "checkpoint.pt", 100
#: numbers that each query gathers
VALUES = 24


class Pair(nn.Module):
    """Both sides: spectra as features, and the tower with a projection, unless it gives the vectors themselves."""

    def __init__(self, tower, widths, size, queries, hidden, values=VALUES):
        super().__init__()
        token_width, redshift_size, tower_size = widths
        sizes = {"queries": queries, "values": values, "hidden": hidden}
        self.spectrum = TokenProjection(token_width, redshift_size, size, **sizes)
        self.tower = tower
        self.project = nn.Sequential(nn.Linear(tower_size, hidden), nn.GELU(), nn.Linear(hidden, size))
        if getattr(tower, "is_projected", False):
            self.project = nn.Identity()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.07)))

    def embed_samples(self, samples):
        return F.normalize(self.project(self.tower(samples).float()), dim=1)


def begin_pair(tower, features, settings):
    """Both sides before anything is learned.

    Parameters
    ----------
    tower : `torch.nn.Module`
        Its attribute ``begins``, where it has one, is what the side of the spectra begins with.
    features : `~astro_spectok.align.features.SpectrumFeatures`
        Whose moments are taken out, if nothing is given.
    settings : dict
        ``tower_size``, ``size``, ``queries``, ``hidden`` and ``seed``.

    Returns
    -------
    Pair

    Raises
    ------
    ValueError
        What the tower begins with has other sizes.
    """
    arrays = features.arrays
    widths = arrays["nodes"].shape[1], arrays["redshift"].shape[1], settings["tower_size"]
    begins = getattr(tower, "begins", None)
    values = VALUES if begins is None else len(begins["values.bias"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings["seed"])
        pair = Pair(tower, widths, settings["size"], settings["queries"], settings["hidden"], values)
    if begins is not None:
        try:
            pair.spectrum.load_state_dict(begins)
        except RuntimeError as error:
            msg = (
                "tower must be one that begins with the head of the same weights, and size, queries and hidden those "
                f"of the head; got {settings['size']}, {settings['queries']} and {settings['hidden']}"
            )
            raise ValueError(msg) from error
        return pair
    mean, spread = features.find_moments()
    pair.spectrum.mean.copy_(torch.from_numpy(mean))
    pair.spectrum.spread.copy_(torch.from_numpy(spread))
    return pair


def train_pair(pair, features, samples, batches, groups, settings, *, folder=None, watch=None, report=None):
    """Train both sides, from a checkpoint on where there is one.

    Parameters
    ----------
    pair : `Pair`
        Changed in place.
    features : `~astro_spectok.align.features.SpectrumFeatures`
    samples : `~astro_spectok.align.inputs.Samples`
    batches : `~astro_spectok.align.batches.SimilarBatches`
    groups : ndarray of int, shape (n,)
        Number of the object of each row.
    settings : dict
        ``seed``, ``steps``, ``rate``, ``batch`` and whatever else a checkpoint must agree in.
    folder : path-like, optional
    watch : callable, optional
        Gives figures of pairs that train nothing.
    report : callable, optional
        Is given a text now and then.

    Returns
    -------
    list of dict
        What was measured on the way.
    """
    optimizer = torch.optim.AdamW(pair.parameters(), lr=settings["rate"], weight_decay=DECAY)
    path = None if folder is None else Path(folder) / CHECKPOINT
    start, history = _resume(path, pair, optimizer, settings)
    steps = settings["steps"]
    pair.train()
    for step in range(start, steps):
        rng = np.random.default_rng([settings["seed"], step])  # so that a run that goes on is the same
        course = LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = settings["rate"] * min(1, (step + 1) / WARM) * course
        rows = batches.draw(settings["batch"], rng)
        temperature = pair.log_temperature.clamp(math.log(COLDEST), math.log(WARMEST)).exp()
        with torch.random.fork_rng(devices=[]):  # towers may draw
            torch.manual_seed(int(rng.integers(2**31)))
            first = pair.spectrum(*features.take(rows, rng))
            second = pair.embed_samples(samples.take(rows))
        loss, right = contrast_views(first, second, temperature, torch.from_numpy(groups[rows]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % KEEP_EVERY and step + 1 < steps:
            continue
        row = {"step": step + 1, "loss": float(loss.detach()), "temperature": float(temperature.detach())}
        pair.eval()
        history.append(row | {"nearest": right} | (watch() if watch else {}))
        pair.train()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            state = {"step": step + 1, "pair": pair.state_dict(), "optimizer": optimizer.state_dict()}
            partial = path.with_suffix(".part")
            torch.save(state | {"history": history, "settings": settings}, partial)
            partial.replace(path)
        if report:
            report(", ".join(f"{name} {value:.3g}" for name, value in history[-1].items()))
    pair.eval()
    return history


def _resume(path, pair, optimizer, settings):
    """First step that is yet to be done, and what was measured before."""
    if path is None or not path.is_file():
        return 0, []
    state = torch.load(path, weights_only=True)
    if state["settings"] != settings:
        msg = (
            f"folder must be empty or hold a run of the same settings; {os.fspath(path)} has {state['settings']}; give "
            "another folder"
        )
        raise ValueError(msg)
    pair.load_state_dict(state["pair"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["history"]
