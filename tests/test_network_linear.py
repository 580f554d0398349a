# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of what is computed in another way without gradients: linear layers and attention."""

import copy

import pytest
import torch

from astro_spectok.network import linear as linear_module
from astro_spectok.network.blocks import Attention, SelfBlock
from astro_spectok.network.config import get_config
from astro_spectok.network.linear import Linear
from astro_spectok.network.wavelength import RotaryPhases


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
    torch.testing.assert_close(layer(x, gelu=gelu), wanted)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x, gelu=gelu), wanted.detach(), rtol=1e-5, atol=1e-5)


def test_linear_has_gradients():
    """Also with the activation that is applied at once elsewhere."""
    torch.manual_seed(1)
    layer = Linear(6, 4).double()
    assert torch.autograd.gradcheck(lambda x: layer(x, gelu=True), torch.randn(3, 6).double().requires_grad_(True))
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
