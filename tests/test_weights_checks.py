# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights as hostile input: nothing is built of what does not fit the file, and each refusal names the field."""

import json
import math

import pytest
import torch
from safetensors.torch import load, save

from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.heads import MODELS
from astro_spectok.weights import load_weights
from astro_spectok.weights.checks import MOST_HEADER, check_config, check_header, limit_size
from astro_spectok.weights.format import _DIGEST_KEY, CONFIG_KEY, _digest_content, _split


def pack(header, data):
    """A safetensors file, as bytes, with the digest that its content calls for: made by somebody who knows how."""
    header["__metadata__"][_DIGEST_KEY] = _digest_content(header, data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


@pytest.fixture
def forge(redshift_weights, tmp_path):
    """Writes the weights of the tests with a change to their header, to their configuration, or to a tensor."""

    def forge(change=None, config=None, tensor=None):
        content = redshift_weights.read_bytes()
        header, data = _split(content)
        if tensor is not None:
            tensors = load(content)
            tensors["backbone.norm.weight"] = tensor
            header, data = _split(save(tensors, metadata=header["__metadata__"]))
        if config is not None:
            value = json.loads(header["__metadata__"][CONFIG_KEY])
            config(value)
            header["__metadata__"][CONFIG_KEY] = json.dumps(value)
        if change is not None:
            change(header)
        path = tmp_path / "forged.safetensors"
        path.write_bytes(pack(header, data))
        return path

    return forge


def put(*names, value):
    """A change that puts a value at a place of nested dictionaries and lists."""

    def change(mapping):
        for name in names[:-1]:
            mapping = mapping[name]
        mapping[names[-1]] = value

    return change


HEAD = ("heads", 0, "config")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put("backbone", "encoder_layers", value=10**9),
            "backbone.encoder_layers must be an integer .*; got 1000000000",
        ),
        (put("backbone", "encoder_layers", value=4000), r"more than \d+ numbers.*backbone.encoder_layers=4000"),
        (put("backbone", "width", value=65536), r"more than \d+ numbers.*backbone.width=65536"),
        (put("backbone", "width", value="wide"), "backbone.width must be an integer from 1 to 65536; got 'wide'"),
        (put("backbone", "width", value=True), "backbone.width must be an integer .*; got True"),
        (put("backbone", "longest_period", value={"a": 1}), "backbone.longest_period must be a number"),
        (put("backbone", "shortest_period", value=math.nan), "backbone.shortest_period must be finite"),
        (put(*HEAD, "step", value=1e-300), r"heads\[0\].config.step must be a number from 1e-06 to 1; got 1e-300"),
        (put(*HEAD, "z_range", value=[[1, 0]]), r"heads\[0\].config.z_range must hold pairs of redshifts"),
        (put(*HEAD, "observed_range", value=[0, 1e300]), r"heads\[0\].config.observed_range.* must be"),
        (put(*HEAD, "classes", value=["x" * 20000]), r"heads\[0\].config.classes\[0\] must have 10000 letters at most"),
        (put("backbone", "more", value=[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]), "must be nested 12 times at most"),
        (put("backbone", "more", value=1), "NetworkConfig has no field more"),
        (put("heads", value=[5]), r"heads must be .*; got \[5\]"),
    ],
)
def test_configuration(forge, change, message):
    """No size is believed: the file must have the numbers for it."""
    with pytest.raises(WeightsError, match=f"forged.safetensors .*{message}"):
        load_weights(forge(config=change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put("backbone.norm.weight", "dtype", value="Q7"),
            r"backbone.norm.weight.dtype must be one of F16, .*; got 'Q7'",
        ),
        (
            put("backbone.norm.weight", "shape", value=[-1]),
            r"backbone.norm.weight.shape must be a list of sizes; got \[-1\]",
        ),
        (put("backbone.norm.weight", "shape", value=[10**9, 10**9]), "backbone.norm.weight.data_offsets must span"),
        (put("backbone.norm.weight", "data_offsets", value=[5]), "backbone.norm.weight.data_offsets must be where"),
        (put("backbone.norm.weight", "data_offsets", value=[0, 2**50]), "backbone.norm.weight ends at byte"),
        (put("backbone.norm.weight", value="text"), "backbone.norm.weight.dtype must be one of"),
        (
            put("__metadata__", "training", value='{"wavelength_range": [5, 1]}'),
            "training.wavelength_range must be two",
        ),
        (put("__metadata__", "training", value='{"steps": 1e999}'), "training.steps must be finite"),
        (put("__metadata__", CONFIG_KEY, value="[" * 100_000), "holds no network configuration"),
        (put("__metadata__", CONFIG_KEY, value='{"a": ' + "9" * 5000 + "}"), "holds no network configuration"),
    ],
)
def test_header(forge, change, message):
    """What the header claims is checked against the file before it is read."""
    with pytest.raises(WeightsError, match=f"forged.safetensors .*{message}"):
        load_weights(forge(change))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.ones(32).long(), "norm.weight must hold floating-point numbers; got torch.int64"),
        (torch.full((32,), torch.inf), r"NaN or infinite numbers \(first in backbone.norm.weight\)"),
        (torch.full((32,), 1e30), r"norm.weight holds numbers above 1e\+06"),
        (torch.ones(33), r"norm.weight has shape \(33,\) instead of \(32,\)"),
    ],
)
def test_numbers(forge, tensor, message):
    """Types, sizes and ranges are those of a network that was trained."""
    with pytest.raises(WeightsError, match=f"forged.safetensors .*{message}"):
        load_weights(forge(tensor=tensor))


def test_header_is_bounded(tmp_path):
    """However long a header says it is, and is: no more than the bound is read."""
    path = tmp_path / "long.safetensors"
    for length, there in ((2**60, 100), (MOST_HEADER + 1, MOST_HEADER + 100)):
        path.write_bytes(length.to_bytes(8, "little") + b"{" + b" " * there)
        with pytest.raises(WeightsIntegrityError, match=f"its header says that it has {length} bytes"):
            check_header(path)


@pytest.mark.parametrize("name", MODELS)
def test_all_configurations_pass(name, tmp_path):
    """Those that there are need no more than what is allowed beside the numbers in a file."""
    from astro_spectok.heads import build_model

    config = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        network = build_model(config)
        tensors = {key: ("F16", tuple(tensor.shape)) for key, tensor in network.state_dict().items()}
        check_config(json.loads(json.dumps(config.to_dict())), tmp_path)
        with limit_size(tensors, config.to_dict(), tmp_path):
            build_model(config)


def test_packaged_weights_pass(packaged_weights):
    """The sizes that are bounded are those of networks that there are."""
    assert load_weights("small", shared=False).network is not None


def test_steps_of_a_training_are_no_sizes(tmp_path):
    """A head's provenance may tell of thousands of steps; the step of its grid may not be one of them."""
    head = {"kind": "redshift", "config": {"step": 1e-4}, "provenance": {"step": 1604, "steps": 2000}}
    check_config({"backbone": {}, "heads": {"redshift": head}}, tmp_path)
    with pytest.raises(WeightsError, match=r"heads\.redshift\.config\.step must be a number"):
        check_config({"backbone": {}, "heads": {"redshift": head | {"config": {"step": 1604}}}}, tmp_path)
