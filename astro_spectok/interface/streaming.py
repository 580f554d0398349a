# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files in chunks: read, measured and forgotten, so that of most of them no more than the table is in memory."""

import os
import warnings
from itertools import chain

import numpy as np
from astropy.table import Column, vstack

from astro_spectok.exceptions import FlaggedSpectraWarning, SpectokWarning
from astro_spectok.interface.axes import find_form
from astro_spectok.interface.inputs import find_user
from astro_spectok.spectra import SpectrumBatch, read_files, to_batch

__all__ = ["measure_in_chunks"]

#: pixels, and spectra, from which a chunk is measured
MOST_PIXELS, MOST_SPECTRA = 4_000_000, 2000


def measure_in_chunks(
    paths, measure, *, label="spectra", file_format=None, medium=None, resolution=None, progress=None, weights=None,
    **reading,
):  # fmt: skip
    """Measure the spectra in files, some hundred at a time.

    Parameters
    ----------
    paths, file_format, medium, resolution
        As for `~astro_spectok.embed_files`.
    measure : callable
        Called with a `~astro_spectok.spectra.SpectrumBatch` and ``progress``; returns a table with a row for each
        spectrum.
    label : str, optional
        Names the work where progress is shown.
    progress : bool, optional
        As for `~astro_spectok.tokenize`.
    weights : str or path-like, optional
        Those that the files are for: along another axis than that of wavelengths they hold sequences.
    **reading
        ``wave_unit``, ``flux_unit``, ``columns``, ``hdu``, ``join`` and ``spaxel`` of `~astro_spectok.read`.

    Returns
    -------
    `~astropy.table.QTable`
        With the column ``file`` before the others, and after it ``part`` where a file holds several orders, arms or
        extensions; a file that cannot be read is one flagged row.

    Raises
    ------
    ValueError
        ``paths`` is empty, or an option is not one of those there are.

    Warns
    -----
    SpectokWarning
        What ``measure`` warns of, once for all files.
    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else paths
    paths = paths if hasattr(paths, "__len__") else list(paths)
    to_batch([], medium=medium)  # a misspelt medium is an error, not a flag on each file
    options = {"file_format": file_format, "medium": medium, "resolution": resolution} | reading
    pairs = read_files(paths, reader=find_form(weights).find_reader(**options), **options)
    chunks = _gather(pairs)
    first, second = next(chunks, None), next(chunks, None)
    if first is None:
        msg = "paths must name at least one file"
        raise ValueError(msg)
    if second is None:
        table, names = measure(_join(first), progress=progress), _list_names(first)
    else:
        table, names = _measure_all(chain([first, second], chunks), measure, len(paths), label, progress)
    paths, parts = zip(*names, strict=True)
    table.add_column(Column(np.array(paths, dtype=str), description="file that it is from"), index=0, name="file")
    if any(parts):
        description = "order, arm or extension of the file"
        table.add_column(Column(np.array(parts, dtype=str), description=description), index=1, name="part")
    return table


def _gather(pairs):
    """Lists of pairs of path and batch, each of so many pixels."""
    chunk, pixels, spectra = [], 0, 0
    for path, batch in pairs:
        chunk.append((path, batch))
        pixels, spectra = pixels + int(batch.lengths.sum()), spectra + len(batch)
        if pixels >= MOST_PIXELS or spectra >= MOST_SPECTRA:
            yield chunk
            chunk, pixels, spectra = [], 0, 0
    if chunk:
        yield chunk


def _join(chunk):
    return SpectrumBatch.concatenate([batch for _, batch in chunk])


def _list_names(chunk):
    """Path and part of each spectrum of a chunk; a part only of files with several."""
    out = []
    for path, batch in chunk:
        parts = [info.part for info in batch.info]
        if len({(info.part, info.name) for info in batch.info}) == 1:
            # nothing tells them apart
            parts = [f"{number + 1}" for number in range(len(parts))]
        several = len(set(parts)) > 1
        out += [(str(path), part if several else "") for part in parts]
    return out


def _measure_all(chunks, measure, n_files, label, progress):
    """One table of all chunks, and the file of each row."""
    from astro_spectok.engine.progress import show_progress

    tables, names, said = [], [], {}
    bar = show_progress(range(n_files), label, progress)
    for chunk in chunks:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SpectokWarning)
            tables.append(measure(_join(chunk), progress=False))
        for one in caught:
            said.setdefault(one.category, one)
        names += _list_names(chunk)
        for _ in range(len(chunk)):
            next(bar, None)
    next(bar, None)
    meta = tables[0].meta
    table = vstack(tables, metadata_conflicts="silent")
    table.meta = meta
    _warn_once(said, table)
    return table, names


def _warn_once(said, table):
    """What was said of chunks, said of all; the numbers of spectra are those of the whole table."""
    failed = [row for row, message in enumerate(table["message"]) if message] if "message" in table.colnames else []
    for category, one in said.items():
        message = str(one.message)
        if issubclass(category, FlaggedSpectraWarning) and failed:
            message = (
                f"{len(failed)} of {len(table)} spectra could not be used and are flagged; the first is number "
                f"{failed[0]}: {table['message'][failed[0]]}"
            )
        warnings.warn(message, category, stacklevel=find_user())
