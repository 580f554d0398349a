# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of tables of results: their units, what they mean, and the digits that are shown."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from astropy.table import QTable

from astro_spectok.utils.digits import count_decimals

__all__ = ["Column", "fill_row", "lay_out", "list_row", "make_arrays", "make_row", "make_table"]

#: of a column of each kind, and what stands where nothing was measured; text is as long as it needs to be
EMPTY = {"float": np.nan, "int": 0, "text": ""}
DTYPES = {"float": np.float64, "int": np.int64, "text": object}


class Column(NamedTuple):
    """A column of a table of results.

    Attributes
    ----------
    description : str
        For ``info.description``.
    unit : `~astropy.units.UnitBase` or `~astropy.units.FunctionUnitBase`, optional
        None for what is a plain number or text.
    kind : {'float', 'int', 'text'}
    digits : int or str, optional
        Decimals that are shown, or the column of the errors that they follow from.
    """

    description: str
    unit: Any = None
    kind: str = "float"
    digits: int | str | None = None


def make_arrays(columns: Mapping[str, Column], n: int) -> dict[str, np.ndarray]:
    """Arrays of ``n`` rows of which nothing is known yet, by name: NaN, 0 and ''."""
    return {name: np.full(n, EMPTY[column.kind], DTYPES[column.kind]) for name, column in columns.items()}


def fill_row(arrays: Mapping[str, np.ndarray], i: int, row: Mapping[str, Any]) -> None:
    """Put the values of a row into arrays of `make_arrays`; those of other names are left alone."""
    for name, value in row.items():
        if name in arrays:
            arrays[name][i] = value


def list_row(result: Any, columns: Mapping[str, Column]) -> dict[str, Any]:
    """Plain numbers and texts of a result, whose attributes have the names of columns, by these; ``warn`` last."""
    values = {name: getattr(result, name) for name in columns if name != "warn"}
    return {name: getattr(value, "value", value) for name, value in values.items()} | {"warn": int(result.warn)}


def make_row(columns: Mapping[str, Column], row: Mapping[str, Any], meta: Mapping[str, Any]) -> QTable:
    """A table of one row, as of `make_table`."""
    arrays = make_arrays(columns, 1)
    fill_row(arrays, 0, row)
    return make_table(columns, arrays, meta)


def make_table(columns: Mapping[str, Column], arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> QTable:
    """A table with units, descriptions and formats.

    Formats are for the eye: ECSV, FITS and Parquet keep all digits.

    Parameters
    ----------
    columns : dict of str to `Column`
        In their order.
    arrays : dict of str to ndarray
        Plain values of each, in the unit of the column.
    meta : dict

    Returns
    -------
    `~astropy.table.QTable`

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.interface.columns import Column, make_table
    >>> columns = {"z": Column("redshift", digits="z_err"), "z_err": Column("its error", digits="z_err")}
    >>> table = make_table(columns, {"z": np.array([0.08571234]), "z_err": np.array([2.3e-5])}, {})
    >>> print(table)
       z      z_err
    -------- --------
    0.085712 0.000023
    >>> table["z"].info.description
    'redshift'
    """
    table = QTable(meta=dict(meta))
    for name, (description, unit, kind, digits) in columns.items():
        values, decimals = arrays[name].astype(str) if kind == "text" else arrays[name], None
        if digits is not None:
            decimals = digits if isinstance(digits, int) else count_decimals(arrays[digits])
            if isinstance(digits, str):  # what is far below its error is printed without a sign
                values = np.where((values < 0) & (values > -0.5 * 10.0**-decimals), 0.0, values)
        table[name] = values if unit is None else values * unit
        table[name].info.description = description
        if decimals is not None:
            table[name].info.format = f".{decimals}f"
    return table


def lay_out(table: QTable, layout: Any) -> QTable:
    """A table in the shape of the cube that its rows are of.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        One row for each spectrum.
    layout : `~astro_spectok.spectra.layout.CubeLayout` or None
        None leaves the table as it is.

    Returns
    -------
    `~astropy.table.QTable`
        Each column, of shape (n, ...), has the shape (y, x, ...): it is a map. ``meta['wcs']`` holds the cards of the
        celestial WCS as JSON where there is one.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from astro_spectok.interface.columns import lay_out
    >>> from astro_spectok.spectra.layout import CubeLayout
    >>> lay_out(QTable({"z": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}), CubeLayout((2, 3)))["z"].shape
    (2, 3)
    """
    if layout is None:
        return table
    out = QTable(meta=table.meta)
    for name in table.colnames:
        column = table[name]
        out[name] = column.reshape(*layout.shape, *column.shape[1:])
        out[name].info.description, out[name].info.format = column.info.description, column.info.format
    if layout.wcs:
        out.meta["wcs"] = layout.wcs
    return out
