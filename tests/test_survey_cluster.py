# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Many workers: the same rows, in any order; what a worker or a scheduler does wrong loses nothing that is done."""

import warnings

import numpy as np
import pytest
from _survey import write_survey
from conftest import SAME_TOKENS

from astro_spectok import survey
from astro_spectok.survey import cluster

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler():
    """A scheduler with one worker in threads of this process: processes are for the benchmark, which kills them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = dict(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0)
        with distributed.LocalCluster(processes=False, protocol="tcp://", host="127.0.0.1", **options) as local:
            yield local


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Path of the small survey."""
    return write_survey(tmp_path_factory.mktemp("survey"))


def test_cluster_gives_the_same_rows(scheduler, tree, tiny_weights, tmp_path):
    """Through a scheduler as here; all workers need are the files."""
    call = dict(weights=tiny_weights, device="cpu", partition=2, progress=False)
    here = survey.run(tree, tmp_path / "here", "embed", **call).read()
    there = survey.run(tree, tmp_path / "there", "embed", scheduler=scheduler.scheduler_address, **call)
    table = there.read()
    assert table["file"].tolist() == here["file"].tolist()
    # workers may add up in another order
    found, wanted = (np.asarray(one["embedding"]) for one in (table, here))
    np.testing.assert_allclose(found, wanted, atol=SAME_TOKENS * np.nanmax(np.abs(wanted)))
    assert there.n_errors == 2
    # another number of workers is the same run
    survey.run(tree, tmp_path / "there", "embed", **call)


def fail(job, partition, tick=None):
    """Stands for `work`."""
    raise ArithmeticError("it does not add up")


@pytest.mark.parametrize("where", ["here", "there"])
def test_failed_partitions_are_reported_and_tried_again(where, scheduler, tree, tiny_weights, tmp_path, monkeypatch):
    """Those that are done are kept; where one after the other fails the run ends."""
    options = {"scheduler": scheduler.scheduler_address} if where == "there" else {}
    call = dict(weights=tiny_weights, device="cpu", progress=False)
    done = cluster.work
    with monkeypatch.context() as patched:
        patched.setattr(cluster, "work", lambda *args: fail(*args) if args[1].number else done(*args))
        with pytest.raises(RuntimeError, match="1 of 2 partitions failed, the first with: ArithmeticError: it does"):
            survey.run(tree / "mmu", tmp_path / "out", "embed", partition=5, **call, **options)
        with pytest.raises(RuntimeError, match="3 partitions failed one after the other, the last with: Arithmetic"):
            survey.run(tree / "mmu", tmp_path / "many", "embed", partition=1, **call, **options)
    assert len(survey.run(tree / "mmu", tmp_path / "out", "embed", partition=5, **call)) == 8
    assert "partition 1 failed" in (tmp_path / "out" / "survey.log").read_text()


def test_scheduler_that_is_not_there_is_named(tree, tiny_weights, tmp_path):
    """At once, and before anything is measured."""
    where = "tcp://127.0.0.1:9"
    with (
        pytest.importorskip("dask").config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(ConnectionError, match=f"scheduler: {where} cannot be reached"),
    ):
        survey.run(tree / "mmu", tmp_path / "out", "embed", weights=tiny_weights, scheduler=where)


def test_dask_is_asked_for_in_words(tree, tmp_path, monkeypatch):
    """Where it is not installed, before anything is read."""
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r"needs dask: pip install 'astro_spectok\[survey\]'; or workers=1"):
        survey.run(tree, tmp_path / "out", "embed", workers=2)
