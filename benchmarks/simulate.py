# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra per second that the simulator draws, by family and device, against what a training step consumes.

Run ``python benchmarks/simulate.py --data DIR``; without ``--data`` the templates are analytic. ``--json
benchmarks/results/simulate.json`` keeps the figures for the documentation, see ``write_tables.py``. Each is the median
over draws within ``--seconds``. The last lines time the loader of the training (simulated and stored spectra,
two views of each object, laid out in patches) and the step that consumes them, both on one thread, and with a graphics
card on that.
"""

import argparse
import json
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from astro_spectok.heads import build_model, get_model_config
from astro_spectok.simulate import FAMILIES, Survey
from astro_spectok.training import TrainingConfig
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.step import TrainingStep

#: objects per draw: what a loader draws at a time, and what keeps a graphics card busy
OBJECTS = {"cpu": 64, "cuda": 1024}


def measure(function, seconds, device):
    """Median time of calls with a running number, in seconds, after one that warms up, and how many there were."""
    function(0)
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        function(len(times) + 1)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return float(np.median(times)), len(times)


def measure_families(data, device, threads, seconds):
    """Spectra per second of each family, and of all in their shares."""
    torch.set_num_threads(threads)
    survey = Survey(data, device=device)
    families, shares, out = survey.families, survey.shares, {}
    n = OBJECTS[device]
    for name in [*FAMILIES, "all"]:
        # the templates are read once
        survey.families = families if name == "all" else {name: families[name]}
        survey.shares = shares if name == "all" else np.ones(1)
        out[name] = n / measure(lambda seed: survey.draw(n, seed), seconds, device)[0]
    return out


def measure_processes(data, number, seconds):
    """Like `measure_families`, summed over processes of one thread each, as loaders draw."""
    with ProcessPoolExecutor(number, mp_context=get_context("spawn")) as pool:
        rates = [pool.submit(measure_families, data, "cpu", 1, seconds) for _ in range(number)]
        rates = [rate.result() for rate in rates]
    return {name: sum(rate[name] for rate in rates) for name in rates[0]}


def measure_training(data, config_name, device, seconds):
    """What one loading process draws and what the training step on ``device`` consumes, as a row of the results."""
    torch.set_num_threads(1)
    model, config = get_model_config(config_name), TrainingConfig()
    dataset = ViewDataset(data, config, model)
    batches = []
    loading, drawn = measure(lambda number: batches.append(dataset[number]), seconds, "cpu")
    size = float(np.mean([len(batch.hide) for batch in batches[1:]]))
    module = TrainingStep(build_model(model), config).to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)

    def step(number):
        optimizer.zero_grad(set_to_none=True)
        module(batches[number % len(batches)].to(device))[0].backward()
        optimizer.step()

    stepping, steps = measure(step, seconds, device)
    return {
        "config": config_name, "device": device, "batch": size, "loaded": size / loading, "consumed": size / stepping,
        "batches": drawn, "steps": steps,
    }  # fmt: skip


def name_devices():
    """What the figures were measured on: by device its name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    names = {"cpu": models[0] if models else platform.processor() or platform.machine()}
    return names | ({"cuda": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def measure_all(data, config_name, seconds):
    """All figures, ready for JSON."""
    names = name_devices()
    rates = {
        "1 thread": measure_families(data, "cpu", 1, seconds),
        "2 threads": measure_families(data, "cpu", 2, seconds),
        "2 processes": measure_processes(data, 2, seconds),
    }
    if "cuda" in names:
        rates["cuda"] = measure_families(data, "cuda", 1, seconds)
    return {
        "templates": "public template sets" if data else "analytic templates",
        "devices": names,
        "objects": {device: OBJECTS[device] for device in names},
        "torch": str(torch.__version__),
        "rates": rates,
        "training": [measure_training(data, config_name, device, seconds) for device in names],
    }


def print_results(results):
    """The figures as a table and lines."""
    sizes = ", ".join(f"{number} objects a draw on {device}" for device, number in results["objects"].items())
    print(f"spectra/s, {results['templates']}, {sizes}, torch {results['torch']}")
    print(f"{'':12}" + "".join(f"{title:>14}" for title in results["rates"]))
    for name in [*FAMILIES, "all"]:
        print(f"{name:12}" + "".join(f"{rates[name]:14.1f}" for rates in results["rates"].values()))
    for row in results["training"]:
        print(
            f"{row['config']} on {row['device']}: a step consumes {row['consumed']:.1f} spectra/s, one loading process "
            f"draws {row['loaded']:.1f} ({row['loaded'] / row['consumed']:.1f} times as many)"
        )


def main():
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the public template sets")
    parser.add_argument("--config", default="small", help="network whose training step is timed")
    parser.add_argument("--seconds", type=float, default=5.0, help="spent on each figure")
    parser.add_argument("--json", help="file for the results")
    options = parser.parse_args()
    results = measure_all(options.data, options.config, options.seconds)
    print_results(results)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
