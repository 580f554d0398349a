# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables to files: never over an existing one unasked, never half-written."""

import io
import tempfile
import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Column, Table
from astropy.utils.exceptions import AstropyUserWarning

from astro_spectok.utils.atomic import check_folder_of, replace_file
from astro_spectok.utils.optional import import_optional

__all__ = ["FORMATS", "check_output", "find_format", "write_table"]

#: what each ending of a file name is written as
FORMATS = {
    ".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".parquet": "parquet", ".vot": "votable",
    ".csv": "ascii.csv",
}  # fmt: skip
_LOSSY = ("votable", "ascii.csv")


def find_format(path, *, lossless=False):
    """Find the format of a table from the ending of its name, whatever its case.

    Parameters
    ----------
    path : str or path-like
        Only its name counts; there need not be such a file.
    lossless : bool, optional
        Whether metadata and arrays must come back as they were, so that VOTables and CSV are none.

    Returns
    -------
    str
        As Astropy names it.

    Raises
    ------
    ValueError
        The name has no known ending.
    ImportError
        Parquet without pyarrow.

    Examples
    --------
    >>> from astro_spectok.utils.writing import find_format
    >>> find_format("embeddings.ecsv"), find_format("embeddings.FITS")
    ('ascii.ecsv', 'fits')
    """
    path = Path(path)
    formats = {ending: kind for ending, kind in FORMATS.items() if kind not in _LOSSY or not lossless}
    kind = formats.get(path.suffix.lower())
    if kind is None:
        msg = f"path must end in {', '.join(formats)}, got {path.name!r}"
        raise ValueError(msg)
    if kind == "parquet":
        import_optional("pyarrow", "Parquet files need pyarrow", "parquet", "use .fits or .ecsv")
    return kind


def check_output(path, *, overwrite=False):
    """Check that a table can be written to ``path``, before hours of work go into it.

    Parameters
    ----------
    path : str or path-like
        The file that is to be written.
    overwrite : bool
        Whether it may exist.

    Returns
    -------
    str
        The format, as Astropy names it.

    Raises
    ------
    ValueError, ImportError
        As for `find_format`.
    FileExistsError
        The file exists and ``overwrite`` is False.
    IsADirectoryError
        ``path`` is a directory.
    FileNotFoundError
        Its directory does not exist.
    PermissionError
        Nothing can be written there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.utils.writing import check_output
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> check_output(folder / "redshifts.fits")
    'fits'
    >>> check_output(folder / "redshifts.xls")
    Traceback (most recent call last):
        ...
    ValueError: path must end in .ecsv, .fits, .fit, .parquet, .vot, .csv, got 'redshifts.xls'
    """
    path = Path(path)
    kind = find_format(path)
    if path.exists() and not overwrite:
        raise FileExistsError(_word_existing(path))
    if path.is_dir():
        msg = f"path must be a file, got the directory {path}"
        raise IsADirectoryError(msg)
    check_folder_of(path)
    try:
        # what the rights of a folder say is not all that can forbid it
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=".spectok-"):
            pass
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror}); give another name"
        raise PermissionError(msg) from error
    return kind


def write_table(table: Table, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a table as ECSV, FITS, Parquet, VOTable or CSV, by the ending of ``path``.

    The file appears whole or not at all, and one that is to be replaced stays until then. Units and metadata are
    kept. FITS turns names of the latter into capitals if they have no more than eight letters, and letters that are
    not ASCII into ``?``, since it knows no others. VOTables (``.vot``) have units that the Virtual Observatory knows:
    of a logarithm, for which it has none, the description of the column gives it. CSV has neither units nor metadata,
    and a column of vectors becomes one for each component, ``embedding_0`` and so on.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Units, among them logarithmic ones, and metadata of plain numbers and text come back when it is read.
    path : str or path-like
        The file.
    overwrite : bool
        Whether to replace a file that exists.

    Raises
    ------
    OSError, ValueError, ImportError
        As for `check_output`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astropy import units as u
    >>> from astropy.table import QTable
    >>> from astro_spectok.utils.writing import write_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "stars.fits"
    >>> write_table(QTable({"rv": [12.5, -3.0] * u.km / u.s}, meta={"weights": "small"}), path)
    >>> table = QTable.read(path)
    >>> print(table["rv"][0], table.meta["WEIGHTS"])
    12.5 km / s small
    """
    kind = check_output(path, overwrite=overwrite)
    path = Path(path)
    table = _make_encodable(table)
    if kind == "fits":
        table = _make_ascii(table)
    elif kind in ("votable", "ascii.csv"):
        table = _make_plain(table, split=kind == "ascii.csv")
    with replace_file(path, overwrite=overwrite) as temporary, warnings.catch_warnings():
        # long names in the metadata are what HIERARCH cards are for
        warnings.filterwarnings("ignore", message=".*HIERARCH card", category=VerifyWarning)
        # logarithmic units go into comments, from which they are read again
        warnings.filterwarnings(
            "ignore", message="The unit .* could not be saved in native FITS", category=AstropyUserWarning
        )
        if kind.startswith("ascii"):
            # Astropy would write in the encoding of the locale
            text = io.StringIO()
            table.write(text, format=kind)
            temporary.write_text(text.getvalue(), encoding="utf-8", newline="\n")
        elif kind == "votable":
            _write_votable(table, temporary)
        else:
            table.write(temporary, format=kind)


def _word_existing(path):
    return f"{path} exists; give overwrite=True (--overwrite) to replace it, or another name"


def _make_encodable(table):
    """The table with text that UTF-8 can hold: names of files may have bytes that are no letters."""
    texts = [name for name in table.colnames if table[name].dtype.kind == "U"]
    odd = [name for name in texts if not all(_is_encodable(text) for text in table[name])]
    meta = {key: _replace_odd(x) if isinstance(x, str) else x for key, x in table.meta.items()}
    if not odd and meta == dict(table.meta):
        return table
    table = table.copy(copy_data=False)
    table.meta = meta
    for name in odd:
        table[name] = np.array([_replace_odd(text) for text in table[name]], dtype=str)
    return table


def _replace_odd(text):
    return text.encode("utf-8", "replace").decode()


def _is_encodable(text):
    return not isinstance(text, str) or _replace_odd(text) == text


def _make_plain(table, *, split):
    """The table with numbers in place of logarithmic quantities, and with ``split`` vectors by component."""
    plain = Table(meta=table.meta)
    for name in table.colnames:
        column = table[name]
        unit, note = getattr(column, "unit", None), None
        if not split and unit == u.AA:
            column, unit = u.Quantity(column).to(u.nm), u.nm  # the Virtual Observatory gives up Angstrom
        values = np.asarray(getattr(column, "value", column)) if isinstance(column, u.Quantity | u.Dex) else column
        if unit is not None and ("dex" in str(unit) or isinstance(unit, u.function.FunctionUnitBase)):
            physical = getattr(unit, "physical_unit", u.one)
            unit, note = None, "decimal logarithm" + (f" of a value in {physical}" if physical != u.one else "")
        if split and np.ndim(values) == 2:
            for k in range(np.shape(values)[1]):
                plain[f"{name}_{k}"] = np.asarray(values)[:, k]
            continue
        described = "; ".join(filter(None, (column.info.description, note))) or None
        values = np.asarray(values)
        if values.dtype.kind == "U":
            values = np.array([_drop_controls(text) for text in values], dtype=str)
        plain[name] = Column(values, unit=unit if unit != u.one else None, description=described)
    return plain


def _drop_controls(text):
    """Text without what neither XML nor a line of CSV can hold."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def _write_votable(table, path):
    """Write a VOTable whose metadata are INFO elements."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)  # erg is valid, though no longer recommended
        tree = from_table(table)
    tree.resources[0].infos.extend(Info(name=str(key), value=_drop_controls(x)) for key, x in table.meta.items())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        tree.to_xml(str(path))


def _make_ascii(table):
    """The table with text as FITS can hold it."""
    table = table.copy(copy_data=False)
    for name in table.colnames:
        if table[name].dtype.kind == "U" and not all(str(text).isascii() for text in table[name]):
            description = table[name].info.description
            table[name] = np.array([_replace_letters(str(text)) for text in table[name]], dtype=str)
            table[name].info.description = description
    table.meta = {key: _make_card(x) if isinstance(x, str) else x for key, x in table.meta.items()}
    return table


def _make_card(text):
    """A text that comes back from a header: Astropy loses part of a long one in which a slash follows a quote."""
    return _replace_letters(text).replace("'/", '"/')


def _replace_letters(text):
    return text.encode("ascii", "replace").decode()
