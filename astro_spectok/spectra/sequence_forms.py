# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Forms in which sequences along other axes may be given, files included, each as a list of what it holds."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.nddata import NDUncertainty
from astropy.table import Row, Table
from astropy.time import Time, TimeDelta
from specutils import Spectrum, SpectrumCollection

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.columns import unwrap
from astro_spectok.spectra.problems import make_error
from astro_spectok.spectra.raw import read_arrays, read_collection, read_spectrum

__all__ = ["is_single_sequence", "list_sequences"]

#: names of columns, in lower case, in the order in which they are looked for; that of the axis comes first
AXES = ("axis", "time", "wavenumber", "position", "spectral_axis", "x")
VALUES, ERRORS = ("values", "value", "flux", "signal", "y"), ("errors", "error", "uncertainty", "sigma", "yerr")
MASKS, IDS, NAMES = ("mask",), ("id",), ("name",)
#: endings of the files that are read as tables
TABLES = (".ecsv", ".csv", ".fits", ".parquet", ".txt", ".dat")
ACCEPTED = (
    "a tuple (axis Quantity or Time, values[, errors[, mask]]), a Spectrum, a table with columns axis and values, a "
    "list of these, or names of files"
)


def is_single_sequence(obj):
    """Whether ``obj`` is exactly one sequence: bool.

    Parameters
    ----------
    obj
        Anything.
    """
    if isinstance(obj, Spectrum):
        return obj.data.ndim == 1
    if _is_arrays(obj):
        return np.ndim(unwrap(obj[1])) == 1
    return isinstance(obj, Row)


def list_sequences(obj, kind, axis_unit=None):
    """List what ``obj`` holds, without reading it.

    Parameters
    ----------
    obj
        As for `~astro_spectok.spectra.sequences.to_sequences`.
    kind : str
        Of the axis: the name of its column, beside ``axis``.
    axis_unit : str or `~astropy.units.Unit`, optional
        Of axes without one.

    Returns
    -------
    list of tuple (n, position, reader)
        ``reader()`` gives a `~astro_spectok.spectra.raw.RawSpectra` of n rows, or raises. ``position`` is the place in
        the list, None if ``obj`` is no list.

    Raises
    ------
    TypeError
        ``obj`` is none of the forms.
    """
    unit = None if axis_unit is None else u.Unit(axis_unit)
    if isinstance(obj, str | os.PathLike):
        obj = _list_files(obj)
    elif isinstance(obj, Iterator):
        obj = list(obj)
    if _is_one(obj):
        return [(n, None, reader) for n, reader in _list_one(obj, kind, unit)]
    if not isinstance(obj, list | tuple):
        msg = f"obj must be {ACCEPTED}; got {type(obj).__name__}"
        raise make_error(InputFlag.BAD_INPUT, TypeError, msg)
    out = []
    for item in obj:
        found = _list_safely(item, kind, unit)
        # a table among others may hold several
        out += [(n, len(out) + k, reader) for k, (n, reader) in enumerate(found)]
    return out


def _is_one(obj):
    return isinstance(obj, Spectrum | SpectrumCollection | Table | Row | Mapping) or _is_frame(obj) or _is_arrays(obj)


def _is_frame(obj):
    return type(obj).__module__.partition(".")[0] == "pandas" and getattr(obj, "ndim", 0) == 2


def _is_arrays(obj):
    """Whether ``obj`` is a tuple of arrays rather than one of sequences: the first is an axis."""
    if not (isinstance(obj, tuple | list) and len(obj) in (2, 3, 4)):
        return False
    first = unwrap(obj[0])
    if isinstance(first, u.Quantity | Time | TimeDelta):
        return True
    # numbers without a unit: refused in words, unless one is given
    return isinstance(obj, tuple) and isinstance(first, np.ndarray) and first.ndim == 1 and first.dtype.kind in "fiu"


def _list_safely(item, kind, unit):
    try:
        if isinstance(item, str | os.PathLike):
            return [pair for path in _list_files(item) for pair in _list_file(path, kind, unit)]
        if _is_one(item):
            return _list_one(item, kind, unit)
        msg = f"must be {ACCEPTED}; got {type(item).__name__}"
        raise make_error(InputFlag.BAD_INPUT, TypeError, msg)
    except Exception as error:
        return [(1, partial(_raise, error))]


def _raise(error):
    raise error


def _list_one(item, kind, unit):
    """Pairs (n, reader) of anything that is no list."""
    if isinstance(item, Spectrum):
        n = int(np.prod(item.data.shape)) // item.data.shape[item.spectral_axis_index]
        return [(n, lambda: read_spectrum(item))]
    if isinstance(item, SpectrumCollection):
        return [(1, partial(read_collection, item, row)) for row in range(int(np.prod(item.shape)))]
    if _is_arrays(item):
        return [(_count(item[1]), partial(_read_tuple, item, unit))]
    if isinstance(item, Row):
        return [(1, partial(_read_row, item.table, item.index, _find_columns(item.colnames, kind), unit))]
    return _list_table(_to_table(item), kind, unit)


def _count(values):
    values = unwrap(values)
    return len(values) if np.ndim(values) == 2 else 1


def _read_tuple(arrays, unit, name=""):
    """`RawSpectra` of ``(axis, values[, errors[, mask]])``."""
    axis, values = _to_quantity(arrays[0], unit), unwrap(arrays[1])
    if not isinstance(values, np.ndarray):
        values = np.asarray(values)
    errors, mask = (*arrays[2:], None, None)[:2]
    if errors is not None and not isinstance(errors, NDUncertainty):
        errors = unwrap(errors)
        own = getattr(values, "unit", None) or u.dimensionless_unscaled
        errors = errors if isinstance(errors, u.Quantity) else u.Quantity(np.asarray(errors, float), own)
    raw = read_arrays((axis, values, errors, mask))
    return raw if not name else type(raw)(**{**vars(raw), "names": (name,) * len(raw.flux)})


def _to_quantity(axis, unit):
    """An axis as a Quantity: a time counts from its first point."""
    axis = unwrap(axis)
    if isinstance(axis, Time | TimeDelta):
        first = axis.min() if isinstance(axis, Time) else None
        return (axis if first is None else axis - first).to(u.d)
    if isinstance(axis, u.Quantity) and (axis.unit != u.dimensionless_unscaled or unit is None):
        return axis
    if unit is None:
        msg = "axis must be a Quantity with a unit, or a Time; got numbers alone; give axis * u.s, say, or axis_unit"
        raise make_error(InputFlag.BAD_UNITS, u.UnitsError, msg)
    return u.Quantity(np.asarray(axis, float), unit)


def _to_table(item):
    if isinstance(item, Table):
        return item
    if _is_frame(item):
        return Table.from_pandas(item)
    return Table({name: _hold(value) for name, value in item.items()})


def _hold(value):
    """Arrays of unlike lengths as a column of objects."""
    if isinstance(value, list) and len({np.shape(x) for x in value}) > 1:
        out = np.empty(len(value), object)
        out[:] = value
        return out
    return value


def _find_columns(names, kind):
    """Columns by what they mean: axis, values, and None where there is no errors, mask, id or name."""
    by_name = {str(name).lower(): name for name in names}

    def find(*wanted):
        return next((by_name[name] for name in wanted if name in by_name), None)

    roles = {
        "axis": find("axis", kind, *AXES), "values": find(*VALUES), "errors": find(*ERRORS), "mask": find(*MASKS),
        "id": find(*IDS), "name": find(*NAMES),
    }  # fmt: skip
    if roles["axis"] is None or roles["values"] is None:
        listed = ", ".join(map(str, list(names)[:8]))
        msg = (
            f"columns of sequences must be named 'axis' (or {kind!r}) and 'values'; got {listed or 'none'}; rename them"
        )
        raise make_error(InputFlag.BAD_INPUT, TypeError, msg)
    return roles


def _list_table(table, kind, unit):
    """Pairs (n, reader) of a table: sequences in rows, or points in rows."""
    roles = _find_columns(table.colnames, kind)
    values = table[roles["values"]]
    if np.ndim(values) > 1 or getattr(values, "dtype", np.dtype(float)).kind == "O":
        return [(1, partial(_read_row, table, row, roles, unit)) for row in range(len(table))]
    if roles["id"] is None:
        return [(1, partial(_read_points, table, slice(None), roles, unit, ""))]
    ids = np.asarray(table[roles["id"]])
    names, first, number = np.unique(ids, return_index=True, return_inverse=True)
    return [
        (1, partial(_read_points, table, np.flatnonzero(number == k), roles, unit, str(names[k])))
        for k in np.argsort(first)
    ]


def _read_points(table, rows, roles, unit, name):
    """One sequence whose points are rows."""
    part = [None if roles[what] is None else table[roles[what]][rows] for what in ("axis", "values", "errors", "mask")]
    return _read_tuple(part, unit, name)


def _read_row(table, row, roles, unit):
    """One sequence that is a row."""
    part = []
    for what in ("axis", "values", "errors", "mask"):
        column = None if roles[what] is None else table[roles[what]]
        value = None if column is None else column[row]
        if what != "mask" and value is not None and not isinstance(value, u.Quantity | Time | TimeDelta):
            own = getattr(column, "unit", None)
            value = np.ma.filled(np.ma.asarray(value, float), np.nan)
            value = value if own is None else value * u.Unit(own)
        part.append(value)
    return _read_tuple(part, unit, "" if roles["name"] is None else str(table[roles["name"]][row]))


def _list_files(path):
    """Files of a folder, in order, or the one that is named."""
    path = Path(path)
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix.lower() in TABLES and not one.name.startswith("."))
        if not files:
            msg = f"{path} holds no table of sequences; give one with files that end in {', '.join(TABLES)}"
            raise FileNotFoundError(msg)
        return files
    if not path.is_file():
        msg = f"{path}: no such file or folder"
        raise FileNotFoundError(msg)
    return [path]


def _list_file(path, kind, unit):
    """Pairs (n, reader) of one file; two columns without names are axis and values."""
    path = Path(path)
    ending = path.suffix.lower()
    if ending in (".txt", ".dat"):
        table = Table.read(path, format="ascii")
    else:
        table = Table.read(path, format={".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}.get(ending, ending[1:]))
    if len(table.colnames) in (2, 3) and list(table.colnames) == [f"col{k + 1}" for k in range(len(table.colnames))]:
        table.rename_columns(table.colnames, ["axis", "values", "errors"][: len(table.colnames)])
    return [(n, partial(_name_file, reader, path.name)) for n, reader in _list_table(table, kind, unit)]


def _name_file(reader, name):
    """What a reader reads, with the name of the file where it has none, also on its errors."""
    try:
        raw = reader()
    except Exception as error:
        error.spectrum_name = name
        raise
    return raw if any(raw.names) else type(raw)(**{**vars(raw), "names": (name,) * len(raw.flux)})
