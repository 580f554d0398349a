# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A short training run with every part of the objective, for one process or for PyTorch's launcher.

``python tests/_distributed.py OUT STEPS [REAL]`` trains until ``STEPS`` of 6 steps are done.
"""

import sys
from dataclasses import replace

import torch
from _training_data import QUICK

from astro_spectok.network import get_config
from astro_spectok.network.config import LABELS, STELLAR_TYPES, RedshiftHeadConfig
from astro_spectok.training.loop import pretrain

#: four shards make a step: one process adds them up, of two each takes two
CONFIG = replace(
    QUICK, steps=6, shards=4, stored_fraction=0.3, redshift_sigma=2e-3, warmup=2, log_every=1,
    checkpoint_every=100,
)  # fmt: skip
#: all heads, on a grid coarse enough for a test
NETWORK = replace(
    get_config("tiny"), name="all_heads", labels=LABELS, stellar_types=STELLAR_TYPES,
    redshift=RedshiftHeadConfig(channels=2, step=1e-3, kernel=5),
)  # fmt: skip


def train(out, steps, *real):
    """Train on the processor, on analytic templates and ``real``; go on from what is in ``out``."""
    return pretrain(
        None, out, NETWORK, CONFIG, real=real, device="cpu", precision="float32", stop_after=int(steps), resume=True
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(*sys.argv[1:])
