# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General readers of arrays in trees of names: ASDF, and the save files of IDL."""

import os
import struct
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Mapping

import numpy as np
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra.loaders._finish import restate_units
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._refusal import UnreadableFileError
from astro_spectok.spectra.loaders._tables import say_what
from astro_spectok.spectra.loaders.binary_tables import check_size, has_spectrum, read_named, take_lists

__all__ = ["read_asdf", "read_idl_save", "read_tree"]

_TAKES = ("columns",)
_DEEPEST = 8
_GIVE = "read it and give arrays with units"
#: flag of a record of an IDL save file that ends it
_END = 6


def _walk(node, depth=0):
    """Of each mapping in a tree: its arrays by name, their units, and what else it holds; and each Spectrum."""
    if isinstance(node, Spectrum):
        yield node
        return
    if isinstance(node, SpectrumList | list | tuple):
        for item in node if depth < _DEEPEST else ():
            yield from _walk(item, depth + 1)
        return
    if hasattr(node, "colnames"):
        node = {name: node[name] for name in node.colnames}
    if not isinstance(node, Mapping):
        return
    arrays, units, header = {}, {}, {}
    for name, item in node.items():
        if isinstance(item, str | int | float | bool):
            header[str(name).upper()] = item
        elif not isinstance(item, Spectrum) and getattr(item, "shape", ()):
            dtype = getattr(item, "dtype", None)
            if dtype is None or dtype.names or dtype.kind not in "fiub" or len(item.shape) > 2:
                continue
            arrays[str(name)] = item
            if getattr(item, "unit", None) is not None:
                units[str(name)] = item.unit.to_string()
        elif depth < _DEEPEST:
            yield from _walk(item, depth + 1)
    if arrays:
        yield arrays, units, header


def read_tree(source, options, tree, what):
    """Spectra of all mappings of a tree."""
    spectra, seen = [], []
    for found in _walk(tree):
        if isinstance(found, Spectrum):
            spectra.append(restate_units(found, options))
            continue
        arrays, units, header = found
        seen += list(arrays)
        if has_spectrum(arrays) or options.columns is not None:
            check_size(source, sum(int(np.prod(one.shape)) * one.dtype.itemsize for one in arrays.values()))
            values = {name: np.asarray(getattr(one, "value", one)) for name, one in arrays.items()}
            spectra += read_named(source, options, take_lists(values), units, header)
    if not spectra:
        raise source.refuse(say_what(seen) if seen else f"is {what} without arrays", _GIVE)
    return spectra


@register_format("spectok ASDF", kind="asdf", sniff=lambda source: True, general=True, takes=_TAKES)
def read_asdf(source, options):
    """Read spectra from ASDF: those of specutils, and mappings whose arrays are a spectrum by their names."""
    import asdf  # comes with specutils; takes a while

    source.stream.seek(0)
    try:
        with asdf.open(source.stream, memmap=False, lazy_load=True, custom_schema=None) as file:
            return read_tree(source, options, dict(file.tree), "an ASDF file")
    except UnreadableFileError:
        raise
    except Exception as error:  # damaged YAML and blocks raise whatever they can
        raise source.refuse(f"is no ASDF file that asdf reads: {error}", _GIVE) from error


def _check_records(source):
    """Refuse an IDL save file whose records unpack to more than a spectrum can have."""
    stream = source.stream
    stream.seek(0)
    packed, total = stream.read(4).endswith(b"\x06"), 0
    while packed and len(start := stream.read(16)) == 16:
        kind, low, high = struct.unpack(">iII", start[:12])
        following, place = low + (high << 32), stream.tell()
        if kind == _END or following <= place:
            return
        left, opener = following - place, zlib.decompressobj()
        while left > 0 and (part := stream.read(min(left, 2**16))):
            left -= len(part)
            while part:
                total += len(opener.decompress(part, 2**22))
                check_size(source, total)
                part = opener.unconsumed_tail
        stream.seek(following)


@register_format("spectok IDL", kind="sav", sniff=lambda source: True, general=True, takes=_TAKES)
def read_idl_save(source, options):
    """Read spectra from a save file of IDL: variables, or fields of a structure, by the meaning of their names."""
    from scipy.io import readsav

    try:
        _check_records(source)
        source.stream.seek(0)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.sav")  # scipy opens names of files alone
            with open(path, "wb") as copy:
                while part := source.stream.read(2**22):
                    copy.write(part)
            tree = _read_and_close(readsav, path)
    except UnreadableFileError:
        raise
    except Exception as error:  # what scipy raises at damaged records is of every kind
        raise source.refuse(f"is no IDL save file that scipy reads: {error}", _GIVE) from error
    return read_tree(source, options, {name: _unfold(value) for name, value in tree.items()}, "an IDL save file")


def _read_and_close(reader, path):
    """What scipy reads, which at damaged records leaves the file open until its traceback is forgotten."""
    try:
        return reader(path)
    except Exception as error:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            traceback.clear_frames(error.__traceback__)
        raise


def _unfold(value):
    """A structure of IDL as mapping of its fields, an array of structures as arrays of their fields."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names is None:
        return value.astype(value.dtype.newbyteorder("=")) if value.dtype.kind in "fiu" else value
    if value.size == 1:
        return {name: _unfold(value[name].reshape(-1)[0]) for name in value.dtype.names}
    fields = {}
    for name in value.dtype.names:
        column = value[name].reshape(-1)
        first = column[0]
        if isinstance(first, np.ndarray) and first.dtype.names is None:
            same = all(np.shape(one) == first.shape for one in column)
            fields[name] = np.stack(column.tolist()) if same else None
        elif isinstance(first, int | float | np.number):
            fields[name] = np.array(column.tolist())
    return fields
