# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of checkpoints: complete or not there, and only for the run they belong to."""

import dataclasses
import json
import logging

import pytest
import torch
from _training_data import QUICK
from safetensors.torch import load_file, save_file

from astro_spectok.exceptions import WeightsError
from astro_spectok.network import build_network, get_config
from astro_spectok.training import checkpoint as module
from astro_spectok.training.checkpoint import read_checkpoint, read_configs, write_checkpoint
from astro_spectok.training.loop import _make_optimizer
from astro_spectok.utils import atomic

DATA = {"sets": ["a", "b"], "real": [], "real_medium": None, "start": None}
CONFIGS = {"network": get_config("tiny").to_dict(), "training": QUICK.to_dict()}


def make_state(seed=0, updates=2):
    """A network and an optimiser that has made some updates."""
    torch.manual_seed(seed)
    network = build_network(get_config("tiny"))
    optimizer = _make_optimizer(network, QUICK)
    for _ in range(updates):
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return network, optimizer


def assert_same_state(one, other):
    """Networks and optimisers are equal, bit by bit."""
    for (name, a), b in zip(one[0].named_parameters(), other[0].parameters(), strict=True):
        assert torch.equal(a, b), name
        left, right = one[1].state[a], other[1].state[b]
        assert left.keys() == right.keys(), name
        assert all(torch.equal(left[key], right[key]) for key in left), name


def test_round_trip(tmp_path):
    """Parameters, moments and the number of updates come back as they were."""
    path, state, other = tmp_path / "c.safetensors", make_state(0), make_state(1, 5)
    write_checkpoint(path, *state, 7, CONFIGS)
    assert read_checkpoint(path, *other, CONFIGS) == 7
    assert_same_state(state, other)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_fresh_optimizer_round_trip(tmp_path):
    """Before the first update there are no moments."""
    path, other = tmp_path / "c.safetensors", make_state(1, 0)
    write_checkpoint(path, *make_state(0, 0), 0, CONFIGS)
    assert read_checkpoint(path, *other, CONFIGS) == 0
    assert not other[1].state


@pytest.mark.parametrize("where", ["during the write", "before the replacement"])
def test_kill_leaves_the_old_checkpoint(tmp_path, monkeypatch, where):
    """At any moment the file is the old one or the new one."""
    path, old, new = tmp_path / "c.safetensors", make_state(0), make_state(1)
    write_checkpoint(path, *old, 7, CONFIGS)
    content = path.read_bytes()

    def die(*args, **kwargs):
        if where == "during the write":
            args[1].write_bytes(content[: len(content) // 2])
        raise KeyboardInterrupt

    target = (module, "save_file") if where == "during the write" else (atomic.os, "replace")
    with monkeypatch.context() as patch:
        patch.setattr(*target, die)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(path, *new, 8, CONFIGS)
    assert path.read_bytes() == content
    other = make_state(2)
    assert read_checkpoint(path, *other, CONFIGS) == 7
    assert_same_state(old, other)
    (tmp_path / ".c-0123456789ab.safetensors").write_bytes(content[:100])
    write_checkpoint(path, *new, 8, CONFIGS)  # what a kill left behind is no obstacle, and goes
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]
    assert read_checkpoint(path, *other, CONFIGS) == 8
    assert_same_state(new, other)


@pytest.mark.parametrize(("part", "key", "value"), [("training", "seed", 9), ("network", "width", 64)])
def test_other_settings_are_refused_by_name(tmp_path, part, key, value):
    """Nothing is changed, and the message says what differs."""
    path, state = tmp_path / "c.safetensors", make_state(1)
    write_checkpoint(path, *make_state(0), 7, CONFIGS)
    before = {name: tensor.clone() for name, tensor in state[0].state_dict().items()}
    changed = CONFIGS | {part: CONFIGS[part] | {key: value}}
    was = CONFIGS[part][key]
    with pytest.raises(ValueError, match=f"resume: .*{part}.{key}: {was} there, {value} now.*another directory"):
        read_checkpoint(path, *state, changed, free=("steps", "workers"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in state[0].state_dict().items())


def test_free_settings_may_differ_or_be_absent(tmp_path):
    """On either side: older checkpoints hold other settings than newer ones."""
    path = tmp_path / "c.safetensors"
    without = {k: v for k, v in QUICK.to_dict().items() if k != "workers"}
    write_checkpoint(path, *make_state(0), 7, CONFIGS | {"training": without})
    wanted = CONFIGS | {"training": dataclasses.replace(QUICK, steps=99, workers=3).to_dict()}
    assert read_checkpoint(path, *make_state(1), wanted, free=("steps", "workers")) == 7
    with pytest.raises(ValueError, match=r"training.workers: None there, 3 now"):
        read_checkpoint(path, *make_state(1), wanted, free=("steps",))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sets": ["a", "c", "d"]}, "data.sets: b there, c, d now"),
        ({"sets": ["a", "b", "c"]}, "data.sets: nothing more there, c now"),
        ({"real": ["mine"]}, "data.real: nothing more there, mine now"),
        ({"sets": ["b", "a"]}, r"data.sets: \['a', 'b'\] there, \['b', 'a'\] now"),
        ({"real_medium": "air"}, "data.real_medium: None there, air now"),
        ({"start": "12ab"}, "data.start: None there, 12ab now"),
    ],
)
def test_other_data_are_refused(tmp_path, changed, message):
    """Of long lists, only what differs is listed."""
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, *make_state(0), 7, CONFIGS | {"data": DATA})
    assert read_configs(path)["data"] == DATA
    assert read_checkpoint(path, *make_state(1), CONFIGS | {"data": DATA}) == 7
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path, *make_state(1), CONFIGS | {"data": DATA | changed})


def test_checkpoints_that_do_not_know_their_data_are_accepted(tmp_path, caplog):
    """With a warning: those of older versions; their settings must be the same all the same."""
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, *make_state(0), 7, CONFIGS)
    with caplog.at_level(logging.WARNING, "astro_spectok.training"):
        assert read_checkpoint(path, *make_state(1), CONFIGS | {"data": DATA}) == 7
    assert [record.message for record in caplog.records] == [
        f"{path} does not say what data its run was trained on: they are taken to be the same"
    ]
    with pytest.raises(ValueError, match=r"training\.seed"):
        read_checkpoint(path, *make_state(1), CONFIGS | {"training": CONFIGS["training"] | {"seed": 1}, "data": DATA})


def test_tuples_survive_json(tmp_path):
    """A network with a redshift head has nested tuples in its configuration."""
    path, config = tmp_path / "c.safetensors", get_config("paper").to_dict()
    write_checkpoint(path, *make_state(0), 7, {"network": config})
    assert read_checkpoint(path, *make_state(1), {"network": config}) == 7


def test_updates_left_out_are_remembered(tmp_path):
    """A corrupted batch is a step without an update: the optimiser's own count comes back, not the steps."""
    path, state, other = tmp_path / "c.safetensors", make_state(0, 3), make_state(1)
    write_checkpoint(path, *state, 5, CONFIGS)
    assert read_checkpoint(path, *other, CONFIGS) == 5
    assert {float(s["step"]) for s in other[1].state.values()} == {3.0}


def rewrite_checkpoint(path, *, tensors=None, **metadata):
    """Write a checkpoint with other tensors and metadata, without a digest."""
    tensors = load_file(path) | (tensors or {})
    known = {"step": "7", "updates": "2", "configs": json.dumps(CONFIGS)}
    save_file({k: v for k, v in tensors.items() if v is not None}, path, metadata=known | metadata)


def test_digest(tmp_path):
    """One bit of one number, or the number of steps, is noticed; nothing is taken."""
    path, state = tmp_path / "c.safetensors", make_state(1)
    write_checkpoint(path, *make_state(0), 7, CONFIGS)
    content = path.read_bytes()
    before = {name: tensor.clone() for name, tensor in state[0].state_dict().items()}
    for changed in (
        content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
        content.replace(b'"step":"7"', b'"step":"8"'),
    ):
        assert changed != content
        path.write_bytes(changed)
        with pytest.raises(WeightsError, match=r"c\.safetensors is damaged or altered .*the sha256 of its content is"):
            read_checkpoint(path, *state, CONFIGS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state[0].state_dict().items())


def test_checkpoint_without_digest(tmp_path, caplog):
    """Those of older versions are read, with a remark."""
    path, state, other = tmp_path / "c.safetensors", make_state(0), make_state(1)
    write_checkpoint(path, *state, 7, CONFIGS)
    rewrite_checkpoint(path)
    with caplog.at_level(logging.WARNING, "astro_spectok"):
        assert read_checkpoint(path, *other, CONFIGS) == 7
    assert "cannot be verified" in caplog.text
    assert_same_state(state, other)


NORM, MOMENT = "network.norm.weight", "exp_avg_sq.norm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensors": {NORM: None}}, "norm.weight is missing"),
        ({"tensors": {"network.more": torch.ones(2)}}, "network.more is missing or not known"),
        ({"tensors": {MOMENT: None}}, "exp_avg.norm.weight is not known, or stands alone"),
        ({"tensors": {NORM: torch.ones(5)}}, r"norm.weight is torch.float32 of the shape \(5,\) instead of"),
        ({"tensors": {NORM: torch.ones(32).long()}}, "norm.weight is torch.int64"),
        ({"tensors": {NORM: torch.full((32,), torch.nan)}}, "norm.weight holds numbers that are not finite"),
        ({"tensors": {MOMENT: -torch.ones(32)}}, "exp_avg_sq.norm.weight holds .* squares below zero"),
        ({"step": "-1"}, "step must be from 0"),
        ({"step": "many"}, "ValueError"),
        ({"step": "9" * 5000}, "ValueError"),
        ({"updates": "8"}, "not below updates"),
        ({"configs": "[" * 5000}, "RecursionError|JSONDecodeError"),
        ({"configs": "[]"}, "configs must be a JSON object"),
        ({"configs": '{"training": 5}'}, "configs must be a JSON object of objects"),
    ],
)
def test_strange_checkpoint_is_refused(tmp_path, change, message):
    """What is wrong is named, and nothing is taken."""
    path, state = tmp_path / "c.safetensors", make_state(1)
    write_checkpoint(path, *make_state(0), 7, CONFIGS)
    rewrite_checkpoint(path, **change)
    before = {name: tensor.clone() for name, tensor in state[0].state_dict().items()}
    with pytest.raises(WeightsError, match=f"(?s)c.safetensors .*{message}"):
        read_checkpoint(path, *state, CONFIGS)
    assert all(torch.equal(tensor, before.get(name, tensor)) for name, tensor in state[0].state_dict().items())


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04" * 20, (2**62).to_bytes(8, "little") + b"{}", b"\x02" + b"\0" * 7 + b"[]"]
)
def test_no_checkpoint_at_all(tmp_path, content):
    """However many bytes it says its header has, no more are read than there are."""
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    for read in (read_configs, lambda path: read_checkpoint(path, *make_state(1), CONFIGS)):
        with pytest.raises(WeightsError, match=r"c\.safetensors"):
            read(path)
