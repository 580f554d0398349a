# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the networks that judge transients, each on the objects that another leaves out."""

from pathlib import Path

import numpy as np
import torch

from astro_spectok.heads.transient_net import DAYS, OTHERS, lay_inputs
from astro_spectok.training.transient_batches import draw_batch, make_smoother

__all__ = ["assign_folds", "train_networks"]

#: spectra of a step; greatest learning rate, weight decay, share of the steps in which it rises
BATCH, RATE, DECAY, WARM = 256, 2e-3, 0.1, 0.05
#: share of the answer that is spread over all others; weight of phases in the loss
SMOOTHED, PHASES = 0.01, 0.3
#: steps between what is kept, and batches of left-out objects that figures are of
KEPT, TESTED = 500, 40


def assign_folds(library, number):
    """The fold in which each object is left out, ndarray (objects,): objects of a type take turns."""
    objects, first = np.unique(library.group, return_index=True)
    size = np.bincount(library.group)
    fold = np.zeros(len(size), np.int64)
    for kind in range(len(library.config.types)):
        own = objects[library.kind[first] == kind]
        own = own[np.argsort(-size[own], kind="stable")]
        fold[own] = (np.arange(len(own)) + kind) % number
    return fold


def train_networks(head, pool, steps, seed, *, keep=None, report=None):
    """Train the networks of a head, and set its folds.

    Parameters
    ----------
    head : `~astro_spectok.heads.TransientHead`
        With networks, one for each fold.
    pool : `~astro_spectok.training.transient_batches.Pool`
    steps : int
        Of each network.
    seed : int
    keep : path-like, optional
        Folder in which what is trained is kept, so that it goes on after a stop.
    report : callable, optional

    Returns
    -------
    dict
        Figures of left-out objects, means over the folds: as of `measure_network`.
    """
    fold, figures = assign_folds(head.get_library(), len(head.networks)), []
    for k, network in enumerate(head.networks):
        used = fold[pool.group] != k
        path = None if keep is None else Path(keep) / f"network_{k}.pt"
        with torch.random.fork_rng(devices=[]):
            _train(network, pool, used, steps, [seed, k], head.config, path, report)
        figures.append(measure_network(network, pool, ~used, head.config, seed))
        if report:
            report(f"network {k}: {figures[-1]}")
    head.drop_kept()
    return {name: round(float(np.mean([one[name] for one in figures])), 4) for name in figures[0]}


def _train(network, pool, used, steps, seed, config, path, report):
    torch.manual_seed(seed[0] + seed[1])
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=WARM)
    smooth, start = make_smoother(config), 0
    if path is not None and path.is_file():
        kept = torch.load(path, weights_only=True)
        for part, name in ((network, "network"), (optimizer, "optimizer"), (schedule, "schedule")):
            part.load_state_dict(kept[name])
        start = kept["step"]
        torch.set_rng_state(kept["random"])
    network.train()
    for step in range(start, steps):
        # what is drawn depends on the step alone
        batch = draw_batch(pool, used, BATCH, np.random.default_rng([*seed, step]), smooth, config)
        loss = _measure_loss(network, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % KEPT == 0:
            if path is not None:
                parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
                state = {"step": step + 1, "random": torch.get_rng_state()}
                torch.save({k: part.state_dict() for k, part in parts.items()} | state, path)
            if report:
                report(f"network {seed[1]}: step {step + 1} of {steps}, loss {float(loss.detach()):.3f}")
    network.eval()


def _measure_loss(network, batch):
    use = batch.answer >= 0
    logits, phase, spread = network(lay_inputs(batch.ratio[use], batch.weight[use]))
    loss = torch.nn.functional.cross_entropy(logits, batch.answer[use].long(), label_smoothing=SMOOTHED)
    known = torch.isfinite(batch.phase[use])
    if known.any():
        wanted = torch.arcsinh(batch.phase[use][known] / DAYS)
        off = (phase[known] - wanted) / torch.exp(spread[known])
        # heavier tails than a Gaussian's
        loss = loss + PHASES * (spread[known] + 2.5 * torch.log1p(off**2 / 4)).mean()
    return loss


def measure_network(network, pool, used, config, seed):
    """Figures of a network on some objects: dict of str to float.

    Mean loss, share of types that are right (all, and in three groups) where they are, means over types; share of
    transients among what is none, and of none among transients; median error of phases within 40 days.
    """
    smooth, found = make_smoother(config), []
    network.eval()
    with torch.no_grad():
        for k in range(TESTED):
            batch = draw_batch(pool, used, BATCH, np.random.default_rng([seed, 77, k]), smooth, config)
            use = batch.answer >= 0
            logits, phase, _ = network(lay_inputs(batch.ratio[use], batch.weight[use]))
            found.append((logits, DAYS * torch.sinh(phase), batch.answer[use], batch.phase[use]))
    logits, phase, answer, truth = (torch.cat(parts) for parts in zip(*found, strict=True))
    types = len(config.types)
    own = answer < types
    best = logits[own][:, :types].argmax(1)
    shares = [float((best == k)[answer[own] == k].float().mean()) for k in torch.unique(answer[own]).tolist()]
    near = own & torch.isfinite(truth) & (truth.abs() < 40)
    none = torch.logsumexp(logits[:, : types + OTHERS - 1], 1) < logits[:, -1]
    return {
        "loss": float(torch.nn.functional.cross_entropy(logits, answer.long())), "types": float(np.mean(shares)),
        "false": float((~none)[answer == types + 1].float().mean()), "missed": float(none[own].float().mean()),
        "phase": float((phase - truth)[near].abs().median()),
    }  # fmt: skip
