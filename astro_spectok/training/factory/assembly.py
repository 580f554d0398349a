# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Heads in files of their own, and their assembly with a network to one file of weights."""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from astro_spectok.heads import ModelConfig
from astro_spectok.weights.format import CONFIG_KEY, read_metadata, read_weights, write_weights
from astro_spectok.weights.packing import PACKED_KEY

__all__ = ["PROVENANCE_KEY", "assemble_weights", "find_head", "read_model", "write_head"]

#: metadata key of what made the weights
PROVENANCE_KEY = "provenance"
#: metadata that are written anew with each file
_OWN = (CONFIG_KEY, "astro_spectok_version", "content_sha256")


def read_model(path):
    """`~astro_spectok.heads.ModelConfig` of a file of weights."""
    return ModelConfig.from_dict(read_metadata(path)[CONFIG_KEY])


def find_head(model, kind):
    """Name of the first head of a kind in a `~astro_spectok.heads.ModelConfig`; None where there is none."""
    return next((name for name, cls, _ in model.list_heads() if cls.kind == kind), None)


def write_head(path, head):
    """Write a head with all that is stored of it, in half precision: rounding is far below its own error.

    Parameters
    ----------
    path : path-like
    head : `~astro_spectok.heads.Head`
    """
    tensors = {key: value.detach().cpu().half().contiguous() for key, value in head.state_dict().items()}
    save_file(tensors, path, {"head": json.dumps(head.describe())})


def assemble_weights(base, target, *, heads=None, about=None, metadata=None):
    """Write weights with heads, and with what is known of heads, in place of those of other weights.

    Parameters
    ----------
    base : path-like
        Weights that all the rest is taken from.
    target : path-like
        File that is written; replaced if there.
    heads : dict of str to path-like, optional
        Files as of `write_head`, by the name that the head gets in the network.
    about : dict of str to dict, optional
        By the name of a head what is known of it: ``domain``, ``calibration``, ``provenance``, each a dict that takes
        the place of what was known.
    metadata : dict, optional
        More of them.

    Returns
    -------
    `~pathlib.Path`
    """
    config, tensors = read_weights(base)
    values = {key: value for key, value in read_metadata(base).items() if key not in _OWN}
    described = {one["name"]: one for one in config["heads"]}
    for name, path in (heads or {}).items():
        with safe_open(path, "pt") as file:
            described[name] = {"name": name} | json.loads(file.metadata()["head"])
        prefix = f"heads.{name}."
        tensors = {key: value for key, value in tensors.items() if not key.startswith(prefix)}
        tensors |= {prefix + key: value for key, value in load_file(path).items()}
    for name, known in (about or {}).items():
        described[name] = described[name] | known
    config = config | {"heads": list(described.values())}
    values |= metadata or {}
    listed = ModelConfig.from_dict(config).list_heads()
    wanted = [f"heads.{name}.{start}" for name, cls, _ in listed for start in cls.packed]
    if wanted := [start for start in wanted if any(key.startswith(start) for key in tensors)]:
        values[PACKED_KEY] = list(dict.fromkeys([*values.get(PACKED_KEY, []), *wanted]))
    return write_weights(Path(target), config, tensors, metadata=values, overwrite=True)
