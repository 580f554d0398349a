# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The plan of a survey: pieces of files, gathered into partitions that are measured and written as a whole."""

import contextlib
import itertools
import logging
from typing import NamedTuple

import numpy as np

from astro_spectok.engine.progress import show_progress
from astro_spectok.survey.columns import find_kept, make_column
from astro_spectok.survey.inputs import InputFile
from astro_spectok.survey.tables import find_layout, open_table

__all__ = ["Partition", "Piece", "count_files", "gather", "probe_columns", "select_rows"]

log = logging.getLogger(__name__)

#: bytes of one spectrum in a FITS file or a text, to estimate how many there are where nothing else says so
TYPICAL_BYTES = 200_000
#: FITS files above these bytes are opened to see whether they are DESI's, and how many spectra they hold
LARGE_BYTES = 16_000_000
#: files of a layout that are tried until one can be opened
MOST_TRIES = 10
#: pieces into which one row group is cut at most: to reach rows in its middle, those before are decoded
MOST_CUTS = 50


class Piece(NamedTuple):
    """Spectra of one file.

    Attributes
    ----------
    file : `~astro_spectok.survey.inputs.InputFile`
    layout : {'file', 'hdf5', 'parquet', 'desi'}
        'file' is read as a whole.
    group : int
        Row group of a Parquet file; 0 for all others.
    start, stop : int
        Rows in the group; of a file that is read as a whole 0 and how many there may be.
    first : int
        Rows of the file before the group.
    """

    file: InputFile
    layout: str
    group: int
    start: int
    stop: int
    first: int = 0

    def __len__(self):
        return self.stop - self.start


class Partition(NamedTuple):
    """What is measured and written as a whole.

    Attributes
    ----------
    number : int
    pieces : tuple of `Piece`
    """

    number: int
    pieces: tuple

    @property
    def expected(self):
        """Number of spectra, if the files hold what they seem to: int."""
        return sum(len(piece) for piece in self.pieces)


def count_files(files, *, column=None, known=None, progress=None):
    """Say how many spectra each file holds, in which groups.

    Parameters
    ----------
    files : list of `~astro_spectok.survey.inputs.InputFile`
    column : str, optional
        As for `open_table`.
    known : dict of `InputFile` to (str, list of int), optional
        What was found before, for files that are as they were.
    progress : bool, optional
        As for `~astro_spectok.engine.progress.show_progress`.

    Returns
    -------
    list of (str, list of int)
        Layout, and rows of each group; of a file that is read as a whole an estimate. Files that cannot be opened are
        read as a whole: that says why.
    """
    shown = show_progress(files, "look at files", progress)
    return [(known or {}).get(file) or _count(file, column) for file in shown]


def _count(file, column):
    layout = find_layout(file.path)
    if layout == "file" and file.size > LARGE_BYTES:
        with contextlib.suppress(Exception), contextlib.closing(open_table(file.path, "desi")) as table:
            return "desi", table.sizes
    if layout != "file" and file.size >= 0:
        try:
            with contextlib.closing(open_table(file.path, layout, column=column)) as table:
                return layout, table.sizes
        except ImportError:
            raise
        except Exception as error:  # libraries raise whatever a damaged file makes them stumble over
            log.debug("%s: %s", file.path, error)
            return layout, [1]
    return layout, [max(1, round(file.size / TYPICAL_BYTES))]


def probe_columns(files, layouts, *, column=None, wanted=None):
    """The columns of the input that are kept: those of the first file of each layout that can be opened.

    Parameters
    ----------
    files : list of `~astro_spectok.survey.inputs.InputFile`
    layouts : list of str
    column : str, optional
        As for `open_table`.
    wanted : sequence of str, optional
        As for `~astro_spectok.survey.columns.find_kept`.

    Returns
    -------
    dict of str to str
        Names to kinds.

    Raises
    ------
    ValueError
        A wanted column is in none of these files.
    """
    kept, left, available = {}, {"hdf5": MOST_TRIES, "parquet": MOST_TRIES, "desi": MOST_TRIES}, set()
    for file, layout in zip(files, layouts, strict=True):
        # a small FITS file is read as a whole and may still be DESI's
        layout = "desi" if layout == "file" else layout
        if not left[layout]:
            continue
        left[layout] -= 1
        with contextlib.suppress(Exception), contextlib.closing(open_table(file.path, layout, column=column)) as table:
            left[layout] = 0
            available |= {name for name, kind in table.available.items() if kind}
            for name, kind in find_kept(table.available, wanted).items():
                kept[name] = kind if kept.get(name, kind) == kind else "text"
    missing = [name for name in wanted or () if name not in kept]
    if missing:
        msg = f"keep must name columns of the input, got {', '.join(missing)}; there are {', '.join(sorted(available))}"
        raise ValueError(msg)
    return kept


def gather(files, counts, size):
    """Gather files into partitions.

    Parameters
    ----------
    files : list of `~astro_spectok.survey.inputs.InputFile`
    counts : list of (str, list of int)
        As of `count_files`.
    size : int
        Spectra of a partition. Files that are read as a whole are not cut.

    Returns
    -------
    list of `Partition`
        The same for the same files and size; at least one.
    """
    partitions, pieces, total = [], [], 0
    for piece in (piece for file, count in zip(files, counts, strict=True) for piece in _cut(file, *count, size)):
        if pieces and total + len(piece) > size:
            partitions.append(Partition(len(partitions), tuple(pieces)))
            pieces, total = [], 0
        pieces.append(piece)
        total += len(piece)
    if pieces or not partitions:
        partitions.append(Partition(len(partitions), tuple(pieces)))
    return partitions


def _cut(file, layout, sizes, size):
    """The pieces of a file."""
    first = 0
    for group, rows in enumerate(sizes):
        cuts = 1 if layout == "file" else max(-(-rows // size), 1)
        if layout == "parquet":
            cuts = min(cuts, MOST_CUTS)
        edges = np.linspace(0, rows, cuts + 1).round().astype(int).tolist()
        for start, stop in itertools.pairwise(edges):
            yield Piece(file, layout, group, start, stop, first)
        first += rows


def select_rows(files, counts, ids, *, column=None):
    """Leave out files none of whose rows is asked for.

    Parameters
    ----------
    files, counts
        As for `gather`.
    ids : frozenset of str
        Names or numbers of the objects that are wanted.
    column : str, optional
        As for `open_table`.

    Returns
    -------
    files, counts
        Those that are left. Files that are read as a whole stay: only reading them says what they hold.
    """
    left = []
    for file, (layout, sizes) in zip(files, counts, strict=True):
        if layout != "file" and not _has_any(file, layout, sizes, ids, column):
            continue
        left.append((file, (layout, sizes)))
    return [file for file, _ in left], [count for _, count in left]


def _has_any(file, layout, sizes, ids, column):
    """Whether a file may hold one of the objects; True where it cannot be seen."""
    try:
        with contextlib.closing(open_table(file.path, layout, column=column)) as table:
            if table.id is None:
                return True
            for group, rows in enumerate(sizes):
                values = table.read_columns([table.id], group, 0, rows)[table.id]
                if not ids.isdisjoint(make_column(values, "text", rows).tolist()):
                    return True
    except Exception as error:
        log.debug("%s: %s", file.path, error)
        return True
    return False
