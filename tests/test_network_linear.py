# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of what is computed in another way without gradients: linear layers and attention."""

import copy

import pytest
import torch

from astro_spectok.network import blocks as blocks_module
from astro_spectok.network import linear as linear_module
from astro_spectok.network.blocks import Attention, SelfBlock
from astro_spectok.network.config import get_config
from astro_spectok.network.linear import Linear, apply_linear, is_plain
from astro_spectok.network.shared_rows import compute_shared
from astro_spectok.network.wavelength import RotaryPhases, WavelengthEncoding


@pytest.fixture(params=["as it is", "without oneDNN"])
def library(request, monkeypatch):
    """Either library; the first falls back to the second where a CPU has no AVX-512."""
    if request.param == "without oneDNN":
        monkeypatch.setattr(linear_module, "_has_onednn", lambda: False)


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("shape", [(7, 32), (3, 5, 32), (0, 32)])
@pytest.mark.usefixtures("library")
def test_linear_without_gradients_is_the_same(shape, gelu):
    """As `torch.nn.Linear` computes it, on any number of axes, also on none at all."""
    torch.manual_seed(0)
    layer, x = Linear(32, 24), torch.randn(shape)
    wanted = torch.nn.functional.linear(x, layer.weight, layer.bias)
    wanted = torch.nn.functional.gelu(wanted) if gelu else wanted
    torch.testing.assert_close(apply_linear(x, layer.weight, layer.bias, gelu=gelu), wanted)
    with torch.inference_mode():
        found = apply_linear(x, layer.weight, layer.bias, gelu=gelu)
        torch.testing.assert_close(found, wanted.detach(), rtol=1e-5, atol=1e-5)
        assert gelu or torch.equal(layer(x), found)


def test_linear_has_gradients():
    """Also with the activation that is applied at once elsewhere."""
    torch.manual_seed(1)
    layer = Linear(6, 4).double()
    given = torch.randn(3, 6).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: apply_linear(x, layer.weight, layer.bias, gelu=True), given)
    layer(torch.randn(2, 6).double()).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_left_to_pytorch(dtype):
    """The other library is asked for single precision alone."""
    layer = Linear(8, 8).to(dtype)
    with torch.inference_mode():
        assert layer(torch.ones(2, 8, dtype=dtype)).dtype == dtype


@pytest.mark.usefixtures("library")
def test_block_without_gradients_is_the_same():
    """Queries and keys that are turned at once, in another order, meet alike."""
    torch.manual_seed(2)
    config = get_config("small")
    block, rotary = SelfBlock(config).eval(), RotaryPhases(config)
    x, mask = torch.randn(3, 11, config.width), torch.rand(3, 11) > 0.3
    mask[:, 0] = True
    phases = rotary(8.3 + 0.3 * torch.rand(3, 11, dtype=torch.float64), x.device)
    wanted, before = block(x, mask, phases).detach(), copy.deepcopy(block.state_dict())
    with torch.inference_mode():
        given = x.clone()
        torch.testing.assert_close(block(given, mask, phases), wanted, rtol=1e-5, atol=1e-5)
        assert torch.equal(given, x)
    for name, values in block.state_dict().items():
        assert torch.equal(values, before[name])


@pytest.mark.parametrize("turned", [(False, True), (True, False), (True, True), (False, False)])
def test_attention_without_gradients_is_the_same(turned):
    """Between different sets of tokens, whichever of them are turned."""
    torch.manual_seed(3)
    attention, rotary = Attention(32, 2), RotaryPhases(get_config("tiny"))
    x, memory, mask = torch.randn(1, 4, 32).expand(3, 4, 32), torch.randn(3, 9, 32), torch.rand(3, 9) > 0.3
    mask[:, 0] = True
    phases = [
        rotary(8.3 + torch.rand(3, n, dtype=torch.float64), x.device) if wanted else None
        for n, wanted in zip((4, 9), turned, strict=True)
    ]
    wanted = attention(x, memory, mask, *phases).detach()
    with torch.inference_mode():
        torch.testing.assert_close(attention(x, memory, mask, *phases), wanted, rtol=1e-5, atol=1e-5)


def test_block_in_half_precision_without_gradients():
    """Autocast takes the way of training."""
    config = get_config("tiny")
    block, rotary = SelfBlock(config).eval(), RotaryPhases(config)
    x, mask = torch.randn(2, 5, config.width), torch.ones(2, 5, dtype=torch.bool)
    phases = rotary(8.3 + 0.3 * torch.rand(2, 5, dtype=torch.float64), x.device)
    with torch.inference_mode():
        wanted = block(x, mask, phases)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(block(x, mask, phases), wanted, rtol=0.05, atol=0.05)


class LowRank(torch.nn.Module):
    """A weight with something of low rank on top, as adapters add it."""

    def __init__(self, layer):
        super().__init__()
        self.down, self.up = (torch.nn.Parameter(0.3 * torch.randn(n, 2)) for n in layer.weight.shape)

    def forward(self, weight):
        return weight + self.down @ self.up.T


class Beside(torch.nn.Module):
    """A layer with another beside it, which has no ``weight`` of its own."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.more = layer, torch.nn.Linear(layer.in_features, layer.out_features)

    def forward(self, x):
        return self.layer(x) + 0.5 * self.more(x)


def replace_forward(layer):
    """Another ``forward`` on the module itself."""
    forward = layer.forward
    layer.forward = lambda x: forward(x) + 0.3


#: ways in which others change a layer of a network: parent module, name of the child
ADAPTERS = {
    "parametrized": lambda parent, name: torch.nn.utils.parametrize.register_parametrization(
        parent.get_submodule(name), "weight", LowRank(parent.get_submodule(name))
    ),
    "replaced": lambda parent, name: setattr(parent, name, Beside(parent.get_submodule(name))),
    "hook": lambda parent, name: parent.get_submodule(name).register_forward_hook(lambda m, x, y: y + 0.3),
    "hook before": lambda parent, name: parent.get_submodule(name).register_forward_pre_hook(
        lambda m, x: (1.5 * x[0],)
    ),
    "forward": lambda parent, name: replace_forward(parent.get_submodule(name)),
}
LAYERS = [
    ("attention", "query"),
    ("attention", "key_value"),
    ("attention", "out"),
    ("feedforward", "0"),
    ("feedforward", "2"),
]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(("part", "name"), LAYERS)
@pytest.mark.usefixtures("library")
def test_an_adapted_network_runs_as_it_trains(adapter, part, name):
    """With gradients and without, each layer of a block: what an adapter does is done in both."""
    torch.manual_seed(4)
    config = get_config("tiny")
    block, rotary = SelfBlock(config).eval(), RotaryPhases(config)
    x, mask = torch.randn(2, 7, config.width), torch.ones(2, 7, dtype=torch.bool)
    phases = rotary(8.3 + 0.3 * torch.rand(2, 7, dtype=torch.float64), x.device)
    before = block(x, mask, phases).detach()
    ADAPTERS[adapter](getattr(block, part), name)
    wanted = block(x, mask, phases).detach()
    assert (wanted - before).abs().max() > 0.01
    with torch.inference_mode():
        torch.testing.assert_close(block(x, mask, phases), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", [torch.nn.GELU(approximate="tanh"), torch.nn.SiLU()])
def test_another_activation_is_used(activation):
    """What stands between the two layers of the feed-forward is what is applied between them."""
    torch.manual_seed(5)
    feedforward = SelfBlock(get_config("tiny")).feedforward.eval()
    feedforward[1], x = activation, torch.randn(4, 32)
    wanted = feedforward[2](activation(feedforward[0](x))).detach()
    with torch.inference_mode():
        torch.testing.assert_close(feedforward(x), wanted, rtol=1e-6, atol=1e-6)


def test_plain_layers_go_the_fast_way(monkeypatch):
    """No adapter, no detour: products of a block are those of `apply_linear` on joined weights."""
    config, shapes = get_config("tiny"), []
    block, mask = SelfBlock(config).eval(), torch.ones(1, 5, dtype=torch.bool)
    assert is_plain(block.attention.query, Linear)

    def note(x, weight, bias=None, *, gelu=False):
        shapes.append((len(weight) // config.width, gelu))
        return apply_linear(x, weight, bias, gelu=gelu)

    monkeypatch.setattr(blocks_module, "apply_linear", note)
    with torch.inference_mode():
        block(torch.randn(1, 5, config.width), mask, None)
    assert shapes == [(3, False), (config.mlp_ratio, True)]


def test_blocks_in_parts_are_the_same(monkeypatch):
    """A few spectra at a time, without what only longer ones need, and what was given is not lost for the caller."""
    monkeypatch.setattr(blocks_module, "PART_TOKENS", 22)
    torch.manual_seed(6)
    config = get_config("tiny")
    blocks = [SelfBlock(config).eval() for _ in range(2)]
    blocks[1].register_forward_hook(lambda module, given, found: found + 0.3)
    x, mask = torch.randn(5, 11, config.width), torch.arange(11) < torch.tensor([11, 11, 5, 4, 0])[:, None]
    phases = RotaryPhases(config)(8.3 + 0.3 * torch.rand(5, 11, dtype=torch.float64), x.device)
    wanted = blocks[1](blocks[0](x, mask, phases), mask, phases).detach()
    with torch.inference_mode():
        found = blocks_module.run_in_parts(blocks, x.clone(), mask, phases)
    torch.testing.assert_close(found[mask], wanted[mask], rtol=1e-5, atol=1e-5)
    assert not found[2:4, 5:].any()


def test_what_wavelengths_alone_decide_is_computed_once_for_a_grid():
    """Without gradients, where all rows are alike, NaN among them; and the same comes out."""
    config, counted = get_config("tiny"), []

    def double(x):
        counted.append(len(x))
        return 2 * x, x.sum(1)

    rows = torch.tensor([[1.0, torch.nan]]).expand(3, 2)
    with torch.inference_mode():
        for given in (rows, rows + torch.arange(3.0)[:, None], rows[:1]):
            found = compute_shared(double, given)
            torch.testing.assert_close(found, double(given), equal_nan=True)
    compute_shared(double, rows)
    assert counted[::2] == [1, 3, 1, 3]
    geometry = torch.tensor([[[8.3, 1e-4, 0.0], [8.4, 1e-4, 0.0]]], dtype=torch.float64).expand(3, 2, 3)
    encoding, resolution = WavelengthEncoding(config), torch.full((3, 2), torch.nan)
    wanted = encoding(geometry, resolution).detach()
    with torch.inference_mode():
        torch.testing.assert_close(encoding(geometry, resolution), wanted)
