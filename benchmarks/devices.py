# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a device gives: spectra per second, share of what its arithmetic allows, memory, and agreement with the CPU.

    python benchmarks/devices.py [--device auto|cuda|mps|cpu] [-n N] [--seconds S] [--json FILE]

One prepared script of less than five minutes for a machine with a graphics card; on a CPU it measures that. Simulated
spectra of DESI's length and the packaged weights, in float32 and, where the device has it, bfloat16:

- ``limit``: TFLOP/s of the device's own product of two large matrices in that precision;
- ``spectra_per_s``: of ``embed_table`` and ``RedshiftEstimator``, end to end from arrays in memory, after a round that
  warms up, by wall clock, since on a graphics card the processor waits; repeated for about ``--seconds`` each;
- ``share``: of the limit, by the operations of a spectrum as PyTorch counts them for the network;
- ``memory_mb``: peak of the device, where it tells;
- ``redshift_off``, ``embedding_off``: largest difference of redshifts from those of the CPU in float32, over their
  errors, and of embeddings, over their length.
"""

import argparse
import json
import platform
import time
import warnings

import numpy as np
import torch
from _operations import Counter

from astro_spectok import conf, embed_table
from astro_spectok.engine import Runner, choose_device, choose_dtype
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.simulate.export import simulate_spectra
from astro_spectok.spectra import to_batch

__all__ = ["compare_tables", "count_operations", "measure_limit", "measure_rate"]

#: pixels of a spectrum of DESI, spectra that are compared with the CPU, and rows of the matrices
PIXELS, COMPARED, MATRIX = 7781, 24, 4096


def wait_for(device):
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def measure_limit(device, dtype, *, size=MATRIX, seconds=1.0):
    """FLOP/s of the product of two square matrices on a device."""
    a = torch.randn(size, size, device=device, dtype=dtype)
    a @ a
    wait_for(device)
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        a @ a
        wait_for(device)
        products += 1
    return 2 * size**3 * products / (time.perf_counter() - start)


def count_operations(batch, name):
    """Operations of the network for a spectrum of a batch, as PyTorch counts those of matrices and convolutions."""
    runner, counter = Runner(None, "cpu"), Counter()
    with counter:
        if name == "embed":
            list(runner.encode(batch, progress=False))
        else:
            list(runner.measure(batch, [runner.find_head("redshift")], progress=False))
    return counter.total / len(batch)


def measure_rate(measure, n, device, seconds):
    """Spectra per second of wall clock, after one round that warms up, and the peak of the device's memory in MB."""
    measure()
    wait_for(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start, rounds = time.perf_counter(), 0
    while rounds == 0 or time.perf_counter() - start < seconds:
        measure()
        wait_for(device)
        rounds += 1
    rate = n * rounds / (time.perf_counter() - start)
    memory = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return rate, memory


def compare_tables(found, expected):
    """Largest difference of redshifts over their errors, and of embeddings over their length."""
    off = {}
    if "z" in expected.colnames:
        off["redshift_off"] = float(np.nanmax(np.abs(found["z"] - expected["z"]) / expected["z_err"]))
    else:
        size = np.linalg.norm(expected["embedding"], axis=1)
        off["embedding_off"] = float(
            np.nanmax(np.linalg.norm(found["embedding"] - expected["embedding"], axis=1) / size)
        )
    return off


def make_measures(device):
    """What is measured, by its name: functions of a batch."""
    return {
        "embed": lambda batch: embed_table(batch, device=device, progress=False),
        "redshift": lambda batch: RedshiftEstimator(device=device).estimate(batch, progress=False),
    }


def run(device, n, seconds):
    """Rows of the table."""
    device = choose_device(device)
    batch = to_batch(make_spectra(n), medium="vacuum")
    few = batch.take(np.arange(min(COMPARED, n)))
    expected = {name: measure(few) for name, measure in make_measures("cpu").items()}
    operations = {name: count_operations(few, name) for name in expected}
    rows = []
    native = device.type != "cpu" or choose_dtype(device, training=True) is not None
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        if precision == "bfloat16" and not native:
            continue
        limit = measure_limit(device, dtype, seconds=min(1.0, seconds))
        with conf.set_temp("precision", precision):
            for name, measure in make_measures(str(device)).items():
                rate, memory = measure_rate(lambda measure=measure: measure(batch), n, device, seconds)
                row = {"measured": name, "precision": precision, "limit": limit, "spectra_per_s": rate}
                row |= {"share": rate * operations[name] / limit, "memory_mb": memory}
                rows.append(row | compare_tables(measure(few), expected[name]))
    return rows


def make_spectra(n):
    """Simulated spectra, laid on as many pixels as DESI has."""
    from astropy import units as u
    from astropy.nddata import InverseVariance
    from specutils import Spectrum

    axis, rng, out = np.linspace(3600, 9824, PIXELS), np.random.default_rng(5), []
    for one in simulate_spectra(min(n, 64), seed=5):
        flux = np.interp(axis, one.spectral_axis.to_value(u.AA), one.flux.value)
        sigma = np.abs(np.median(flux)) / 10 + 1e-30
        out.append(
            Spectrum(
                spectral_axis=axis * u.AA, flux=(flux + rng.normal(0, sigma, PIXELS)) * one.flux.unit,
                uncertainty=InverseVariance(np.full(PIXELS, sigma**-2) * one.flux.unit**-2),
            )
        )  # fmt: skip
    return [out[k % len(out)] for k in range(n)]


def print_rows(rows):
    """The table, for people."""
    print(f"{'':10s} {'':9s} {'TFLOP/s':>8s} {'spectra/s':>10s} {'share':>6s} {'MB':>7s}  off")
    for row in rows:
        memory = "" if row["memory_mb"] is None else f"{row['memory_mb']:.0f}"
        off = row.get("redshift_off", row.get("embedding_off"))
        print(
            f"{row['measured']:10s} {row['precision']:9s} {row['limit'] / 1e12:8.2f} {row['spectra_per_s']:10.1f} "
            f"{row['share']:6.2f} {memory:>7s}  {off:.2g}"
        )


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("-n", "--number", type=int, default=2048, help="spectra (default: 2048)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each figure (default: 20)")
    parser.add_argument("--json", help="file for the figures")
    args = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        rows = run(args.device, args.number, args.seconds)
    print_rows(rows)
    if args.json:
        content = {"machine": platform.machine(), "torch": torch.__version__, "n": args.number, "rows": rows}
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)


if __name__ == "__main__":
    main()
