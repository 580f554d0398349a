# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra in tables of Arrow: nested columns, or columns of lists, as rows of arrays."""

import numpy as np

__all__ = ["choose_names", "find_columns", "list_leaves", "read_fields"]

#: what a spectrum is made of, and the names that the surveys of the Multimodal Universe give it
FIELDS = {
    "wavelength": ("lambda", "wave", "wavelength"),
    "flux": ("flux",),
    "ivar": ("ivar", "flux_ivar"),
    "sigma": ("noise",),
    "mask": ("mask",),
    "lsf_sigma": ("lsf_sigma",),
}
REQUIRED = ("wavelength", "flux")


def choose_names(known, path):
    """Field to the name it has in the file, of those in ``known``."""
    found = {field: next((a for a in aliases if a in known), None) for field, aliases in FIELDS.items()}
    found = {field: alias for field, alias in found.items() if alias is not None}
    missing = [" or ".join(FIELDS[field]) for field in REQUIRED if field not in found]
    if missing:
        msg = (
            f"{path} must hold a spectrum with flux and lambda, got none of {', '.join(missing)}; write flux, ivar, "
            "lambda, mask and lsf_sigma, as spectrum_flux, ... or in a nested column spectrum"
        )
        raise ValueError(msg)
    return found


def find_columns(schema, path, column=None):
    """Where a Parquet file, or a table of Arrow, has its spectra.

    Parameters
    ----------
    schema : `pyarrow.Schema`
    path : path-like
        For messages.
    column : str, optional
        Name of the nested column; ``spectrum``, or the only one that may be one, if not given.

    Returns
    -------
    struct : str or None
        Name of the nested column, a struct of lists or a list of structs. None: the fields are columns of lists, called
        ``spectrum_flux`` and so on, or ``flux``.
    names : dict of str to str
        Names of the fields in the nested column, or of the columns.

    Raises
    ------
    ValueError
        There are no spectra, or ``column`` is no nested column.
    """
    nested = {field.name: known for field in schema if (known := _list_fields(field.type))}
    if column is not None and column not in nested:
        msg = f"{path}: column must be a nested column with flux and lambda, got {column!r}; there are {sorted(nested)}"
        raise ValueError(msg)
    full = [name for name, known in nested.items() if _has_spectrum(known)]
    for name in (column, "spectrum", full[0] if len(full) == 1 else None):
        if name in nested:
            return name, choose_names(nested[name], path)
    known = {name[len("spectrum_") :] for name in schema.names if name.startswith("spectrum_")}
    if not _has_spectrum(known) and _has_spectrum(set(schema.names)):
        return None, choose_names(set(schema.names), path)
    return None, {field: f"spectrum_{name}" for field, name in choose_names(known, path).items()}


def _list_fields(kind):
    """Names of the fields of a struct, or of a list of structs; empty for all else."""
    import pyarrow

    while not pyarrow.types.is_struct(kind) and hasattr(kind, "value_type"):
        kind = kind.value_type
    return {kind.field(i).name for i in range(kind.num_fields)} if pyarrow.types.is_struct(kind) else set()


def _has_spectrum(known):
    return all(any(alias in known for alias in FIELDS[field]) for field in REQUIRED)


def list_leaves(schema, struct, names):
    """Paths of the columns of a Parquet file that hold the fields of spectra.

    Parameters
    ----------
    schema : `pyarrow.parquet.ParquetSchema`
    struct, names
        As of `find_columns`.

    Returns
    -------
    list of str
    """
    if struct is None:
        return sorted(names.values())
    leaves = [schema.column(i).path for i in range(len(schema.names))]
    wanted = set(names.values())
    # a list in a struct has the path spectrum.flux.list.element, a struct in a list other ones
    return [leaf for leaf in leaves if leaf.split(".")[0] == struct and wanted & set(leaf.split(".")[1:])]


def read_fields(table, struct, names):
    """Spectra of a table of Arrow.

    Parameters
    ----------
    table : `pyarrow.Table` or `pyarrow.RecordBatch`
    struct, names
        As of `find_columns`.

    Returns
    -------
    list of dict of str to ndarray
        As of `HDF5Shard.read_row`.
    """
    if struct is None:
        columns = {field: table[name] for field, name in names.items()}
        return [{field: _to_array(column[i]) for field, column in columns.items()} for i in range(table.num_rows)]
    column = table[struct]
    return [_read_struct(column[i], names) for i in range(table.num_rows)]


def _read_struct(row, names):
    """Fields of a struct of lists, or of a list of structs; none where the row is null."""
    if not row.is_valid:
        return {field: np.zeros(0) for field in names}
    if not hasattr(row, "keys"):
        return {field: _to_array(row.values.field(name)) for field, name in names.items()}
    return {field: _to_array(row[name]) for field, name in names.items()}


def _to_array(value):
    """A list, or one value, of Arrow as float64; null becomes NaN."""
    value = getattr(value, "values", value)  # the elements of a list
    if value is None:
        return np.zeros(0)
    if hasattr(value, "flatten") and hasattr(value, "offsets"):  # a list of lists of one element
        value = value.flatten()
    if hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy(zero_copy_only=False), dtype=np.float64)
    value = value.as_py()
    return np.asarray(np.nan if value is None else value, dtype=np.float64)
