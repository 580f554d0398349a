# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pretraining as one resumable command, the same on cpu and cuda."""

import logging
import math
from pathlib import Path

import torch

from astro_spectok.engine.device import choose_device, choose_dtype
from astro_spectok.network import build_network
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.checkpoint import read_checkpoint, write_checkpoint
from astro_spectok.training.corpus import Corpus, find_sets
from astro_spectok.training.history import Meter, append_log, draw_curve, trim_log
from astro_spectok.training.objective import reconstruction_loss
from astro_spectok.training.provenance import describe_training
from astro_spectok.weights import write_weights

__all__ = ["learning_rate", "pretrain"]

log = logging.getLogger(__name__)

CHECKPOINT, LOG, CURVE = "checkpoint.safetensors", "log.csv", "loss.png"
#: what may differ when a run is resumed: how long it is to be, and what changes the speed but not the result
FREE_SETTINGS = ("steps", "workers", "log_every", "checkpoint_every")


def learning_rate(step, config):
    """Rate of the optimiser after ``step`` steps: linear warm-up, and a cosine down to zero at the last step.

    Parameters
    ----------
    step : int
    config : `TrainingConfig`

    Returns
    -------
    float
    """
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(step / max(config.steps, 1), 1)))


def _make_optimizer(network, config):
    matrices = [p for p in network.parameters() if p.ndim >= 2]
    others = [p for p in network.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def pretrain(data, out, network_config, config, *, resume=False, device="auto", precision="auto", stop_after=None,
             on_step=None):  # fmt: skip
    """Train a network to reconstruct spectra, and write it as weights.

    Parameters
    ----------
    data : path-like
        Directory of the training spectra, see `~astro_spectok.training.corpus.Corpus`.
    out : path-like
        Directory for checkpoint, log, loss curve and, after the last step, ``<name>.safetensors``.
    network_config : `~astro_spectok.network.NetworkConfig`
    config : `TrainingConfig`
    resume : bool
        Go on from the checkpoint in ``out``, to the step, data order included; start anew where there is none. All
        settings must be the same but for ``steps`` (train for longer, or end sooner: the learning rate follows the
        new cosine from there) and ``workers``, ``log_every`` and ``checkpoint_every``.
    device : str or `torch.device`
    precision : {'auto', 'float32', 'bfloat16'}
    stop_after : int, optional
        Stop (with a checkpoint) once this many steps in all are done.
    on_step : callable, optional
        Called with the number of steps done and the row of the log, after every logged step.

    Returns
    -------
    `~pathlib.Path` or None
        The weights, or None when stopped before the last step.

    Raises
    ------
    FileExistsError
        ``out`` holds a run and ``resume`` is False.
    FileNotFoundError
        ``data`` holds none of the known sets.
    ValueError
        The checkpoint belongs to a run with other settings.
    """
    out = Path(out)
    checkpoint, log_path = out / CHECKPOINT, out / LOG
    if checkpoint.exists() and not resume:
        msg = f"out: {out} already holds a run; give resume=True (--resume) to go on with it, or another directory"
        raise FileExistsError(msg)
    find_sets(data)  # a wrong directory is told of before anything is written
    device = choose_device(device)
    network = _make_network(network_config, config.seed).to(device)
    network.autocast_dtype = choose_dtype(device, precision, training=True)
    optimizer = _make_optimizer(network, config)
    configs = {"network": network_config.to_dict(), "training": config.to_dict()}
    step = read_checkpoint(checkpoint, network, optimizer, configs, free=FREE_SETTINGS) if checkpoint.exists() else 0
    out.mkdir(parents=True, exist_ok=True)
    trim_log(log_path, step)
    last = min(config.steps, stop_after if stop_after is not None else config.steps)
    log.info("training %s on %s from step %d to %d", network_config.name, device, step, last)

    network.train()
    meter = Meter()
    for batch in _load_batches(data, config, network_config.patch, step, last):
        figures = _train_step(network, optimizer, batch.to(device), learning_rate(step, config), config)
        meter.add(figures, len(batch.hide))
        step += 1
        if step % config.log_every == 0 or step == last:
            row = meter.flush(step)
            append_log(log_path, row)
            if on_step is not None:
                on_step(step, row)
        if step % config.checkpoint_every == 0 or step == last:
            write_checkpoint(checkpoint, network, optimizer, step, configs)
            draw_curve(log_path, out / CURVE)
    if step < config.steps:
        return None
    training = describe_training(config, Corpus(data), log_path, step=step, device=device)
    return _export(out, network, network_config, training)


def _make_network(network_config, seed):
    """A network that depends on ``seed`` alone; the random numbers of the caller stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(network_config)


def _load_batches(data, config, patch, start, stop):
    dataset = ViewDataset(data, config, patch)
    options = {"prefetch_factor": 4, "worker_init_fn": _single_thread} if config.workers else {}
    return torch.utils.data.DataLoader(
        dataset, batch_size=None, sampler=range(start, stop), num_workers=config.workers, **options
    )


def _single_thread(_):
    torch.set_num_threads(1)


def _train_step(network, optimizer, batch, rate, config):
    """One optimiser step; the figures to be logged, still on the device."""
    mean, log_sigma = network(batch.patches, batch.grid, batch.resolution, hide=batch.hide)
    loss, deviation = reconstruction_loss(
        mean, log_sigma, batch.flux, batch.variance, variance_weight=config.variance_weight, huber=config.huber
    )
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.mean().backward()
    gradient = torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    if torch.isfinite(gradient):  # one spoilt batch must not spoil the network
        optimizer.step()
    shown = ~batch.hide
    return {
        "loss": (loss.detach() * shown).sum(), "n_shown": shown.sum(), "deviation": (deviation * shown).sum(),
        "loss_hidden": (loss.detach() * batch.hide).sum(), "n_hidden": batch.hide.sum(), "gradient": gradient,
        "learning_rate": rate,
    }  # fmt: skip


def _export(out, network, network_config, training):
    """Write the trained network as weights, in half precision: rounding is far below the network's own error."""
    tensors = {key: value.detach().cpu().half() for key, value in network.state_dict().items()}
    path = out / f"{network_config.name}.safetensors"
    return write_weights(path, network_config.to_dict(), tensors, metadata={"training": training}, overwrite=True)
