# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Writes files of other programs that no package at hand writes."""

import struct
import zlib

import numpy as np

__all__ = ["write_idl"]


def write_idl(path, *, packed, **variables):
    """A save file of IDL: vectors of doubles."""
    content = b"SR\x00" + (b"\x06" if packed else b"\x04")
    for name, values in variables.items():
        word = name.upper().encode()
        record = struct.pack(">i", len(word)) + word + bytes(-len(word) % 4) + struct.pack(">ii", 5, 4)
        record += struct.pack(">8i", 8, 8, 8 * len(values), len(values), 1, 0, 0, 8)
        record += struct.pack(">9i", len(values), 1, 1, 1, 1, 1, 1, 1, 7) + np.asarray(values, ">f8").tobytes()
        record = zlib.compress(record) if packed else record
        content += struct.pack(">iIII", 2, len(content) + 16 + len(record), 0, 0) + record
    path.write_bytes(content + struct.pack(">iIII", 6, 0, 0, 0))
    return path
