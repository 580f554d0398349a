# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra per second that the simulator draws, by family and device, against what a training step consumes.

Run ``python benchmarks/simulate.py --data DIR``; without ``--data`` the templates are analytic. Each figure is the
median over draws within ``--seconds``. The last lines time the loader of the training (simulated and stored spectra,
two views of each object, laid out in patches) and the step that consumes them, both on one thread, and with a graphics
card on that.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch

from astro_spectok.network import build_network, get_config
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
    """Spectra per second of the loader on one thread, and of the training step on ``device``."""
    torch.set_num_threads(1)
    network_config, config = get_config(config_name), TrainingConfig()
    dataset = ViewDataset(data, config, network_config)
    batches = []
    loading, drawn = measure(lambda number: batches.append(dataset[number]), seconds, "cpu")
    size = np.mean([len(batch.hide) for batch in batches[1:]])
    module = TrainingStep(build_network(network_config), config).to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)

    def step(number):
        optimizer.zero_grad(set_to_none=True)
        loss, _, embedding = module(batches[number % len(batches)].to(device))
        loss.backward()
        optimizer.step()
        module.remember(embedding)

    stepping, steps = measure(step, seconds, device)
    print(f"loader, 1 thread: {size / loading:.1f} spectra/s ({drawn} batches of {size:.0f} on average)")
    print(f"training step, {config_name}, {device}: {size / stepping:.1f} spectra/s ({stepping:.3f} s a step, {steps})")
    return size / loading, size / stepping


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the public template sets")
    parser.add_argument("--config", default="small", help="network whose training step is timed")
    parser.add_argument("--seconds", type=float, default=5.0, help="spent on each figure")
    options = parser.parse_args()
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    templates = "public template sets" if options.data else "analytic templates"
    sizes = ", ".join(f"{OBJECTS[device]} objects a draw on {device}" for device in devices)
    print(f"spectra/s, {templates}, {sizes}, torch {torch.__version__}")
    table = {"1 thread": measure_families(options.data, "cpu", 1, options.seconds)}
    table["2 threads"] = measure_families(options.data, "cpu", 2, options.seconds)
    table["2 processes"] = measure_processes(options.data, 2, options.seconds)
    if "cuda" in devices:
        table["cuda"] = measure_families(options.data, "cuda", 1, options.seconds)
    print(f"{'':12}" + "".join(f"{title:>14}" for title in table))
    for name in [*FAMILIES, "all"]:
        print(f"{name:12}" + "".join(f"{rates[name]:14.1f}" for rates in table.values()))
    for device in devices:
        loaded, consumed = measure_training(options.data, options.config, device, options.seconds)
        print(f"one loading process draws {loaded / consumed:.1f} times what a step on {device} consumes")


if __name__ == "__main__":
    main()
