"""What a spectrum costs: by how many there are, how long they are, and how many processes share them.

    python benchmarks/scaling.py [--most N] [--longest N] [--rounds N] [--json FILE]

Processor seconds on one thread, the best of ``--rounds``, since other processes disturb.

Number: 1, 10, ... up to ``--most`` spectra as one batch. Up to 1,000 with the packaged weights and spectra of an SDSS
plate's length; all with the smallest network and short spectra, whose arithmetic is small, so that what is paid for
each spectrum beside it is seen. Length: spectra from 500 to ``--longest`` pixels between 3600 and 9800 Angstrom, some
50,000 pixels of each length, with the packaged weights; pixels of less than 1.6 km/s are binned. Mixed: spectra of
500 to 3,840 pixels, and as many of their mean length, cut from spectra of a plate's length; by pixel. Processes:
``survey.run`` from a file of Parquet with one and with two processes of one thread, in seconds of the clock besides:
what starting them costs is in it.

``--json`` keeps ``machine``, ``number``, ``length``, ``mixed`` and ``processes``.
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance
from specutils import Spectrum
from survey import make_weights, measure_machine, write_nested

from astro_spectok import embed, survey
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.spectra import to_batch

#: pixels of a spectrum of SDSS, and of the short ones; most spectra that the packaged weights are given at once
PIXELS, SHORT, MOST_PACKAGED = 3840, 300, 1000
#: pixels of all spectra of one length together; spectra that processes share
TOTAL, SHARED = 50_000, 400
#: spectra of unlike length, and pixels of the shortest
MIXED, SHORTEST = 96, 500


def make_batch(n, pixels, seed=0):
    """Galaxies of no particular kind, with noise: a continuum and lines, on one grid."""
    rng = np.random.default_rng(seed)
    wavelength = np.geomspace(3600, 9800 if pixels > SHORT else 4200, pixels)
    centres = rng.uniform(3700, wavelength[-1], (n, 6))
    flux = 5 + np.sin(wavelength / 400 + rng.uniform(0, 6, (n, 1)))
    for k in range(centres.shape[1]):
        flux = flux + 4 * np.exp(-0.5 * ((wavelength - centres[:, k : k + 1]) / 5) ** 2)
    flux = (flux + rng.normal(0, 0.3, (n, pixels))).astype(np.float32)
    return to_batch((wavelength * u.AA, flux * u.one, InverseVariance(np.full_like(flux, 11.0))), medium="vacuum")


def count_seconds():
    """Processor seconds of this process and of those that it started and that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(call, rounds):
    """Least processor seconds, and least seconds of the clock."""
    found = []
    for _ in range(rounds):
        start = count_seconds(), time.perf_counter()
        call()
        found.append((count_seconds() - start[0], time.perf_counter() - start[1]))
    return tuple(map(min, zip(*found, strict=True)))


def measure_number(tiny, most, rounds):
    """Rows of weights, n and milliseconds for each spectrum."""
    rows = []
    for name, weights, pixels, limit in (
        ("packaged", None, PIXELS, MOST_PACKAGED), ("smallest", tiny, SHORT, most)
    ):  # fmt: skip
        n = 1
        while n <= min(limit, most):
            batch = make_batch(n, pixels)
            seconds, _ = measure(lambda b=batch, w=weights: embed(b, weights=w, device="cpu", progress=False), rounds)
            rows.append({"weights": name, "pixels": pixels, "n": n, "ms": 1e3 * seconds / n})
            print(f"{name} weights, {n:>7,} spectra of {pixels:,}: {rows[-1]['ms']:9.3f} ms each", flush=True)
            n *= 10
    return rows


def measure_length(longest, rounds):
    """Rows of task, pixels, and microseconds for each pixel."""
    rows, pixels, estimator = [], 500, RedshiftEstimator(device="cpu")
    tasks = {
        "embed": lambda batch: embed(batch, device="cpu", progress=False),
        "redshift": lambda batch: estimator.estimate(batch, progress=False),
    }
    while pixels <= longest:
        n = max(1, TOTAL // pixels)
        batch = make_batch(n, pixels)
        for task, call in tasks.items():
            seconds, _ = measure(lambda c=call, b=batch: c(b), rounds)
            rows.append({"task": task, "pixels": pixels, "n": n, "us": 1e6 * seconds / n / pixels})
            each = f"{rows[-1]['us']:7.2f} us a pixel, {1e3 * seconds / n:9.2f} ms a spectrum"
            print(f"{task:8s} {n:>4} spectra of {pixels:>7,} pixels: {each}", flush=True)
        pixels *= 10
    return rows


def measure_mixed(rounds):
    """Rows of task, and microseconds for each pixel of spectra of unlike and of even length."""
    rng, whole = np.random.default_rng(2), make_batch(MIXED, PIXELS, seed=2)
    unlike = rng.integers(SHORTEST, PIXELS, MIXED)
    batches = {
        name: to_batch([cut_spectrum(whole, i, int(m), rng) for i, m in enumerate(lengths)], medium="vacuum")
        for name, lengths in (("mixed", unlike), ("even", np.full(MIXED, unlike.mean().astype(int))))
    }
    rows, estimator = [], RedshiftEstimator(device="cpu")
    for task, call in {"embed": embed, "redshift": estimator.estimate}.items():
        found = {name: [] for name in batches}
        for _ in range(rounds + 1):  # the two take turns
            for name, batch in batches.items():
                seconds, _ = measure(lambda c=call, b=batch: c(b, progress=False), 1)
                found[name].append(1e6 * seconds / batch.lengths.sum())
        row = {name: min(times[1:]) for name, times in found.items()}
        rows.append({"task": task, "n": MIXED} | row)
        print(f"{task:8s} {MIXED} of unlike length: {row['mixed']:.2f} us a pixel, of even length {row['even']:.2f}")
    return rows


def cut_spectrum(batch, i, pixels, rng):
    """A stretch of so many pixels of a spectrum, anywhere."""
    start = int(rng.integers(0, PIXELS - pixels + 1))
    part = slice(start, start + pixels)
    flux, ivar = (values[batch.pixels(i)][part] for values in (batch.flux, batch.ivar))
    axis = batch.wavelength[batch.grid(i)][part] * u.AA
    return Spectrum(flux=flux * u.one, spectral_axis=axis, uncertainty=InverseVariance(ivar))


def measure_processes(folder):
    """Rows of processes, and milliseconds for each spectrum by processor and by clock."""
    batch, rows = make_batch(SHARED, PIXELS, seed=1), []
    flux, ivar = (x.reshape(SHARED, PIXELS) for x in (batch.flux, batch.ivar))
    write_nested(folder / "rows.parquet", np.tile(batch.wavelength[:PIXELS], (SHARED, 1)), flux, ivar)
    for workers in (1, 2):
        out = folder / f"out-{workers}"
        options = {"workers": workers, "partition": SHARED // 4, "device": "cpu", "progress": False}
        cpu, clock = measure(lambda o=out, k=options: survey.run(folder / "rows.parquet", o, "embed", **k), 1)
        rows.append({"processes": workers, "n": SHARED, "cpu_ms": 1e3 * cpu / SHARED, "ms": 1e3 * clock / SHARED})
        text = f"{rows[-1]['cpu_ms']:6.2f} ms of processor and {rows[-1]['ms']:6.2f} ms of the clock for each spectrum"
        print(f"{workers} processes, {SHARED} spectra of {PIXELS:,}: {text}", flush=True)
    return rows


def main():
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--most", type=int, default=100_000, help="spectra at most")
    parser.add_argument("--longest", type=int, default=500_000, help="pixels of the longest spectrum")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", type=Path)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    content = {"machine": platform.machine(), "gflops": measure_machine()}
    print(f"one thread of {content['gflops']:.0f} GFLOP/s float32")
    embed(make_batch(2, PIXELS), device="cpu")  # all is loaded
    with tempfile.TemporaryDirectory() as name:
        tiny = make_weights(Path(name) / "tiny.safetensors")
        content["number"] = measure_number(tiny, args.most, args.rounds)
        content["length"] = measure_length(args.longest, args.rounds)
        content["mixed"] = measure_mixed(args.rounds)
        content["processes"] = measure_processes(Path(name))
    if args.json:
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
