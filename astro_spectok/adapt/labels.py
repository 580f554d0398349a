# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of spectra, in whatever form they come: numbers with units and without, several, missing ones; and classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable, Row, Table

from astro_spectok.interface.columns import Column

__all__ = [
    "AFTER", "BEFORE", "Labels", "error_unit", "find_missing", "list_logarithms", "read_classes", "read_labels",
    "take_logarithms", "take_rows",
]  # fmt: skip

#: name of a label that comes without one
UNNAMED = "label"

#: what every table of predictions has before and after the labels
BEFORE = {"name": Column("name of the spectrum, where it has one", kind="text")}
AFTER = {
    "warn": Column("what was noticed: bits of AdaptFlag", kind="int"),
    "message": Column("why it could not be used", kind="text"),
}


@dataclass(frozen=True)
class Labels:
    """Numbers to be learned, one column for each label.

    Attributes
    ----------
    values : ndarray of float64, shape (n, k)
        In ``units``; NaN where unknown.
    names : tuple of str, length k
    units : tuple of `~astropy.units.UnitBase` or None, length k
    form : {'array', 'matrix', 'quantity', 'table'}
        How they were given, and are given back.
    """

    values: np.ndarray
    names: tuple
    units: tuple
    form: str

    def give_back(self, values, *, errors=False):
        """Values (m, k) in the form in which the labels were given, with their units; or errors of labels.

        Returns
        -------
        ndarray, `~astropy.units.Quantity` or `~astropy.table.QTable`
        """
        units = [error_unit(unit) if errors else unit for unit in self.units]
        if self.form == "matrix":
            return values
        if self.form != "table":
            return values[:, 0] if units[0] is None else values[:, 0] * units[0]
        table = QTable()
        for name, unit, column in zip(self.names, units, values.T, strict=True):
            table[name] = column if unit is None else column * unit
        return table


def error_unit(unit):
    """Unit of the error of a value: of a logarithmic one, that of its function."""
    return getattr(unit, "function_unit", unit)


def read_labels(y: Any, n: int, *, like: Labels | None = None) -> Labels:
    """Numbers to be learned.

    Parameters
    ----------
    y : array_like, `~astropy.units.Quantity`, `~astropy.table.Table`, dict, data frame or structured array
        One value for each spectrum, or a column for each label.
    n : int
        Number of spectra.
    like : Labels, optional
        Whose names and units they must have; values are converted.

    Returns
    -------
    Labels

    Raises
    ------
    TypeError
        They are no numbers.
    ValueError
        There is not one for each spectrum, or a label of ``like`` is not among them.
    `~astropy.units.UnitsError`
        They have a unit and those of ``like`` have none, or the other way round, or units do not convert.
    """
    columns, form = _list_columns(y)
    if like is not None:
        if form != "table" and len(columns) == len(like.names):
            columns = dict(zip(like.names, columns.values(), strict=True))
        if missing := [name for name in like.names if name not in columns]:
            msg = f"y must hold the labels {', '.join(like.names)}, as in fit; got none named {', '.join(missing)}"
            raise ValueError(msg)
        columns, form = {name: columns[name] for name in like.names}, like.form
    units = like.units if like is not None else [getattr(column, "unit", None) for column in columns.values()]
    values = [
        _to_numbers(name, column, unit, n, strict=like is not None)
        for (name, column), unit in zip(columns.items(), units, strict=True)
    ]
    if not values:
        msg = "y must hold at least one label; got a table without columns"
        raise ValueError(msg)
    return Labels(np.stack(values, axis=1), tuple(map(str, columns)), tuple(units), form)


def list_logarithms(log):
    """Names of the labels that are learned as their logarithm, from what a user gives."""
    if isinstance(log, str):
        return [log]
    if isinstance(log, bool) or not np.iterable(log):
        msg = f"log must be the name of a label, or a sequence of names; got {log!r}; an array's is {UNNAMED!r}"
        raise TypeError(msg)
    return list(log)


def take_logarithms(labels: Labels, wanted: Any) -> np.ndarray:
    """Labels as they are learned, ndarray of shape (n, k): the ``wanted`` ones as their logarithm.

    Raises
    ------
    ValueError
        There is no such label, or it is not positive.
    """
    if unknown := [name for name in wanted if name not in labels.names]:
        msg = f"log must name labels, which are {', '.join(labels.names)}; got {', '.join(map(str, unknown))}"
        raise ValueError(msg)
    values = labels.values.copy()
    for k, name in enumerate(labels.names):
        if name in wanted:
            if (values[:, k] <= 0).any():
                got = np.nanmin(values[:, k])
                msg = f"y: the label {name!r} must be positive to be learned as its logarithm (log); got {got:g}"
                raise ValueError(msg)
            values[:, k] = np.log(values[:, k])
    return values


def take_rows(y):
    """A list of rows of a table, as cross-validation makes it, as a table; anything else as it is."""
    if isinstance(y, list | tuple) and len(y) and isinstance(y[0], Row):
        return y[0].table[[row.index for row in y]]
    return y


def _list_columns(y):
    """Columns by name, and the form of all."""
    y = take_rows(y)
    if isinstance(y, Table):
        return {name: y[name] for name in y.colnames}, "table"
    if isinstance(y, Mapping):
        return dict(y), "table"
    if hasattr(y, "columns") and hasattr(y, "iloc"):
        return {str(name): np.asarray(y[name]) for name in y.columns}, "table"
    if hasattr(y, "iloc"):
        return {str(getattr(y, "name", None) or UNNAMED): np.asarray(y)}, "array"
    if isinstance(y, list | tuple) and len(y) and isinstance(y[0], u.Quantity):
        y = u.Quantity(y)
    if y is None:
        msg = "y must be the labels, one for each spectrum; got None"
        raise ValueError(msg)
    if not isinstance(y, np.ndarray | list | tuple) and hasattr(y, "__array__"):
        y = np.asarray(y)
    if names := getattr(getattr(y, "dtype", None), "names", None):  # structured, with units or without
        return {name: y[name] for name in names}, "table"
    shape = np.shape(y)
    if len(shape) not in (1, 2):
        msg = f"y must have the shape (spectra,) or (spectra, labels); got {shape}"
        raise ValueError(msg)
    if len(shape) == 1:
        return {UNNAMED: y}, "array" if getattr(y, "unit", None) is None else "quantity"
    y = y if isinstance(y, u.Quantity) else np.asarray(y)
    form = "matrix" if getattr(y, "unit", None) is None else "table"
    return {f"{UNNAMED}_{k}": y[:, k] for k in range(shape[1])}, form


def _to_numbers(name, column, unit, n, *, strict):
    """One label of all spectra in its unit, NaN where it is masked or unknown."""
    mask = getattr(column, "mask", None)
    given = getattr(column, "unit", None)
    if strict and (given is None) != (unit is None):
        what = f"have a unit that converts to {unit}" if unit is not None else "have no unit"
        got = "none" if given is None else f"the unit {given}"
        msg = f"y: the label {name!r} must {what}, as in fit; got {got}; attach it (values * u.Unit(...))"
        raise u.UnitsError(msg)
    if given is not None:
        column = getattr(column, "unmasked", column)
        if not hasattr(column, "to"):  # a column of a plain table
            column = np.asarray(np.ma.getdata(column), dtype=np.float64) * given
        try:
            column = column.to(unit).value
        except u.UnitsError as error:
            msg = f"y: the label {name!r} must have a unit that converts to {unit}, as in fit; got {given}"
            raise u.UnitsError(msg) from error
    values = np.ma.getdata(column)
    try:
        if np.iscomplexobj(values):
            raise TypeError
        values = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"y: the label {name!r} must hold real numbers, NaN where unknown; classes are for SpectrumClassifier"
        raise TypeError(msg) from error
    if values.shape != (n,):
        msg = f"y must hold one value of {name!r} for each of the {n} spectra; got the shape {values.shape}"
        raise ValueError(msg)
    if mask is not None and np.ndim(mask):
        values[np.asarray(mask)] = np.nan
    if np.isinf(values).any():
        msg = f"y: the label {name!r} must be finite, or NaN where unknown; got {int(np.isinf(values).sum())} infinite"
        raise ValueError(msg)
    return values


def read_classes(y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes to be learned.

    Parameters
    ----------
    y : array_like of str or int, table of one column, or series
        '' , None, masked or NaN where unknown.
    n : int
        Number of spectra.

    Returns
    -------
    classes : ndarray, shape (k,)
        Sorted.
    number : ndarray of int64, shape (n,)
        Which of them each spectrum is; -1 where unknown.

    Raises
    ------
    ValueError
        There is not one for each spectrum, there are several labels, or values are neither text nor whole numbers.
    """
    columns, _ = _list_columns(y)
    if len(columns) != 1:
        msg = f"y must hold one class for each spectrum; got the {len(columns)} columns {', '.join(columns)}"
        raise ValueError(msg)
    (column,) = columns.values()
    if isinstance(column, list | tuple):  # NumPy would make text of numbers beside text
        column = np.array(column, dtype=object)
    mask, values = find_missing(column), np.asarray(np.ma.getdata(column))
    if values.shape != (n,):
        msg = f"y must hold one class for each of the {n} spectra; got the shape {values.shape}"
        raise ValueError(msg)
    if values.dtype.kind == "O":
        values = _find_type(values, mask)
    if values.dtype.kind == "S":
        values = values.astype(str)
    if values.dtype.kind == "U":
        mask = mask | (np.char.strip(values) == "")
    elif values.dtype.kind == "f":
        if (values[~mask] % 1 != 0).any():
            msg = "y: Unknown label type: continuous; classes must be text or whole numbers; or use SpectrumRegressor"
            raise ValueError(msg)
        values = np.where(mask, 0, values).astype(np.int64)
    elif values.dtype.kind not in "iub":
        msg = f"y: Unknown label type: classes must be text or whole numbers; got the type {values.dtype}"
        raise ValueError(msg)
    classes, inverse = np.unique(values[~mask], return_inverse=True)
    number = np.full(n, -1, np.int64)
    number[~mask] = inverse
    return classes, number


def find_missing(values):
    """Which of some values are masked, None, NaN, or what pandas has in their place: ndarray of bool."""
    data, mask = np.asarray(np.ma.getdata(getattr(values, "unmasked", values))), getattr(values, "mask", None)
    mask = np.broadcast_to(mask if isinstance(mask, np.ndarray | np.bool_) else False, data.shape)
    if data.dtype.kind == "O":
        return mask | np.array([_is_missing(x) for x in data.ravel()], dtype=bool).reshape(data.shape)
    return mask | np.isnan(data) if data.dtype.kind == "f" else mask


def _is_missing(x):
    try:
        return x is None or x is np.ma.masked or bool(x != x)
    except TypeError:  # pandas' NA: not even a comparison with it is known
        return True


def _find_type(values, mask):
    """Objects of which some are missing as an array of what the others are; these are filled."""
    known = values[~mask].tolist()
    kinds = {str if isinstance(x, str) else bytes if isinstance(x, bytes) else complex for x in known}
    if len(kinds) > 1:
        msg = f"y: Unknown label type: classes must be all text or all whole numbers; got {known[0]!r} among others"
        raise ValueError(msg)
    out = np.zeros(len(values), np.array(known).dtype if known else "U1")
    out[~mask] = known
    return out
