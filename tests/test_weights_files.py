# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the file format of weights, and of networks loaded from such files."""

import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from astro_spectok import weights as room
from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.heads import RedshiftConfig, StellarConfig, build_model
from astro_spectok.heads.model import describe_model
from astro_spectok.heads.small_numbers import (
    GALAXY_RULES,
    PHOTOMETRY_DOMAIN,
    REDSHIFT_RULES,
    RELIABLE,
    STELLAR_DOMAIN,
    STELLAR_RULES,
    TRANSIENT_RULES,
)
from astro_spectok.network import CONFIGS, build_network
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.transients.posterior import TransientCalibration
from astro_spectok.weights import (
    REGISTRY,
    find_weights,
    load_network,
    load_weights,
    loading,
    read_metadata,
    read_weights,
    write_network,
    write_weights,
)
from astro_spectok.weights.format import _digest_content, _split
from astro_spectok.weights.loading import name_tensors

CONFIG = CONFIGS["tiny"]
#: what `write_weights` asks for at least
PLAIN = {"backbone": {"width": 3}, "heads": []}
#: fields of the redshift head in files of format 1
NEW_SIZES = ("observed_range", "summaries", "dct_coefficients")
OLD_REDSHIFT = ("classes", "z_range", "channels", "step", "observed_range", "rest_range", "kernel")


def write_state(path, state, *, config=None, **options):
    """Write parameters of a network without heads."""
    tensors = {f"backbone.{name}": tensor for name, tensor in state.items()}
    return write_weights(path, {"backbone": config or CONFIG.to_dict(), "heads": []}, tensors, **options)


# --- file format ----------------------------------------------------------------------------


def test_round_trip(tmp_path):
    """Tensors, their types, the configuration and the metadata come back as they were."""
    shared = torch.arange(4.0)
    tensors = {"a": shared, "b": shared, "half": torch.ones(2, 3).bfloat16(), "n": torch.tensor(7)}
    training = {"steps": 10, "wavelength_range": [1000, 9000]}
    path = write_weights(tmp_path / "x.safetensors", PLAIN, tensors, metadata={"name": "x", "training": training})
    config, found = read_weights(path)
    assert config == PLAIN
    assert {name: tensor.dtype for name, tensor in found.items()} == {name: t.dtype for name, t in tensors.items()}
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    metadata = read_metadata(path)
    assert (metadata["name"], metadata["training"]) == ("x", training)
    assert metadata["astro_spectok_version"]
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_write_is_atomic_and_careful(tmp_path, monkeypatch):
    """A file that exists is kept unless asked otherwise, and kept whole when writing fails."""
    path = write_weights(tmp_path / "x.safetensors", PLAIN, {"a": torch.ones(2)})
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_weights(path, PLAIN, {})
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_weights(path, PLAIN, {}, overwrite=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]
    monkeypatch.undo()
    write_weights(path, PLAIN | {"heads": [{"name": "a"}]}, {}, overwrite=True)
    assert read_weights(path) == (PLAIN | {"heads": [{"name": "a"}]}, {})


@pytest.mark.parametrize(
    ("name", "config", "metadata", "error"),
    [
        ("x.pt", PLAIN, {}, ValueError),
        ("x.safetensors", [1], {}, TypeError),
        ("x.safetensors", {"width": 3}, {}, ValueError),
        ("x.safetensors", PLAIN, {"content_sha256": "0"}, ValueError),
    ],
)
def test_write_rules(tmp_path, name, config, metadata, error):
    """Wrong arguments are named."""
    with pytest.raises(error, match=r"`(path|config|metadata)` must"):
        write_weights(tmp_path / name, config, {}, metadata=metadata)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda path, bomb: path.write_bytes(pickle.dumps(bomb)), "a pickle"),
        (lambda path, bomb: torch.save(bomb, path), "a zip archive, as torch.save writes"),
        (lambda path, bomb: path.write_text("SIMPLE  =   T"), "something else"),
    ],
)
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_nothing_is_unpickled(tmp_path, name, write, kind):
    """A pickle is refused, whatever its name, and its code is not run."""
    path, trace = tmp_path / name, tmp_path / "exploded"
    write(path, Bomb(trace))
    with pytest.raises(WeightsError, match=f"which is {kind}.*ever unpickled.*write_weights"):
        load_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "no network configuration"),
        ({"astro_spectok_config": "none"}, "no network configuration"),
        ({"astro_spectok_config": "{}"}, "no digest of its content"),
    ],
)
def test_foreign_safetensors(tmp_path, metadata, words):
    """Safetensors of another program are refused with the remedy."""
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata=metadata)
    with pytest.raises(WeightsError, match=f"{words}.*write_weights"):
        read_weights(tmp_path / "x.safetensors")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_noticed(tmp_path, data):
    """No flipped bit and no truncation of a file goes unnoticed."""
    path = tmp_path / "x.safetensors"
    write_weights(path, PLAIN, {"a": torch.arange(5.0)}, metadata={"name": "x"}, overwrite=True)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1), "position")
    if data.draw(st.booleans(), "truncate"):
        path.write_bytes(content[:position])
        with pytest.raises(WeightsError, match=r"truncated|empty|write_weights"):
            read_weights(path)
    else:
        content[position] ^= 1 << data.draw(st.integers(0, 7), "bit")
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            read_weights(path)


# --- formats ----------------------------------------------------------------------------


def strip_format(path, config, tensors, metadata):
    """Write a file as versions did that knew one format."""
    texts = {key: json.dumps(value) for key, value in metadata.items()}
    texts |= {"astro_spectok_config": json.dumps(config), "astro_spectok_version": "0.1"}
    texts["content_sha256"] = _digest_content(*_split(save(tensors, metadata=texts)))
    path.write_bytes(save(tensors, metadata=texts))
    return path


def test_format_1_is_read_as_format_2(tmp_path):
    """Parameters and what the file said of its heads are found under their names; a head of tokens is left out."""
    heads = {"redshift": RedshiftConfig(step=1e-3, summary_periods=2, target_sigma=3e-4), "stellar": StellarConfig()}
    sizes = replace(CONFIG, dct_coefficients=16, summaries=(("redshift", 15),))
    made = build_model(sizes, heads)
    old = {name: value for name, value in CONFIG.to_dict().items() if name not in NEW_SIZES}
    redshift = {key: x for key, x in heads["redshift"].to_dict().items() if key in OLD_REDSHIFT}
    old |= {"local_cosines": 16, "posterior_periods": 2, "redshift": redshift, "labels": [["teff", 3.75, 0.2]]}
    old |= {"stellar_types": ["O", "B"], "type_step": 0.0, "stellar_labels": heads["stellar"].labels}
    tensors = {}
    for name, tensor in made.state_dict().items():
        name = name.replace("heads.redshift.", "redshift_head.").replace("heads.stellar.", "stellar_head.")
        tensors[name.replace("from_summaries", "from_posterior")] = tensor.clone()
    tensors |= {"label_head.out.bias": torch.ones(2), "type_head.queries": torch.ones(2)}
    metadata = {"calibration": {"doubt": 0.1}, "training": {"redshift_sigma": 3e-4, "steps": 7}}
    metadata["stellar"] = {"resolution": [500, 5000], "error_scale": {"teff": 2.0}}
    path = strip_format(tmp_path / "old.safetensors", old, tensors, metadata)
    loaded = load_weights(path)
    assert {n: h.config for n, h in loaded.network.heads.items()} == heads
    state = loaded.network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in made.state_dict().items())
    found, stellar = loaded.network.heads["redshift"], loaded.network.heads["stellar"]
    assert found.calibration == {"doubt": 0.1}
    assert found.provenance == {"training": metadata["training"]}
    # what it did not say, the weights that it is of have
    assert stellar.domain == STELLAR_DOMAIN | {"resolution": [500, 5000]}
    assert (stellar.calibration, stellar.rules) == ({"error_scale": {"teff": 2.0}}, STELLAR_RULES)
    assert found.rules == REDSHIFT_RULES | {"reliable": RELIABLE}
    assert "calibration" not in loaded.metadata
    again = load_weights(write_network(tmp_path / "new.safetensors", loaded.network, metadata={"name": "new"}))
    assert again.network.heads["redshift"].calibration == {"doubt": 0.1}
    assert again.network.heads["stellar"].describe() == stellar.describe()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsIntegrityError, match="altered or damaged"):
        read_weights(path)


def test_formats_to_come_are_refused(tmp_path):
    """They are named, with what to do."""
    path = tmp_path / "new.safetensors"
    save_file({}, path, metadata={"astro_spectok_config": "{}", "astro_spectok_format": "3"})
    with pytest.raises(WeightsError, match=r"is of format 3, which is not known.*install a version that knows it"):
        read_metadata(path)


def test_heads_that_are_not_registered_are_named(tmp_path, network):
    """With those that are, and how to make another one known."""
    config = {"backbone": CONFIG.to_dict(), "heads": [{"name": "a", "kind": "colour", "config": {}}]}
    path = write_weights(tmp_path / "x.safetensors", config, {})
    with pytest.raises(WeightsError, match=r"spectral_type, stellar, transient; got 'colour'; import the module"):
        load_weights(path)


# --- loading --------------------------------------------------------------------------------


@pytest.fixture
def network():
    torch.manual_seed(5)
    return build_network(CONFIG)


@pytest.fixture
def path(tmp_path, network):
    """A file of weights; networks kept from other tests are forgotten."""
    room.clear_loaded_weights()
    metadata = {"name": "trial", "training": {"wavelength_range": [3000, 10000]}}
    yield write_network(tmp_path / "tiny.safetensors", network, metadata=metadata)
    room.clear_loaded_weights()


def test_load(path, network):
    """The network comes back, in evaluation mode and identified; a second call gives the same object."""
    loaded = load_weights(path)
    state = loaded.network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert not loaded.network.training
    assert (loaded.name, loaded.wavelength_range) == ("trial", (3000.0, 10000.0))
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_weights(str(path)) is loaded
    assert load_network(path) is loaded.network
    assert load_network(path, shared=False) is not loaded.network


def test_file_of_a_registered_set_is_recognised(path, monkeypatch):
    """A copy that was fetched by hand goes by its registry name."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = replace(REGISTRY["small"], name="served", sha256=digest, wavelength_range=(1, 2))
    monkeypatch.setattr(loading, "REGISTRY", {"served": entry})
    loaded = load_weights(path)
    assert (loaded.name, loaded.wavelength_range) == ("served", (1, 2))


def test_changed_file_is_loaded_anew(path, network):
    """The kept network belongs to the content, not to the path."""
    old = load_network(path)
    state = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    write_state(path, state, overwrite=True)
    assert load_network(path) is not old


def test_matrices_in_a_byte_a_number(tmp_path, network):
    """Rounded to a step of their row, the same when they are written again, and other tensors as they were."""
    name = "backbone.wide.weight"
    config, state = describe_model(network), name_tensors(network)
    rows = torch.randn(8, 1024, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 2, 8)[:, None]
    rows[3] = 0
    state[name], state["heads.kept"] = rows, torch.ones(64, 64)
    packed = {"packed": ["backbone.wide", "backbone.no such"]}
    first = write_weights(tmp_path / "first.safetensors", config, state, metadata=packed)
    _, found = read_weights(first)
    step = rows.abs().amax(1, keepdim=True) / 127
    assert ((found[name] - rows).abs() <= 0.76 * step).all()  # scales are rounded too
    assert all(torch.equal(found[key], state[key]) for key in state if key != name)
    second = write_weights(tmp_path / "second.safetensors", config, found, metadata=packed)
    assert torch.equal(read_weights(second)[1][name], found[name])
    plain = write_weights(tmp_path / "plain.safetensors", config, state)
    assert plain.stat().st_size - first.stat().st_size > 2.9 * rows.numel()


@pytest.mark.parametrize("scale", [torch.ones(3), torch.ones(8, 1)])
def test_scales_that_are_of_no_rows_are_refused(tmp_path, network, scale):
    state = name_tensors(network) | {"backbone.x": torch.ones(8, 8, dtype=torch.int8), "backbone.x:scale": scale}
    path = write_weights(tmp_path / "x.safetensors", describe_model(network), state)
    with pytest.raises(WeightsError, match=r"backbone\.x:scale must hold a scale for each row"):
        read_weights(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(path, network, dtype):
    """Stored half precision is only storage."""
    state = {name: t.to(dtype) if t.is_floating_point() else t for name, t in network.state_dict().items()}
    write_state(path, state, overwrite=True)
    for name, parameter in load_network(path).named_parameters():
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(parameter, state[name].float(), rtol=0, atol=0)


def test_few_networks_are_kept(path, network):
    """The least recently used network is dropped."""
    first = load_network(path)
    for value in range(loading._MAX_LOADED):
        write_network(path, network, metadata={"n": value}, overwrite=True)
        load_network(path)
    assert len(loading._LOADED) == loading._MAX_LOADED
    write_network(path, network, metadata={}, overwrite=True)
    assert load_network(path) is not first


def test_loading_leaves_random_numbers_alone(path):
    """The user's random numbers do not depend on a network being loaded."""
    before = torch.get_rng_state()
    load_network(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_device(path):
    """A device that is none is named."""
    with pytest.raises(ValueError, match=r"`device` must be a torch device .* got 'abacus'"):
        load_network(path, "abacus")


def _drop(config, state):
    state.pop(next(iter(state)))


def _add(config, state):
    state["surplus"] = torch.ones(1)


def _widen(config, state):
    config["width"] *= 2


def _add_field(config, state):
    config["flux_capacitor"] = 3


def _damage_field(config, state):
    config["patch"] = "thirty-two"


def _diverge(config, state):
    next(iter(state.values())).fill_(float("nan"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_drop, r"missing .*install a version that knows it, or use other weights"),
        (_add, r"unexpected backbone.surplus.*written by astro_spectok \d"),
        (_widen, r"has shape .* instead of .* more\."),
        (_add_field, r"describes no network of this version: .*flux_capacitor.*install a version"),
        (_damage_field, r"patch must be an integer from 1 to 4096; got 'thirty-two'"),
        (_diverge, r"NaN or infinite.*earlier checkpoint"),
    ],
)
def test_wrong_architecture(path, network, change, words):
    """What does not fit is named, with what to do, and nothing is loaded half."""
    config, state = CONFIG.to_dict(), {name: tensor.clone() for name, tensor in network.state_dict().items()}
    change(config, state)
    write_state(path, state, config=config, overwrite=True)
    with pytest.raises(WeightsError, match=words):
        load_weights(path)


def test_packaged_heads_hold_their_numbers():
    """Nothing that was fitted to the packaged weights comes from the code."""
    config, _ = read_weights(find_weights("small"))
    heads = {head["kind"]: head for head in config["heads"]}
    begun = RedshiftRules.begin().to_dict()
    # a rule that is empty there brings no numbers of its own
    assert {name for name, value in begun.items() if value != {}} <= set(heads["redshift"]["rules"])
    assert set(GALAXY_RULES) <= set(heads["galaxy"]["rules"])
    assert set(TRANSIENT_RULES) <= set(heads["transient"]["rules"])
    assert set(TransientCalibration().to_dict()) <= set(heads["transient"]["calibration"])
    assert set(PHOTOMETRY_DOMAIN) <= set(heads["photometry"]["domain"])
