# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One partition from files to files: what a worker does, the same in this process and on a cluster."""

import functools
import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, QTable, vstack

from astro_spectok.spectra import to_batch
from astro_spectok.survey.columns import make_column
from astro_spectok.survey.output import write_part
from astro_spectok.survey.plan import Partition
from astro_spectok.survey.reading import Problem, read_chunks
from astro_spectok.survey.tasks import Task

__all__ = ["ERRORS", "MANIFEST", "RESULTS", "Done", "Job", "name_part", "work"]

log = logging.getLogger(__name__)

#: folders of a run
RESULTS, ERRORS = "results", "errors"
#: what it is of
MANIFEST = "manifest.json"
#: columns that every input has
DESCRIPTIONS = {
    "file": "file that it is from",
    "row": "its number in the file, from 0",
    "id": "number or name of the object in the input",
}


@dataclass
class Job:
    """All that is needed to measure partitions, but the pieces.

    Attributes
    ----------
    out : str
        Folder of the run.
    run : str
        Digest of the run.
    task : `~astro_spectok.survey.tasks.Task`
    kept : dict of str to str
        Columns of the input.
    reading : dict
        Options of reading.
    column : str or None
    ids : str or None
        A file with the objects that are wanted, one on each line.
    notes : dict of str to str
        Into the metadata of each file.
    """

    out: str
    run: str
    task: Task
    kept: dict
    reading: dict
    column: str | None = None
    ids: str | None = None
    notes: dict = field(default_factory=dict)


@dataclass
class Done:
    """What became of a partition.

    Attributes
    ----------
    number : int
    rows, unusable : int
        Spectra, and those of them that could not be measured.
    problems : list of `~astro_spectok.survey.reading.Problem`
    seconds : float
    """

    number: int
    rows: int = 0
    unusable: int = 0
    problems: list = field(default_factory=list)
    seconds: float = 0.0


def name_part(out, folder, number):
    """The path of a file of a partition.

    Parameters
    ----------
    out : path-like
    folder : {'results', 'errors'}
    number : int

    Returns
    -------
    `~pathlib.Path`
    """
    return Path(out) / folder / f"part-{number:06d}.parquet"


def work(job: Job, partition: Partition, tick: Any = None) -> Done:
    """Measure a partition and write its files; the errors first, since that of the results says that it is done.

    Parameters
    ----------
    job : `Job`
    partition : `~astro_spectok.survey.plan.Partition`
    tick : callable, optional
        Called with the number of spectra measured, after each chunk.

    Returns
    -------
    `Done`

    Raises
    ------
    `~astro_spectok.survey.reading.ChangedInputError`
        An input is another one than was planned with.
    RuntimeError
        The weights are others than those of the run.
    """
    started, done, tables = time.monotonic(), Done(partition.number), []
    ids = None if job.ids is None else _read_ids(job.ids, job.run)
    for found in read_chunks(partition.pieces, kept=job.kept, reading=job.reading, column=job.column, ids=ids):
        if isinstance(found, Problem):
            done.problems.append(found)
            continue
        table = _measure(job.task, found.batch)
        done.rows += len(table)
        done.unusable += sum(1 for message in table["message"] if message) if "message" in table.colnames else 0
        tables.append(_put_before(table, found.columns, job.kept))
        if tick:
            tick(len(table))
    # a partition without spectra has a file too, of the same columns
    tables = tables or [_put_before(_measure(job.task, to_batch([])), {}, job.kept)]
    table = vstack(tables, metadata_conflicts="silent") if len(tables) > 1 else tables[0]
    table.meta = tables[0].meta | job.notes
    _check_run(job)
    _write_errors(job, done)
    write_part(name_part(job.out, RESULTS, partition.number), table, job.run)
    done.seconds = time.monotonic() - started
    return done


@functools.lru_cache(maxsize=1)
def _read_ids(path, run):
    """The objects that are wanted, read once by each worker; ``run`` names what they are of."""
    return frozenset(Path(path).read_text(encoding="utf-8").split("\n"))


def _check_run(job):
    """Refuse to write into another run: one that was killed may have left this worker behind."""
    try:
        found = json.loads((Path(job.out) / MANIFEST).read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != job.run:
        msg = f"{job.out} is no longer the folder of the run {job.run[:12]}; this worker's result is left out"
        raise RuntimeError(msg)


def _measure(task, batch):
    """The table of a batch, measured with the weights of the run."""
    table = task.measure(batch)
    if table.meta.get("weights_sha256", task.sha256) != task.sha256:
        msg = f"weights must be those of the run, {task.weights!r} with the sha256 {task.sha256}; here they are others"
        raise RuntimeError(msg)
    return table


def _put_before(table, columns, kept):
    """The table with the columns of the input before its own."""
    n, out = len(table), QTable(meta=table.meta)
    for name, kind in {"file": "text", "row": "int", "id": "text", **kept}.items():
        values = columns[name] if name in columns else make_column(None, kind, n)
        values = values.astype(str) if kind == "text" else values
        own = name in table.colnames
        description = DESCRIPTIONS.get(name, f"{name} of the input")
        out[f"input_{name}" if own else name] = Column(values, description=description)
    for name in table.colnames:
        out[name] = table[name]
    return out


def _write_errors(job, done):
    """The table of what could not be read, if there is anything."""
    path = name_part(job.out, ERRORS, done.number)
    if not done.problems:
        path.unlink(missing_ok=True)  # of an earlier try
        return
    table = QTable(meta=job.notes)
    for name, description in (
        ("file", "file that cannot be read, or not to its end"),
        ("row", "the first spectrum that is lost, from 0; -1 if all are"),
        ("n_lost", "spectra that are lost, as far as that is known without reading them"),
        ("message", "why"),
    ):
        values = np.array([getattr(problem, name) for problem in done.problems])
        table[name] = Column(values, description=description)
    write_part(path, table, job.run)
