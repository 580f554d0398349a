# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra per second of `embed` and `tokenize`, and where the time goes.

Run ``python benchmarks/embedding.py`` for the packaged weights, or with ``--config small`` for random weights of that
size (as fast as trained ones, and what is taken where no weights are packaged). Each time is the best of several.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from astropy import units as u
from astropy.nddata import InverseVariance
from specutils import Spectrum, SpectrumList

from astro_spectok import embed, tokenize
from astro_spectok.engine import Runner
from astro_spectok.engine import runner as runner_module
from astro_spectok.heads import build_model, get_model_config
from astro_spectok.spectra import to_batch
from astro_spectok.weights import write_network
from astro_spectok.weights.store import PACKAGED_DIR

PIXELS = 4600


def make_spectra(n):
    """Spectra like those of SDSS, on grids of their own."""
    rng = np.random.default_rng(0)
    wavelength = 3600 * np.exp(2.3e-4 * np.arange(PIXELS)) * u.AA
    spectra = [
        Spectrum(
            flux=rng.normal(5, 1, PIXELS).astype(np.float32) * u.Unit("1e-17 erg / (s cm2 AA)"),
            spectral_axis=wavelength * (1 + 1e-5 * i),
            uncertainty=InverseVariance(np.ones(PIXELS, np.float32)),
        )
        for i in range(n)
    ]
    return spectra[0] if n == 1 else SpectrumList(spectra)


def measure(function, repeats):
    """Best time of some calls, in seconds, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_parts(spectra, weights, device, repeats):
    """Seconds for conversion, patches and network."""
    runner = Runner(weights, device)
    batch = to_batch(spectra)
    patch = runner.network.config.patch
    groups = runner_module.plan_batches(-(-batch.lengths // patch), runner.batch_tokens)
    patches = [runner_module.gather_patches(batch, group, patch) for group in groups]

    def run_network():
        with torch.inference_mode():
            for part in patches:
                moved = part.to(runner.device)
                tokens = runner.network.encode(moved)
                runner.network.embed(tokens, moved.mask, moved.grid.geometry).cpu()

    return (
        measure(lambda: to_batch(spectra), repeats),
        measure(lambda: [runner_module.gather_patches(batch, group, patch) for group in groups], repeats),
        measure(run_network, repeats),
    )


def find_weights(config):
    """The packaged default, or a file of random weights of some configuration; and its name."""
    if config is None and any(PACKAGED_DIR.glob("*.safetensors")):
        return None, "packaged"
    config = config or "small"
    path = Path(tempfile.mkdtemp()) / f"{config}.safetensors"
    write_network(path, build_model(get_model_config(config)))
    return path, f"random {config}"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", help="random weights of this configuration")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--numbers", type=int, nargs="+", default=[1, 32, 512])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    weights, name = find_weights(options.config)
    print(
        f"{name} weights, {PIXELS} pixels, device {options.device}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}"
    )
    print(f"{'spectra':>8} {'embed/s':>9} {'tokenize/s':>11}    ms per spectrum: to_batch, patches, network")
    for n in options.numbers:
        spectra = make_spectra(n)
        arguments = {"weights": weights, "device": options.device, "progress": False}
        embedded = measure(lambda: embed(spectra, **arguments), options.repeats)  # noqa: B023
        tokenized = measure(lambda: tokenize(spectra, **arguments), options.repeats)  # noqa: B023
        parts = [1000 * x / n for x in measure_parts(spectra, weights, options.device, options.repeats)]
        print(f"{n:>8} {n / embedded:>9.1f} {n / tokenized:>11.1f}    {parts[0]:.2f}, {parts[1]:.2f}, {parts[2]:.2f}")


if __name__ == "__main__":
    main()
