# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A short training run with every part of the objective, for one process or for several."""

import os
from dataclasses import replace

import torch
from _training_data import QUICK

from astro_spectok.heads import ModelConfig, RedshiftConfig, SpectralTypeConfig, build_model
from astro_spectok.network import get_config
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.freezing import freeze_all_but
from astro_spectok.training.loop import pretrain
from astro_spectok.training.provenance import measure_wavelength_range
from astro_spectok.training.step import TrainingStep

#: four shards make a step: one process adds them up, of two each takes two
CONFIG = replace(
    QUICK, steps=4, shards=4, stored_fraction=0.3, warmup=2, log_every=1,
    checkpoint_every=100,
)  # fmt: skip
#: a head that reads tokens and one that reads pixels, on grids coarse enough for a test
NETWORK = ModelConfig(
    replace(get_config("tiny"), name="all_heads"),
    {
        "redshift": RedshiftConfig(channels=2, step=1e-3, kernel=5, target_sigma=2e-3),
        "spectral_type": SpectralTypeConfig(step=5e-3),
    },
)


def train(out, steps, *real, config=CONFIG):
    """Train on the processor, on analytic templates and ``real``; go on from what is in ``out``."""
    # the range of wavelengths in the weights is from fewer shards than usual: all would be drawn once more for it
    options = measure_wavelength_range.__kwdefaults__
    before, options["n_shards"] = options["n_shards"], 2
    try:
        return pretrain(
            None, out, NETWORK, config, real=real, device="cpu", precision="float32", stop_after=int(steps), resume=True
        )
    finally:
        options["n_shards"] = before


def check_parts(folder, *groups):
    """Gradients reach what is trained, and nothing else, in a group of one process: to be called in one of its own.

    Two steps are taken in which only the parts of each of ``groups``, with commas between them, are trained, through
    the wrapper of processes that train together. A trained parameter that is left out of a step would be reported at
    the next. What is found, and any error, is in ``said.txt`` in ``folder``.
    """
    with (folder / "said.txt").open("w") as text:
        os.dup2(text.fileno(), 1)
        os.dup2(text.fileno(), 2)
    torch.set_num_threads(1)
    batch = ViewDataset(None, replace(CONFIG, batch_tokens=160), NETWORK)[0]
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=0, world_size=1)
    for names in groups:
        torch.manual_seed(6)
        network = build_model(NETWORK)
        freeze_all_but(network, names.split(","))
        step = TrainingStep(network, CONFIG).train()
        wrapped = torch.nn.parallel.DistributedDataParallel(step)
        for _ in range(2):
            step.zero_grad(set_to_none=True)
            wrapped(batch)[0].backward()
        reached = all((p.grad is not None) == p.requires_grad for p in step.parameters())
        print(names, "reached" if reached else "not reached", flush=True)  # noqa: T201 - the test reads it
    # without the destructors of wrapper and group, which on some machines wait for ever
    os._exit(0)
