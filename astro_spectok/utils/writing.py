# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables to files: never over an existing one unasked, never half-written."""

import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

from astro_spectok.utils.atomic import replace_file

__all__ = ["FORMATS", "check_output", "find_format", "write_table"]

#: what each ending of a file name is written as
FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".parquet": "parquet"}


def find_format(path):
    """Find the format of a table from the ending of its name, whatever its case.

    Parameters
    ----------
    path : str or path-like
        Only its name counts; there need not be such a file.

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
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        msg = f"path must end in {', '.join(FORMATS)}, got {path.name!r}"
        raise ValueError(msg)
    if kind == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            msg = "Parquet files need pyarrow: pip install 'astro_spectok[parquet]'; or use .fits or .ecsv"
            raise ImportError(msg) from error
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
    ValueError: path must end in .ecsv, .fits, .fit, .parquet, got 'redshifts.xls'
    """
    path = Path(path)
    kind = find_format(path)
    if path.exists() and not overwrite:
        raise FileExistsError(_word_existing(path))
    if path.is_dir():
        msg = f"path must be a file, got the directory {path}"
        raise IsADirectoryError(msg)
    if not path.absolute().parent.is_dir():
        msg = f"the directory of {path} does not exist; make it first"
        raise FileNotFoundError(msg)
    return kind


def write_table(table: Table, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a table as ECSV, FITS or Parquet, by the ending of ``path``.

    The file appears whole or not at all, and one that is to be replaced stays until then. Units and metadata are
    kept. FITS turns names of the latter into capitals if they have no more than eight letters, and letters that are
    not ASCII into ``?``, since it knows no others.

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
    if kind == "fits":
        table = _make_ascii(table)
    with replace_file(path, overwrite=overwrite) as temporary, warnings.catch_warnings():
        # long names in the metadata are what HIERARCH cards are for
        warnings.filterwarnings("ignore", message=".*HIERARCH card", category=VerifyWarning)
        # logarithmic units go into comments, from which they are read again
        warnings.filterwarnings(
            "ignore", message="The unit .* could not be saved in native FITS", category=AstropyUserWarning
        )
        table.write(temporary, format=kind)


def _word_existing(path):
    return f"{path} exists; give overwrite=True (--overwrite) to replace it, or another name"


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
