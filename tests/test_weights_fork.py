# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A process that is forked while another thread loads weights can load them too."""

import os
import threading
import warnings

import pytest
import torch

from astro_spectok.weights import load_network, loading


def fork_beside_a_lock(path):
    """Fork while a thread holds the lock; the child loads, and the exit code says whether it could."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # Python warns of forks beside threads
    held, done = threading.Event(), threading.Event()

    def hold():
        with loading._LOCK:
            held.set()
            done.wait()

    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    child = os.fork()
    if not child:
        os._exit(0 if load_network(path) is load_network(path) else 5)
    status = os.waitpid(child, 0)[1]
    done.set()
    os._exit(os.waitstatus_to_exitcode(status))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_lock_survives_a_fork(processes, tiny_weights):
    """The child does not wait for a thread that it does not have."""
    process = processes.Process(target=fork_beside_a_lock, args=(tiny_weights,))
    process.start()
    process.join(120)
    process.kill()
    process.join()
    assert process.exitcode == 0
