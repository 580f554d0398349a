# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the spectral type head: coarse types of stars from simulated ones and from stored real ones."""

import torch
from torch.nn import functional as F

from astro_spectok.engine import choose_dtype
from astro_spectok.heads import SpectralTypeConfig, SpectralTypeHead
from astro_spectok.training.rates import cosine_rate
from astro_spectok.training.typed_stars import StoredSpectra, draw_views, open_survey

__all__ = ["score_stars", "train_head", "train_spectral_type"]

BATCH, RATE, DECAY, WARMUP, CLIP, SMOOTHING = 128, 2e-3, 0.05, 50, 1.0, 0.02
#: steps until it is said how far it has got
REPORTED = 200


def train_spectral_type(data, *, stars, epochs, seed, temperature=1.0, device="cpu", report=None):
    """A new spectral type head, trained on stars of all types.

    Three of four stars are simulated as in pretraining, but more of them ultracool or infrared; the fourth is a stored
    real one as its file has it, but for noise, calibration, range and sampling. The head reads the flux itself, so that
    no encoder runs.

    Parameters
    ----------
    data : path-like or None
        Directory of the public template sets; None for analytic stars alone, which are coarser.
    stars : int
        How many are drawn.
    epochs : float
        How often each of them is seen.
    seed : int
    temperature : float, optional
        What scores are divided by, so that probabilities mean what they say; it goes into the last layer.
    device : str or `torch.device`, optional
        Where the head learns.
    report : callable, optional
        Called with texts that report progress.

    Returns
    -------
    `~astro_spectok.heads.SpectralTypeHead`
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = SpectralTypeHead(SpectralTypeConfig())
        views = draw_views(head.view, open_survey(data), StoredSpectra(data), stars, seed, report=report)
        train_head(head.to(device), views, epochs, seed, report=report)
    with torch.no_grad():
        head.out.weight /= temperature
        head.out.bias /= temperature
    return head.cpu()


def train_head(head, views, epochs, seed, *, report=None):
    """Train a head on views of stars, where it is; returns the head.

    Parameters
    ----------
    head : `~astro_spectok.heads.SpectralTypeHead`
    views : `~astro_spectok.training.typed_stars.TypeViews`
    epochs : float
        How often each star is seen.
    seed : int
        Of their order.
    report : callable, optional
        Is given a text every 200 steps.
    """
    device = head.out.weight.device
    dtype = choose_dtype(device, training=True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    steps, generator, order, total = max(1, int(epochs * len(views) / BATCH)), torch.Generator(), torch.empty(0), 0.0
    generator.manual_seed(seed)
    head.train()
    for step in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(views), generator=generator)
        rows, order = order[:BATCH], order[BATCH:]
        for group in optimizer.param_groups:
            group["lr"] = cosine_rate(RATE, step, steps, WARMUP)
        lines, broad, types = (x[rows].to(device) for x in (views.lines, views.broad, views.types))
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            scores = head.score_views(lines.float(), broad.float())
        loss = F.cross_entropy(scores.float(), types, label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), CLIP)
        optimizer.step()
        total += loss.item()
        if report and (step + 1) % REPORTED == 0:
            report(f"step {step + 1} of {steps}: loss {total / REPORTED:.3f}")
            total = 0.0
    return head.eval()


def score_stars(head, views):
    """Scores (n, number of types) of views."""
    with torch.inference_mode():
        rows = torch.arange(len(views)).split(256)
        return torch.cat([head.score_views(views.lines[i].float(), views.broad[i].float()) for i in rows])
