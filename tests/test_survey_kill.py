# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A run that is killed goes on: no row twice, none missing, nothing that was done is done again."""

import os
import signal
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from _survey import write_survey
from conftest import SAME_TOKENS

from astro_spectok import survey
from astro_spectok.survey import work
from astro_spectok.utils.run_lock import LOCK

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

#: partitions of the small survey when each has a spectrum or two
SIZE = 2


def run_and_die(tree, out, weights, moment):
    """In a process of its own: a run that kills itself at a moment that is hard for it."""
    replace, seen = os.replace, []

    def die_at(source, target):
        seen.append(os.path.basename(os.path.dirname(target)))
        if moment == len(seen):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = die_at
    survey.run(tree, out, "embed", weights=weights, device="cpu", partition=SIZE, progress=False)


def list_rows(out):
    """(file, row) of all spectra of a run, in the order of its files."""
    table = survey.Survey(out).read(["file", "row"])
    return list(zip(table["file"].tolist(), table["row"].tolist(), strict=True))


def test_killed_runs_go_on(processes, tmp_path, tiny_weights):
    """Killed before its manifest, within the first partitions, and from outside: the rows are those of a quiet run."""
    tree, out = write_survey(tmp_path / "tree"), tmp_path / "out"
    quiet = survey.run(
        tree, tmp_path / "quiet", "embed", weights=tiny_weights, device="cpu", partition=SIZE, progress=False
    )
    kept = {}
    # before the manifest; between the errors of a partition and its results; before the results of the third
    for moment in (2, 4, 4):
        process = processes.Process(target=run_and_die, args=(tree, out, tiny_weights, moment))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert (out / LOCK).exists()
        # what was there before is as it was, and each file is whole
        now = {path: path.stat().st_mtime_ns for path in (out / "results").glob("part-*.parquet")}
        assert now == now | kept
        assert all(pq.read_table(path).num_columns for path in now)
        kept = now
    process = processes.Process(target=run_and_die, args=(tree, out, tiny_weights, 0))
    process.start()
    while process.is_alive() and len(list((out / "results").glob("part-*"))) < len(kept) + 1:
        time.sleep(0.01)
    process.kill()
    process.join(120)
    found = survey.run(tree, out, "embed", weights=tiny_weights, device="cpu", partition=SIZE, progress=False)
    assert len(kept) == 2
    assert list_rows(out) == list_rows(quiet.out)
    assert len(set(list_rows(out))) == len(found) == 13
    vectors, wanted = (np.asarray(one.read()["embedding"]) for one in (found, quiet))
    np.testing.assert_allclose(vectors, wanted, atol=SAME_TOKENS * np.nanmax(np.abs(wanted)))
    assert found.errors()["file"].tolist() == quiet.errors()["file"].tolist()
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_results_of_another_run_are_never_taken_up(tmp_path, tiny_weights):
    """A worker that outlived its run writes nothing into the next one; a file of another run is refused."""
    tree = write_survey(tmp_path / "tree")
    call = dict(weights=tiny_weights, device="cpu", progress=False)
    found = survey.run(tree / "mmu", tmp_path / "out", "embed", **call)
    stale = work.Job(str(found.out), "of another run", survey.tasks.make_task("embed", weights=tiny_weights), {}, {})
    stale.task.load()
    with pytest.raises(RuntimeError, match="is no longer the folder of the run of another "):
        work.work(stale, survey.plan.Partition(7, ()))
    other = survey.run(tree / "mmu", tmp_path / "other", "embed", partition=2, **call)
    other.paths[1].rename(found.out / "results" / "part-000007.parquet")
    with pytest.raises(ValueError, match="is of another run; remove it"):
        survey.run(tree / "mmu", found.out, "embed", **call)
    (found.out / "results" / "part-000007.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"is damaged .* remove it, and the same command measures it again"):
        survey.run(tree / "mmu", found.out, "embed", **call)
