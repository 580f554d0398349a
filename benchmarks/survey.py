"""What a survey costs: memory against the number of spectra, and speed from files beside that from arrays.

    python benchmarks/survey.py [--most N] [-n N] [--rounds N] [--json FILE]

Memory: short spectra and the smallest network, whose arithmetic is not what is asked; 1,000, 10,000, ... spectra up to
``--most``, each in a process of its own: its peak of resident memory. Speed: ``-n`` simulated spectra of DESI's length
and the packaged weights, one thread, in processor seconds of this process; the ways take turns, and the best of
``--rounds`` counts, so that other processes disturb little, as it does of PyTorch's own product of matrices before each
round, over which rates are given too. From arrays in memory to a table in memory, and by ``survey.run`` from Parquet
(nested), from a DESI coadd and from a FITS file for each spectrum to the files of a run. Those files say nothing of air
or vacuum, which has to be found out, but in the last row, where ``medium`` says it. Start: processor seconds of a whole
``spectok redshift FILE`` beyond those of ``import torch``, the two taking turns, the least of ``--starts``; and those
that specutils takes to import by itself.
``--json benchmarks/results/survey.json`` keeps the figures for the documentation, see ``write_tables.py``.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance
from specutils import Spectrum

from astro_spectok import embed_table, survey
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.example import EXAMPLE_PATH
from astro_spectok.simulate.export import simulate_spectra
from astro_spectok.spectra import to_batch

#: pixels of a spectrum of DESI
PIXELS = 7781
#: pixels of the spectra for the measurement of memory, and rows in each of their files
SHORT, ROWS = 300, 1000
ESTIMATE = {"redshift": lambda batch: RedshiftEstimator(device="cpu").estimate(batch), "embed": embed_table}


def make_weights(path):
    """Weights of the smallest network."""
    import torch

    from astro_spectok.network import build_network, get_config
    from astro_spectok.weights import write_network

    torch.manual_seed(1)
    write_network(path, build_network(get_config("tiny")), metadata={"name": "tiny"})
    return path


def write_nested(path, wavelengths, fluxes, ivars, rows=100):
    """Spectra as a nested column of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"flux": fluxes, "ivar": ivars, "lambda": wavelengths}
    spectrum = pa.StructArray.from_arrays([pa.array(list(values)) for values in columns.values()], list(columns))
    table = pa.table({"object_id": np.arange(len(fluxes)), "spectrum": spectrum})
    pq.write_table(table, path, row_group_size=rows)


def write_coadd(path, wavelength, fluxes, ivars):
    """Spectra on one grid as a coadd of DESI whose arms are joined."""
    from astropy.io import fits
    from astropy.table import Table

    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(Table({"TARGETID": np.arange(len(fluxes))}), name="FIBERMAP")]
    for name, data in (
        ("WAVELENGTH", wavelength), ("FLUX", fluxes), ("IVAR", ivars), ("MASK", np.zeros(fluxes.shape, np.int32)),
    ):  # fmt: skip
        hdus.append(fits.ImageHDU(data, name=f"BRZ_{name}"))
    fits.HDUList(hdus).writeto(path)


def measure_memory(folder, most):
    """Peak of resident memory in MB by number of spectra."""
    rng = np.random.default_rng(1)
    flux = rng.normal(5, 1, (ROWS, SHORT)).astype(np.float32)
    write_nested(folder / "rows.parquet", np.tile(np.linspace(5000, 5600, SHORT), (ROWS, 1)), flux, np.ones_like(flux))
    weights, found, n = make_weights(folder / "tiny.safetensors"), [], 1000
    while n <= most:
        inputs = folder / f"in-{n}"
        inputs.mkdir()
        for k in range(n // ROWS):
            os.link(folder / "rows.parquet", inputs / f"{k:06d}.parquet")
        command = [sys.executable, __file__, "--child", str(inputs), str(folder / f"out-{n}"), str(weights)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) | {"n": n}
        print(f"{n:>9,} spectra: {row['rss']:.0f} MB, {row['cpu'] / n * 1e3:.2f} ms of processor each", flush=True)
        found.append(row)
        n *= 10
    return found


def run_child(inputs, out, weights):
    """In a process of its own: measure, and say how much memory that took."""
    start = time.process_time()
    found = survey.run(inputs, out, "embed", weights=weights, partition=1000, progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rss = peak / 1e6 if sys.platform == "darwin" else peak / 1e3
    print(json.dumps({"rss": rss, "cpu": time.process_time() - start, "rows": len(found)}))


def measure_speed(folder, n, rounds):
    """Processor seconds for a spectrum of DESI's length, by task and by where it comes from."""
    simulated = to_batch(simulate_spectra(n, families=["galaxies"], instruments=["desi"], snr=(5, 5)))
    wavelength = 3600 + 0.8 * np.arange(PIXELS)
    # on one grid, each pixel as it is: interpolated ones would be correlated
    flux, ivar = np.zeros((2, n, PIXELS), np.float32)
    for i in range(n):
        own = simulated.wavelength[simulated.grid(i)]
        nearest = np.searchsorted(own, wavelength)
        # where a spectrum has no pixels there is nothing: its last one, again and again, would be noise without scatter
        seen = (nearest > 0) & (nearest < len(own))
        flux[i, seen], ivar[i, seen] = (x[simulated.pixels(i)][nearest[seen]] for x in (simulated.flux, simulated.ivar))
    single = folder / "single"
    single.mkdir()
    for i in range(n):
        errors = InverseVariance(ivar[i])
        spectrum = Spectrum(flux=flux[i] * u.one, spectral_axis=wavelength * u.AA, uncertainty=errors)
        with np.errstate(divide="ignore"):  # pixels without any weight
            spectrum.write(single / f"{i:04d}.fits", format="tabular-fits")
    batch = to_batch((wavelength * u.AA, flux * u.one, InverseVariance(ivar)), medium="vacuum")
    write_nested(folder / "nested.parquet", np.tile(wavelength, (n, 1)), flux, ivar)
    write_coadd(folder / "coadd.fits", wavelength, flux, ivar)
    places = {"parquet": folder / "nested.parquet", "desi": folder / "coadd.fits", "files": single}
    places |= {"files, medium stated": single}
    seconds = {task: {"arrays": [], **{name: [] for name in places}} for task in ESTIMATE}
    rates = []
    for round_ in range(rounds + 1):
        rates.append(measure_machine())
        for task, estimate in ESTIMATE.items():
            for where in seconds[task]:
                start = time.process_time()
                if where == "arrays":
                    estimate(batch)
                else:
                    out = folder / f"{task}-{where}"
                    stated = {"medium": "vacuum"} if where.endswith("stated") else {}
                    survey.run(places[where], out, task, device="cpu", restart=round_ > 0, progress=False, **stated)
                if round_:  # in the first one all is loaded
                    seconds[task][where].append(time.process_time() - start)
    return {task: {where: min(times) / n for where, times in one.items()} for task, one in seconds.items()} | {
        "pixels": PIXELS,
        "n": n,
        "gflops": max(rates),
    }


def measure_machine():
    """GFLOP/s of float32 of one thread, by PyTorch's own product of matrices."""
    import torch

    a = torch.randn(1024, 1024)
    times = []
    for _ in range(12):
        start = time.process_time()
        a @ a
        times.append(time.process_time() - start)
    return 2 * 1024**3 / min(times) / 1e9


def measure_start(rounds):
    """Processor seconds beyond ``import torch`` until the first redshift, and until specutils is imported."""
    commands = {
        "torch": ["-c", "import torch"],
        "specutils": ["-c", "import torch, specutils"],
        "redshift": ["-m", "astro_spectok", "redshift", str(EXAMPLE_PATH), "--device", "cpu"],
    }
    seconds = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as name:
        # compiled once, as an installed package is
        env = os.environ | {"PYTHONPYCACHEPREFIX": name, "PYTHONDONTWRITEBYTECODE": "", "OMP_NUM_THREADS": "1"}
        for _ in range(rounds + 1):
            for what, command in commands.items():
                start = sum(os.times()[2:4])
                subprocess.run([sys.executable, *command], check=True, capture_output=True, env=env)
                seconds[what].append(sum(os.times()[2:4]) - start)
    least = {what: min(times[1:]) for what, times in seconds.items()}
    return {what: least[what] - least["torch"] for what in ("redshift", "specutils")} | {"torch": least["torch"]}


def main():
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--most", type=int, default=100_000, help="spectra for the measurement of memory; 0 for none")
    parser.add_argument(
        "-n", "--number", type=int, default=100, help="spectra for the measurement of speed; 0 for none"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--starts", type=int, default=5, help="starts of a process; 0 for none")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if args.child:
        run_child(*args.child)
        return
    content = {"machine": platform.machine()}
    with tempfile.TemporaryDirectory() as name:
        if args.number:
            speed = content["speed"] = measure_speed(Path(name), args.number, args.rounds)
            content["gflops"] = speed.pop("gflops")
            print(f"{args.number} spectra of {PIXELS} pixels, one thread, {content['gflops']:.0f} GFLOP/s float32")
            for task in ESTIMATE:
                for where, one in speed[task].items():
                    share = f"{speed[task]['arrays'] / one:4.0%} of that from arrays"
                    rate = f"{1 / one:6.1f} spectra per CPU-second, {1 / one / content['gflops']:.3f} for each GFLOP/s"
                    print(f"{task:9s} from {where:20s} {rate}, {share}")
        if args.starts:
            content["start"] = measure_start(args.starts)
            text = "to a redshift {redshift:.2f} s of processor beyond import torch ({torch:.2f} s)"
            print((text + "; specutils alone {specutils:.2f} s").format(**content["start"]), flush=True)
        if args.most:
            content["memory"] = measure_memory(Path(name), args.most)
    if args.json:
        before = json.loads(args.json.read_text()) if args.json.exists() else {}
        args.json.write_text(json.dumps(before | content, indent=1) + "\n")


if __name__ == "__main__":
    main()
