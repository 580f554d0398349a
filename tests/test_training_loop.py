# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the training loop: it learns, it resumes to the bit, and what it leaves behind."""

import dataclasses
import json
import logging
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from _distributed import NETWORK
from _multimodal import make_rows, write_hdf5
from _training_data import QUICK as SHORT
from _training_data import speed_up, write_corpus
from safetensors.torch import load_file

from astro_spectok.heads import ModelConfig
from astro_spectok.network import get_config
from astro_spectok.training import loop
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.history import AVERAGES, plot_curve, read_log
from astro_spectok.training.loop import pretrain
from astro_spectok.training.objective import reconstruction_loss
from astro_spectok.training.provenance import measure_wavelength_range
from astro_spectok.training.rates import cosine_rate
from astro_spectok.weights import load_weights, read_metadata

TINY = get_config("tiny")
pytestmark = pytest.mark.usefixtures("single_thread")
#: stored spectra in many batches
QUICK = dataclasses.replace(SHORT, stored_fraction=0.3)


@pytest.fixture(scope="module", autouse=True)
def quick_start():
    """Beginnings and ends of runs take little."""
    with pytest.MonkeyPatch.context() as patch:
        speed_up(patch, 5)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The synthetic sets."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Directory and weights of an uninterrupted run of `QUICK`."""
    out = tmp_path_factory.mktemp("run") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plot_curve", plot_curve)
        return out, train(data, out)


def train(data, out, config=QUICK, **kwargs):
    """Run on the CPU in float32, with all heads."""
    return pretrain(data, out, NETWORK, config, device="cpu", precision="float32", **kwargs)


def state_of(out):
    """Network and moments in the checkpoint."""
    return load_file(out / loop.CHECKPOINT)


def assert_same_run(out, other):
    """Equal to the bit: parameters and moments."""
    one, two = state_of(out), state_of(other)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def steps_of(out):
    """Steps in the log."""
    return [int(row["step"]) for row in read_log(out / loop.LOG)]


def test_run_leaves_checkpoint_log_curve_and_weights(finished):
    """And nothing half-written."""
    out, weights = finished
    assert weights == out / "all_heads.safetensors"
    names = ["all_heads.safetensors", "checkpoint.safetensors", "log.csv", "loss.png"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert steps_of(out) == [4, 8, 12]
    assert (out / loop.CURVE).read_bytes().startswith(b"\x89PNG")
    for row in read_log(out / loop.LOG):
        # few spectra: not every row has one that is decoded from its embedding alone; no hidden stretch is asked for
        sometimes = {"loss_hidden", "inferred"}
        assert all(math.isfinite(float(row[name])) for name in set(AVERAGES) - sometimes), row
    assert any(math.isfinite(float(row["types"])) for row in read_log(out / loop.LOG))


def test_weights_load_and_are_those_of_the_checkpoint(finished):
    """To the rounding of half precision."""
    out, weights = finished
    network = load_weights(weights).network
    assert network.config == NETWORK.network
    state = state_of(out)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, state[f"network.{name}"], rtol=1e-3, atol=1e-6)


def test_weights_remember_their_training(finished, data):
    """Settings, data, range, length and machine, as JSON."""
    out, weights = finished
    training = read_metadata(weights)["training"]
    assert json.loads(json.dumps(training)) == training
    assert {key: training[key] for key in QUICK.to_dict()} == QUICK.to_dict()
    assert training["sets"] == sorted(path.stem for path in data.iterdir())
    assert training["real_directories"] == 0
    assert training["steps_done"] == 12
    assert training["device"] == "cpu"
    assert training["torch_version"] == torch.__version__
    assert training["seconds"] == round(sum(float(row["seconds"]) for row in read_log(out / loop.LOG)))
    assert training["spectra"] >= 12 * 2
    assert training["wavelength_range"] == measure_wavelength_range(ViewDataset(data, QUICK, NETWORK))
    assert load_weights(weights).wavelength_range == tuple(training["wavelength_range"])


@pytest.mark.parametrize("stops", [[5], [0, 4, 9]])
def test_stopped_and_resumed_is_uninterrupted(finished, data, tmp_path, stops):
    """To the bit, whether or not it stops at a step that is logged."""
    for stop in stops:
        assert train(data, tmp_path, resume=True, stop_after=stop) is None
    assert train(data, tmp_path, resume=True) == tmp_path / "all_heads.safetensors"
    assert_same_run(tmp_path, finished[0])
    assert sorted(set(steps_of(tmp_path))) == steps_of(tmp_path)


@pytest.mark.parametrize("moment", [8, 11])
def test_killed_and_resumed_is_uninterrupted(finished, data, tmp_path, monkeypatch, moment):
    """A kill between checkpoints: the log is trimmed to the last one, and each step stands in it once."""
    step = loop._Run._train_step
    calls = []

    def die(*args):
        calls.append(1)
        if len(calls) > moment:
            raise KeyboardInterrupt
        return step(*args)

    config = dataclasses.replace(QUICK, log_every=2)
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_train_step", die)
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


@pytest.mark.parametrize(("steps", "done"), [(14, 14), (6, 8)])
def test_steps_may_change_on_resume(data, tmp_path, steps, done):
    """Longer, shorter, or shorter than what is done: the steps done stay, the cosine takes the new number."""
    train(data, tmp_path, stop_after=8)
    rates = []
    config = dataclasses.replace(QUICK, steps=steps, log_every=1)
    weights = train(data, tmp_path, config, resume=True, on_step=lambda _, row: rates.append(row["learning_rate"]))
    assert rates == pytest.approx([cosine_rate(config.learning_rate, i, steps, config.warmup) for i in range(8, done)])
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


def test_missing_data_is_reported_before_anything_is_written(tmp_path):
    """With workers as well."""
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match=r"data: .*nowhere is not a directory"):
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
    """After 56 steps of the smallest network, spectra that it was not trained on are more likely than before."""
    config = dataclasses.replace(
        QUICK, steps=56, batch_tokens=48, learning_rate=3e-3, log_every=28, checkpoint_every=56
    )
    out = pretrain(data, tmp_path, TINY, config, device="cpu", precision="float32")
    trained = load_weights(out, shared=False).network
    dataset = ViewDataset(data, dataclasses.replace(config, steps=8, seed=config.seed + 1), TINY)
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
        config = dataclasses.replace(QUICK, steps=6, log_every=6)
        pretrain(data, tmp_path / precision, NETWORK, config, device="cpu", precision=precision,
                 on_step=lambda _, values, row=row: row.append(values))  # fmt: skip
        losses += row
    for name, size in (("loss", 0.1), ("redshift", 0.3), ("alignment", 0.3)):
        assert losses[1][name] != losses[0][name]
        assert losses[1][name] == pytest.approx(losses[0][name], abs=size), name


def test_training_without_templates_says_so(tmp_path, caplog):
    """Analytic templates are enough to train on; the log and the weights say so."""
    with caplog.at_level(logging.WARNING, "astro_spectok.training"):
        weights = train(None, tmp_path, dataclasses.replace(QUICK, steps=3, log_every=3))
    assert [record.message for record in caplog.records] == [
        "no directory of templates is given: simulating from analytic ones, which are coarser"
    ]
    assert read_metadata(weights)["training"]["sets"] == ["analytic templates"]


def test_training_on_sets_does_not_warn(data, tmp_path, caplog):
    """Nor on real spectra beside them, whose directories are counted and not named."""
    rows = make_rows(4, step=4.0)
    write_hdf5(tmp_path / "secret" / "a.hdf5", rows)
    config = dataclasses.replace(QUICK, steps=2)
    with caplog.at_level(logging.WARNING, "astro_spectok.training"):
        weights = train(data, tmp_path / "one", config, real=tmp_path / "secret")
        train(data, tmp_path / "same", config, real=[str(tmp_path / "secret")])
        train(data, tmp_path / "air", config, real=[tmp_path / "secret"], real_medium="air")
    assert not caplog.records
    one, same, air = (state_of(tmp_path / name) for name in ("one", "same", "air"))
    assert all(torch.equal(one[key], value) for key, value in same.items())
    assert not torch.equal(one["network.input.weight"], air["network.input.weight"])
    training = read_metadata(weights)["training"]
    assert training["real_directories"] == 1
    assert "secret" not in json.dumps(training)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"real": ["nowhere"]}, FileNotFoundError, r"directory: nowhere is not a directory"),
        (
            {"real": [Path(__file__).parent], "real_medium": "water"},
            ValueError,
            "medium must be 'vacuum', 'air' or None",
        ),
    ],
)
def test_wrong_real_directories_are_reported_before_anything_is_written(tmp_path, options, error, message):
    """By the process that was started, not by those that draw."""
    with pytest.raises(error, match=message):
        train(None, tmp_path / "out", dataclasses.replace(QUICK, workers=1), **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("other", ["more heads", "other width"])
def test_start_copies_what_fits(tmp_path, tiny_weights, other, caplog):
    """By name and shape; all else is as without it."""
    config = NETWORK if other == "more heads" else dataclasses.replace(TINY, width=64, heads=4)
    given = load_weights(tiny_weights).network.state_dict()
    fresh = loop._make_network(config, 3).state_dict()
    with caplog.at_level(logging.INFO, "astro_spectok.training"):
        started = loop._make_network(config, 3, tiny_weights).state_dict()
    shared = {key for key, value in fresh.items() if key in given and given[key].shape == value.shape}
    assert (caplog.records[0].levelname == "WARNING") == (2 * len(shared) < len(fresh)) == (other == "other width")
    assert 0 < len(shared) < len(fresh)
    assert all(torch.equal(value, (given if key in shared else fresh)[key]) for key, value in started.items())
    assert f"{len(shared)} of {len(fresh)} tensors" in caplog.text
    if other == "more heads":
        assert shared == set(given)


def test_run_starts_from_the_weights_given(data, tmp_path, tiny_weights):
    """And goes on from its checkpoint, not from them again."""
    config = dataclasses.replace(QUICK, steps=5)
    train(data, tmp_path / "whole", config, start=tiny_weights, stop_after=4)
    for stop in (2, 4):
        train(data, tmp_path / "resumed", config, start=tiny_weights, resume=True, stop_after=stop)
    train(data, tmp_path / "anew", config, stop_after=4)
    whole, resumed, anew = (state_of(tmp_path / name) for name in ("whole", "resumed", "anew"))
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
    assert not torch.equal(whole["network.input.weight"], anew["network.input.weight"])


def test_heads_left_behind_are_named(packaged_weights, caplog):
    """What a network has no place for would be lost without a word."""
    loop._make_network(ModelConfig.of(get_config("small")), 0, "small")
    heads = load_weights("small", "cpu").network.heads
    assert heads
    assert all(name in caplog.text for name in heads)
    assert "make them anew with spectok build" in caplog.text


def test_start_is_remembered(data, tmp_path, tiny_weights):
    """A run that is gone on with needs no ``start``, and its weights name it; another one is refused."""
    out, config = tmp_path / "run", dataclasses.replace(QUICK, steps=3)
    train(data, out, config, start=tiny_weights, stop_after=2)
    other = train(data, tmp_path / "other", dataclasses.replace(QUICK, steps=1))
    with pytest.raises(ValueError, match=r"data\.start: \w{64} there, \w{64} now"):
        train(data, out, config, start=other, resume=True)
    digest = load_weights(tiny_weights).sha256
    assert read_metadata(train(data, out, config, resume=True))["training"]["start"] == digest
    with pytest.raises(ValueError, match=r"data\.start: None there, \w{64} now"):
        train(data, tmp_path / "other", dataclasses.replace(QUICK, steps=1), start=tiny_weights, resume=True)


def test_start_that_shares_nothing_is_refused(data, tmp_path, tiny_weights, monkeypatch):
    """Before anything is written."""
    foreign = SimpleNamespace(network=SimpleNamespace(state_dict=lambda: {"other": torch.zeros(1)}))
    monkeypatch.setattr(loop, "load_weights", lambda *_: foreign)
    with pytest.raises(ValueError, match=r"start: .*must share tensors with the network 'all_heads', got none"):
        train(data, tmp_path / "out", start=tiny_weights)
    assert not (tmp_path / "out").exists()


def test_other_data_are_refused_on_resume(data, tmp_path):
    """Sets that came or went, and other directories of real spectra; that of the same name elsewhere is the same."""
    write_hdf5(tmp_path / "first" / "survey" / "a.hdf5", make_rows(4, step=4.0))
    write_hdf5(tmp_path / "moved" / "survey" / "a.hdf5", make_rows(4, step=4.0))
    out, config = tmp_path / "run", dataclasses.replace(QUICK, steps=3)
    train(data, out, config, real=tmp_path / "first" / "survey", stop_after=1)
    fewer = shutil.copytree(data, tmp_path / "fewer")
    (fewer / "pickles_stars.npz").unlink()
    for place, options, message in (
        (fewer, {"real": tmp_path / "first" / "survey"}, r"data\.sets: pickles_stars there, nothing more now"),
        (None, {"real": tmp_path / "first" / "survey"}, r"data\.sets: .*there, analytic templates now"),
        (data, {}, r"data\.real: survey there, nothing more now"),
        (data, {"real": tmp_path / "first"}, r"data\.real: survey there, first now"),
        (data, {"real": tmp_path / "first" / "survey", "real_medium": "air"}, r"real_medium: None there, air now"),
    ):
        with pytest.raises(ValueError, match=message):
            train(place, out, config, resume=True, **options)
    assert train(data, out, config, real=tmp_path / "moved" / "survey", resume=True).is_file()


def test_wavelength_range_is_that_of_the_good_pixels(data):
    """Between the ends of what is drawn, in Angstrom, the same each time; other draws give about the same."""
    dataset, other = ViewDataset(data, QUICK, TINY), ViewDataset(data, dataclasses.replace(QUICK, seed=9), TINY)
    one, again = measure_wavelength_range(dataset), measure_wavelength_range(dataset)
    assert one == again != measure_wavelength_range(other)
    assert all(type(value) is float for value in one)
    assert 900 < one[0] < 5000
    assert 9000 < one[1] < 56000
    seen = [dataset[number].patches for number in range(3)]
    x = torch.cat([patches.grid.ln_wavelength[patches.valid] for patches in seen]).exp()
    few = measure_wavelength_range(dataset, n_shards=3)
    assert x.min() <= few[0] < few[1] <= x.max()
    assert ((x > few[0]) & (x < few[1])).double().mean() == pytest.approx(0.998, abs=0.001)
