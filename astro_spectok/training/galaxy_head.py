# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the head for galaxies: populations from simulated galaxies, and the components of their starlight."""

import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from astro_spectok.heads.galaxy import GalaxyConfig, GalaxyHead, population_loss
from astro_spectok.training.galaxy_pool import GalaxyViews, draw_views, make_stars
from astro_spectok.training.rates import cosine_rate

__all__ = ["SNR", "score_views", "train_galaxy_head", "train_populations"]

BATCH, RATE, DECAY, WARMUP, CLIP = 128, 2e-3, 0.05, 50, 1.0
#: signal-to-noise ratio per pixel of the galaxies that are learned from
SNR = (2.0, 120.0)
#: share of the galaxies that only say which course to keep; steps between two looks and reports
HELD, LOOK = 0.08, 200
#: how often, in training, the ends of a galaxy are hidden, and the least part that stays
CUT, LEAST_PART = 0.3, 0.4


def train_galaxy_head(data, *, galaxies, stars, epochs, seed, report=None, keep=None):
    """A new head for galaxies, without calibration.

    Parameters
    ----------
    data : path-like or None
        Directory of the public template sets; None for analytic templates, which are coarser.
    galaxies : int
        Simulated ones that populations are learned from.
    stars : int
        Simulated galaxies that the components of starlight are made of.
    epochs : float
        How often each of the former is seen.
    seed : int
    report : callable, optional
        Called with texts that report progress.
    keep : path-like, optional
        Folder for what was drawn, so that a run that was cut short need not draw it again.

    Returns
    -------
    `~astro_spectok.heads.galaxy.GalaxyHead`
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = GalaxyHead(GalaxyConfig()).eval()
        views = _draw_or_read(head, data, galaxies, seed, keep, report)
        train_populations(head, views, epochs, seed, report=report)
    components, sharp = make_stars(head.config, data, stars, seed, report=report)
    head.stars.copy_(torch.from_numpy(components.astype(np.float32)))
    head.domain = describe_domain(views, head) | {"stars_resolution": sharp}
    return head


def describe_domain(views, head):
    """What a head was trained on: ranges of its labels, wavelengths at rest and signal-to-noise ratios."""
    low, high = torch.quantile(views.labels, torch.tensor([0.005, 0.995]), 0)
    limits = {name: [float(low[k]), float(high[k])] for k, name in enumerate(head.config.names)}
    return {
        "labels": limits,
        "wavelength": [head.config.first, head.config.high],
        "snr": list(SNR),
        "galaxies": len(views),
    }


def _draw_or_read(head, data, n, seed, keep, report):
    """Views of galaxies, drawn or as a run before has left them."""
    path = None if keep is None else Path(keep) / f"galaxies-{seed}-{n}.safetensors"
    if path is not None and path.is_file():
        kept = load_file(path)
        return GalaxyViews([(kept["lines"], kept["broad"], kept["labels"])])
    views = draw_views(head, data, n, seed, snr=SNR, report=report)
    if path is not None:
        save_file({name: getattr(views, name).contiguous() for name in ("lines", "broad", "labels")}, path)
    return views


def train_populations(head, views, epochs, seed, *, report=None):
    """Train the network of a head; the course that does best on the galaxies left out is kept.

    Parameters
    ----------
    head : `~astro_spectok.heads.galaxy.GalaxyHead`
        Gets centre and spread of the labels.
    views : `~astro_spectok.training.galaxy_pool.GalaxyViews`
    epochs : float
    seed : int
        Of the order of the galaxies.
    report : callable, optional
    """
    n_held = max(1, round(HELD * len(views)))
    held, rest = views.take(torch.arange(n_held)), views.take(torch.arange(n_held, len(views)))
    head.centre.copy_(rest.labels.mean(0))
    head.spread.copy_(rest.labels.std(0).clamp_min(1e-3))
    labels = (rest.labels - head.centre) / head.spread
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    steps, generator, order, total = max(1, int(epochs * len(rest) / BATCH)), torch.Generator(), torch.empty(0), 0.0
    generator.manual_seed(seed)
    rng, best = np.random.default_rng(seed), (math.inf, None)
    head.train()
    for step in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(rest), generator=generator)
        rows, order = order[:BATCH], order[BATCH:]
        for group in optimizer.param_groups:
            group["lr"] = cosine_rate(RATE, step, steps, WARMUP)
        shown = _hide_ends(rest.lines[rows].float(), rest.broad[rows].float(), rng)
        loss = population_loss(*head.score_views(*shown), labels[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), CLIP)
        optimizer.step()
        total += loss.item()
        if (step + 1) % LOOK == 0 or step + 1 == steps:
            head.eval()
            mean, root = score_views(head, held)
            figure = float(population_loss(mean, root, (held.labels - head.centre) / head.spread).mean())
            if figure < best[0]:
                best = figure, {name: x.clone() for name, x in head.state_dict().items()}
            head.train()
            if report:
                report(f"step {step + 1} of {steps}: loss {total / LOOK:.3f}, left out {figure:.3f}")
            total = 0.0
    head.load_state_dict(best[1])
    return head.eval()


def _hide_ends(lines, broad, rng):
    """Views of which some are cut to a part of their range, as an instrument of another range would see them."""
    number, joined = lines.shape[2], broad.shape[2]
    for i in np.flatnonzero(rng.random(len(lines)) < CUT):
        length = rng.uniform(LEAST_PART, 1.0)
        start = rng.uniform(0, 1 - length)
        lines[i, :, : round(start * number)] = 0
        lines[i, :, round((start + length) * number) :] = 0
        # the broad-band shape begins further to the blue
        skipped = round(joined * 0.38)
        first = skipped + start * (joined - skipped)
        broad[i, :, : int(first) if start > 0.05 else 0] = 0
        broad[i, :, int(first + length * (joined - skipped)) + 1 :] = 0
    return lines, broad


def score_views(head, views):
    """Mean (n, L) and root (n, L, L) of views, as of `~astro_spectok.heads.galaxy.GalaxyHead.score_views`."""
    with torch.inference_mode():
        parts = [
            head.score_views(views.lines[rows].float(), views.broad[rows].float())
            for rows in torch.arange(len(views)).split(256)
        ]
    return torch.cat([mean for mean, _ in parts]), torch.cat([root for _, root in parts])
