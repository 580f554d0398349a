# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A process that is forked while another thread loads weights can load them too."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys, threading, torch
torch.set_num_threads(1)
from astro_spectok.weights import load_network, loading

held, done = threading.Event(), threading.Event()

def hold():
    with loading._LOCK:
        held.set()
        done.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    os._exit(0 if load_network(sys.argv[1]) is load_network(sys.argv[1]) else 5)
status = os.waitpid(child, 0)[1]
done.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_lock_survives_a_fork(tiny_weights):
    """The child does not wait for a thread that it does not have."""
    env = dict(os.environ, OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")  # Python warns of forks beside threads
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tiny_weights)], env=env, timeout=120, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
