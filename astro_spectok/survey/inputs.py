# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The files of a survey: which of those in a folder hold spectra, and their sizes and dates."""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from astro_spectok.spectra.multimodal import HDF5_ENDINGS, PARQUET_ENDINGS
from astro_spectok.utils.paths import expand_paths

__all__ = ["InputFile", "choose_files", "list_inputs"]

log = logging.getLogger(__name__)

#: endings of files in folders that may hold spectra; files that are named are read whatever their ending
ENDINGS = (
    ".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz", ".fits.bz2", ".ecsv", ".txt", ".dat", ".ascii", *HDF5_ENDINGS,
    *PARQUET_ENDINGS,
)  # fmt: skip
#: of a DESI tree what lies beside coadds: single exposures of the same targets, and what was measured of them
BESIDE_COADDS = re.compile(
    r"^(spectra|redrock|rrdetails|qso_mgii|qso_qn|emline|hpixexp|tile-qa|cframe|frame|sframe|zmtl|exposures)[-_.]"
)
#: a sample of a HATS catalogue that repeats its rows
NOT_DATA = ("data_thumbnail.parquet",)


class InputFile(NamedTuple):
    """A file as it was found.

    Attributes
    ----------
    path : str
        As named; below a folder or pattern as named.
    size : int
        Bytes; -1 if there is no such file.
    changed : int
        Time of the last change in ns; -1 if there is no such file.
    """

    path: str
    size: int
    changed: int


def choose_files(paths):
    """Those of the files of a folder that hold spectra to be measured.

    Parameters
    ----------
    paths : list of `~pathlib.Path`

    Returns
    -------
    list of `~pathlib.Path`
        Without files of other kinds, and without what DESI keeps beside the coadds of the same targets.

    Examples
    --------
    >>> from pathlib import Path
    >>> from astro_spectok.survey.inputs import choose_files
    >>> names = ("coadd-main-dark-7.fits", "redrock-main-dark-7.fits", "spectra-main-dark-7.fits.gz", "notes.md")
    >>> [path.name for path in choose_files([Path("7") / name for name in names])]
    ['coadd-main-dark-7.fits']
    """
    kept = [
        path
        for path in paths
        if path.name.lower().endswith(ENDINGS) and not path.name.startswith(("_", ".")) and path.name not in NOT_DATA
    ]
    coadded = {path.parent for path in kept if path.name.startswith("coadd-")}
    return [path for path in kept if path.parent not in coadded or not BESIDE_COADDS.match(path.name)]


def list_inputs(inputs, *, stream=None):
    """List the files of a survey, each once, in their order.

    Parameters
    ----------
    inputs : str, path-like, or sequence of these
        Files, folders (with all in them), patterns, and ``@LIST``.
    stream : file, optional
        Read for ``-`` instead of standard input.

    Returns
    -------
    list of `InputFile`

    Raises
    ------
    FileNotFoundError
        A folder without spectra, a pattern that no file fits, or nothing at all.
    TypeError
        Something else than names.
    """
    listed = isinstance(inputs, Iterable) and not isinstance(inputs, str | bytes | os.PathLike)
    inputs = list(inputs) if listed else [inputs]
    if wrong := [name for name in inputs if not isinstance(name, str | os.PathLike)]:
        msg = f"inputs must be names of files, folders, patterns or @lists; got {type(wrong[0]).__name__}"
        raise TypeError(msg)
    if not inputs:
        msg = "inputs must name at least one file, folder, pattern or @list; got none"
        raise FileNotFoundError(msg)
    paths = expand_paths([os.fspath(name) for name in inputs], recursive=True, stream=stream, wanted=choose_files)
    return [_look_at(path) for path in paths]


def _look_at(path):
    """Size and date of a file; one that is missing fails when it is its turn."""
    try:
        found = Path(path).stat()
    except OSError:
        return InputFile(str(path), -1, -1)
    return InputFile(str(path), found.st_size, found.st_mtime_ns)
