# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checkpoints as safetensors: network, optimiser and step in one file that a kill never leaves half-written."""

import json
import logging
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from astro_spectok.utils.atomic import replace_file

__all__ = ["list_differences", "read_checkpoint", "read_configs", "write_checkpoint"]

log = logging.getLogger(__name__)

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
        What the run was started with, ready for JSON, by part: ``network``, ``training``, ``data``.
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
    for left in path.parent.glob(f".{path.stem}-*{path.suffix}"):
        left.unlink()  # by a run in this directory that was killed while it wrote
    with replace_file(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_configs(path):
    """What the run that the checkpoint at ``path`` belongs to was started with, a dict of dict."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["configs"])


def read_checkpoint(path, network, optimizer, configs, *, free=()):
    """Put the state at ``path`` into ``network`` and ``optimizer``; return the number of steps done.

    Parameters
    ----------
    path, network, optimizer, configs
        As for `write_checkpoint`.
        Of a part ``data`` that the checkpoint lacks, as those of older versions do, nothing is compared: a warning
        is logged.
    free : sequence of str
        Settings that may differ from those that the checkpoint was written with.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        The checkpoint belongs to a run with other settings or data.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dictionary)
    stored, wanted = json.loads(metadata["configs"]), json.loads(json.dumps(configs))
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


def list_differences(stored, wanted, free=()):
    """Which settings differ between two dictionaries of dictionaries, in words."""
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
