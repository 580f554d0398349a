"""Kill a survey at random moments until it is done, and look whether every spectrum is one row, and as it must be.

``python benchmarks/survey_kill.py`` measures a survey of made-up spectra once in peace, and then again with
``spectok survey embed``, which is killed (SIGKILL) ``--kills`` times: in turn the run of two workers, with the
scheduler that is in it; one of its workers, after which the run must go on by itself; and a scheduler that is a process
of its own, with two workers that are too. After each kill the same command goes on; when all is measured, in the next
folder.
Exits with 1 if a row is missing, there twice, or another one, or if a run hangs. ``--json`` keeps how many kills and
whole runs there were, for the documentation; see ``write_tables.py``.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from astro_spectok import survey


def make_weights(path):
    """Weights of the smallest network: what is tried is not the arithmetic."""
    import torch

    from astro_spectok.network import build_network, get_config
    from astro_spectok.weights import write_network

    torch.manual_seed(1)
    metadata = {"name": "tiny", "training": {"wavelength_range": [2000.0, 30000.0]}}
    write_network(path, build_network(get_config("tiny")), metadata=metadata)
    return path


def make_survey(folder, n):
    """A Parquet file of ``n`` spectra, and two that are broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    rng, wavelength = np.random.default_rng(1), np.linspace(5000, 5600, 300)
    rows = [{"flux": rng.normal(10, 1, 300), "ivar": np.ones(300), "lambda": wavelength} for _ in range(n)]
    pq.write_table(pa.table({"object_id": np.arange(n), "spectrum": rows}), folder / "rows.parquet", row_group_size=50)
    for name in ("broken.fits", "broken.hdf5"):
        (folder / name).write_bytes(b"this is no spectrum" * 50)
    return folder


class Cluster:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def __enter__(self):
        address = self.folder / "scheduler.json"
        address.unlink(missing_ok=True)
        self._start(
            "scheduler", "--scheduler-file", str(address), "--no-dashboard", "--host", "127.0.0.1", "--port", "0"
        )
        while not (address.exists() and address.read_text().endswith("}")):
            time.sleep(0.1)
        self.address = json.loads(address.read_text())["address"]
        for _ in range(2):
            self._start("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
        return self

    def _start(self, *args):
        command = [sys.executable, "-m", "dask", *args]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(command, cwd=self.folder, **quiet))

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def find_victim(process, kind, cluster, rng):
    """The process to kill; the run itself where it has no worker yet."""
    import psutil

    if kind == "scheduler":
        return cluster.processes[0].pid
    if kind == "worker":
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
            workers = [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
            if workers:
                return rng.choice(workers)
    return process.pid


def count_files(out):
    """Partitions that are done."""
    return len(list((out / "results").glob("part-*.parquet"))) if (out / "results").exists() else 0


def run_and_kill(command, out, kind, cluster, rng, patience):
    """Start the command, kill at a random moment, and say what became of it: its status, and text."""
    before = count_files(out)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started = time.monotonic()
    if rng.random() < 0.25:  # while it starts
        time.sleep(rng.uniform(0.2, 15))
    else:  # while it measures
        while process.poll() is None and count_files(out) == before:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 3))
    when = time.monotonic() - started
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(find_victim(process, kind, cluster, rng), signal.SIGKILL)
    try:
        text, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return when, "hangs", "HANGS"
    last = " ".join(text.strip().splitlines()[-1:])
    return when, process.returncode, f"exit {process.returncode} {last[:100]}"


def compare(quiet, other):
    """Both have the same rows, each once, and the same errors."""
    first, second = quiet.read(), other.read()
    assert len(set(zip(second["file"], second["row"], strict=True))) == len(second) == len(first)
    assert first["row"].tolist() == second["row"].tolist()
    np.testing.assert_allclose(first["embedding"], second["embedding"], rtol=1e-5, atol=1e-6)
    assert quiet.errors()["file"].tolist() == other.errors()["file"].tolist()


def main():
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--spectra", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--patience", type=float, default=300, help="seconds after which a run hangs: more on a busy machine"
    )
    parser.add_argument("--json", metavar="FILE", type=Path)
    args = parser.parse_args()
    rng, hung, runs = random.Random(args.seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights, inputs = make_weights(folder / "tiny.safetensors"), make_survey(folder / "in", args.spectra)
        quiet = survey.run(inputs, folder / "quiet", "embed", weights=weights, partition=1, progress=False)
        options = ["--weights", str(weights), "--partition", "1", "--quiet"]
        for number in range(args.kills):
            kind, out = ("run", "worker", "scheduler")[number % 3], folder / f"out-{runs}"
            command = [sys.executable, "-m", "astro_spectok", "survey", "embed", str(inputs), "-o", str(out), *options]
            with Cluster(folder) if kind == "scheduler" else contextlib.nullcontext() as cluster:
                where = ["--scheduler", cluster.address] if cluster else ["--workers", "2"]
                when, status, text = run_and_kill([*command, *where], out, kind, cluster, rng, args.patience)
            hung += status == "hangs"
            print(f"{number + 1:3d} {kind:9s} after {when:5.1f} s: {text}; {count_files(out)} files", flush=True)
            if status in (0, 3):
                compare(quiet, survey.Survey(out))
                runs += 1
        subprocess.run(command, check=False)
        compare(quiet, survey.Survey(out))
        print(f"{args.kills} kills, {runs + 1} runs: every row is there once and as it must be; {hung} hung")
    if args.json:
        found = {"kills": args.kills, "spectra": args.spectra, "runs": runs + 1, "hung": hung}
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(hung > 0)


if __name__ == "__main__":
    sys.exit(main())
