# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pretraining as one resumable command, the same on cpu and cuda, in one process or in several."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import torch

from astro_spectok.engine.device import choose_device, choose_dtype
from astro_spectok.heads import ModelConfig, build_model
from astro_spectok.network import NetworkConfig
from astro_spectok.simulate.public_sets import find_sets
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.checkpoint import read_checkpoint, read_configs, write_checkpoint
from astro_spectok.training.config import TrainingConfig
from astro_spectok.training.freezing import find_part, freeze_all_but, list_parts
from astro_spectok.training.history import Meter, append_log, plot_curve, trim_log
from astro_spectok.training.processes import Processes
from astro_spectok.training.provenance import describe_data, describe_start, describe_training
from astro_spectok.training.rates import cosine_rate
from astro_spectok.training.readers import open_sources
from astro_spectok.training.step import TrainingStep
from astro_spectok.utils.host import own_state
from astro_spectok.utils.run_lock import lock_run
from astro_spectok.weights import load_weights, write_network

__all__ = ["pretrain", "train"]

log = logging.getLogger(__name__)

CHECKPOINT, LOG, CURVE = "checkpoint.safetensors", "log.csv", "loss.png"
#: seconds between two pictures of the loss at least; the last step has one in any case
PICTURE_EVERY = 60.0
#: what may differ when a run is resumed: how long it is to be, and what changes the speed but not the result
FREE_SETTINGS = ("steps", "workers", "log_every", "checkpoint_every")


def _make_optimizer(network, config):
    """AdamW in groups: matrices with decay, the rest without, and what heads want to learn at rates of their own.

    What is frozen is in none of them.
    """
    own = [pair for head in network.heads.values() for pair in head.list_rates() if pair[0].requires_grad]
    others = [p for p in network.parameters() if p.requires_grad and not any(p is other for other, _ in own)]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": config.weight_decay, "rate": 1.0},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0, "rate": 1.0},
        *({"params": [p], "weight_decay": 0.0, "rate": rate} for p, rate in own),
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


@own_state
def pretrain(
    data: str | PathLike[str] | None,
    out: str | PathLike[str],
    model: ModelConfig | NetworkConfig,
    config: TrainingConfig,
    *,
    real: Sequence[str | PathLike[str]] = (),
    real_medium: str | None = None,
    start: str | PathLike[str] | None = None,
    train_only: str | Sequence[str] = (),
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
    stop_after: int | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> Path | None:
    """Train a network on simulated and real spectra, and write it as weights.

    Started by PyTorch's launcher (``torchrun``), the processes share the shards of each step, and the result is that
    of one process.

    Parameters
    ----------
    data : path-like or None
        Directory of the public template sets; None simulates from analytic templates alone, which are coarser.
    out : path-like
        Directory for checkpoint, log, loss curve and, after the last step, ``<name>.safetensors``.
    model : `~astro_spectok.heads.ModelConfig` or `~astro_spectok.network.NetworkConfig`
        Sizes of the network and of its heads; of the network alone for one without heads.
    config : `~astro_spectok.training.TrainingConfig`
        Steps, batches, rates and weights of the objective.
    real : sequence of path-like
        Directories of real spectra without labels, in any files that specutils or a loader of this package reads, and
        in HDF5 and Parquet files in the layout of the Multimodal Universe.
    real_medium : {'vacuum', 'air'}, optional
        Of the wavelengths in all of them; by default what each file says.
    start : str or path-like, optional
        Weights to start from: whatever they share with the new network in name and shape.
    train_only : str or sequence of str, optional
        Parts of the network that are trained, by name: ``encoder``, ``decoder``, ``pooling``, or that of a head,
        ``redshift``, say. All others stay as they are in ``start``, and the parts of the objective that they alone
        have to do with are not computed. All are trained if not given.
    resume : bool
        Go on from the checkpoint in ``out``, to the step, data order included; start anew where there is none. All
        settings must be the same but for ``steps`` (train for longer, or end sooner: the learning rate follows the
        new cosine from there) and ``workers``, ``log_every`` and ``checkpoint_every``; and the data as well: the sets
        in ``data``, the names of ``real``, ``real_medium``, and ``start``, which may be left out; and
        ``train_only``.
    device : str or `torch.device`
        Where to compute; 'auto' takes the best there is.
    precision : {'auto', 'float32', 'bfloat16'}
        Of the matrix products; 'auto' takes bfloat16 where the hardware is good at it.
    stop_after : int, optional
        Stop (with a checkpoint) once this many steps in all are done.
    on_step : callable, optional
        Called with the number of steps done and the row of the log, after every logged step.

    Returns
    -------
    `~pathlib.Path` or None
        The weights, or None when stopped before the last step and in all processes but the first.

    Raises
    ------
    FileExistsError
        ``out`` holds a run and ``resume`` is False.
    BlockingIOError
        Another run is at work in ``out``.
    `~astro_spectok.exceptions.WeightsError`
        The checkpoint is damaged or altered.
    FileNotFoundError
        ``data`` holds none of the known sets, or one of ``real`` no file of spectra.
    ImportError
        There are HDF5 or Parquet files in ``real``, and h5py or pyarrow is not installed.
    ValueError
        ``real_medium`` is something else, ``start`` has no tensor of the new network, ``train_only`` names no part of
        it or leaves one random, the checkpoint belongs to a run with other settings or data, or the processes cannot
        share the shards evenly.

    Examples
    --------
    The first step of a run of the smallest network, on analytic templates; the same call with ``resume=True`` and
    without ``stop_after`` goes on to the last step and returns the path of the weights:

    >>> import pathlib, tempfile
    >>> from astro_spectok.heads import get_model_config
    >>> from astro_spectok.training import TrainingConfig
    >>> from astro_spectok.training.loop import pretrain
    >>> config = TrainingConfig(steps=9, batch_tokens=64, max_pixels=512, min_pixels=256, target_pixels=64, workers=0)
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> pretrain(None, out, get_model_config("tiny"), config, device="cpu", stop_after=1)
    >>> (out / "checkpoint.safetensors").is_file()
    True
    """
    return train(
        lambda: _open_data(data, ModelConfig.of(model), config, real, real_medium), out, resume=resume, start=start,
        train_only=train_only, device=device, precision=precision, stop_after=stop_after, on_step=on_step,
    )  # fmt: skip


def train(
    open_data, out, *, resume=False, start=None, train_only=(), device="auto", precision="auto", stop_after=None,
    on_step=None,
):  # fmt: skip
    """Train on shards of a dataset, from the checkpoint in ``out`` where there is one.

    Parameters
    ----------
    open_data : callable
        Gives the dataset, a `~astro_spectok.training.batches.ViewDataset` or one like it, and the
        `~astro_spectok.heads.ModelConfig`; called once it is known that ``out`` is free.
    out, resume, start, train_only, device, precision, stop_after, on_step
        As for `pretrain`.

    Returns
    -------
    `~pathlib.Path` or None
        As of `pretrain`.

    Raises
    ------
    FileExistsError
        ``out`` holds a run and ``resume`` is False.
    """
    out = Path(out)
    if (out / CHECKPOINT).exists() and not resume:
        msg = f"out: {out} already holds a run; give resume=True (--resume) to continue it, or another directory"
        raise FileExistsError(msg)
    dataset, model = open_data()
    config = dataset.config
    with Processes(choose_device(device)) as processes, lock_run(out, processes.rank == 0):
        run, step, parts = _open_run(dataset, model, out, start, train_only, precision, processes, on_step)
        # no less than what is done, where a run is resumed with fewer steps
        last = max(step, min(config.steps, stop_after if stop_after is not None else config.steps))
        log.info("training %s on %s from step %d to %d", model.name, processes.device, step, last)
        run.train(_load_batches(dataset, step, last, processes), step, last)
        if last < config.steps or processes.rank:
            return None
        training = describe_training(
            dataset, out / LOG, step=last, device=processes.device, start=run.configs["data"]["start"]
        )
        return _export(out, run.step_module.network, training, parts)


def _open_data(data, model, config, real, real_medium):
    """The dataset of a run, and the model; wrong directories are reported before anything is written."""
    real = [real] if isinstance(real, (str, os.PathLike)) else list(real)
    open_sources(real, medium=real_medium)
    if data is None:
        log.warning("no directory of templates is given: simulating from analytic ones, which are coarser")
    else:
        find_sets(data)
    return ViewDataset(data, config, model, real, real_medium=real_medium), model


def _open_run(dataset, model, out, start, train_only, precision, processes, on_step):
    """A run at its first step, or where its checkpoint left off: the `_Run`, steps done, and what of it is trained."""
    config, checkpoint = dataset.config, out / CHECKPOINT
    if config.shards % processes.size:
        msg = f"shards must be a multiple of the {processes.size} processes, got {config.shards}"
        raise ValueError(msg)
    # the checkpoint has it all
    network = _make_network(model, config.seed, None if checkpoint.exists() else start).to(processes.device)
    trained = freeze_all_but(network, train_only)
    if trained and not checkpoint.exists():
        _check_frozen(network, trained, start)
    optimizer = _make_optimizer(network, config)
    dtype = choose_dtype(processes.device, precision, training=True)
    step_module = TrainingStep(network, config, dtype).to(processes.device)
    configs = {"network": model.to_dict(), "training": config.to_dict(), "data": describe_data(dataset, start)}
    if trained:
        configs["parts"] = {"train_only": trained} | describe_start(start, network)
    step = 0
    if checkpoint.exists():
        stored = read_configs(checkpoint)
        if start is None:
            configs["data"]["start"] = stored.get("data", {}).get("start")
        if trained:
            configs["parts"] = stored.get("parts", {}) | {"train_only": trained}
        step = read_checkpoint(checkpoint, network, optimizer, configs, free=FREE_SETTINGS)
    if processes.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        trim_log(out / LOG, step)
    processes.wait()
    return _Run(out, config, configs, step_module, optimizer, processes, on_step), step, configs.get("parts", {})


def _make_network(model, seed, start=None):
    """A network that depends on ``seed`` alone; the random numbers of the caller stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_model(model)
    if start is not None:
        given = load_weights(start, "cpu").network
        own, shared = network.state_dict(), _find_shared(network, given)
        if not shared:
            msg = (
                f"start: {start} must share tensors with the network {model.name!r}, got none of the same "
                "name and shape; give weights of like size, or another config"
            )
            raise ValueError(msg)
        network.load_state_dict(own | shared)
        level = logging.WARNING if 2 * len(shared) < len(own) else logging.INFO
        log.log(level, "started from %s: %d of %d tensors, the others are random", start, len(shared), len(own))
        lost = ", ".join(sorted(set(given.heads).difference(network.heads)))
        if lost:
            text = "the network %s has no place for these heads of %s: %s; make them anew with spectok build"
            log.warning(text, model.name, start, lost)
    return network


def _find_shared(network, given):
    """The tensors of another network that a network has by the same name and in the same shape."""
    own = network.state_dict()
    return {k: value for k, value in given.state_dict().items() if k in own and value.shape == own[k].shape}


def _check_frozen(network, trained, start):
    """Refuse parts that would be neither trained nor taken from ``start``: they would stay random."""
    shared = {} if start is None else _find_shared(network, load_weights(start, "cpu").network)
    random = {find_part(key) for key in network.state_dict() if key not in shared}.difference(trained)
    if random:
        names = ", ".join(part for part in list_parts(network) if part in random)
        msg = (
            f"train_only must name every part that start lacks, or has in another shape; got {', '.join(trained)} "
            f"without {names} and the start {start}; name them too, or start from weights that have them"
        )
        raise ValueError(msg)


def _load_batches(dataset, start, stop, processes):
    """The shards that this process draws, in order."""
    config = dataset.config
    numbers = range(start * config.shards + processes.rank, stop * config.shards, processes.size)
    options = {"prefetch_factor": 4, "worker_init_fn": _single_thread} if config.workers else {}
    return torch.utils.data.DataLoader(dataset, batch_size=None, sampler=numbers, num_workers=config.workers, **options)


def _single_thread(_):
    torch.set_num_threads(1)


class _Run:
    """The steps of a run, with its log and checkpoints."""

    def __init__(self, out, config, configs, step_module, optimizer, processes, on_step):
        self.out, self.config, self.configs = out, config, configs
        self.step_module, self.wrapped = step_module, processes.wrap(step_module)
        self.optimizer, self.processes, self.on_step = optimizer, processes, on_step
        heads = step_module.network.heads.values()
        self.meter = Meter([figure for head in heads for figure in head.figures])
        self.plotted = time.monotonic()

    def train(self, batches, step, last):
        """Steps from ``step`` up to ``last``."""
        self.step_module.train()
        batches, config = iter(batches), self.config
        device = self.processes.device
        # what the network itself draws (dropout) depends on seed and shard alone, too, so that a run can be resumed
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            while step < last:
                self._train_step(batches, cosine_rate(config.learning_rate, step, config.steps, config.warmup), step)
                step += 1
                if step % self.config.log_every == 0 or step == last:
                    self._write_log(step)
                if step % self.config.checkpoint_every == 0 or step == last:
                    self._write_checkpoint(step, last=step == last)

    def _train_step(self, batches, rate, step=0):
        """One optimiser step over the shards of this process."""
        self.optimizer.zero_grad(set_to_none=True)
        number = self.config.shards // self.processes.size
        for shard in range(number):
            batch = next(batches).to(self.processes.device)
            place = step * self.config.shards + shard * self.processes.size + self.processes.rank
            torch.manual_seed(self.config.seed + place)
            last = shard == number - 1
            waiting = contextlib.nullcontext() if last or self.processes.size == 1 else self.wrapped.no_sync()
            with waiting:
                loss, figures = self.wrapped(batch)
                (loss / number).backward()
            self.meter.add(figures, len(batch.hide))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        gradient = self._clip_gradients()
        if torch.isfinite(gradient):  # one corrupted batch must not corrupt the network
            self.optimizer.step()
        self.meter.add({"gradient": (gradient, 1), "learning_rate": (rate, 1)})

    def _clip_gradients(self):
        """Clip the gradients of heads that ask for it, each by itself, and that of all the rest; the largest norm."""
        network = self.step_module.network
        # in lists, and not in sets, whose order changes from run to run, and with it the last bit of the norm
        heads = [list(head.parameters()) for head in network.heads.values() if head.clips_apart]
        rest = [p for p in self.step_module.parameters() if not any(p is other for part in heads for other in part)]
        parts = ([p for p in part if p.requires_grad] for part in (*heads, rest))
        clip = torch.nn.utils.clip_grad_norm_
        return torch.stack([clip(part, self.config.clip_norm) for part in parts if part]).max()

    def _write_log(self, step):
        self.meter.gather(self.processes.sum)
        row = self.meter.flush(step)
        if self.processes.rank == 0:
            append_log(self.out / LOG, row)
            if self.on_step is not None:
                self.on_step(step, row)

    def _write_checkpoint(self, step, *, last):
        if self.processes.rank == 0:
            network = self.step_module.network
            write_checkpoint(self.out / CHECKPOINT, network, self.optimizer, step, self.configs)
            if last or time.monotonic() - self.plotted > PICTURE_EVERY:
                plot_curve(self.out / LOG, self.out / CURVE)
                self.plotted = time.monotonic()


def _export(out, network, training, parts):
    """Write the trained network as weights, in half precision: rounding is far below the network's own error."""
    own = training | {key: parts[key] for key in ("train_only", "before") if key in parts}
    for name, head in network.heads.items():
        kept = parts.get("kept", {}).get(name, {"provenance": {"stage": "pretrain", "training": own}})
        for about, values in kept.items():
            setattr(head, about, values)
    path = out / f"{network.config.name}.safetensors"
    return write_network(path, network, metadata={"training": own}, half=True, overwrite=True)
