# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the stellar head: labels of stars from lines, on labelled stars as its windows show them."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from astro_spectok.heads import StellarConfig, StellarHead
from astro_spectok.heads.line_windows import WINDOWS
from astro_spectok.heads.stellar_loss import stellar_loss
from astro_spectok.simulate import Randomness, RestGrid
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.stellar_sets import read_stars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.stellar.hull import StellarHull
from astro_spectok.training.stellar_lines import draw_windows
from astro_spectok.utils.atomic import replace_file

__all__ = [
    "choose_left_out",
    "describe_labels",
    "read_library",
    "train_head",
    "train_stellar_head",
]

BATCH, RATE, DECAY, WARMUP, CLIP = 64, 2e-3, 0.05, 50, 1.0
#: steps until it is said how far it has got
REPORTED = 200


class Schedule(NamedTuple):
    """Part of the training of a network.

    Attributes
    ----------
    steps : int
        Batches, over those asked for.
    rate : float
        Peak of the learning rate, over the usual one.
    options : dict
        Of `~astro_spectok.training.stellar_lines.draw_windows`.
    """

    steps: int = 1
    rate: float = 1.0
    options: Mapping[str, Any] = MappingProxyType({})


#: schedules of the networks of each window, in order. Stars of the H band do not repeat, residuals of air and sky are
#: small there, and below a resolving power of 1000 there are no velocities; those of sharp spectra are good
_SHARP = {"faults": 0.1, "least_resolution": 1000.0}
SCHEDULES = (
    (Schedule(),),
    (Schedule(),),
    (Schedule(12, 1.0, _SHARP), Schedule(3, 0.25, _SHARP | {"blur": 0.3})),
)
SPLIT_SEED, LEFT_OUT = 5, 0.25
#: vacuum Angstrom at rest, and resolving powers, that labels are learnt from
WAVELENGTH, RESOLUTION = tuple((window.low, window.high) for window in WINDOWS), (100.0, 30000.0)


def train_stellar_head(network, data, *, steps, seed, leave_out=False, device="cpu", report=None, keep=None):
    """A new stellar head, trained on labelled stars.

    Stars are drawn in their rest frame, broadened, given noise and a wrong calibration
    (`astro_spectok.training.stellar_lines`), which takes a tenth of the time of whole simulated observations: real
    stars of MILES for the networks that read the optical windows, the APOGEE emulator for the one that reads the H
    band, whose labels are not measured where the emulator is absent.

    Parameters
    ----------
    network : `~astro_spectok.network.NetworkConfig`
        Of the network that it is for, with ``dct_coefficients``.
    data : path-like
        Directory of the public template sets, with ``miles_real_stars``.
    steps : int
        Batches for each network of the optical windows; that of the H band, whose stars do not repeat, gets fifteen
        times as many.
    seed : int
    leave_out : bool, optional
        Leave out a quarter of the stars of MILES, by star, and the H band: with such a head is measured how far off new
        stars are.
    device : str or `torch.device`, optional
        Where the networks learn.
    report : callable, optional
        Called with texts that report progress.
    keep : path-like, optional
        Directory for the networks that are done: a run that was cut short goes on after the last of them, with the same
        result.

    Returns
    -------
    `~astro_spectok.heads.StellarHead`
        With its domain: what its labels hold for.
    """
    store = TemplateStore(data)
    optical = GridStars(store, without=choose_left_out(len(read_library(store).kind)) if leave_out else None)
    infrared = ApogeeStars(store) if ApogeeStars.usable(store) and not leave_out else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = StellarHead(StellarConfig(), network).to(device)
    train_head(head, [optical, optical, infrared], steps, seed, report=report, keep=keep)
    windows = len(WAVELENGTH) - (infrared is None)
    head.domain = describe_labels(optical, seed=seed, windows=windows).to_dict()["domain"]
    return head.cpu()


def train_head(head, families, steps, seed, *, report=None, keep=None):
    """Train the networks of a stellar head one after the other, each on stars of its own; returns the head.

    Parameters
    ----------
    head : `~astro_spectok.heads.StellarHead`
    families : list
        What draws labelled stars for each window; None leaves its networks as they are.
    steps : int
        Batches for each network, times the ``steps`` of the schedule of its window.
    seed : int
    report : callable, optional
        Given a text every 200 steps.
    keep : path-like, optional
        As for `train_stellar_head`.
    """
    head.train()
    for number, members in enumerate(head.members):
        for k, member in enumerate(members):
            if families[number] is not None:
                path = None if keep is None else Path(keep) / f"window-{number}-network-{k}.safetensors"
                if path is not None and path.is_file():
                    member.load_state_dict(load_file(path))
                    continue
                # of a network's own: a run that is gone on with forgets the same in training
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(int(np.random.SeedSequence([seed, number, k]).generate_state(1)[0]))
                    for part, schedule in enumerate(SCHEDULES[number]):
                        own = [seed + part, number, k]
                        name = f"window {number}, network {k}"
                        train_member(head, member, number, families[number], steps, schedule, own, report, name)
                if path is not None:
                    _keep_member(member, path)
    return head.eval()


def _keep_member(member, path):
    """Write a network that is done, whole or not at all."""
    with replace_file(path) as temporary:
        save_file({key: value.detach().cpu().contiguous() for key, value in member.state_dict().items()}, temporary)


def train_member(head, member, number, family, steps, schedule, seed, report, name):
    """Train one network of a window by a schedule."""
    measured = list(head.measured[number])
    reader, names = head.readers[number], [head.names[i] for i in measured]
    spread, centre = head.spread[measured], head.centre[measured]
    device = spread.device
    optimizer = torch.optim.AdamW(member.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    total, steps, rate = 0.0, schedule.steps * steps, schedule.rate * RATE
    for step in range(steps):
        for values in optimizer.param_groups:
            values["lr"] = rate * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        random = Randomness([*seed, step])
        [shown], found = draw_windows(family, BATCH, random, [reader], **schedule.options)
        labels = (torch.stack([found[label] for label in names], 1).to(device) - centre) / spread
        with torch.autocast(device.type, torch.bfloat16):
            mean, tril = member(*(x.to(device) for x in shown))
        loss = stellar_loss(mean, tril, labels, torch.ones_like(spread))[0].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(member.parameters(), CLIP)
        optimizer.step()
        total += loss.item()
        if report and (step + 1) % REPORTED == 0:
            report(f"{name}, step {step + 1} of {steps}: loss {total / REPORTED:.3f}")
            total = 0.0


def read_library(store):
    """The stars of MILES on the grid that they are stored on."""
    return read_stars(store, GridStars.needs, RestGrid(math.log(3552.0), 1e-4, round(math.log(7395.0 / 3552.0) / 1e-4)))


def choose_left_out(n):
    """Mask of the stars of MILES, n in the order of reading, that are left out for validation."""
    return np.random.default_rng(SPLIT_SEED).random(n) < LEFT_OUT


def describe_labels(family, *, seed, windows=3, n=4000):
    """Domain of labels trained with a family of stars in the first windows: `StellarTraining`."""
    objects = family.draw(n, Randomness([seed, n]))
    hull = StellarHull.from_labels(*(objects.labels[name].numpy() for name in ("teff", "logg", "fe_h")))
    return StellarTraining.begin(hull=hull, wavelength=WAVELENGTH[:windows], resolution=RESOLUTION)
