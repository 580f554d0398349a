# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests that training on several processes is training on one: same shards, same loss, same weights."""

import os
import socket
from dataclasses import replace

import _distributed
import numpy as np
import pytest
import torch
from _multimodal import make_rows, write_hdf5
from safetensors.torch import load_file

from astro_spectok.training.history import AVERAGES, read_log
from astro_spectok.training.loop import CHECKPOINT, LOG

STEPS = _distributed.CONFIG.steps
#: seconds that are long enough for any machine; nothing waits for it but a fault
LIMIT = 240
pytestmark = [
    pytest.mark.usefixtures("single_thread"),
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
        reason="this PyTorch has no gloo",
    ),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Directory of a survey's own spectra, which join the simulated ones."""
    directory = tmp_path_factory.mktemp("survey")
    write_hdf5(directory / "a.hdf5", make_rows(6, step=4.0))
    return directory


@pytest.fixture(scope="module")
def alone(real, tmp_path_factory):
    """Directory of the run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    assert _distributed.train(out, STEPS, real).is_file()
    return out


def run_rank(rank, size, port, out, steps, real):
    """One of several processes, with what ``torchrun`` sets for it; what it says goes into a file beside ``out``."""
    with out.with_name(f"{out.name}-{rank}.txt").open("w") as text:
        os.dup2(text.fileno(), 2)
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    torch.set_num_threads(1)
    _distributed.train(out, steps, real)


def launch(processes, out, steps, real, *, size=2):
    """Run on several processes of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [processes.Process(target=run_rank, args=(rank, size, port, out, steps, real)) for rank in range(size)]
    for process in started:
        process.start()
    for process in started:
        process.join(LIMIT)
        process.kill()
        process.join()
    said = "".join(path.read_text() for path in sorted(out.parent.glob(f"{out.name}-*.txt")))
    assert [process.exitcode for process in started] == [0] * size, said[-8000:]
    assert "Warning" not in said, said[-8000:]


@pytest.fixture(scope="module")
def together(processes, real, tmp_path_factory):
    """Directory of a run that one process began and that two went on with to the end."""
    out = tmp_path_factory.mktemp("together") / "run"
    assert _distributed.train(out, 2, real) is None
    launch(processes, out, STEPS, real)
    return out


def assert_same_losses(out, other):
    """Every column that is an average of the log, in every step."""
    rows, others = read_log(out / LOG), read_log(other / LOG)
    assert [row["step"] for row in rows] == [row["step"] for row in others] == [str(i + 1) for i in range(STEPS)]
    for row, expected in zip(rows, others, strict=True):
        for column in (*AVERAGES, "gradient", "learning_rate"):
            assert float(row[column]) == pytest.approx(float(expected[column]), rel=1e-4, abs=2e-5, nan_ok=True), (
                row["step"], column,
            )  # fmt: skip


def assert_same_weights(out, other):
    """All that a run goes on from, after the last step: parameters and moments."""
    one, two = load_file(out / CHECKPOINT), load_file(other / CHECKPOINT)
    assert one.keys() == two.keys()
    # the bias of a softmax has no gradient but for rounding, which the optimiser makes as large as any other
    vague = {
        key.split(".", 1)[1] for key, value in one.items() if key.startswith("exp_avg_sq.") and value.max() < 1e-14
    }
    assert len(vague) < 3
    for key, value in one.items():
        if key.split(".", 1)[1] in vague:
            continue
        # where hardly any pixel reaches, a template's gradient is near the rounding of its Fourier transform; a step of
        # the optimiser is thirty times this
        atol = 1e-4 if key.endswith("redshift.templates") else 1e-5
        torch.testing.assert_close(value, two[key], rtol=1e-4, atol=atol, msg=lambda text, key=key: f"{key}: {text}")


def test_two_processes_train_as_one(alone, together):
    """Loss, every other figure of the log, and the weights."""
    assert_same_losses(together, alone)
    assert_same_weights(together, alone)
    assert sorted(path.name for path in together.iterdir()) == sorted(path.name for path in alone.iterdir())


def test_the_comparison_would_notice(alone, real, tmp_path):
    """Every part of the objective has values, and a run on half of the shards differs from both."""
    rows = read_log(alone / LOG)
    for column in ("loss", "redshift", "alignment"):
        assert np.isfinite([float(row[column]) for row in rows]).mean() > 0.5, column
    config = replace(_distributed.CONFIG, shards=2)
    _distributed.train(tmp_path / "half", STEPS, real, config=config)
    with pytest.raises(AssertionError):
        assert_same_losses(tmp_path / "half", alone)
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "half", alone)


def test_shards_that_cannot_be_shared(tmp_path, monkeypatch):
    """Are refused before anything is written."""
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *args, **kwargs: None)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: None)
    with pytest.raises(ValueError, match="shards must be a multiple of the 3 processes, got 4"):
        _distributed.train(tmp_path / "run", STEPS)
    assert not (tmp_path / "run").exists()
