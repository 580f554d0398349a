# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where partitions are measured: in this process, in processes of this machine, or on a cluster of Dask."""

import contextlib
import logging
from dataclasses import dataclass

from astro_spectok.survey.reading import ChangedInputError
from astro_spectok.survey.work import work
from astro_spectok.utils.optional import import_optional

__all__ = ["Failure", "import_distributed", "measure_all"]

#: partitions in a row that fail before the run is given up
MOST_FAILURES = 3
#: times that a worker may be lost with a partition before this one counts as failed
MOST_LOST = 5
#: partitions that wait for each worker, so that none is idle
AHEAD = 2


@dataclass
class Failure:
    """A partition that could not be measured.

    Attributes
    ----------
    number : int
    message : str
    """

    number: int
    message: str


def import_distributed():
    """The modules `dask` and `distributed`; an `ImportError` says how to get them."""
    needed = "more than one worker, or a scheduler, needs dask"
    return tuple(import_optional(name, needed, "survey", "workers=1") for name in ("dask", "distributed"))


def measure_all(job, partitions, *, workers=1, scheduler=None, tick=None):
    """Measure partitions, in any order.

    Parameters
    ----------
    job : `~astro_spectok.survey.work.Job`
    partitions : list of `~astro_spectok.survey.plan.Partition`
    workers : int, optional
        Processes; 1 is this one.
    scheduler : str, optional
        Address of a scheduler of Dask.
    tick : callable, optional
        Called with the number of spectra measured, where that is known before a partition is done.

    Yields
    ------
    `~astro_spectok.survey.work.Done` or `Failure`

    Raises
    ------
    `~astro_spectok.survey.reading.ChangedInputError`, RuntimeError
        As for `~astro_spectok.survey.work.work`; and where partitions fail one after the other.
    ConnectionError
        The scheduler is gone, or cannot be reached.
    """
    if workers == 1 and scheduler is None:
        found = (_work_here(job, partition, tick) for partition in partitions)
        yield from _give_up(found)
        return
    with _open_client(min(workers, max(len(partitions), 1)), scheduler) as client:
        yield from _give_up(_work_there(client, job, partitions))


def _give_up(found):
    """Pass on what comes, until partitions fail one after the other."""
    failed = 0
    for one in found:
        failed = failed + 1 if isinstance(one, Failure) else 0
        yield one
        if failed == MOST_FAILURES:
            msg = f"{failed} partitions failed one after the other, the last with: {one.message}"
            raise RuntimeError(msg)


def _word(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _work_here(job, partition, tick):
    try:
        return work(job, partition, tick)
    except (ChangedInputError, ImportError, OSError):
        raise
    except Exception as error:
        return Failure(partition.number, _word(error))


@contextlib.contextmanager
def _open_client(workers, scheduler):
    """A client of the scheduler that is named, or of one in this process with workers of its own."""
    dask, distributed = import_distributed()
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": MOST_LOST}))
        if scheduler is None:
            # one thread each: processes share nothing, and threads that wait for each other would spin
            where = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0,
                    dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
                )
            )  # fmt: skip
        else:
            where = scheduler
        try:
            yield stack.enter_context(distributed.Client(where, set_as_default=False))
        except OSError as error:
            if scheduler is None or isinstance(error, ConnectionError):
                raise
            msg = f"scheduler: {scheduler} cannot be reached ({error}); start it, or leave scheduler out"
            raise ConnectionError(msg) from error


def _work_there(client, job, partitions):
    """Yield what workers make of partitions; only a few wait at a time, however many there are."""
    _, distributed = import_distributed()
    waiting = iter(partitions)
    numbers = {}

    def submit(count):
        futures = []
        for partition in [one for _, one in zip(range(count), waiting, strict=False)]:
            future = client.submit(work, job, partition, key=f"spectok-{job.run[:16]}-{partition.number}", pure=False)
            numbers[future.key] = partition.number
            futures.append(future)
        return futures

    threads = sum(client.nthreads().values())
    pool = distributed.as_completed(submit(AHEAD * max(threads, 1)), loop=client.loop)
    for future in pool:
        if future.status in ("cancelled", "lost"):
            msg = "the Dask scheduler is gone; finished results are kept; repeat the command to resume"
            raise ConnectionError(msg)
        error = future.exception()
        if isinstance(error, ChangedInputError | ImportError | OSError):
            raise error
        yield future.result() if error is None else Failure(numbers[future.key], _word(error))
        # workers may have come or gone
        threads = sum(client.nthreads().values())
        for new in submit(max(AHEAD * max(threads, 1) - pool.count(), 0)):
            pool.add(new)
