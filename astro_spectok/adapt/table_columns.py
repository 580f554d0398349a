# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of a table as plain arrays that can stay on the disk, and rows chosen by what stands in them."""

from collections.abc import Mapping

import numpy as np
from astropy import units as u
from astropy.table import Column, QTable, Table

__all__ = ["PlainTable", "choose_rows"]

#: bytes of a text, and columns
LONGEST, MOST_COLUMNS = 4096, 1000


class PlainTable:
    """Columns as arrays of numbers and of bytes, with their units.

    Parameters
    ----------
    arrays : dict of str to ndarray, shape (n, ...)
        Numbers; text as uint8 of shape (n, bytes).
    units : dict of str to str
        Of those that have one.
    text : set of str
        Columns that are text.
    """

    def __init__(self, arrays, units, text):
        self.arrays, self.units, self.text = arrays, units, set(text)

    @classmethod
    def of_table(cls, table, n):
        """A table, or a dict of columns, of ``n`` rows.

        Raises
        ------
        ValueError
            It has another number of rows, or a column holds what is neither number nor text.
        """
        table = _to_table(table)
        if len(table.colnames) and len(table) != n:
            msg = f"table must have one row for each of the {n} spectra; got {len(table)}"
            raise ValueError(msg)
        arrays, units, text = {}, {}, set()
        for name in table.colnames:
            column = table[name]
            if (unit := getattr(column, "unit", None)) is not None:
                units[name] = unit.to_string()
            values = getattr(column, "value", column)
            mask = getattr(values, "mask", None)
            values = np.asarray(np.ma.getdata(getattr(values, "unmasked", values)))
            if values.dtype.kind in "US" or (
                values.dtype.kind == "O" and all(isinstance(x, str) or x is None for x in values)
            ):
                texts = [b"" if x is None else x if isinstance(x, bytes) else str(x).encode() for x in values.tolist()]
                width = max([1, *map(len, texts)])
                if width > LONGEST:
                    msg = f"table: the column {name!r} must hold texts of {LONGEST} bytes at most; got {width}"
                    raise ValueError(msg)
                arrays[name] = np.frombuffer(b"".join(x.ljust(width, b"\0") for x in texts), np.uint8).reshape(n, width)
                text.add(name)
            elif values.dtype.kind in "fiub" and values.ndim == 1:
                if mask is not None and np.any(mask):
                    values = np.where(mask, np.nan, values.astype(float))
                arrays[name] = values.astype(values.dtype.newbyteorder("="))
            else:
                msg = f"table: the column {name!r} must hold one number or text in each row; leave it out"
                raise ValueError(msg)
        return cls(arrays, units, text)

    def __len__(self):
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    @property
    def names(self):
        """Of the columns, list of str."""
        return list(self.arrays)

    def read(self, name, rows=slice(None)):
        """Values of a column, with its unit."""
        values = np.asarray(self.arrays[name][rows])
        if name in self.text:
            return np.array([bytes(x).rstrip(b"\0").decode(errors="replace") for x in values], dtype=str)
        return values * u.Unit(self.units[name]) if name in self.units else values

    def take(self, rows):
        """Some rows, `~astropy.table.QTable`."""
        out = QTable()
        for name in self.arrays:
            values = self.read(name, rows)
            out[name] = values if isinstance(values, u.Quantity) else Column(values)
        return out

    def describe(self):
        """Columns with what they hold: text, or numbers and their unit."""
        kinds = {name: "text" if name in self.text else self.units.get(name, "numbers") for name in self.arrays}
        return ", ".join(f"{name} [{kind}]" for name, kind in kinds.items()) or "none"

    def join(self, other):
        """The rows of both.

        Raises
        ------
        ValueError
            They have other columns, or units that do not convert to those of the first.
        """
        same = set(self.arrays) == set(other.arrays) and self.text == other.text and set(self.units) == set(other.units)
        if not same or not all(u.Unit(unit).is_equivalent(other.units[name]) for name, unit in self.units.items()):
            msg = f"table must have the columns and units of the index, {self.describe()}; got {other.describe()}"
            raise ValueError(msg)
        arrays = {}
        for name, first in self.arrays.items():
            second = other.arrays[name]
            if self.units.get(name) != other.units.get(name):
                second = other.read(name).to(self.units[name]).value
            if name in self.text:
                width = max(first.shape[1], second.shape[1])
                first, second = (np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in (first, second))
            arrays[name] = np.concatenate([first, second])
        return PlainTable(arrays, self.units, self.text)


def _to_table(table):
    """What a user gives as columns, as a table of Astropy."""
    if table is None or isinstance(table, Table):
        return QTable() if table is None else table
    if hasattr(table, "iloc") and hasattr(table, "columns"):  # a data frame
        return Table.from_pandas(table)
    if not isinstance(table, Mapping) and getattr(getattr(table, "dtype", None), "names", None) is None:
        msg = f"table must be a Table, a data frame or a dict of columns; got {type(table).__name__}"
        raise TypeError(msg)
    return QTable(table)


def choose_rows(table, where, n):
    """Which rows fulfil conditions.

    Parameters
    ----------
    table : PlainTable
    where : None, array_like of bool, callable, or dict
        A mask; a function of the table that gives one; or for each of some columns a value, a set or list of values, or
        a tuple (low, high) of which either may be None.
    n : int
        Number of rows.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        There is no such column, a range is reversed, a number is asked of a column of text, or the mask has another
        shape.
    `~astropy.units.UnitsError`
        What is wanted of a column has a unit that does not convert to its own.
    """
    if where is None:
        return np.ones(n, bool)
    if callable(where):
        where = where(table.take(slice(None)))
    if not isinstance(where, dict):
        mask = np.asarray(where)
        if mask.shape != (n,) or mask.dtype.kind != "b":
            msg = f"where must be a mask of {n} values True or False, a function that gives one, or a dict of columns"
            raise ValueError(msg)
        return mask
    mask = np.ones(n, bool)
    for name, wanted in where.items():
        if name not in table.arrays:
            msg = f"where must name columns of the index, which are {', '.join(table.names) or 'none'}; got {name!r}"
            raise ValueError(msg)
        values = table.read(name)
        if isinstance(values, u.Quantity):
            values = values.value  # numbers are in the unit of the column
        if isinstance(wanted, tuple):
            if len(wanted) != 2 or name in table.text:
                msg = f"where: a range must be (low, high) of a column of numbers; got {wanted!r} for {name!r}"
                raise ValueError(msg)
            low, high = (_strip_unit(x, name, table.units.get(name)) for x in wanted)
            if None not in (low, high) and not low <= high:  # nor is what is compared with NaN
                msg = f"where: a range must be (low, high) with low below high; got {wanted!r} for {name!r}"
                raise ValueError(msg)
            mask &= (values >= low) if low is not None else True
            mask &= (values <= high) if high is not None else True
        else:
            several = list(wanted) if isinstance(wanted, list | set | frozenset) else [wanted]
            found = [_strip_unit(x, name, table.units.get(name)) for x in several]
            if odd := [x for x in found if x is None or isinstance(x, str) is not (name in table.text)]:
                kind = "text" if name in table.text else "a number"
                msg = f"where must be {kind} for the column {name!r}, as that is; got {odd[0]!r}"
                raise ValueError(msg)
            mask &= values == found[0] if len(found) == 1 else np.isin(values, found)
    return mask


def _strip_unit(value, name, unit):
    """A value in the unit of a column, where it has one of its own."""
    if not isinstance(value, u.Quantity):
        return value
    try:
        return value.to(u.dimensionless_unscaled if unit is None else unit).value
    except u.UnitsError as error:
        what = "no unit" if unit is None else f"a unit that converts to {unit}"
        msg = f"where: what is wanted of {name!r} must have {what}; got {value.unit}"
        raise u.UnitsError(msg) from error
