# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for tables in text that astropy reads: VOTable, IPAC, ECSV, machine-readable tables of journals."""

import io
import re
import warnings

import numpy as np
from astropy.io import votable
from astropy.table import Table

from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._refusal import UnreadableFileError
from astro_spectok.spectra.loaders._tables import Columns, read_columns

__all__ = ["read_ecsv", "read_ipac", "read_mrt", "read_vo"]


#: beginning of a VOTable, whatever stands for its namespace
_VOTABLE = re.compile(r"<(?:\w+:)?VOTABLE\b", re.IGNORECASE)


def _is_votable(source):
    return _VOTABLE.search(source.head[:8192]) is not None


def _is_ipac(source):
    lines = [line for line in source.head.split("\n")[:500] if line.strip() and not line.startswith("\\")]
    if len(lines) < 5 or not all(line.startswith("|") for line in lines[:2]) or lines[4].startswith("|"):
        return False
    # types of the columns stand in the second line, in tables of notebooks dashes do
    return all(word.strip() == "" or word.strip()[0].isalpha() for word in lines[1].strip().strip("|").split("|"))


def _is_ecsv(source):
    return source.head.startswith("# %ECSV")


def _parse(source, table_format):
    """The tables of a text: one, but for a VOTable."""
    if table_format != "votable":
        return [Table.read(source.text.split("\n"), format=table_format)]
    text = source.text
    prefix = re.search(r"<(\w+):VOTABLE\b", text[:8192], re.IGNORECASE)
    if prefix is not None:
        text = re.sub(rf"(</?){prefix[1]}:", r"\1", text)
    parsed = votable.parse(io.BytesIO(text.encode()), verify="ignore")
    return [one.to_table(use_names_over_ids=True) for one in parsed.iter_tables() if len(one.array)]


def _read_table(source, options, table_format):
    """Spectra of a table that astropy reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tables = _parse(source, table_format)
        except Exception as error:  # astropy's readers raise whatever they stumble over
            raise source.refuse(
                f"cannot be read as {table_format}: {error}", "write it as FITS or plain columns"
            ) from error
    if not tables:
        raise source.refuse("is a VOTable without rows: what was asked for was not found", "ask the service again")
    spectra, problem = [], None
    for table in tables:
        try:
            spectra += _read_columns(source, options, table)
        except UnreadableFileError as error:
            # tables of remarks beside that of the spectrum
            problem = problem or error
    if not spectra:
        raise problem
    return spectra


def _read_columns(source, options, table):
    """Spectra of one table."""
    # coordinates and times are columns too, without a unit of their own
    names = [name for name in table.colnames if hasattr(table[name], "dtype") and hasattr(table[name], "unit")]
    units = {name: str(table[name].unit) for name in names if table[name].unit is not None}
    facts = {name: table[name].info.meta or {} for name in names}
    ucds = {name: str(own.get("ucd") or own.get("utype") or "") for name, own in facts.items()}

    def read(name):
        data = table[name]
        if hasattr(data, "filled") and data.dtype.kind == "f":
            data = data.filled(np.nan)
        return np.asarray(getattr(data, "value", data))

    header = {
        str(key).upper(): value for key, value in table.meta.items() if isinstance(value, str | int | float | bool)
    }
    return read_columns(Columns(names, read, units, ucds, header), source, options)


@register_format("spectok VOTable", kind="text", sniff=_is_votable, takes=("columns",))
def read_vo(source, options):
    """Read spectra from a VOTable, by the meaning of its columns and its UCDs."""
    return _read_table(source, options, "votable")


@register_format("spectok IPAC", kind="text", sniff=_is_ipac, takes=("columns",))
def read_ipac(source, options):
    """Read a spectrum from an IPAC table, by the meaning of its columns."""
    return _read_table(source, options, "ascii.ipac")


@register_format("spectok ECSV", kind="text", sniff=_is_ecsv, takes=("columns",))
def read_ecsv(source, options):
    """Read a spectrum from an ECSV table, by the meaning of its columns."""
    return _read_table(source, options, "ascii.ecsv")


def _is_mrt(source):
    return "Byte-by-byte Description of file" in source.head


@register_format("spectok MRT", kind="text", sniff=_is_mrt, takes=("columns",))
def read_mrt(source, options):
    """Read a spectrum from a machine-readable table of a journal, by the meaning of its columns."""
    return _read_table(source, options, "ascii.cds")
