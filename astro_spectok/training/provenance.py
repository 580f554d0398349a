# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What weights remember of their training: settings, data, wavelengths seen, time and machine."""

import numpy as np
import torch

from astro_spectok.training.history import read_log
from astro_spectok.training.views import draw_view

__all__ = ["describe_training", "measure_wavelength_range"]


def measure_wavelength_range(corpus, config, *, n_views=2000, seed=0):
    """Wavelengths that training reaches, from views drawn as training draws them.

    Only good pixels that the encoder is shown count, each once, so that a rare spectrum far out does not widen the
    range.

    Parameters
    ----------
    corpus : `~astro_spectok.training.corpus.Corpus`
    config : `TrainingConfig`
        Its ``max_pixels`` and ``target_pixels`` are used.
    n_views : int
        Draws; those that yield no view are left out.
    seed : int

    Returns
    -------
    list of float
        The 1st and 99th percentiles in Angstrom, vacuum, as observed.

    Raises
    ------
    ValueError
        None of the draws gave a view.
    """
    rng = np.random.default_rng(seed)
    views = [draw_view(corpus.draw(rng), rng, config.max_pixels, config.target_pixels) for _ in range(n_views)]
    seen = [view.ln_wavelength[view.ivar > 0] for view in views if view is not None]
    if not seen:
        msg = f"corpus: its spectra must be long enough to train on, got none in {n_views} draws; add spectra to it"
        raise ValueError(msg)
    return [round(float(x), 1) for x in np.exp(np.percentile(np.concatenate(seen), [1, 99]))]


def describe_training(config, corpus, log_path, *, step, device):
    """What is written as ``training`` into the metadata of weights; all of it can be expressed in JSON.

    Parameters
    ----------
    config : `TrainingConfig`
    corpus : `~astro_spectok.training.corpus.Corpus`
    log_path : `~pathlib.Path`
        Log of the run.
    step : int
        Steps done, all resumptions together.
    device : `torch.device`

    Returns
    -------
    dict
        The settings, and ``wavelength_range`` (Angstrom), ``sets``, ``steps_done``, ``seconds`` and ``spectra`` (both
        from the log), ``device`` (of the last part of the run) and ``torch_version``.
    """
    rows = [(float(row["seconds"]), float(row["spectra_per_s"])) for row in read_log(log_path)]
    return {
        **config.to_dict(),
        "wavelength_range": measure_wavelength_range(corpus, config),
        "sets": list(corpus.names),
        "steps_done": step,
        "seconds": round(sum(seconds for seconds, _ in rows)),
        "spectra": round(sum(seconds * rate for seconds, rate in rows)),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch_version": str(torch.__version__),
    }
