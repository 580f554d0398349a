# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the training loop: it learns, it resumes to the bit, and what it leaves behind."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from _training_data import QUICK, write_corpus
from safetensors.torch import load_file

from astro_spectok.network import get_config
from astro_spectok.training import loop
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.corpus import Corpus
from astro_spectok.training.history import read_log
from astro_spectok.training.loop import learning_rate, pretrain
from astro_spectok.training.objective import reconstruction_loss
from astro_spectok.training.provenance import measure_wavelength_range
from astro_spectok.weights import load_weights, read_metadata

TINY = get_config("tiny")


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    """One core, and with it sums in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The synthetic sets."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Directory and weights of an uninterrupted run of `QUICK`."""
    out = tmp_path_factory.mktemp("run") / "whole"
    return out, train(data, out)


def train(data, out, config=QUICK, **kwargs):
    """Run on the CPU in float32."""
    return pretrain(data, out, TINY, config, device="cpu", precision="float32", **kwargs)


def state_of(out):
    """Network and moments in the checkpoint."""
    return load_file(out / loop.CHECKPOINT)


def assert_same_run(out, other):
    """Equal to the bit: parameters, moments and every step of the log."""
    one, two = state_of(out), state_of(other)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def steps_of(out):
    """Steps in the log."""
    return [int(row["step"]) for row in read_log(out / loop.LOG)]


def test_run_leaves_checkpoint_log_curve_and_weights(finished):
    """And nothing half-written."""
    out, weights = finished
    assert weights == out / "tiny.safetensors"
    assert sorted(p.name for p in out.iterdir()) == [
        "checkpoint.safetensors",
        "log.csv",
        "loss.png",
        "tiny.safetensors",
    ]
    assert steps_of(out) == [4, 8, 12]
    assert (out / loop.CURVE).read_bytes().startswith(b"\x89PNG")


def test_weights_load_and_are_those_of_the_checkpoint(finished):
    """To the rounding of half precision."""
    out, weights = finished
    network = load_weights(weights).network
    assert network.config == TINY
    state = state_of(out)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, state[f"network.{name}"], rtol=1e-3, atol=1e-6)


def test_weights_remember_their_training(finished, data):
    """Settings, data, range, length and machine, as JSON."""
    out, weights = finished
    training = read_metadata(weights)["training"]
    assert json.loads(json.dumps(training)) == training
    assert {key: training[key] for key in QUICK.to_dict()} == QUICK.to_dict()
    assert training["sets"] == Corpus(data).names
    assert training["steps_done"] == 12
    assert training["device"] == "cpu"
    assert training["torch_version"] == torch.__version__
    assert training["seconds"] == round(sum(float(row["seconds"]) for row in read_log(out / loop.LOG)))
    assert training["spectra"] >= 12 * 2
    assert training["wavelength_range"] == measure_wavelength_range(Corpus(data), QUICK)
    assert load_weights(weights).wavelength_range == tuple(training["wavelength_range"])


@pytest.mark.parametrize("stops", [[5], [0, 4, 9]])
def test_stopped_and_resumed_is_uninterrupted(finished, data, tmp_path, stops):
    """To the bit, whether or not it stops at a step that is logged."""
    for stop in stops:
        assert train(data, tmp_path, resume=True, stop_after=stop) is None
    assert train(data, tmp_path, resume=True) == tmp_path / "tiny.safetensors"
    assert_same_run(tmp_path, finished[0])
    assert sorted(set(steps_of(tmp_path))) == steps_of(tmp_path)


@pytest.mark.parametrize("moment", [6, 8, 11])
def test_killed_and_resumed_is_uninterrupted(finished, data, tmp_path, monkeypatch, moment):
    """A kill between checkpoints: the log is trimmed to the last one, and each step stands in it once."""
    step = loop._train_step
    calls = []

    def die(*args):
        calls.append(1)
        if len(calls) > moment:
            raise KeyboardInterrupt
        return step(*args)

    config = dataclasses.replace(QUICK, log_every=2)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_train_step", die)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path, config)
    assert steps_of(tmp_path) == list(range(2, moment + 1, 2))
    train(data, tmp_path, config, resume=True)
    assert steps_of(tmp_path) == [2, 4, 6, 8, 10, 12]
    assert_same_run(tmp_path, finished[0])


def test_workers_and_intervals_may_change_on_resume(finished, data, tmp_path):
    """They change the speed, not the result."""
    train(data, tmp_path, stop_after=4)
    config = dataclasses.replace(QUICK, workers=1, log_every=3, checkpoint_every=100)
    train(data, tmp_path, config, resume=True)
    assert_same_run(tmp_path, finished[0])


@pytest.mark.parametrize(("steps", "done"), [(20, 20), (14, 14), (6, 8)])
def test_steps_may_change_on_resume(data, tmp_path, steps, done):
    """Longer, shorter, or shorter than what is done: the steps done stay, the cosine takes the new number."""
    train(data, tmp_path, stop_after=8)
    rates = []
    config = dataclasses.replace(QUICK, steps=steps, log_every=1)
    weights = train(data, tmp_path, config, resume=True, on_step=lambda _, row: rates.append(row["learning_rate"]))
    assert rates == pytest.approx([learning_rate(i, config) for i in range(8, done)])
    assert steps_of(tmp_path)[-1] == done
    training = read_metadata(weights)["training"]
    assert (training["steps"], training["steps_done"]) == (steps, done)


def test_other_settings_are_refused(finished, data):
    """By name, and the run stays as it is."""
    before = (finished[0] / loop.CHECKPOINT).read_bytes()
    with pytest.raises(ValueError, match=r"training.seed: 7 there, 8 now"):
        train(data, finished[0], dataclasses.replace(QUICK, seed=8), resume=True)
    assert (finished[0] / loop.CHECKPOINT).read_bytes() == before
    assert steps_of(finished[0]) == [4, 8, 12]


def test_run_that_exists_is_refused_without_resume(finished, data):
    """Nothing is overwritten by mistake."""
    with pytest.raises(FileExistsError, match=r"out: .*whole already holds a run; give resume=True"):
        train(data, finished[0])


def test_resuming_what_is_done_writes_the_weights_again(finished, data):
    """Same content; as needed when the last kill came between checkpoint and weights."""
    out, weights = finished
    tensors, metadata = load_file(weights), read_metadata(weights)
    weights.unlink()
    assert train(data, out, resume=True) == weights
    again = load_file(weights)
    assert all(torch.equal(tensor, again[name]) for name, tensor in tensors.items())
    assert read_metadata(weights)["training"] == metadata["training"]


def test_missing_data_is_told_before_anything_is_written(tmp_path):
    """With workers as well."""
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match=r"data: .*nowhere is no directory"):
        train(tmp_path / "nowhere", out, dataclasses.replace(QUICK, workers=1))
    assert not out.exists()


def test_random_numbers_of_the_caller_stay(data, tmp_path):
    """And the run does not depend on them."""
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        wanted = torch.rand(1)
        torch.manual_seed(seed)
        network = loop._make_network(TINY, 5)
        assert torch.equal(torch.rand(1), wanted)
        states.append(network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_training_learns(data, tmp_path):
    """After 120 steps of the smallest network, spectra that it was not trained on are more likely than before."""
    config = dataclasses.replace(
        QUICK, steps=120, batch_tokens=48, learning_rate=3e-3, log_every=60, checkpoint_every=120
    )
    trained = load_weights(train(data, tmp_path, config), shared=False).network
    dataset = ViewDataset(data, dataclasses.replace(config, steps=8, seed=config.seed + 1), TINY.patch)
    losses = []
    for network in (loop._make_network(TINY, config.seed), trained):
        with torch.inference_mode():
            parts = []
            for batch in map(dataset.__getitem__, range(8)):
                answer = network.eval()(batch.patches, batch.grid, batch.resolution, hide=batch.hide)
                parts.append(reconstruction_loss(*answer, batch.flux, batch.variance)[0])
            losses.append(torch.cat(parts).mean())
    assert losses[1] < losses[0] - 0.05, losses


def test_bfloat16_trains_as_well(data, tmp_path):
    """The same steps, in lower precision, close to the same loss."""
    losses = []
    for precision in ("float32", "bfloat16"):
        row = []
        config = dataclasses.replace(QUICK, log_every=12)
        pretrain(data, tmp_path / precision, TINY, config, device="cpu", precision=precision,
                 on_step=lambda _, values, row=row: row.append(values["loss"]))  # fmt: skip
        losses += row
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], abs=0.1)


def test_spoilt_batch_leaves_the_network_as_it_is(data):
    """A gradient that is not finite is no step."""
    network = loop._make_network(TINY, 0)
    optimizer = loop._make_optimizer(network, QUICK)
    batch = next(iter(loop._load_batches(data, QUICK, 32, 0, 1)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    batch.patches.channels[0] = torch.nan
    figures = loop._train_step(network, optimizer, batch, 1e-3, QUICK)
    assert not math.isfinite(figures["gradient"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_learning_rate_schedule():
    """Linear to the peak, then a cosine to zero; never more than the peak, and none behind the end."""
    config = dataclasses.replace(QUICK, steps=1000, warmup=10, learning_rate=0.5)
    rates = np.array([learning_rate(step, config) for step in range(1001)])
    np.testing.assert_allclose(rates[:10], 0.05 * np.arange(1, 11), rtol=1e-3)
    assert rates.max() <= 0.5
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[500] == pytest.approx(0.25)
    assert rates[1000] == pytest.approx(0, abs=1e-12)
    assert learning_rate(2000, config) == pytest.approx(0, abs=1e-12)
    assert learning_rate(0, dataclasses.replace(config, warmup=0)) == 0.5


def test_wavelength_range_is_that_of_the_good_pixels(data):
    """Between the ends of what the sets hold, in Angstrom, the same each time; ``seed`` draws others."""
    corpus = Corpus(data)
    one, again, other = (measure_wavelength_range(corpus, QUICK, seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert all(type(value) is float for value in one)
    assert 3000 <= one[0] < 4500
    assert 10000 < one[1] < 16937 * 7
    np.testing.assert_allclose(one, other, rtol=0.3)


def test_wavelength_range_without_views_is_an_error(data):
    """Zero draws, or spectra too short."""
    with pytest.raises(ValueError, match=r"got none in 0 draws"):
        measure_wavelength_range(Corpus(data), QUICK, n_views=0)
