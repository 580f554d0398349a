# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training records in checkpoints and weights: settings, data, wavelengths seen, time, machine and code."""

import contextlib
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

from astro_spectok.heads.protocol import ABOUT
from astro_spectok.training.freezing import is_trained
from astro_spectok.training.history import read_log
from astro_spectok.version import __version__
from astro_spectok.weights import load_weights

__all__ = ["describe_code", "describe_data", "describe_start", "describe_training", "measure_wavelength_range"]

#: of the good pixels shown in training: between these lies what a network is said to be trained on
WAVELENGTH_PERCENTILES = (0.1, 99.9)


def describe_code():
    """Version of the package and of what it rests on, and the commit where it is run from a checkout.

    Returns
    -------
    dict of str to str or None
        ``version``, ``commit`` (None where it is not known; ``-dirty`` at its end where files had been changed),
        ``torch`` and ``python``.
    """
    folder = Path(__file__).parents[2]
    commit = None
    if (folder / ".git").exists():
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        # there may be no git, or no commit yet
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "version": __version__,
        "commit": commit,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def describe_data(dataset, start=None):
    """Record of the data in a checkpoint, so that a run is not resumed with others.

    Parameters
    ----------
    dataset : `~astro_spectok.training.batches.ViewDataset`
    start : str or path-like, optional
        Weights that the run starts from.

    Returns
    -------
    dict
        ``sets`` (names of the public ones that are there), ``real`` (last part of the path of each directory of real
        spectra, in order: where they lie may change), ``real_medium`` and ``start`` (SHA-256 digest, or None); ready
        for JSON.
    """
    return {
        "sets": dataset.list_sets(),
        "real": [Path(directory).resolve().name for directory in dataset.real],
        "real_medium": dataset.real_medium,
        "start": None if start is None else load_weights(start, "cpu").sha256,
    }


def describe_start(start, network):
    """Provenance of the weights that some parts of a network are trained from.

    Parameters
    ----------
    start : str or path-like or None
    network : `~astro_spectok.network.SpectralNetwork`
        With its other parts frozen.

    Returns
    -------
    dict
        ``before``: ``training`` of their metadata, None where there are none, or it is unknown; and ``kept``: of each
        head that stays as it is, because neither it nor what it reads is trained, its domain, calibration, rules and
        provenance, which still hold.
    """
    loaded = None if start is None else load_weights(start, "cpu")
    kept = {}
    for name, head in network.heads.items():
        moved = is_trained(network, name) or ("tokens" in head.needs and is_trained(network, "encoder"))
        if loaded is not None and name in loaded.network.heads and not moved:
            kept[name] = {about: getattr(loaded.network.heads[name], about) for about in ABOUT}
    return {"before": None if loaded is None else loaded.metadata.get("training"), "kept": kept}


def measure_wavelength_range(dataset, *, n_shards=30):
    """Wavelengths that training reaches, from shards drawn as training draws them.

    Only good pixels that the encoder is shown count, each once, so that a rare spectrum far out does not widen the
    range.

    Parameters
    ----------
    dataset : `~astro_spectok.training.batches.ViewDataset`
    n_shards : int
        Fewer where the run has no more.

    Returns
    -------
    list of float
        The percentiles `WAVELENGTH_PERCENTILES` in Angstrom, vacuum, as observed.
    """
    seen = []
    for number in range(min(n_shards, len(dataset))):
        patches = dataset[number].patches
        seen.append(patches.grid.ln_wavelength[patches.valid].numpy())
    return [round(float(x), 1) for x in np.exp(np.percentile(np.concatenate(seen), WAVELENGTH_PERCENTILES))]


def describe_training(dataset, log_path, *, step, device, start=None):
    """The entry ``training`` of the metadata of weights, as JSON can hold it.

    Parameters
    ----------
    dataset : `~astro_spectok.training.batches.ViewDataset`
        What was trained on.
    log_path : `~pathlib.Path`
        Log of the run.
    step : int
        Steps done, all resumptions together.
    device : `torch.device`
    start : str, optional
        SHA-256 digest of the weights that the run started from.

    Returns
    -------
    dict
        The settings, and ``wavelength_range`` (Angstrom) and ``wavelength_percentiles`` of spectra, ``sets``,
        ``real_directories`` (how many), ``steps_done``,
        ``seconds`` and ``spectra`` (both from the log), ``device`` (of the last part of the run),
        ``torch_version``, and ``start`` where there is one.
    """
    reach = {}
    if dataset.axis.is_light:  # that of other axes stands in the configuration
        reach["wavelength_range"] = measure_wavelength_range(dataset)
        reach["wavelength_percentiles"] = list(WAVELENGTH_PERCENTILES)
    rows = [(float(row["seconds"]), float(row["spectra_per_s"])) for row in read_log(log_path)]
    return {
        **dataset.config.to_dict(),
        **reach,
        "sets": dataset.list_sets(),
        "real_directories": len(dataset.real),
        "steps_done": step,
        "seconds": round(sum(seconds for seconds, _ in rows)),
        "spectra": round(sum(seconds * rate for seconds, rate in rows)),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch_version": str(torch.__version__),
    } | ({} if start is None else {"start": start})
