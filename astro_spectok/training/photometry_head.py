# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the photometry head: redshifts and classes of fluxes, and vectors that meet those of spectra."""

import math
import tempfile
from pathlib import Path

import numpy as np
import torch

from astro_spectok.align.batches import SimilarBatches
from astro_spectok.align.features import SpectrumFeatures
from astro_spectok.align.filters import BANDS
from astro_spectok.align.retrieval import measure_retrieval
from astro_spectok.heads.photometry import PhotometryConfig, PhotometryHead
from astro_spectok.heads.photometry_tower import contrast_views
from astro_spectok.simulate import CLASSES
from astro_spectok.training.photometry_draws import draw_photometry, measure_filters
from astro_spectok.training.photometry_pairs import SNR as SPECTRA_SNR
from astro_spectok.training.photometry_pairs import read_pairs, write_pairs

__all__ = ["find_prior", "find_targets", "make_photometry_head", "train_photometry_head"]

#: objects with spectra, and without, in a step
BATCH, MORE = 256, 128
#: greatest learning rate; its course ends at `LAST` of it, after `WARM` steps of rise
RATE, LAST, WARM, DECAY = 2e-3, 0.02, 100, 0.02
#: weight of the contrastive loss
CONTRAST = 0.5
#: width of a target in bins of ln(1 + z); pairs that are kept for validation, and their bands and S/N
SOFT, KEPT, WATCHED, WATCHED_SNR = 1.0, 500, "ugrizJHK", (20.0, 20.0)
#: redshifts whose distribution is smoothed by so many bins to be the prior
PRIOR_WIDTH = 6.0


def find_targets(config, cls, z):
    """Probability of each bin of some objects, float32 tensor (B, n_scores): redshifts are spread over a bin."""
    place = np.clip(np.log1p(np.maximum(z, 0)) / config.z_step, 0, config.z_bins - 1)[:, None]
    spread = np.exp(-0.5 * ((np.arange(config.z_bins) - place) / SOFT) ** 2)
    spread /= spread.sum(1, keepdims=True)
    out = np.zeros((len(cls), config.n_scores), np.float32)
    for k in (0, 1):
        out[:, k * config.z_bins : (k + 1) * config.z_bins] = spread * (cls == k)[:, None]
    out[:, -1] = cls == CLASSES.index("STAR")
    return torch.from_numpy(out)


def find_prior(config, cls, z):
    """Logarithm of the probability of each bin before anything is seen, as the objects are distributed."""
    targets = find_targets(config, cls, z).double().mean(0).numpy()
    reach = np.arange(-3 * int(PRIOR_WIDTH), 3 * int(PRIOR_WIDTH) + 1)
    kernel = np.exp(-0.5 * (reach / PRIOR_WIDTH) ** 2)
    for k in (0, 1):
        part = slice(k * config.z_bins, (k + 1) * config.z_bins)
        inside = np.convolve(np.ones(config.z_bins), kernel, "same")
        targets[part] = np.convolve(targets[part], kernel, "same") / inside
    return torch.from_numpy(np.log(np.maximum(targets, 1e-7) / targets.sum())).float()


def train_photometry_head(config, network, pairs, objects, *, steps, seed, report=None):
    """Train a head on stored pairs.

    Parameters
    ----------
    config : `PhotometryConfig`
    network : `~astro_spectok.network.NetworkConfig`
    pairs, objects : dict
        As of `~astro_spectok.training.photometry_pairs.draw_pairs`, with and without spectra.
    steps, seed : int
    report : callable, optional

    Returns
    -------
    PhotometryHead
    """
    report = report or (lambda text: None)
    rng = np.random.default_rng([seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = PhotometryHead(config, network)
    fluxes, more = measure_filters(pairs["truth"], pairs["cls"]), measure_filters(objects["truth"], objects["cls"])
    report(f"fluxes of {len(fluxes.flux)} objects with spectra and {len(more.flux)} without")
    nodes = SpectrumFeatures(pairs)
    mean, spread = nodes.find_moments()
    head.spectrum.mean.copy_(torch.from_numpy(mean))
    head.spectrum.spread.copy_(torch.from_numpy(spread))
    cls, z = (np.concatenate([one[name] for one in (pairs, objects)]) for name in ("cls", "z"))
    head.prior.copy_(find_prior(config, cls, z))
    usable = np.flatnonzero(np.diff(pairs["offsets"]) > 0)
    kept, taught = usable[: min(KEPT, len(usable) // 5)], usable[min(KEPT, len(usable) // 5) :]
    batches = SimilarBatches(taught, pairs["cls"], pairs["z"])
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    for step in range(steps):
        rate = min(1, (step + 1) / WARM) * (LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate
        rows, others = batches.draw(BATCH, rng), rng.integers(len(more.flux), size=MORE)
        vectors, scores = head.read_photometry(draw_photometry(fluxes, rows, rng))
        _, other_scores = head.read_photometry(draw_photometry(more, others, rng))
        targets = find_targets(config, pairs["cls"][rows], pairs["z"][rows])
        other_targets = find_targets(config, objects["cls"][others], objects["z"][others])
        fit = -(torch.cat([targets, other_targets]) * torch.cat([scores, other_scores]).log_softmax(1)).sum(1).mean()
        spectra = head.spectrum(*nodes.take(rows, rng))
        contrast, right = contrast_views(spectra, vectors, head.temperature.clamp(math.log(0.01), 0).exp())
        optimizer.zero_grad()
        (fit + CONTRAST * contrast).backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99 or step == steps - 1:
            recall = _watch(head, fluxes, nodes, kept)
            report(f"step {step + 1}: redshifts {float(fit.detach()):.3f}, contrast {float(contrast.detach()):.3f}, "
                   f"nearest {right:.2f}, recall@10 of {len(kept)} {recall:.2f}")  # fmt: skip
    head.calibration = {"temperature": _fit_temperature(head, fluxes, kept, pairs)}
    head.provenance = {"steps": steps, "seed": seed, "pairs": len(taught), "objects": len(more.flux)}
    head.domain |= {
        "z": [0.0, float(config.redshifts[-1])], "snr": list(SPECTRA_SNR), "filters": fluxes.names,
        "objects": "simulated galaxies, quasars and stars; infrared beyond 2.8 micron at rest assumed",
    }  # fmt: skip
    return head.eval()


@torch.no_grad()
def _fit_temperature(head, fluxes, rows, pairs):
    """What scores are divided by, so that probabilities of objects that trained nothing are most likely."""
    if not len(rows):
        return 1.0
    rng, many = np.random.default_rng(1), np.tile(rows, 4)
    _, scores = head.read_photometry(draw_photometry(fluxes, many, rng))
    targets = find_targets(head.config, pairs["cls"][many], pairs["z"][many])
    tried = np.geomspace(0.5, 3, 37)
    losses = [-float((targets * (scores / t).log_softmax(1)).sum(1).mean()) for t in tried]
    return round(float(tried[int(np.argmin(losses))]), 3)


@torch.no_grad()
def _watch(head, fluxes, nodes, rows):
    """Recall among objects that are kept for it."""
    if not len(rows):
        return math.nan
    seen = draw_photometry(fluxes, rows, np.random.default_rng(0), names=BANDS[WATCHED], snr=WATCHED_SNR, clean=True)
    vectors, _ = head.read_photometry(seen)
    return measure_retrieval(head.spectrum(*nodes.take(rows)).numpy(), vectors.numpy())["recall@10"]


def make_photometry_head(runner, data, *, pairs, objects, steps, seed, folder=None, report=None):
    """Draw pairs, and train a head on them.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        Of the weights that the head is for.
    data : path-like or None
        Directory of the public template sets; None for analytic templates.
    pairs, objects : int
        Simulated objects with a spectrum each, and without.
    steps, seed : int
    folder : path-like, optional
        Where pairs are kept, so that what was drawn is not drawn again.
    report : callable, optional

    Returns
    -------
    PhotometryHead
    """
    config = PhotometryConfig(token_width=runner.network.config.width, redshift_size=runner.embedder.redshift_size)
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own) if folder is None else Path(folder)
        drawn = read_pairs(write_pairs(folder, data, pairs, seed, runner=runner, report=report))
        more = read_pairs(write_pairs(folder, data, objects, seed + 1, report=report))
    return train_photometry_head(
        config, runner.network.config, drawn, more, steps=steps, seed=seed, report=report
    )  # fmt: skip
