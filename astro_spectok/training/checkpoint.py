# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checkpoints as safetensors: network, optimiser and step in one file that a kill never leaves half-written."""

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

__all__ = ["read_checkpoint", "write_checkpoint"]

MOMENTS = ("exp_avg", "exp_avg_sq")


def write_checkpoint(path, network, optimizer, step, configs):
    """Write the state after ``step`` steps; the file at ``path`` is the old or the new one, never a part.

    Parameters
    ----------
    path : path-like
    network : `torch.nn.Module`
    optimizer : `torch.optim.AdamW`
    step : int
    configs : dict of dict
        What the run was started with, ready for JSON.
    """
    path = Path(path)
    tensors = {f"network.{k}": v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    updates = step
    for name, parameter in network.named_parameters():
        state = optimizer.state.get(parameter)
        if state:
            updates = int(state["step"])  # fewer than the steps where spoilt batches were left out
            tensors |= {f"{moment}.{name}": state[moment].detach().cpu().contiguous() for moment in MOMENTS}
    metadata = {"step": str(step), "updates": str(updates), "configs": json.dumps(configs)}
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, metadata=metadata)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_checkpoint(path, network, optimizer, configs, *, free=()):
    """Put the state at ``path`` into ``network`` and ``optimizer``; return the number of steps done.

    Parameters
    ----------
    path, network, optimizer, configs
        As for `write_checkpoint`.
    free : sequence of str
        Settings that may differ from those that the checkpoint was written with.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        The checkpoint belongs to a run with other settings.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dictionary)
    different = _list_differences(json.loads(metadata["configs"]), json.loads(json.dumps(configs)), free)
    if different:
        msg = (
            f"resume: the checkpoint {path} belongs to a run with other settings ({'; '.join(different[:5])}); "
            "resume with the same, or start in another directory"
        )
        raise ValueError(msg)
    prefix = "network."
    network.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
    step = int(metadata["step"])
    updates = float(metadata.get("updates", step))
    for name, parameter in network.named_parameters():
        if f"exp_avg.{name}" in tensors:
            optimizer.state[parameter] = {
                "step": torch.tensor(updates),
                **{moment: tensors[f"{moment}.{name}"].to(parameter.device) for moment in MOMENTS},
            }
    return step


def _list_differences(stored, wanted, free):
    """Say in words which settings differ between two dictionaries of dictionaries."""
    return [
        f"{part}.{key}: {stored.get(part, {}).get(key)} there, {wanted.get(part, {}).get(key)} now"
        for part in sorted(set(stored) | set(wanted))
        for key in sorted(set(stored.get(part, {})) | set(wanted.get(part, {})))
        if key not in free and stored.get(part, {}).get(key) != wanted.get(part, {}).get(key)
    ]
