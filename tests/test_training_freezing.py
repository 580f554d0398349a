# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of training chosen parts of a network: what stays as it is, what is computed, and how a run remembers it."""

import dataclasses
import math
import re

import _distributed
import pytest
import torch
from _distributed import CONFIG, NETWORK
from _training_data import QUICK, speed_up
from safetensors.torch import load_file

from astro_spectok.cli import main
from astro_spectok.heads import build_model
from astro_spectok.network import build_network, get_config
from astro_spectok.training import loop
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.freezing import find_part, freeze_all_but, get_part, is_trained, list_parts
from astro_spectok.training.history import read_log
from astro_spectok.training.loop import pretrain
from astro_spectok.training.step import TrainingStep
from astro_spectok.weights import load_weights, read_metadata, write_network

PARTS = ["encoder", "pooling", "decoder", "redshift", "spectral_type"]
RECONSTRUCTION = {"loss", "loss_hidden", "deviation", "alignment", "nearest"}
REDSHIFT = {"redshift", "right", "right_class"}
TYPES = {"types", "right_type"}
#: of the weights that runs start from
BEFORE, CALIBRATION = {"steps_done": 77}, {"pixel_power": 0.125}
SHORT = dataclasses.replace(QUICK, steps=4, log_every=1, checkpoint_every=2)


@pytest.fixture(scope="module", autouse=True)
def quick_start():
    """One core, surveys are made once, and few shards give the range."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        speed_up(patch, 2)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def batch():
    """Simulated objects of several classes."""
    return ViewDataset(None, dataclasses.replace(CONFIG, batch_tokens=160), NETWORK)[0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights with all heads."""
    torch.manual_seed(2)
    network = build_model(NETWORK)
    network.heads["redshift"].calibration = CALIBRATION
    network.heads["redshift"].provenance = {"stage": "made up"}
    path = tmp_path_factory.mktemp("weights") / "all.safetensors"
    return write_network(path, network, metadata={"training": BEFORE})


def make_step(names, dtype=None):
    """A step of a fresh network of which only the named parts are trained."""
    torch.manual_seed(6)
    network = build_model(NETWORK)
    freeze_all_but(network, names)
    return TrainingStep(network, CONFIG, dtype).train()


def train(out, weights, config=SHORT, **kwargs):
    """Run on the CPU in float32, on analytic templates, from given weights."""
    return pretrain(None, out, NETWORK, config, start=weights, device="cpu", precision="float32", **kwargs)


def test_parts_are_the_children_with_parameters():
    """Of a network without heads fewer."""
    assert list_parts(build_model(NETWORK)) == PARTS
    assert list_parts(build_network(get_config("tiny"))) == PARTS[:-2]


@pytest.mark.parametrize(
    ("names", "trained"),
    [
        ((), []),
        ("spectral_type", ["spectral_type"]),
        (["spectral_type", "encoder", "spectral_type"], ["encoder", "spectral_type"]),
    ],
)
def test_only_the_named_parts_have_gradients(names, trained):
    """Whatever was frozen before; all of them where none is named."""
    network = build_model(NETWORK).requires_grad_(False)
    assert freeze_all_but(network, names) == trained
    assert [name for name in PARTS if is_trained(network, name)] == (trained or PARTS)
    assert {p.requires_grad for name in trained for p in get_part(network, name).parameters()} <= {True}


@pytest.mark.parametrize("names", ["type_heads", ["redshift", "rotary"]])
def test_other_names_are_refused(names):
    """With those that there are."""
    message = f"train_only must be names of parts of the network, which are {', '.join(PARTS)}; got "
    with pytest.raises(ValueError, match=re.escape(message)):
        freeze_all_but(build_model(NETWORK), names)


@pytest.mark.parametrize(
    ("names", "figures"),
    [
        (["spectral_type"], TYPES),
        (["spectral_type", "redshift"], TYPES | REDSHIFT),
        (["redshift"], REDSHIFT),
        (["pooling"], RECONSTRUCTION),
        (["decoder"], RECONSTRUCTION),
        (["encoder"], RECONSTRUCTION | REDSHIFT),
    ],
)
def test_what_learns_nothing_is_not_computed(batch, names, figures):
    """Gradients reach every parameter of the named parts, as processes that train together need, and no other."""
    step = make_step(names)
    loss, found = step(batch)
    loss.backward()
    assert found.keys() == figures
    reached = {find_part(name.removeprefix("network.")) for name, p in step.named_parameters() if p.grad is not None}
    assert reached == set(names)
    assert [name for name, p in step.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("names", [["spectral_type"], ["redshift"], ["pooling", "decoder"]])
def test_gradients_are_those_of_the_same_parts_of_the_objective(batch, names):
    """Frozen or not, the encoder gives the same tokens, and what is frozen takes nothing away from the others."""
    frozen, whole = make_step(names), make_step(())
    for step in (frozen, whole):
        torch.manual_seed(1)  # the same dropout
        step(batch)[0].backward()
    wanted = dict(whole.named_parameters())
    for name, parameter in frozen.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, wanted[name].grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("names", [["spectral_type"], ["decoder"], ["redshift", "spectral_type"]])
def test_half_precision(batch, names):
    """On a processor attention is computed in another way with gradients than without: the same but for rounding."""
    single, half = make_step(names), make_step(names, torch.bfloat16)
    (one, _), (other, _) = single(batch), half(batch)
    other.backward()
    assert other.item() == pytest.approx(one.item(), rel=0.05)
    assert all(torch.isfinite(p.grad).all() for p in half.parameters() if p.requires_grad)


def test_optimiser_knows_only_what_is_trained():
    """Weight decay leaves the rest alone, and so does the rate of the templates."""
    network = build_model(NETWORK)
    freeze_all_but(network, ["spectral_type"])
    groups = loop._make_optimizer(network, CONFIG).param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(network.heads["spectral_type"].parameters()))
    freeze_all_but(network, ["redshift"])
    assert loop._make_optimizer(network, CONFIG).param_groups[-1]["params"] == [network.heads["redshift"].templates]


def test_run_changes_the_named_parts_alone(weights, tmp_path):
    """The others are those of the weights it started from; the log has what was computed, the result its parts."""
    path = train(tmp_path / "run", weights, train_only="spectral_type")
    before, after = load_weights(weights).network.state_dict(), load_file(tmp_path / "run" / loop.CHECKPOINT)
    changed = {key for key, value in before.items() if not torch.equal(after[f"network.{key}"], value)}
    assert {find_part(key) for key in changed} == {"spectral_type"}
    assert {find_part(key.removeprefix("exp_avg.")) for key in after if key.startswith("exp_avg.")} == {"spectral_type"}
    rows = read_log(tmp_path / "run" / loop.LOG)
    assert len(rows) == 4
    known = {key for row in rows for key, value in row.items() if not math.isnan(float(value))}
    assert known & (RECONSTRUCTION | REDSHIFT | TYPES) == TYPES
    training = read_metadata(path)["training"]
    assert training["train_only"] == ["spectral_type"]
    assert (training["steps_done"], training["before"]) == (4, BEFORE)
    # the posterior is still that of the weights it started from
    heads = load_weights(path).network.heads
    assert heads["redshift"].calibration == CALIBRATION
    assert heads["redshift"].provenance == {"stage": "made up"}
    assert heads["spectral_type"].provenance == {"stage": "pretrain", "training": training}


@pytest.mark.parametrize("part", ["redshift", "encoder"])
def test_calibration_is_not_kept_where_redshifts_change(weights, tmp_path, part):
    """It was fitted to another posterior."""
    path = train(tmp_path / "run", weights, dataclasses.replace(SHORT, steps=1), train_only=[part, "spectral_type"])
    assert load_weights(path).network.heads["redshift"].calibration == {}


def test_resumed_is_uninterrupted(weights, tmp_path):
    """To the bit, named in any order; other parts, or all of them, are refused."""
    train(tmp_path / "whole", weights, train_only=["redshift", "spectral_type"])
    out = tmp_path / "parts"
    assert train(out, weights, train_only=["redshift", "spectral_type"], stop_after=3) is None
    for names in ((), "spectral_type"):
        with pytest.raises(ValueError, match=r"parts.train_only: .* there, .* now"):
            train(out, weights, train_only=names, resume=True)
    path = train(out, None, train_only=["spectral_type", "redshift"], resume=True)
    assert read_metadata(path)["training"]["before"] == BEFORE
    assert load_weights(path).network.heads["redshift"].calibration == {}
    one, two = load_file(tmp_path / "whole" / loop.CHECKPOINT), load_file(out / loop.CHECKPOINT)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    train(tmp_path / "all", weights, stop_after=1)
    with pytest.raises(ValueError, match=r"parts.train_only: None there"):
        train(tmp_path / "all", weights, train_only="spectral_type", resume=True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("heads", "train_only must be names of parts of the network, which are encoder, pooling, decoder"),
        ("encoder, decoder", "train_only must name every part that start lacks, or has in another shape; got encoder"),
    ],
)
def test_command(tmp_path, capsys, names, message):
    """Names with commas between them; errors are reported, and nothing is written."""
    out = tmp_path / "out"
    assert main(["pretrain", "--config", "tiny", "--out", str(out), "--train-only", names, "--device", "cpu"]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("given", ["weights without the head", "no weights"])
def test_parts_that_would_stay_random_are_refused(weights, tmp_path, tiny_weights, given):
    """They are named, and nothing is written."""
    start = tiny_weights if given == "weights without the head" else None
    lacking = "redshift" if start else "encoder, pooling, decoder, redshift"
    with pytest.raises(ValueError, match=f"train_only must name every part .* without {lacking} and the start"):
        train(tmp_path / "out", start, train_only="spectral_type")
    assert not (tmp_path / "out").exists()
    if start:
        names = ["redshift", "spectral_type"]
        config = dataclasses.replace(SHORT, steps=1)
        assert train(tmp_path / "out", start, config, train_only=names).is_file()


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()), reason="this PyTorch has no gloo"
)
def test_processes_that_train_together_wait_for_no_frozen_part(processes, tmp_path):
    """Two steps through PyTorch's wrapper, in a process of its own with a limit: the wrapper may never let go."""
    groups = ["spectral_type,redshift", "pooling", "redshift"]
    process = processes.Process(target=_distributed.check_parts, args=(tmp_path, *groups))
    process.start()
    process.join(240)
    process.kill()
    process.join()
    said = (tmp_path / "said.txt").read_text()
    assert process.exitcode == 0, said[-8000:]
    assert said.splitlines() == [f"{names} reached" for names in groups]
