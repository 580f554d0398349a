# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checkpoints as safetensors: network, optimiser and step in one file that a kill never leaves half-written."""

import hashlib
import json
import logging
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from astro_spectok.exceptions import WeightsIntegrityError
from astro_spectok.utils.atomic import replace_file
from astro_spectok.weights.checks import check_header

__all__ = ["list_differences", "read_checkpoint", "read_configs", "write_checkpoint"]

log = logging.getLogger(__name__)

MOMENTS = ("exp_avg", "exp_avg_sq")
#: where the metadata hold the digest of all the rest
DIGEST = "sha256"
#: steps that no run has
MOST_STEPS = 10**12


def write_checkpoint(path, network, optimizer, step, configs):
    """Write the state after ``step`` steps; the file at ``path`` is the old or the new one, never a part.

    Parameters
    ----------
    path : path-like
    network : `torch.nn.Module`
    optimizer : `torch.optim.AdamW`
    step : int
    configs : dict of dict
        What the run was started with, ready for JSON, by part: ``network``, ``training``, ``data``.
    """
    path = Path(path)
    tensors = {f"network.{k}": v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    updates = step
    for name, parameter in network.named_parameters():
        state = optimizer.state.get(parameter)
        if state:
            updates = int(state["step"])  # fewer than the steps where corrupted batches were left out
            tensors |= {f"{moment}.{name}": state[moment].detach().cpu().contiguous() for moment in MOMENTS}
    metadata = {"step": str(step), "updates": str(updates), "configs": json.dumps(configs)}
    metadata[DIGEST] = _digest(tensors, json.loads(metadata["configs"]), step, updates)
    for left in path.parent.glob(f".{path.stem}-*{path.suffix}"):
        left.unlink()  # by a run in this directory that was killed while it wrote
    with replace_file(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_configs(path):
    """Settings of the run that the checkpoint at ``path`` belongs to, a dict of dict.

    Raises
    ------
    WeightsError
        As for `read_checkpoint`.
    """
    return _read_metadata(path)[0]


def _read_metadata(path):
    """Settings, step, updates and digest of a checkpoint, none of which is believed unseen."""
    check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        configs = json.loads(metadata["configs"])
        step = int(metadata["step"])
        updates = int(metadata.get("updates", step))
        if not (isinstance(configs, dict) and all(isinstance(part, dict) for part in configs.values())):
            raise TypeError("configs must be a JSON object of objects")
        if not 0 <= updates <= step <= MOST_STEPS:
            raise ValueError(f"step must be from 0 to {MOST_STEPS} and not below updates, got {step} and {updates}")
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refuse(path, f"{type(error).__name__}: {error}") from error
    return configs, step, updates, metadata.get(DIGEST)


def _refuse(path, why):
    """The error for a checkpoint that cannot be used."""
    msg = (
        f"The checkpoint {os.fspath(path)} is damaged or altered ({why:.300}); use a copy of it, or start in another "
        "directory"
    )
    return WeightsIntegrityError(msg)


def _digest(tensors, configs, step, updates):
    """SHA-256 of all that a checkpoint holds."""
    digest = hashlib.sha256(json.dumps([configs, step, updates], sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def read_checkpoint(path, network, optimizer, configs, *, free=()):
    """Put the state at ``path`` into ``network`` and ``optimizer``; return the number of steps done.

    Nothing is taken of a checkpoint that is damaged, altered, or that holds another network or numbers that are not
    finite.

    Parameters
    ----------
    path, network, optimizer, configs
        As for `write_checkpoint`.
        Of a part ``data`` that the checkpoint lacks, as those of older versions do, nothing is compared: a warning
        is logged. So it is for the digest.
    free : sequence of str
        Settings that may differ from those that the checkpoint was written with.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        The checkpoint belongs to a run with other settings or data.
    WeightsError
        It is damaged or altered, or its tensors are not those of the network.
    """
    stored, step, updates, expected = _read_metadata(path)
    wanted = json.loads(json.dumps(configs))
    if "data" in wanted and "data" not in stored:
        log.warning("%s does not say what data its run was trained on: they are taken to be the same", path)
        del wanted["data"]
    different = list_differences(stored, wanted, free)
    if different:
        msg = (
            f"resume: the checkpoint {path} belongs to a run with other settings ({'; '.join(different[:5])}); "
            "resume with the same, or start in another directory"
        )
        raise ValueError(msg)
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dictionary)
    if expected is None:
        log.warning("%s holds no digest, as those of older versions: what it holds cannot be verified", path)
    elif (found := _digest(tensors, stored, step, updates)) != expected:
        raise _refuse(path, f"the sha256 of its content is {found}, but it says {expected}")
    prefix = "network."
    state = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
    moments = {k: v for k, v in tensors.items() if not k.startswith(prefix)}
    _check_state(path, state, moments, network)
    network.load_state_dict(state)
    for name, parameter in network.named_parameters():
        if f"exp_avg.{name}" in moments:
            optimizer.state[parameter] = {
                "step": torch.tensor(float(updates)),
                **{moment: moments[f"{moment}.{name}"].to(parameter.device) for moment in MOMENTS},
            }
    return step


def _check_state(path, state, moments, network):
    """Refuse tensors that are not those of the network and its optimiser."""
    expected = network.state_dict()
    if missing := sorted(set(expected) ^ set(state)):
        raise _refuse(path, f"network.{missing[0]} is missing or not known")
    parameters = {f"{moment}.{name}": p for name, p in network.named_parameters() for moment in MOMENTS}
    for name in moments:
        pair = {f"{moment}.{name.partition('.')[2]}" for moment in MOMENTS}
        if name not in parameters or not pair <= moments.keys():
            raise _refuse(path, f"{name} is not known, or stands alone")
        expected[name] = parameters[name]
    for name, tensor in (state | moments).items():
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype:
            what = f"{name} is {tensor.dtype} of the shape {tuple(tensor.shape)}"
            raise _refuse(path, f"{what} instead of {expected[name].dtype} of {tuple(expected[name].shape)}")
        if not torch.isfinite(tensor).all() or (name.startswith(MOMENTS[1]) and (tensor < 0).any()):
            raise _refuse(path, f"{name} holds numbers that are not finite, or squares below zero")


def list_differences(stored, wanted, free=()):
    """Differences between two dictionaries of dictionaries of settings, in words."""
    found = []
    for part in sorted(set(stored) | set(wanted)):
        there, now = stored.get(part, {}), wanted.get(part, {})
        for key in sorted(set(there) | set(now)):
            if key not in free and there.get(key) != now.get(key):
                found.append("{}.{}: {} there, {} now".format(part, key, *_show_both(there.get(key), now.get(key))))
    return found


def _show_both(there, now):
    """Two values; of lists of names only what the other lacks, as they may be long."""
    if isinstance(there, list) and isinstance(now, list) and all(isinstance(name, str) for name in there + now):
        own = [name for name in there if name not in now], [name for name in now if name not in there]
        if any(own):
            return tuple(", ".join(names) or "nothing more" for names in own)
    return there, now
