# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What weights remember of their training: settings, data, wavelengths seen, time and machine."""

import numpy as np
import torch

from astro_spectok.training.corpus import find_sets
from astro_spectok.training.history import read_log

__all__ = ["describe_training", "measure_wavelength_range"]


def measure_wavelength_range(dataset, *, n_shards=30):
    """Wavelengths that training reaches, from shards drawn as training draws them.

    Only good pixels that the encoder is shown count, each once, so that a rare spectrum far out does not widen the
    range.

    Parameters
    ----------
    dataset : `~astro_spectok.training.batches.ViewDataset`
    n_shards : int

    Returns
    -------
    list of float
        The 1st and 99th percentiles in Angstrom, vacuum, as observed.
    """
    seen = []
    for number in range(n_shards):
        patches = dataset[number].patches
        seen.append(patches.grid.ln_wavelength[patches.valid].numpy())
    return [round(float(x), 1) for x in np.exp(np.percentile(np.concatenate(seen), [1, 99]))]


def describe_training(dataset, log_path, *, step, device):
    """What is written as ``training`` into the metadata of weights; all of it can be expressed in JSON.

    Parameters
    ----------
    dataset : `~astro_spectok.training.batches.ViewDataset`
        What was trained on.
    log_path : `~pathlib.Path`
        Log of the run.
    step : int
        Steps done, all resumptions together.
    device : `torch.device`

    Returns
    -------
    dict
        The settings, and ``wavelength_range`` (Angstrom), ``sets``, ``real_directories`` (how many), ``steps_done``,
        ``seconds`` and ``spectra`` (both from the log), ``device`` (of the last part of the run) and
        ``torch_version``.
    """
    rows = [(float(row["seconds"]), float(row["spectra_per_s"])) for row in read_log(log_path)]
    return {
        **dataset.config.to_dict(),
        "wavelength_range": measure_wavelength_range(dataset),
        "sets": ["analytic templates"] if dataset.directory is None else sorted(find_sets(dataset.directory)),
        "real_directories": len(dataset.real),
        "steps_done": step,
        "seconds": round(sum(seconds for seconds, _ in rows)),
        "spectra": round(sum(seconds * rate for seconds, rate in rows)),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch_version": str(torch.__version__),
    }
