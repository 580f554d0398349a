# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pieces of files to spectra, in chunks of bounded size, with the columns that say which spectra they are."""

import contextlib
import os
from dataclasses import dataclass, replace

import numpy as np

from astro_spectok.spectra import SpectrumBatch, read, to_batch
from astro_spectok.spectra.loaders import UnreadableFileError
from astro_spectok.spectra.problems import describe_error
from astro_spectok.survey.columns import find_id, make_column
from astro_spectok.survey.tables import open_table

__all__ = ["ChangedInputError", "Chunk", "Problem", "read_chunks"]

#: spectra and pixels of a chunk: its arrays are some 100 MB at most
MOST_SPECTRA, MOST_PIXELS = 256, 2**21
#: bytes of a file that is read as a whole
MOST_BYTES = 2**31


class ChangedInputError(RuntimeError):
    """A file is no longer what it was when the run was planned."""


@dataclass
class Chunk:
    """Spectra that are measured together.

    Attributes
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    columns : dict of str to ndarray of shape (n,)
        ``file``, ``row``, ``id`` and the columns that are kept.
    """

    batch: SpectrumBatch
    columns: dict

    def __len__(self):
        return len(self.batch)

    def take(self, index):
        """Some of the spectra."""
        return Chunk(self.batch.take(index), {name: column[index] for name, column in self.columns.items()})


@dataclass
class Problem:
    """A file, or the rest of one, that cannot be read.

    Attributes
    ----------
    file : str
    row : int
        The first one that is lost; -1 if all are.
    n_lost : int
        Spectra that are lost, as far as that is known before they are read; 0 where it is not.
    message : str
    """

    file: str
    row: int
    n_lost: int
    message: str


def read_chunks(pieces, *, kept, reading, column=None, ids=None):
    """Read pieces of files one after the other.

    Parameters
    ----------
    pieces : sequence of `~astro_spectok.survey.plan.Piece`
    kept : dict of str to str
        Names and kinds of the columns of the input that are kept.
    reading : dict
        Options of `~astro_spectok.read`, with ``file_format`` for its ``format``.
    column : str, optional
        Of Parquet files: the column that holds the spectra.
    ids : frozenset of str, optional
        Only these objects.

    Yields
    ------
    `Chunk` or `Problem`

    Raises
    ------
    ChangedInputError
        A file is another one than was planned with.
    """
    waiting = []
    for piece in pieces:
        _check_unchanged(piece.file)
        for found in _read_piece(piece, kept, reading, column):
            if isinstance(found, Problem):
                yield found
                continue
            if ids is not None:
                found = found.take(np.flatnonzero([one in ids for one in found.columns["id"].tolist()]))
            for part in _split(found):
                if waiting and not _fits([*waiting, part]):
                    yield _join(waiting)
                    waiting = []
                waiting.append(part)
    if waiting:
        yield _join(waiting)


def _check_unchanged(file):
    try:
        found = os.stat(file.path)
        size, changed = found.st_size, found.st_mtime_ns
    except OSError:
        size = changed = -1
    if (size, changed) != (file.size, file.changed):
        msg = f"{file.path} was changed while the run was at work; give restart=True (--restart) to begin anew"
        raise ChangedInputError(msg)


def _fits(parts):
    """Whether parts may be measured together."""
    pixels = sum(int(part.batch.offsets[-1]) for part in parts)
    return sum(map(len, parts)) <= MOST_SPECTRA and pixels <= MOST_PIXELS


def _split(chunk):
    """Parts of a chunk that are not too large; single spectra may be."""
    start = 0
    while start < len(chunk):
        within = chunk.batch.offsets[start:] - chunk.batch.offsets[start]
        stop = start + max(int(np.searchsorted(within, MOST_PIXELS, side="right")) - 1, 1)
        stop = min(stop, start + MOST_SPECTRA, len(chunk))
        yield chunk if stop - start == len(chunk) else chunk.take(np.arange(start, stop))
        start = stop


def _join(parts):
    """Parts as one chunk."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Chunk(SpectrumBatch.concatenate([part.batch for part in parts]), columns)


def _read_piece(piece, kept, reading, column):
    """Yield chunks of one piece; what cannot be read ends it with a problem."""
    row, opened, started = piece.first + piece.start, False, False
    try:
        if piece.layout == "file":
            yield _read_file(piece.file, kept, reading)
            return
        with contextlib.closing(open_table(piece.file.path, piece.layout, column=column)) as table:
            opened, names = True, dict.fromkeys([*kept, *filter(None, [table.id])])
            for batch, values in table.stream(piece.group, piece.start, piece.stop, MOST_SPECTRA, list(names), reading):
                started = True
                yield _label(batch, piece.file.path, row, kept, values, table.id)
                row += len(batch)
    except ImportError:
        raise
    except Exception as error:  # libraries raise whatever a damaged file makes them stumble over
        whole = piece.layout == "file" or (not row and not started)
        n_lost = (
            piece.first + piece.stop - row if opened else 0
        )  # how many a file holds that does not open is not known
        yield Problem(piece.file.path, -1 if whole else row, n_lost, _word(error, piece.file.path))


def _word(error, path):
    """File, reason and remedy; errors that name the file are meant for users as they are."""
    name, text = os.path.basename(path), str(error)
    if isinstance(error, UnreadableFileError | FileNotFoundError):
        return text
    if name in text:
        return describe_error(error)
    # what libraries raise speaks of bytes alone, and not of which file
    return f"{name} cannot be read: {describe_error(error)}; fetch it again, or leave it out"


def _label(batch, path, row, kept, values, id_name):
    """A batch with the columns that say which spectra these are."""
    n = len(batch)
    columns = {"file": np.full(n, path, object), "row": row + np.arange(n)}
    names = [info.name for info in batch.info]
    columns["id"] = make_column(values[id_name] if id_name in values else np.array(names, object), "text", n)
    columns |= {name: make_column(values.get(name), kind, n) for name, kind in kept.items()}
    if id_name in values:
        info = tuple(replace(one, name=name) for one, name in zip(batch.info, columns["id"].tolist(), strict=True))
        batch = replace(batch, info=info)
    return Chunk(batch, columns)


def _read_file(file, kept, reading):
    """All spectra of a file that is read as a whole."""
    path = file.path
    if file.size > MOST_BYTES:
        name = os.path.basename(path)
        most = f"the {MOST_BYTES >> 20} MB that are read at once"
        msg = f"{name} has {file.size >> 20} MB, more than {most}; cut it into parts"
        raise ValueError(msg)
    options = {name: x for name, x in reading.items() if name not in ("medium", "resolution", "file_format")}
    obj = read(path, format=reading.get("file_format"), **options)
    batch = to_batch(obj, medium=reading.get("medium"), resolution=reading.get("resolution"), on_error="flag")
    if not len(batch):
        msg = f"{os.path.basename(path)} holds no spectrum"
        raise ValueError(msg)
    batch = replace(
        batch, info=tuple(one if one.name else replace(one, name=os.path.basename(path)) for one in batch.info)
    )
    values = _read_fibermap(obj, len(batch))
    return _label(batch, path, 0, kept, values, find_id(values))


def _read_fibermap(obj, n):
    """Columns of the fibermap of a DESI file that was read as a whole."""
    first = obj[0] if isinstance(obj, list) and obj else obj
    fibermap = getattr(first, "meta", {}).get("fibermap")
    if "TARGETID" not in getattr(fibermap, "colnames", ()) or len(fibermap) != n:
        return {}
    return {name: np.asarray(fibermap[name]) for name in fibermap.colnames if fibermap[name].ndim == 1}
