# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Parts of weights in files of their own, and their assembly to one file of weights."""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from astro_spectok.network import NetworkConfig
from astro_spectok.weights.format import CONFIG_KEY, read_metadata, read_weights, write_weights

__all__ = ["HEADS", "PROVENANCE_KEY", "assemble_weights", "read_config", "write_head"]

#: heads that are trained apart: by the stage that makes them, the beginning of their tensors' names in the network
HEADS = {"spectral_type": "type_head.", "stellar": "stellar_head.", "stellar_left_out": "stellar_head."}
#: metadata key of what made each part of the weights
PROVENANCE_KEY = "provenance"
#: metadata that are written anew with each file
_OWN = (CONFIG_KEY, "astro_spectok_version", "content_sha256")


def read_config(path):
    """`~astro_spectok.network.NetworkConfig` of a file of weights."""
    return NetworkConfig.from_dict(read_metadata(path)[CONFIG_KEY])


def write_head(path, head, config, about=None):
    """Write a head, in half precision: rounding is far below its own error.

    Parameters
    ----------
    path : path-like
    head : `torch.nn.Module`
    config : dict
        Fields of a `~astro_spectok.network.NetworkConfig` that a network with this head has.
    about : dict, optional
        Metadata of weights that have it.
    """
    tensors = {key: value.detach().cpu().half().contiguous() for key, value in head.state_dict().items()}
    save_file(tensors, path, {"config": json.dumps(config), "about": json.dumps(about or {})})


def assemble_weights(base, target, *, heads=None, metadata=None):
    """Write weights with heads and metadata of their own in place of those of other weights.

    Parameters
    ----------
    base : path-like
        Weights that all the rest is taken from.
    target : path-like
        File that is written; replaced if there.
    heads : dict of str to path-like, optional
        Files as of `write_head`, by the stage that made them out of `HEADS`.
    metadata : dict, optional
        More of them; None takes an entry away.

    Returns
    -------
    `~pathlib.Path`
    """
    config, tensors = read_weights(base)
    values = {key: value for key, value in read_metadata(base).items() if key not in _OWN}
    for stage, path in (heads or {}).items():
        prefix = HEADS[stage]
        with safe_open(path, "pt") as file:
            about = {key: json.loads(text) for key, text in file.metadata().items()}
        config = NetworkConfig.from_dict(config | about["config"]).to_dict()
        values |= about["about"]
        tensors = {key: value for key, value in tensors.items() if not key.startswith(prefix)}
        tensors |= {prefix + key: value for key, value in load_file(path).items()}
    values = {key: value for key, value in (values | (metadata or {})).items() if value is not None}
    return write_weights(Path(target), config, tensors, metadata=values, overwrite=True)
