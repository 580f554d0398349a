# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`run`: a survey from its files to a dataset, which can be killed at any moment and gone on with."""

import contextlib
import operator
import os
import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from astro_spectok.interface import Estimator
from astro_spectok.interface.provenance import word_call
from astro_spectok.spectra import READ_OPTIONS, to_batch
from astro_spectok.spectra.loaders._options import make_options
from astro_spectok.survey.cluster import Failure, import_distributed, measure_all
from astro_spectok.survey.inputs import list_inputs
from astro_spectok.survey.manifest import IDS, INPUTS, find_done, make_manifest, read_inputs, start
from astro_spectok.survey.output import import_pyarrow
from astro_spectok.survey.plan import count_files, gather, probe_columns, select_rows
from astro_spectok.survey.progress import LOG, Log, Progress, word_time
from astro_spectok.survey.results import Survey
from astro_spectok.survey.tasks import make_task
from astro_spectok.survey.work import Job
from astro_spectok.utils.host import own_state
from astro_spectok.utils.run_lock import FULL, lock_run

__all__ = ["run"]


@own_state
def run(
    inputs: str | PathLike[str] | Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    task: str | Estimator = "redshift",
    *,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    partition: int = 2000,
    ids: Sequence[Any] | str | PathLike[str] | None = None,
    keep: Sequence[str] | None = None,
    column: str | None = None,
    restart: bool = False,
    file_format: str | None = None,
    call: str | None = None,
    **options: Any,
) -> Survey:
    """Measure all spectra of a survey and write a dataset of Parquet files; a stopped run can be resumed.

    Files are read, measured and written in chunks, so that memory does not grow with their number. Each partition is
    written completely or not at all. After a kill at any moment the same call resumes, and no row is missing or
    repeated. Units of flux and axes, masks and errors of the input are treated as by `~astro_spectok.tokenize`.

    Parameters
    ----------
    inputs : str, path-like, or sequence of these
        Files of any format that `~astro_spectok.read` reads; HDF5 and Parquet files in the layout of the Multimodal
        Universe or with a nested column of spectra, as of HATS catalogues; folders, with all such files below them (of
        a DESI tree the coadds); patterns; and ``@LIST``, the names in a text file.
    out : path-like
        Folder of the run, made if need be. The dataset is ``out/results``, what could not be read ``out/errors``; there
        is a log file besides.
    task : {'redshift', 'stellar', 'galaxy', 'transient', 'embed', 'predict'} or an estimator, optional
        Of `astro_spectok.estimators`, or of `astro_spectok.adapt` and fitted.
    weights, medium, resolution, device, batch_tokens
        As for `~astro_spectok.tokenize`; an estimator has its own weights, device and batch_tokens.
    progress : bool, optional
        Show on standard error how far the run is; by default for long work on a terminal.
    workers : int, optional
        Processes of one thread each. One is this process; more need Dask.
    scheduler : str, optional
        Address of a scheduler of Dask, whose workers see the same files; then ``workers`` does not count.
    partition : int, optional
        Spectra in a file of the dataset: what a kill costs each worker at most.
    ids : sequence or path-like, optional
        Only objects of these numbers or names, as they stand in the column ``id``; or a text file with one on each
        line.
    keep : sequence of str, optional
        Columns of the input that go into the dataset; numbers and names of objects and positions if not given.
    column : str, optional
        The nested column of Parquet files that holds the spectra; found out if not given.
    restart : bool, optional
        Whether a run in ``out`` with other inputs, options or weights is removed, and this one begun.
    file_format : str, optional
        specutils' name of the format of all files; found out from each if not given.
    call : str, optional
        What is noted as the call that this is of; this one if not given.
    **options
        Of the task: ``z_range``, ``classes``, ``prior``, ``n_best`` and ``posterior``, or ``assume_star``,
        ``assume_galaxy`` or ``assume_transient``, or ``model`` (what ``spectok fit`` wrote) and ``redshift``; and of
        files that are read as a whole: ``wave_unit``, ``flux_unit``, ``columns``, ``hdu``, ``join`` and ``spaxel`` of
        `~astro_spectok.read`.

    Returns
    -------
    `Survey`

    Raises
    ------
    TypeError, ValueError
        An option is not one of those there are or breaks a rule; ``out`` holds another run.
    FileNotFoundError
        ``inputs`` names nothing.
    FileExistsError
        ``out`` is no folder.
    BlockingIOError
        Another run is at work in ``out``.
    ImportError
        pyarrow, h5py or Dask is needed and not installed.
    RuntimeError
        An input was changed in the meantime, or partitions failed.
    ConnectionError
        The scheduler is gone, or cannot be reached.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok import survey
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> out = pathlib.Path(tempfile.mkdtemp()) / "redshifts"
    >>> found = survey.run(EXAMPLE_PATH, out, "redshift", device="cpu", classes="GALAXY")
    >>> table = found.read()
    >>> print(len(found), table["id"][0], f"{table['z'][0]:.3f}")
    1 made-up galaxy 0.086

    The same call again finds that all is done; another one is refused:

    >>> len(survey.run(EXAMPLE_PATH, out, "redshift", device="cpu", classes="GALAXY"))
    1
    >>> survey.run(EXAMPLE_PATH, out, "redshift", device="cpu", classes="QSO")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: out: ... holds a run that differs in options (classes); give another folder, ...
    """
    reading = {name: options.pop(name) for name in READ_OPTIONS if name in options}
    make_options(**reading)  # a misspelt option is an error, not one for each file
    to_batch([], medium=medium, resolution=resolution)
    reading |= {"medium": medium, "resolution": resolution, "file_format": file_format}
    call = call or word_call("survey.run", task=task, weights=weights, **{**reading, **options})
    measured = make_task(task, weights=weights, device=device, batch_tokens=batch_tokens, **options)
    workers, partition = _check_count("workers", workers), _check_count("partition", partition)
    wanted = _read_ids(ids)
    import_pyarrow()
    if workers > 1 or scheduler is not None:
        import_distributed()
    files = list_inputs(inputs)
    if not isinstance(out, str | os.PathLike):
        msg = f"out must be the name of a folder; got {type(out).__name__}"
        raise TypeError(msg)
    out = Path(out).absolute()
    if os.path.lexists(out) and not out.is_dir():
        msg = f"out must be a folder, or a name that is free; {out} is neither; give another name"
        raise FileExistsError(msg)
    refuse_inside(files, out)
    with _wording_full(out), lock_run(out):
        known = read_inputs(out / INPUTS) if (out / INPUTS).exists() else {}
        counts = count_files(files, column=column, known=known, progress=progress)
        every = files, counts
        if wanted is not None:
            files, counts = select_rows(files, counts, wanted, column=column)
        kept = probe_columns(files, [layout for layout, _ in counts], column=column, wanted=keep)
        measured.load()
        asked = {"partition": partition, "reading": reading, "column": column, "ids": wanted}
        manifest = make_manifest(measured, *every, kept, **asked)
        manifest = start(out, manifest, *every, ids=wanted, restart=restart)
        done = find_done(out, manifest["run"])
        job = Job(
            str(out), manifest["run"], measured, kept, reading, column, None if wanted is None else str(out / IDS),
            {"call": call, "run": manifest["run"], "run_started": manifest["started"]},
        )  # fmt: skip
        _measure_rest(job, gather(files, counts, partition), done, progress, workers, scheduler)
        return _conclude(out, wanted)


@contextlib.contextmanager
def _wording_full(out):
    """Say of a full disk what has become of the run."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        msg = f"no space is left for {out}; finished partitions are kept: make room, and repeat the same call to resume"
        raise OSError(msg) from error


def _measure_rest(job, partitions, done, progress, workers, scheduler):
    """Measure the partitions that are not done."""
    log, rest = Log(Path(job.out) / LOG), [one for one in partitions if one.number not in done]
    before, expected = sum(done.values()), {one.number: one.expected for one in rest}
    log.write(
        f"{job.notes['call']}: {len(partitions):,} partitions, {len(done):,} of them done with {before:,} spectra; "
        f"about {sum(expected.values()):,} spectra to measure; process {os.getpid()}, {workers} workers"
        + (f", scheduler {scheduler}" if scheduler else "")
    )
    if not rest:
        return
    shown = Progress(job.task.name, before, before + sum(expected.values()), progress)
    failures = []
    try:
        for one in measure_all(job, rest, workers=workers, scheduler=scheduler, tick=shown.tick):
            if isinstance(one, Failure):
                failures.append(one)
                log.write(f"partition {one.number} failed: {one.message}")
                continue
            shown.finish(one.rows, expected[one.number])
            for problem in one.problems:
                log.write(f"{problem.file}: {problem.message}")
            log.write(
                f"partition {one.number}: {one.rows} spectra, {one.unusable} flagged as unusable, "
                f"{len(one.problems)} files not read, {one.seconds:.1f} s; {shown.describe()}"
            )
    except BaseException as error:
        with contextlib.suppress(OSError):  # where the disk is full
            log.write(f"stopped by {type(error).__name__}: {error}")
        raise
    finally:
        shown.close()
    if failures:
        msg = (
            f"{len(failures)} of {len(partitions)} partitions failed, the first with: {failures[0].message}; what was "
            "measured is kept, and the same call tries them again"
        )
        raise RuntimeError(msg)


def _conclude(out, wanted):
    """The finished run, counted."""
    began, found = time.monotonic(), Survey(out)
    counts = f"{len(found):,} spectra, {found.n_unusable:,} flagged as unusable, {found.n_errors:,} files not read"
    text = f"done: {counts}"
    if wanted is not None:
        missing = wanted - set(found.read(["id"])["id"].tolist())
        found.n_missing = len(missing)
        text += f"; {len(missing):,} of {len(wanted):,} ids not found"
    Log(out / LOG).write(f"{text}; counted in {word_time(time.monotonic() - began)}")
    return found


def _check_count(name, value):
    """A positive integer."""
    msg = f"{name} must be an integer above zero, got {value!r}"
    try:
        count = operator.index(value)
    except TypeError as error:
        raise TypeError(msg) from error
    if count < 1:
        raise ValueError(msg)
    return count


def _read_ids(ids):
    """Names of the objects that are wanted, as text; None for all."""
    if ids is None:
        return None
    if isinstance(ids, str | PathLike):
        try:
            lines = Path(ids).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"ids must be a list, or a text file with one on each line, got {os.fspath(ids)!r}: {error}"
            raise ValueError(msg) from error
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        found = [str(one).strip() for one in ids]
    if not found:
        msg = "ids must name at least one object; leave it out for all"
        raise ValueError(msg)
    return frozenset(found)


def refuse_inside(files, out):
    """Refuse inputs that lie in the folder of the run.

    Parameters
    ----------
    files : list of `~astro_spectok.survey.inputs.InputFile`
    out : `~pathlib.Path`

    Raises
    ------
    ValueError
        One does.
    """
    real = os.path.realpath(out) + os.sep
    for file in files:
        if os.path.realpath(file.path).startswith(real):
            msg = f"out must lie outside the inputs, got {out}, which holds {file.path}; give another folder"
            raise ValueError(msg)
