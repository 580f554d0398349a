# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that hold many spectra by rows: HDF5 and Parquet of the Multimodal Universe and of HATS, and DESI's FITS."""

import numpy as np

from astro_spectok.spectra.desi_rows import DesiRows
from astro_spectok.spectra.multimodal import (
    HDF5_ENDINGS,
    PARQUET_ENDINGS,
    HDF5Shard,
    convert_rows,
    import_parquet,
)
from astro_spectok.spectra.nested import find_columns, list_leaves, read_fields
from astro_spectok.survey.columns import find_id, make_column, name_kind

__all__ = ["HDF5Table", "ParquetTable", "find_layout", "open_table"]


def find_layout(path):
    """How a file is read, by its name: 'hdf5', 'parquet' or 'file'.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str
    """
    name = str(path).lower()
    return "hdf5" if name.endswith(HDF5_ENDINGS) else "parquet" if name.endswith(PARQUET_ENDINGS) else "file"


def open_table(path, layout, *, column=None):
    """Open a file that holds spectra by rows.

    Parameters
    ----------
    path : path-like
    layout : {'hdf5', 'parquet', 'desi'}
    column : str, optional
        Of a Parquet file: the column that holds the spectra.

    Returns
    -------
    `HDF5Table`, `ParquetTable` or `DesiTable`
        Each has ``sizes``, the number of rows of each group; ``available``, the names and kinds of the columns that may
        be kept; ``read_columns(names, group, start, stop)``; and ``stream(group, start, stop, size, names, reading)``,
        which yields a `~astro_spectok.spectra.SpectrumBatch` and the columns of so many rows at a time.

    Raises
    ------
    OSError, ValueError
        It is damaged or of another layout.
    ImportError
        h5py or pyarrow is not installed.
    """
    if layout == "hdf5":
        return HDF5Table(path)
    return ParquetTable(path, column) if layout == "parquet" else DesiTable(path)


class HDF5Table:
    """An HDF5 file of the Multimodal Universe.

    Parameters
    ----------
    path : path-like
    """

    def __init__(self, path):
        self._shard = HDF5Shard(path)
        self.sizes = [len(self._shard)]
        self.available = {
            name: name_kind(dataset.dtype)
            for name, dataset in self._shard.columns.items()
            if dataset.shape == (len(self._shard),)
        }
        self.id = find_id(self.available)
        self.close = self._shard.close

    def read_columns(self, names, group, start, stop):
        """Columns of some rows: dict of str to ndarray, those that are there."""
        return {name: self._shard.columns[name][start:stop] for name in names if name in self.available}

    def stream(self, group, start, stop, size, names, reading):
        """Yield batches of at most ``size`` rows with their columns."""
        for first in range(start, stop, size):
            last = min(first + size, stop)
            rows = self._shard.read_rows(first, last)
            yield convert_rows(rows, **_convert_options(reading)), self.read_columns(names, group, first, last)


class ParquetTable:
    """A Parquet file with a nested column of spectra, or columns ``spectrum_flux`` and so on.

    Parameters
    ----------
    path : path-like
    column : str, optional
        The nested column; ``spectrum``, or the only one that may be one, if not given.
    """

    def __init__(self, path, column=None):
        # pages are read as they are needed, not a column of a whole row group at once
        self._file = import_parquet().ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        try:
            schema = self._file.schema_arrow
            self._struct, self._names = find_columns(schema, path, column)
            self._leaves = list_leaves(self._file.schema, self._struct, self._names)
            self.sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
            self.available = {field.name: _name_arrow_kind(field.type) for field in schema}
            self.id = find_id([name for name, kind in self.available.items() if kind])
        except Exception:
            self._file.close()
            raise

    def close(self):
        """Close the file."""
        self._file.close()

    def read_columns(self, names, group, start, stop):
        """Columns of some rows: dict of str to ndarray, those that are there."""
        names = [name for name in names if self.available.get(name)]
        table = self._file.read_row_group(group, columns=names, use_threads=False)
        return {name: _to_values(table[name].slice(start, stop - start)) for name in names}

    def stream(self, group, start, stop, size, names, reading):
        """Yield batches of at most ``size`` rows with their columns."""
        names = [name for name in names if self.available.get(name)]
        columns, first = [*self._leaves, *names], 0
        for part in self._file.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
            low, high = max(start - first, 0), min(stop - first, part.num_rows)
            first += part.num_rows
            if high > low:
                part = part.slice(low, high - low)
                rows = read_fields(part, self._struct, self._names)
                yield convert_rows(rows, **_convert_options(reading)), {name: _to_values(part[name]) for name in names}
            if first >= stop:
                break


class DesiTable:
    """A FITS file of DESI with arms and a fibermap.

    Parameters
    ----------
    path : path-like
    """

    id = "TARGETID"

    def __init__(self, path):
        self._rows = DesiRows(path)
        self.sizes = [len(self._rows)]
        flat = self._rows.fibermap.columns.items()
        self.available = {name: name_kind(column.dtype) for name, column in flat if column.ndim < 2}
        self.close = self._rows.close

    def read_columns(self, names, group, start, stop):
        """Columns of some rows of the fibermap: dict of str to ndarray, those that are there."""
        return {name: np.asarray(self._rows.fibermap[name][start:stop]) for name in names if name in self.available}

    def stream(self, group, start, stop, size, names, reading):
        """Yield batches of at most ``size`` rows with their columns."""
        options = _convert_options(reading)
        for first in range(start, stop, size):
            last = min(first + size, stop)
            yield self._rows.read(first, last, **options), self.read_columns(names, group, first, last)


def _convert_options(reading):
    """Of the options of reading what rows of arrays can use."""
    return {name: reading.get(name) for name in ("medium", "resolution")}


def _name_arrow_kind(kind):
    """'int', 'float', 'text', or None, of an Arrow type."""
    import pyarrow.types as types

    for name, checks in (
        ("int", (types.is_integer, types.is_boolean)),
        ("float", (types.is_floating,)),
        ("text", (types.is_string, types.is_large_string, types.is_binary)),
    ):
        if any(check(kind) for check in checks):
            return name
    return None


def _to_values(array):
    """A column of Arrow as numpy, without loss: null numbers become what stands for missing ones."""
    kind = _name_arrow_kind(array.type)
    if kind == "int" and array.null_count:
        array = array.cast("int64").fill_null(-1)
    return make_column(np.asarray(array), kind, len(array))
