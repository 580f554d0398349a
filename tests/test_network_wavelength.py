# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the encodings of ln(wavelength) and of attention that sees ratios of wavelengths only."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch

from astro_spectok.network import get_config
from astro_spectok.network.blocks import Attention
from astro_spectok.network.wavelength import (
    RotaryPhases,
    WavelengthEncoding,
    _angular_frequencies,
    _phases,
    rotate,
)
from astro_spectok.utils.axis import LN_REFERENCE

PI = Decimal("3.14159265358979323846264338327950288419716939937510582")
WAVELENGTHS = ["912.0", "3600.24", "6564.614", "15999.875", "54321.0"]


def exact_angles(ln_wavelength, omega):
    """``(ln_wavelength - ln_reference) * omega`` modulo 2 pi, computed with 50 digits."""
    with localcontext() as context:
        context.prec = 50
        phase = (Decimal(ln_wavelength) - Decimal(LN_REFERENCE)) * Decimal(omega)
        return float(phase % (2 * PI))


def test_periods_are_those_of_the_config():
    """Evenly spaced in their logarithm from the longest to the shortest."""
    periods = 2 * np.pi / _angular_frequencies(5, 8.0, 4e-4).numpy()
    np.testing.assert_allclose(periods, np.geomspace(8.0, 4e-4, 5), rtol=1e-12)


@pytest.mark.parametrize("name", ["small", "paper"])
def test_phases_are_exact(name):
    """Sines to 1e-6 of 50-digit arithmetic, at any wavelength and frequency; in float32 they would be far off."""
    config = get_config(name)
    omega = _angular_frequencies(config.frequencies, config.longest_period, config.shortest_period)
    x = torch.log(torch.tensor([float(w) for w in WAVELENGTHS], dtype=torch.float64))
    exact = np.array([[np.sin(exact_angles(v, w)) for w in omega.tolist()] for v in x.tolist()])
    np.testing.assert_allclose(_phases(x, LN_REFERENCE, omega).sin().numpy(), exact, atol=1e-6)
    single = ((x.float() - LN_REFERENCE)[:, None] * omega.float()).sin().numpy()
    assert np.abs(single - exact).max() > 3e-3


def test_encoding_uses_those_phases():
    """The projected features are sines, then cosines, of the exact phases of the centre."""
    config = get_config("small")
    encoding = WavelengthEncoding(config)
    n = config.frequencies
    with torch.no_grad():
        encoding.project.weight.zero_()
        encoding.project.bias.zero_()
        encoding.project.weight[:n, :n] = torch.eye(n)
        encoding.project.weight[n : 2 * n, n : 2 * n] = torch.eye(n)
    centre = np.log(15999.875)
    geometry = torch.tensor([[[centre, 1e-4, 0.0]]], dtype=torch.float64)
    out = encoding(geometry, torch.tensor([[torch.nan]])).detach()[0, 0].numpy()
    omega = _angular_frequencies(n, config.longest_period, config.shortest_period)
    exact = np.array([exact_angles(centre, w) for w in omega.tolist()])
    np.testing.assert_allclose(out[:n], np.sin(exact), atol=1e-6)
    np.testing.assert_allclose(out[n : 2 * n], np.cos(exact), atol=1e-6)


@pytest.mark.parametrize("resolution", [torch.nan, 0.0, -1.0, torch.inf])
def test_unknown_resolution_is_one_thing(resolution):
    """NaN and nonsense are encoded alike, finite, and differently from a known resolution."""
    torch.manual_seed(0)
    encoding = WavelengthEncoding(get_config("tiny"))
    geometry = torch.tensor([[[8.5, 1e-4, 0.0]]], dtype=torch.float64)
    unknown = encoding(geometry, torch.tensor([[torch.nan]]))
    assert torch.equal(encoding(geometry, torch.tensor([[resolution]])), unknown)
    assert torch.isfinite(unknown).all()
    assert not torch.allclose(encoding(geometry, torch.tensor([[2000.0]])), unknown)


def test_encoding_tells_a_tenth_of_a_pixel_apart():
    """The fastest sinusoids do what the mean over a patch could not: resolve less than a pixel."""
    torch.manual_seed(0)
    encoding = WavelengthEncoding(get_config("small"))
    geometry = torch.tensor([[[8.7, 1e-4, 0.0], [8.7 + 1e-5, 1e-4, 0.0]]], dtype=torch.float64)
    one, other = encoding(geometry, torch.full((1, 2), torch.nan))[0]
    assert (one - other).norm() > 0.02 * one.norm()


def make_attention(name="small"):
    """Attention of that size, its phases and random tokens at random wavelengths."""
    torch.manual_seed(3)
    config = get_config(name)
    attention = Attention(config.width, config.heads)
    tokens = torch.randn(2, 7, config.width)
    centre = torch.log(torch.rand(2, 7, dtype=torch.float64) * 5000 + 3600).sort(dim=1).values
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    return attention, RotaryPhases(config), tokens, centre, mask


@pytest.mark.parametrize("shift", [np.log(1.5), -0.7, 2.0, 1e-5])
def test_attention_sees_ratios_of_wavelengths_only(shift):
    """A redshift of all tokens leaves its result as it is; moving them apart does not."""
    attention, rotary, tokens, centre, mask = make_attention()
    results = []
    for x in (centre, centre + shift, centre * (1 + shift / 10)):
        phases = rotary(x, "cpu")
        results.append(attention(tokens, tokens, mask, phases, phases))
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(results[2], results[0], rtol=1e-5, atol=1e-6)


def test_rotation_keeps_lengths_and_depends_on_differences():
    """It turns pairs of numbers: the product of query and key depends on the difference of their phases."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 8)
    angle = torch.rand(1, 1, 1, 4) * 6
    turned = rotate(query, (angle.cos(), angle.sin()))
    torch.testing.assert_close(turned.norm(), query.norm())
    other = rotate(key, ((angle + 0.3).cos(), (angle + 0.3).sin()))
    moved = rotate(key, (torch.tensor(0.3).cos().expand(1, 1, 1, 4), torch.tensor(0.3).sin().expand(1, 1, 1, 4)))
    torch.testing.assert_close((turned * other).sum(), (query * moved).sum())


@pytest.mark.parametrize("junk", [0.0, 1e6])
def test_masked_tokens_never_change_the_others(junk):
    """Whatever stands in them."""
    attention, rotary, tokens, centre, mask = make_attention()
    phases = rotary(centre, "cpu")
    one = attention(tokens, tokens, mask, phases, phases)
    corrupted = torch.where(mask[..., None], tokens, junk)
    other = attention(corrupted, corrupted, mask, phases, phases)
    torch.testing.assert_close(one[mask], other[mask], rtol=1e-6, atol=1e-6)


def test_order_of_tokens_does_not_matter():
    """Where a token stands follows from its wavelength alone."""
    attention, rotary, tokens, centre, mask = make_attention()
    order = torch.tensor([3, 0, 6, 5, 1, 2, 4])
    phases, moved = rotary(centre, "cpu"), rotary(centre[:, order], "cpu")
    one = attention(tokens, tokens, mask, phases, phases)
    other = attention(tokens[:, order], tokens[:, order], mask[:, order], moved, moved)
    torch.testing.assert_close(one[:, order], other, rtol=1e-5, atol=1e-6)
