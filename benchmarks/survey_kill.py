"""Kill a survey at random moments until it is done, and look whether every spectrum is one row and each as it must be.

``python benchmarks/survey_kill.py`` makes a survey of small files, measures it once in peace, and then again with
``spectok survey embed --workers 2``, which is killed (SIGKILL) ``--kills`` times: in turn the run, with the scheduler
that is in it; one worker, which leaves the run at work; and a scheduler of its own, to which the run and two workers
of their own are joined. After each kill the same command goes on. Exits with 1 if a row is missing, twice, or another.
"""

import argparse
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
from astro_spectok.simulate.export import write_simulated


def make_weights(path):
    """Weights of the smallest network: what is tried is not the arithmetic."""
    import torch

    from astro_spectok.network import build_network, get_config
    from astro_spectok.weights import write_network

    torch.manual_seed(1)
    metadata = {"name": "tiny", "training": {"wavelength_range": [2000.0, 30000.0]}}
    write_network(path, build_network(get_config("tiny")), metadata=metadata)
    return path


def list_children(pid):
    """Processes that a process has started, with all that these started, and what they are called by."""
    import psutil

    try:
        return {child.pid: " ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)}
    except psutil.Error:
        return {}


class Cluster:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def __enter__(self):
        address = self.folder / "scheduler.json"
        address.unlink(missing_ok=True)
        options = ["--scheduler-file", str(address), "--no-dashboard"]
        self.start("scheduler", *options, "--host", "127.0.0.1")
        while not address.exists():
            time.sleep(0.1)
        import json

        self.address = json.loads(address.read_text())["address"]
        for _ in range(2):
            self.start("worker", self.address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "5")
        return self

    def start(self, *args):
        command = [sys.executable, "-m", "dask", *args]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(command, cwd=self.folder, start_new_session=True, **quiet))

    def __exit__(self, *_):
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def run_once(command, kind, cluster, wait, rng):
    """Start the command, kill what is to be killed after so many seconds, and say how it ended."""
    command = [*command, "--scheduler", cluster.address] if cluster else [*command, "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(wait)
    if process.poll() is not None:
        return "was done before it was killed", process.returncode
    if kind == "run":
        victim = process.pid
    elif kind == "scheduler":
        victim = cluster.processes[0].pid
    else:
        workers = [pid for pid, what in list_children(process.pid).items() if "spawn_main" in what]
        if not workers:
            process.kill()
            process.wait()
            return "had no worker yet: the run was killed", None
        victim = rng.choice(workers)
    os.kill(victim, signal.SIGKILL)
    try:
        text, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "HANGS", "hangs"
    last = text.strip().splitlines()[-1:] if text else []
    return f"exit {process.returncode} {' '.join(last)[:110]}", process.returncode


def main():
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--spectra", type=int, default=240)
    parser.add_argument("--partition", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=40.0, help="seconds until a kill, at most")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = make_weights(folder / "tiny.safetensors")
        write_simulated(folder / "in" / "rows.parquet", args.spectra, families=["galaxies"], instruments=["boss"])
        (folder / "in" / "broken.fits").write_bytes(b"SIMPLE  = no" * 400)
        quiet = survey.run(
            folder / "in", folder / "quiet", "embed", weights=weights, partition=args.partition, progress=False
        )
        out = folder / "out"
        command = [
            sys.executable, "-m", "astro_spectok", "survey", "embed", str(folder / "in"), "-o", str(out), "--weights",
            str(weights), "--partition", str(args.partition), "--quiet",
        ]  # fmt: skip
        hung, done = 0, 0
        for number in range(args.kills):
            kind, wait = ("run", "worker", "scheduler")[number % 3], rng.uniform(2, args.longest)
            if kind == "scheduler":
                with Cluster(folder) as cluster:
                    text, code = run_once(command, kind, cluster, wait, rng)
            else:
                text, code = run_once(command, kind, None, wait, rng)
            hung += code == "hangs"
            files = len(list((out / "results").glob("part-*"))) if (out / "results").exists() else 0
            print(f"{number + 1:3d} {kind:9s} killed after {wait:4.1f} s: {text}; {files} files", flush=True)
            if files == len(quiet.paths):
                # all is measured: kill what is left of the kills on a new run
                done += 1
                compare(quiet, survey.Survey(out))
                command = [*command, "--restart"] if "--restart" not in command else command
            elif "--restart" in command and files:
                command.remove("--restart")
        command = [one for one in command if one != "--restart"]
        subprocess.run(command, check=False)
        compare(quiet, survey.Survey(out))
        print(f"{args.kills} kills, {done} runs done in between, {hung} that hung: every row once and as it must be")
        return int(hung > 0)


def compare(quiet, other):
    """Both have the same rows, each once."""
    first, second = quiet.read(), other.read()
    assert len(set(zip(second["file"], second["row"], strict=True))) == len(second) == len(first)
    assert first["row"].tolist() == second["row"].tolist()
    np.testing.assert_allclose(first["embedding"], second["embedding"], rtol=1e-5, atol=1e-6)
    assert quiet.errors()["file"].tolist() == other.errors()["file"].tolist()


if __name__ == "__main__":
    sys.exit(main())
