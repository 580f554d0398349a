# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of indices: vectors, names and columns, mapped from the disk."""

import json

import numpy as np

from astro_spectok.adapt.table_columns import MOST_COLUMNS
from astro_spectok.weights.checks import check_header
from astro_spectok.weights.format import encode_texts, read_header, write_content

__all__ = ["INDEX_KEY", "read_index", "write_index"]

#: metadata key of what describes an index, as JSON
INDEX_KEY = "astro_spectok_index"
FORMAT = 1
#: types of numbers in a file, as numpy has them
TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "|u1", "BOOL": "|b1"}


def write_index(path, about, arrays, *, overwrite):
    """Write what describes an index, and its arrays, as one safetensors file; returns its path."""
    import torch

    tensors = {name: torch.from_numpy(np.array(x)) for name, x in arrays.items()}
    texts = encode_texts({INDEX_KEY: {"format": FORMAT} | about})
    return write_content(path, texts, tensors, overwrite=overwrite)


def read_index(path):
    """Read what `write_index` wrote.

    Parameters
    ----------
    path : `~pathlib.Path`

    Returns
    -------
    about : dict
    arrays : dict of str to ndarray
        Mapped from the disk.

    Raises
    ------
    ValueError
        Its parts do not fit each other.
    """
    about = read_header(path, INDEX_KEY)[INDEX_KEY]
    shapes = check_header(path)
    n, columns = about["n"], about["columns"]
    if about["format"] != FORMAT or len(columns) > MOST_COLUMNS:
        msg = f"format must be {FORMAT}, of at most {MOST_COLUMNS} columns; got {about['format']}"
        raise ValueError(msg)
    named = {"vectors": "vectors", "names": "names"} | {f"columns.{k}": name for k, name in enumerate(columns)}
    for key, name in named.items():
        kind, shape = shapes[key]
        if shape[:1] != (n,) or len(shape) != 1 + (key in ("vectors", "names") or name in about["text"]):
            msg = f"{key} must have {n} rows; got the shape {shape}"
            raise ValueError(msg)
        if kind not in TYPES or (key == "vectors" and kind != "F32"):
            msg = f"{key} must hold numbers; got {kind}"
            raise ValueError(msg)
    return about, _map_arrays(path, named)


def _map_arrays(path, names):
    """Arrays of a safetensors file, mapped from the disk."""
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    out = {}
    for name in names:
        entry = header[name]
        start, _ = entry["data_offsets"]
        shape, dtype = tuple(entry["shape"]), TYPES[entry["dtype"]]
        if 0 in shape:
            out[name] = np.zeros(shape, dtype)
        else:
            out[name] = np.memmap(path, dtype, mode="r", offset=8 + length + start, shape=shape)
    return out
