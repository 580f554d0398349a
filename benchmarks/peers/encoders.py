# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a spectrum costs with other encoders and with ours, on the same spectra in one run.

    python benchmarks/peers/encoders.py [-n N] [--rounds N] [--environments DIR] [--json FILE]

``-n`` made-up galaxies on DESI's grid of 7781 pixels. Each peer is installed from the package index into an environment
of its own below ``--environments`` (the cache directory of the package if not given), which needs the network once, and
runs in a process of its own on one thread: processor seconds, the best of ``--rounds``, arithmetic as PyTorch counts
it, its share of what a product of matrices reaches, and the peak of resident memory. What cannot be installed or run is
said with its error. redrock, which fits redshifts, is compared in ``benchmarks/redrock``, specutils' tools in
``benchmarks/specutils_tools.py``, ppxf in ``benchmarks/galaxies.py``.

``--json`` keeps ``n``, ``pixels`` and ``peers``, each with ``what, ms, gflop, machine_gflops, parameters, rss`` or
``error``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from astropy.config.paths import get_cache_dir

HERE = Path(__file__).parent
#: DESI's grid
WAVELENGTH = 3600 + 0.8 * np.arange(7781)
PEERS = ("spectok", "spender", "aion")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def write_spectra(path, n):
    """A continuum and lines with noise."""
    rng = np.random.default_rng(1)
    flux = 5 + np.sin(WAVELENGTH / 400 + rng.uniform(0, 6, (n, 1)))
    for centre in rng.uniform(3700, 9700, (8, n, 1)):
        flux += 4 * np.exp(-0.5 * ((WAVELENGTH - centre) / 3) ** 2)
    flux += rng.normal(0, 0.3, flux.shape)
    np.savez(path, wave=WAVELENGTH, flux=flux, ivar=np.full(flux.shape, 11.0))


def make_environment(name, folder):
    """Python of an environment with the requirements of a peer; that of this process where it has none."""
    requirements = HERE / name / "requirements.txt"
    if not requirements.is_file():
        return sys.executable
    python, done = folder / "bin" / "python", folder / "requirements-installed.txt"
    if not (done.is_file() and done.read_text() == requirements.read_text()):
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True, capture_output=True, text=True
        )
        done.write_text(requirements.read_text())
    return python


def measure_peer(name, environments, spectra, rounds):
    """Its row: what it reports, or the last line of its error."""
    try:
        python = make_environment(name, environments / name)
        found = subprocess.run(
            [python, HERE / name / "encode.py", spectra, str(rounds)], check=True, capture_output=True, text=True,
            env=os.environ | dict.fromkeys(THREADS, "1") | {"CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        return {"name": name, "error": lines[-1] if lines else str(error)}
    return {"name": name} | json.loads(found.stdout.splitlines()[-1])


def main():
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", "--number", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--environments", type=Path, default=Path(get_cache_dir("astro_spectok")) / "peers")
    parser.add_argument("--json", metavar="FILE", type=Path)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectra.npz"
        write_spectra(path, args.number)
        for name in PEERS:
            row = measure_peer(name, args.environments, path, args.rounds)
            rows.append(row)
            if "error" in row:
                print(f"{name}: {row['error']}", flush=True)
                continue
            share = row["gflop"] / row["ms"] * 1e3 / row["machine_gflops"]
            each = (
                f"{row['ms']:.1f} ms, {row['ms'] / rows[0].get('ms', np.nan):.2f} times ours, {row['gflop']:.2f} GFLOP"
            )
            size = f"{row['parameters'] / 1e6:.1f} M parameters, {row['rss']:.0f} MB"
            print(f"{row['what']}: {each}, {share:.0%} of a product of matrices; {size}", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"n": args.number, "pixels": len(WAVELENGTH), "peers": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
