# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Two runs never work in one directory."""

import os
import subprocess
import sys

import pytest
from _training_data import QUICK

from astro_spectok.heads import get_model_config
from astro_spectok.training.loop import pretrain
from astro_spectok.utils import run_lock
from astro_spectok.utils.run_lock import LOCK, lock_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files are locked otherwise there")


def test_second_run_is_refused(tmp_path):
    """By name of the process that has it; nothing of it is touched. Once it is done, the directory is free."""
    out = tmp_path / "run"
    with lock_run(out):
        before = sorted(path.name for path in out.iterdir())
        with pytest.raises(BlockingIOError, match=f"run: another run is at work in it, process {os.getpid()} on"):
            pretrain(None, out, get_model_config("tiny"), QUICK, device="cpu", stop_after=1)
        assert sorted(path.name for path in out.iterdir()) == before == [LOCK]
    assert not out.exists()
    with lock_run(out), lock_run(out, wanted=False):
        pass


def test_kill_leaves_no_lock(tmp_path):
    """The file may stay; the lock does not."""
    code = f"""if True:
        import os, runpy, signal
        lock_run = runpy.run_path({run_lock.__file__!r})["lock_run"]  # without the package, which takes seconds
        with lock_run({str(tmp_path)!r}):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert (tmp_path / LOCK).exists()
    with lock_run(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} on")
