# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What each process measures of its own encoder, in the same way; NumPy, PyTorch and nothing else."""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))

from _operations import Counter

__all__ = ["load_spectra", "report"]


def load_spectra(path):
    """Vacuum wavelength (m,), flux and inverse variance (n, m), all float32 tensors."""
    with np.load(path) as data:
        return tuple(torch.from_numpy(data[key].astype(np.float32)) for key in ("wave", "flux", "ivar"))


def report(what, encode, n, rounds, parameters):
    """Print, as JSON, what the encoding of ``n`` spectra costs on one thread.

    Parameters
    ----------
    what : str
    encode : callable
        All of it, from arrays in memory to vectors or tokens.
    n, rounds : int
        The best round counts, since other processes disturb; one more before them loads all.
    parameters : int
        Of the encoder.
    """
    with Counter() as counter:
        encode()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        encode()
        times.append(time.process_time() - start)
    a = torch.randn(1024, 1024)
    products = []
    for _ in range(12):
        start = time.process_time()
        a @ a
        products.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({
        "what": what, "n": n, "ms": 1e3 * min(times) / n, "gflop": counter.total / n / 1e9,
        "machine_gflops": 2 * 1024**3 / min(products) / 1e9, "parameters": parameters,
        "rss": peak / (1e6 if sys.platform == "darwin" else 1e3),
    }))  # fmt: skip
