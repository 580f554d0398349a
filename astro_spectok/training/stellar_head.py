# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the stellar head: labels of stars from lines, on labelled stars as its windows show them."""

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from astro_spectok.engine import choose_dtype
from astro_spectok.heads import StellarConfig, StellarHead
from astro_spectok.heads.line_windows import WINDOWS
from astro_spectok.heads.stellar_loss import stellar_loss
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_library import choose_left_out, read_library
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.white_dwarfs import WhiteDwarfs
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.stellar.hull import StellarHull
from astro_spectok.training.rates import cosine_rate
from astro_spectok.training.stellar_lines import draw_windows
from astro_spectok.training.stellar_pool import draw_pool
from astro_spectok.utils.atomic import replace_file

__all__ = ["describe_labels", "train_head", "train_stellar_head"]

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
    dropout : float, optional
        Share of the features that a network forgets; that of the network if not given.
    """

    steps: float = 1
    rate: float = 1.0
    options: Mapping[str, Any] = MappingProxyType({})
    dropout: float | None = None


#: schedules of each group of networks, in order. Stars of the H band do not repeat, residuals of air and sky are
#: small there, and below a resolving power of 1000 there are no velocities; those of sharp spectra are good. What the
#: errors of a network say holds for what it forgot when it learnt them: the last course forgets nothing
_SHARP = {"faults": 0.1, "least_resolution": 1000.0}
SCHEDULES = (
    (Schedule(),),
    (Schedule(),),
    (
        Schedule(12, 1.0, _SHARP),
        Schedule(3, 0.25, _SHARP | {"blur": 0.3}),
        Schedule(1.2, 0.25, _SHARP | {"blur": 0.3}, dropout=0.0),
    ),
)
#: groups of networks whose stars are drawn once for all of them: the group whose stars those are, and how often a
#: network sees one of these
POOLED, SEEN = {0: 0, 1: 0}, {0: 1.5}
#: schedule of networks of the optical windows that go on, as `Schedule`, and the groups that do
REFINED, OPTICAL = Schedule(1, 0.5, dropout=0.05), (0, 1)
#: share of white dwarfs among the stars of the optical windows: what they are like, errors should say
WHITE = 0.047
#: vacuum Angstrom at rest, and resolving powers, that labels are learnt from
WAVELENGTH, RESOLUTION = tuple((window.low, window.high) for window in WINDOWS), (100.0, 30000.0)


def train_stellar_head(
    network, data, *, steps, seed, go_on=False, refine=False, leave_out=False, infrared=True, start=None, device="cpu",
    report=None, keep=None,
):  # fmt: skip
    """A new stellar head, trained on labelled stars.

    Stars are drawn in their rest frame, broadened, given noise and a wrong calibration
    (`astro_spectok.training.stellar_lines`), which takes a tenth of the time of whole simulated observations: real
    stars of MILES and CFLIB, and white dwarfs, for the networks that read the optical windows, the APOGEE emulator for
    the one that reads the H band, whose labels are not measured where the emulator is absent.

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
    go_on : bool, optional
        Whether the H band goes on from the head of ``start``, with its last course alone.
    refine : bool, optional
        Whether the networks of the optical windows go on from the head of ``start``, at half the rate, and all others
        stay as they are there: for more stars than it has seen.
    leave_out : bool, optional
        Leave out a fifth of the stars of MILES and CFLIB, by star: with such a head is measured how far off new stars
        are. With ``refine``, of those that MILES has not.
    infrared : bool, optional
        Whether the H band is learnt where there are stars for it.
    start : `~astro_spectok.heads.StellarHead`, optional
        Needed for ``go_on`` and ``refine``.
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
    library = read_library(store)
    without = choose_left_out(library.names, library.member if refine else None) if leave_out else None
    optical = GridStars(store, without=without)
    if refine:
        head = _refine_head(start, optical, steps, seed, device, report=report, keep=keep)
        return head.cpu()
    white = WhiteDwarfs(store) if WhiteDwarfs.usable(store) else None
    emulated = ApogeeStars(store) if infrared and ApogeeStars.usable(store) else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = StellarHead(StellarConfig(), network).to(device)
    parts = [(1.0, optical)] if white is None else [(1 - WHITE, optical), (WHITE, white)]
    families = [
        parts,
        parts,
        None if emulated is None else [(1.0, emulated)],
    ]
    train_head(head, families, steps, seed, start={2: start} if go_on else None, report=report, keep=keep)
    windows = len(WAVELENGTH) - (emulated is None)
    head.domain = describe_labels(optical, seed=seed, windows=windows).to_dict()["domain"]
    return head.cpu()


def _refine_head(start, optical, steps, seed, device, **options):
    """The head with its networks of the optical windows trained further; its domain stays."""
    with torch.random.fork_rng(devices=[]):
        head = type(start)(start.config, start.network_config)
    head.load_state_dict(start.state_dict())
    head = head.float().to(device)
    for name in ("domain", "calibration", "rules"):
        setattr(head, name, copy.deepcopy(getattr(start, name)))
    families = [[(1.0, optical)] if number in OPTICAL else None for number in range(len(head.members))]
    return train_head(head, families, steps, seed, start=dict.fromkeys(OPTICAL, start), refine=True, **options)


def train_head(head, families, steps, seed, *, start=None, refine=False, report=None, keep=None):
    """Train the networks of a stellar head one after the other; returns the head.

    Those of the optical windows see the same stars, each in an order of its own: to draw a batch takes twice as long as
    to learn from it.

    Parameters
    ----------
    head : `~astro_spectok.heads.StellarHead`
    families : list of list of (float, family)
        For each group of networks what draws labelled stars, and the share of each; None leaves them as they are.
        Groups that see the same stars, as `POOLED` says, see those of the first.
    steps : int
        Batches for each network, times the ``steps`` of the schedule of its group.
    seed : int
    start : dict of int to `~astro_spectok.heads.StellarHead`, optional
        Groups whose networks go on from those of a head, with the last course of their schedule.
    refine : bool, optional
        Whether the schedule is that of networks which go on.
    report : callable, optional
        Given a text every 200 steps.
    keep : path-like, optional
        As for `train_stellar_head`.
    """
    head.train()
    pools, start = {}, start or {}
    for number, members in enumerate(head.members):
        for k, member in enumerate(members):
            if families[number] is not None:
                path = None if keep is None else Path(keep) / f"window-{number}-network-{k}.safetensors"
                if path is not None and path.is_file():
                    member.load_state_dict(load_file(path))
                    continue
                first = POOLED.get(number)
                if first is not None and first not in pools:
                    pools[first] = _draw_pool(head, first, families, steps, seed, report, keep)
                courses = list(enumerate((REFINED,) if refine else SCHEDULES[number]))
                if number in start:
                    member.load_state_dict(start[number].members[number][k].state_dict())
                    courses = courses[-1:]
                # of a network's own: a run that is gone on with forgets the same in training
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(int(np.random.SeedSequence([seed, number, k]).generate_state(1)[0]))
                    for part, schedule in courses:
                        own = [seed + part, number, k]
                        views = _list_views(head, number, families[number], pools.get(first), schedule, own)
                        train_member(
                            head, member, number, views, steps, schedule, report, f"window {number}, network {k}"
                        )
                if path is not None:
                    _keep_member(member, path)
    return head.eval()


def _keep_member(member, path):
    """Write a network that is done, whole or not at all."""
    with replace_file(path) as temporary:
        save_file({key: value.detach().cpu().contiguous() for key, value in member.state_dict().items()}, temporary)


def _list_windows(head, first):
    """Numbers of the windows of the groups that see the stars of one of them."""
    return [head.windows[number] for number, other in POOLED.items() if other == first and number < len(head.windows)]


def _draw_pool(head, first, families, steps, seed, report, keep):
    """The `~astro_spectok.training.stellar_pool.StarPool` of the groups that see the stars of one of them."""
    readers = [head.readers[window] for window in _list_windows(head, first)]
    n = max(1, round(steps / SEEN[first])) * BATCH
    keep = None if keep is None else Path(keep) / f"pool-{first}.safetensors"
    return draw_pool(families[first], n, seed, readers, head.names, report=report, keep=keep)


def _list_views(head, number, parts, pool, schedule, seed):
    """Contrast, coverage and labels of one batch after the other, without end."""
    if pool is not None:
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        place = _list_windows(head, POOLED[number]).index(head.windows[number])
        for rows in pool.order(place, BATCH, generator):
            yield pool.take(place, rows)
    [(_, family)] = parts
    reader, unknown = head.readers[head.windows[number]], torch.full((BATCH,), torch.nan)
    for step in itertools.count():
        [shown], found = draw_windows(family, BATCH, Randomness([*seed, step]), [reader], **schedule.options)
        yield *shown, torch.stack([found.get(name, unknown.to(shown[0])) for name in head.names], 1)


def train_member(head, member, number, views, steps, schedule, report, name):
    """Train one network of a window by one course of a schedule, on views as of `_list_views`."""
    measured = list(head.measured[number])
    spread, centre = head.spread[measured], head.centre[measured]
    device = spread.device
    dtype = choose_dtype(device, training=True)
    optimizer = torch.optim.AdamW(member.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    total, steps, rate = 0.0, round(schedule.steps * steps), schedule.rate * RATE
    usual = member.dropout.p
    member.dropout.p = usual if schedule.dropout is None else schedule.dropout
    for step in range(steps):
        for values in optimizer.param_groups:
            values["lr"] = cosine_rate(rate, step, steps, WARMUP)
        *shown, labels = next(views)
        labels = (labels[:, measured].to(device) - centre) / spread
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
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
    member.dropout.p = usual


def describe_labels(family, *, seed, windows=3, n=4000):
    """Domain of labels trained with a family of stars in the first windows: `StellarTraining`."""
    objects = family.draw(n, Randomness([seed, n]))
    hull = StellarHull.from_labels(*(objects.labels[name].numpy() for name in ("teff", "logg", "fe_h")))
    return StellarTraining.begin(hull=hull, wavelength=WAVELENGTH[:windows], resolution=RESOLUTION)
