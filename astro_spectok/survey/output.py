# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables as Parquet whose schema holds units, descriptions and provenance, for Astropy, pandas, Arrow and TOPCAT."""

import warnings
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from astropy import units as u
from astropy.table import QTable, meta, serialize
from astropy.units import UnitsWarning
from astropy.utils.data_info import serialize_context_as

from astro_spectok.utils.atomic import replace_file
from astro_spectok.utils.optional import import_optional

__all__ = ["RUN_KEY", "import_pyarrow", "read_parts", "to_arrow", "write_part"]

#: of the metadata of a file: the run that it is from
RUN_KEY = b"astro_spectok.run"
#: VOTable's names of types
VO_TYPES = {"f8": "double", "f4": "float", "i8": "long", "i4": "int", "i2": "short", "b1": "boolean"}


def import_pyarrow():
    """The module `pyarrow`, with its `parquet`; an `ImportError` says how to get it."""
    import_optional("pyarrow.parquet", "surveys are written as Parquet, which needs pyarrow", "survey")
    return import_optional("pyarrow", "surveys need pyarrow", "survey")


def to_arrow(table):
    """A table of Astropy as one of Arrow; arrays become lists of fixed size.

    Parameters
    ----------
    table : `~astropy.table.QTable`

    Returns
    -------
    `pyarrow.Table`
        Its schema has units and descriptions in the metadata of fields, the header that `astropy.table.Table.read`
        makes quantities from, and that of a VOTable.
    """
    pa = import_pyarrow()
    units = {name: getattr(table[name], "unit", None) for name in table.colnames}
    described = {name: table[name].info.description for name in table.colnames}
    with serialize_context_as("parquet"):
        plain = serialize.represent_mixins_as_columns(table)
    fields, arrays, lengths = [], [], {}
    for name in plain.colnames:
        array = _to_array(pa, np.asarray(plain[name]))
        if pa.types.is_string(array.type):
            lengths[f"table::len::{name}"] = str(max(map(len, np.asarray(plain[name]).tolist()), default=1) or 1)
        notes = {"unit": _name_unit(units.get(name)), "description": described.get(name) or ""}
        fields.append(pa.field(name, array.type, metadata={key: text for key, text in notes.items() if text}))
        arrays.append(array)
    header = {
        "table_meta_yaml": "\n".join(meta.get_yaml_from_table(plain)),
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": _make_votable(plain, lengths, units, described, table.meta),
    }
    provenance = {f"astro_spectok.{key}": str(x) for key, x in table.meta.items()}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=lengths | header | provenance))


def _to_array(pa, values):
    """One column as Arrow."""
    if values.dtype.kind in "UO":
        return pa.array([str(value) for value in values.tolist()], type=pa.string())
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    if values.ndim == 1:
        return pa.array(values)
    flat = pa.array(values.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))


def _name_unit(unit):
    return "" if unit is None or unit == u.one else str(unit)


def _make_votable(plain, lengths, units, described, notes):
    """The header of a VOTable, without data, that TOPCAT reads names, units and descriptions from."""
    lines = ['<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">', "<RESOURCE>", "<TABLE>"]
    for name in plain.colnames:
        values = np.asarray(plain[name])
        text = values.dtype.kind in "UO"
        size = str(lengths[f"table::len::{name}"]) if text else ""
        size = size or (str(int(np.prod(values.shape[1:]))) if values.ndim > 1 else "")
        kind = "unicodeChar" if text else VO_TYPES.get(values.dtype.str[1:], "double")
        attributes = {"name": name, "datatype": kind, "arraysize": size, "unit": _name_vo_unit(units.get(name))}
        shown = " ".join(f"{key}={quoteattr(x)}" for key, x in attributes.items() if x)
        lines.append(f"<FIELD {shown}><DESCRIPTION>{escape(described.get(name) or '')}</DESCRIPTION></FIELD>")
    shown = [f"<INFO name={quoteattr(str(key))} value={quoteattr(_make_plain(x))}/>" for key, x in notes.items()]
    return "\n".join([*lines, "</TABLE>", *shown, "</RESOURCE>", "</VOTABLE>"])


def _name_vo_unit(unit):
    """A unit as the Virtual Observatory writes it, or as it is where it has no such form."""
    if unit is None or unit == u.one:
        return ""
    if unit == u.AA:
        return "0.1nm"  # the Virtual Observatory gives up Angstrom
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)
        try:
            return unit.to_string("vounit")
        except (AttributeError, TypeError, ValueError):
            return str(unit)


def _make_plain(value):
    """Text that XML can hold."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))


def write_part(path, table, run):
    """Write a table to a file that appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Replaced if it exists.
    table : `~astropy.table.QTable`
    run : str
        Digest of the run, kept in the metadata.

    Raises
    ------
    OSError
        It cannot be written.
    """
    pa = import_pyarrow()
    arrow = to_arrow(table)
    arrow = arrow.replace_schema_metadata(arrow.schema.metadata | {RUN_KEY: run.encode()})
    with replace_file(path) as temporary:
        pa.parquet.write_table(arrow, temporary, compression="zstd")


def read_parts(paths, columns=None):
    """Read files of one run as one table.

    Parameters
    ----------
    paths : list of path-like
    columns : sequence of str, optional
        All if not given.

    Returns
    -------
    `~astropy.table.QTable`
        With units and descriptions; the metadata are those of the first file.

    Raises
    ------
    ValueError
        There is no such column.
    """
    pa = import_pyarrow()
    columns = [columns] if isinstance(columns, str) else columns if columns is None else list(columns)
    known = pa.parquet.read_schema(paths[0]).names
    if missing := [name for name in columns or () if name not in known]:
        msg = f"columns must be among {', '.join(known)}; got {missing[0]!r}"
        raise ValueError(msg)
    parts = [pa.parquet.read_table(path, columns=columns) for path in paths]
    first = QTable.read(paths[0], format="parquet", include_names=columns)
    joined = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
    table = QTable(meta=first.meta)
    for name in first.colnames:
        column, like = joined[name].combine_chunks(), first[name]
        values = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
        values = np.asarray(values)
        values = values.astype(str) if values.dtype.kind == "O" else values
        values = values.reshape(len(joined), *like.shape[1:])
        table[name] = values if getattr(like, "unit", None) is None else values * like.unit
        table[name].info.description = like.info.description
    return table
