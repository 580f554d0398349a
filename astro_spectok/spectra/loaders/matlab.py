# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of MATLAB files of version 5 (``save`` of MATLAB, GNU Octave and scipy): variables by their names.

`scipy.io.loadmat` trusts such a file: cells within cells crash the process, and sizes that are stated are allocated.
Here only arrays of numbers, texts, structures and cells are taken, to a depth and to sizes that a spectrum can have.
MATLAB 7.3 writes HDF5.

References
----------
The MathWorks, MAT-File Format (R2024a).
"""

import math
import struct
import zlib

import numpy as np

from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._source import MAX_BYTES
from astro_spectok.spectra.loaders.binary_tables import check_size, read_unnamed
from astro_spectok.spectra.loaders.trees import read_tree

__all__ = ["read_matlab"]

#: dtypes by the number of a data type
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8", 16: "u1", 17: "u2",
    18: "u4",
}  # fmt: skip
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE, _TEXT, _FIRST_NUMERIC, _LAST_NUMERIC = 1, 2, 4, 6, 15
_COMPLEX = 0x0800
_HEADER, _DEEPEST, _MOST_ITEMS = 128, 8, 100_000


class _Damaged(ValueError):
    pass


class _Elements:
    """Data elements in the bytes of a file, one after the other."""

    def __init__(self, data, order):
        self.data, self.order, self.place = memoryview(data), order, 0

    def __bool__(self):
        return len(self.data) - self.place >= 8

    def take(self):
        """Number of the type of the next element, and its bytes."""
        if not self:
            raise _Damaged("an element is cut off")
        first, size = struct.unpack_from(f"{self.order}II", self.data, self.place)
        start, whole = self.place + 8, -(-size // 8) * 8
        if first >> 16:  # at most four bytes, within the tag
            first, size, start, whole = first & 0xFFFF, first >> 16, self.place + 4, 4
        elif first == _COMPRESSED:
            whole = size
        if start + size > len(self.data) or (whole == 4 and size > 4):
            raise _Damaged("an element is cut off")
        self.place = start + whole
        return first, self.data[start : start + size]

    def take_numbers(self):
        kind, data = self.take()
        if kind not in _NUMBERS:
            raise _Damaged(f"numbers of type {kind} are not known")
        dtype = np.dtype(self.order + _NUMBERS[kind])
        if len(data) % dtype.itemsize:
            raise _Damaged("an array is cut off")
        return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))


class _Reader:
    """Variables of one file, of which no more than a number is looked at."""

    def __init__(self, order):
        self.order, self.left = order, _MOST_ITEMS

    def read(self, data, depth=0):
        """Name and value of a matrix: an array, a str, a dict for a structure, a list for cells, or None."""
        self.left -= 1
        if depth > _DEEPEST or self.left < 0:
            raise _Damaged("its variables are nested too deep, or too many")
        if not data:
            return "", None
        elements = _Elements(data, self.order)
        flags, shape = elements.take_numbers(), elements.take_numbers()
        if not len(flags) or len(shape) < 2 or len(shape) > 32 or (shape < 0).any():
            raise _Damaged("the shape of a variable makes no sense")
        name = elements.take_numbers().astype(np.uint8).tobytes().decode("latin-1")
        kind, size = int(flags[0]) & 0xFF, math.prod(shape.tolist())
        if kind == _CELL:
            return name, [self._read_item(elements, depth) for _ in range(self._check(size))]
        if kind == _STRUCTURE:
            return name, self._read_structure(elements, size, depth)
        if (kind != _TEXT and not _FIRST_NUMERIC <= kind <= _LAST_NUMERIC) or int(flags[0]) & _COMPLEX:
            return name, None  # objects, functions, sparse matrices
        values = elements.take_numbers()
        if len(values) != size:
            if kind == _TEXT:
                return name, None
            raise _Damaged("an array has another size than is said")
        if kind == _TEXT:
            return name, "".join(chr(code) for code in values.tolist() if 0 < code < 0xD800).strip()
        return name, values.reshape(shape, order="F")

    def _check(self, size):
        if size > self.left:
            raise _Damaged("its variables are nested too deep, or too many")
        return size

    def _read_item(self, elements, depth):
        kind, data = elements.take()
        if kind != _MATRIX:
            raise _Damaged("a variable is none")
        return self.read(data, depth + 1)[1]

    def _read_structure(self, elements, size, depth):
        """Mapping of a structure, list of those of an array of structures."""
        length, names = elements.take_numbers(), elements.take_numbers().astype(np.uint8).tobytes()
        length = int(length[0]) if len(length) else 0
        if length < 1:
            raise _Damaged("the names of fields make no sense")
        names = [names[k : k + length].split(b"\0")[0].decode("latin-1") for k in range(0, len(names), length)]
        self._check(size * len(names))
        records = [{name: self._read_item(elements, depth) for name in names} for _ in range(size if names else 0)]
        return records[0] if len(records) == 1 else records


def _unpack(data, source, done):
    """Bytes of a packed variable, refused where they are more than a spectrum can have."""
    opener = zlib.decompressobj()
    values = opener.decompress(data, MAX_BYTES - done + 1)
    check_size(source, done + len(values))
    return values


def _squeeze(value):
    """Vectors, which MATLAB keeps as matrices, with one axis, and single numbers as such."""
    if isinstance(value, dict):
        return {name: _squeeze(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_squeeze(one) for one in value]
    if isinstance(value, np.ndarray):
        return value.reshape(-1)[0].item() if value.size == 1 else value.squeeze()
    return value


def _read_variables(source):
    """Variables by name."""
    source.stream.seek(0)
    head = source.stream.read(_HEADER)
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if order is None:
        raise _Damaged("its header is cut off")
    data = source.stream.read(MAX_BYTES + 1)
    check_size(source, len(data))
    elements, reader, tree, done = _Elements(data, order), _Reader(order), {}, 0
    while elements:
        kind, content = elements.take()
        if kind == _COMPRESSED:
            content = _unpack(content, source, done)
            done += len(content)
            kind, content = _Elements(content, order).take()
        if kind == _MATRIX:
            name, value = reader.read(content)
            if name and value is not None:
                tree[name] = _squeeze(value)
    return tree


@register_format("spectok MATLAB", kind="mat", sniff=lambda source: True, general=True, takes=("columns",))
def read_matlab(source, options):
    """Read spectra from MATLAB's version 5: variables, or fields of a structure, by their names."""
    try:
        tree = _read_variables(source)
    except (_Damaged, zlib.error) as error:
        raise source.refuse(f"is no MATLAB file that can be read: {error}", "save it again, or as text") from error
    arrays = {name: one for name, one in tree.items() if isinstance(one, np.ndarray)}
    if len(tree) == len(arrays) == 1 and options.columns is None and next(iter(arrays.values())).ndim == 2:
        return read_unnamed(source, options, arrays)
    return read_tree(source, options, tree, "a MATLAB file")
