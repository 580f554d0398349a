# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A head that a user writes in a file outside the package: trained, written beside the others, read and asked."""

import importlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from _distributed import NETWORK
from _training_data import QUICK
from conftest import make_spectrum

from astro_spectok.engine import Runner
from astro_spectok.exceptions import WeightsError
from astro_spectok.heads import Head, HeadConfig, ModelConfig, add_head, build_head, list_heads, register_head, registry
from astro_spectok.network import get_config
from astro_spectok.spectra import to_batch
from astro_spectok.training.loop import pretrain
from astro_spectok.training.provenance import measure_wavelength_range
from astro_spectok.weights import load_weights, write_network

#: brightness of the first token over the last: what a user might want to know
MODULE = """
from dataclasses import dataclass

import torch

from astro_spectok.heads import Head, HeadConfig, HeadLoss, TokenReader, register_head


@dataclass(frozen=True)
class SlopeConfig(HeadConfig):
    size: float = 1.0
    names: tuple = ("slope",)


@register_head
class SlopeHead(Head):
    kind = "slope"
    config_class = SlopeConfig
    needs = ("tokens",)
    given = ("shift",)
    figures = ("slope_loss",)
    loss_weight = 0.5

    def __init__(self, config, network):
        super().__init__(config, network)
        self.reader = TokenReader(network, len(config.names))

    @property
    def gives(self):
        return dict.fromkeys(self.config.names, "mag")

    def forward(self, inputs):
        return self.config.size * self.reader(inputs) + inputs.given["shift"].float()[:, None]

    def interpret(self, output):
        return dict(zip(self.config.names, output.unbind(1)))

    @classmethod
    def gather_targets(cls, config, truths, patches, rng):
        level = patches.channels[..., 0].sum(-1)
        first, last = level[:, 0], level.gather(1, patches.mask.sum(1, keepdim=True) - 1)[:, 0]
        return {"slope": (last - first) / 32, "shift": torch.zeros(len(truths), dtype=torch.float64)}

    def loss(self, output, batch, targets):
        loss = (output[:, 0] - targets["slope"]) ** 2
        counts = torch.ones_like(loss, dtype=torch.bool)
        return HeadLoss(loss, counts, {"slope_loss": (loss, counts)})
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's module, imported; its kind of head is forgotten afterwards."""
    (tmp_path / "my_slopes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_KINDS", dict(registry._KINDS))
    yield importlib.import_module("my_slopes")
    sys.modules.pop("my_slopes", None)


@pytest.fixture
def start(tmp_path):
    """Weights with two heads of the package, which know something of themselves."""
    from astro_spectok.heads import build_model

    torch.manual_seed(4)
    network = build_model(NETWORK)
    network.heads["redshift"].calibration = {"doubt": 0.25}
    network.heads["spectral_type"].domain = {"types": ["G"]}
    return write_network(tmp_path / "start.safetensors", network, metadata={"training": {"steps": 7}})


def test_own_head_is_trained_kept_and_asked(own, start, tmp_path, monkeypatch):
    """Beside the heads of the package, which stay as they were with all that is known of them."""
    monkeypatch.setitem(measure_wavelength_range.__kwdefaults__, "n_shards", 2)
    model = ModelConfig.from_network(load_weights(start).network)
    model = replace(model, heads=model.heads | {"slope": own.SlopeConfig(size=2.0)})
    config = replace(QUICK, steps=20, log_every=5, learning_rate=8e-3)
    rows = []
    path = pretrain(
        None, tmp_path / "run", model, config, start=start, train_only="slope", device="cpu", precision="float32",
        on_step=lambda step, row: rows.append(row),
    )  # fmt: skip
    assert rows[-1]["slope_loss"] < 0.7 * rows[0]["slope_loss"]
    assert "redshift" not in {name for name, value in rows[0].items() if np.isfinite(value)}
    before, after = load_weights(start).network, load_weights(path).network
    assert list(after.heads) == ["redshift", "spectral_type", "slope"]
    assert after.heads["slope"].config == own.SlopeConfig(size=2.0)
    assert after.heads["slope"].provenance["training"]["train_only"] == ["slope"]
    assert after.heads["redshift"].calibration == {"doubt": 0.25}
    assert after.heads["spectral_type"].domain == {"types": ["G"]}
    state = after.state_dict()
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(state[name], tensor.half().float(), rtol=0, atol=0)
    batch = to_batch([make_spectrum(300), make_spectrum(700), make_spectrum(400)])
    shift = np.array([0.0, np.nan, 5.0])
    runner = Runner(path, "cpu", precision="float32")
    found = dict(runner.measure(batch, ["slope", "redshift"], given={"shift": shift}))
    assert sorted(found) == [0, 2]  # the other has no shift
    assert list(found[0].heads["slope"]) == ["slope"]
    at_rest = dict(runner.measure(batch, ["slope"], given={"shift": np.zeros(3)}))
    moved = found[2].heads["slope"]["slope"] - at_rest[2].heads["slope"]["slope"]
    assert moved == pytest.approx(5.0, abs=1e-4)
    # what needs more than the spectra is not asked unless it is named
    assert list(dict(runner.measure(batch))[0].heads) == ["redshift", "spectral_type"]
    with pytest.raises(ValueError, match="shift must be given for the head 'slope'"):
        dict(runner.measure(batch, ["slope"]))


def test_file_with_an_unknown_head_says_what_to_do(own, start, tmp_path, monkeypatch):
    """Where the module has not been imported; and it is read where it has."""
    network = load_weights(start, shared=False).network
    add_head(network, "slope", own.SlopeConfig())
    path = write_network(tmp_path / "own.safetensors", network)
    with monkeypatch.context() as before_import:
        before_import.delitem(registry._KINDS, "slope")
        with pytest.raises(
            WeightsError, match=r"spectral_type, stellar, transient; got 'slope'; import the module that defines it"
        ):
            load_weights(path)
    assert load_weights(path).network.heads["slope"].config == own.SlopeConfig(size=1.0)


def test_what_is_stored_goes_through_json(own):
    """Settings come back equal, tuples included; names that are not there are refused."""
    config = own.SlopeConfig(2.0, ("a", "b"))
    assert own.SlopeConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match=r"SlopeConfig has no field colour"):
        own.SlopeConfig.from_dict({"colour": 1})
    head = build_head("slope", {"size": 3.0}, get_config("tiny"), rules={"least": 0.5}, domain={"z": [0, 1]})
    assert json.loads(json.dumps(head.describe())) == {
        "kind": "slope", "config": {"size": 3.0, "names": ["slope"]}, "domain": {"z": [0, 1]}, "calibration": {},
        "rules": {"least": 0.5}, "provenance": {},
    }  # fmt: skip


def test_registration_is_checked(own):
    """Once more is allowed, another class of that kind is not, nor what is no head."""
    assert register_head(own.SlopeHead) is own.SlopeHead
    assert {"redshift", "slope", "spectral_type", "stellar"} <= set(list_heads())
    with pytest.raises(TypeError, match="must be a subclass of Head"):
        register_head(HeadConfig)
    for name, values, message in (
        ("Other", {"kind": "slope"}, r"kind of its own, got 'slope', which is my_slopes\.SlopeHead"),
        ("Nameless", {}, "must have a name as its kind"),
        ("Greedy", {"kind": "greedy", "needs": ("everything",)}, "needs out of tokens, detail, patches"),
    ):
        with pytest.raises(ValueError, match=message):
            register_head(type(name, (Head,), values))


def test_heads_without_a_loss_cannot_be_trained():
    """They say so."""
    with pytest.raises(NotImplementedError, match="define no loss; freeze them"):
        Head(HeadConfig()).loss(None, None, {})
