# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Attention that is measured is the attention that is used, and measuring leaves nothing behind."""

import numpy as np
import pytest
import torch
from astropy import units as u
from conftest import make_spectrum

from astro_spectok import measure_attention, tokenize
from astro_spectok.engine import Runner
from astro_spectok.network.blocks import Attention
from astro_spectok.network.wavelength import RotaryPhases
from astro_spectok.tokens import TokenAttention


@pytest.fixture
def attention(tiny_weights):
    """Of a spectrum of ten patches, of which the fifth has no good pixel."""
    spectrum = make_spectrum(320)
    spectrum.mask = np.arange(320) // 32 == 4
    return measure_attention(spectrum, weights=tiny_weights, medium="vacuum", device="cpu")


@pytest.mark.parametrize("turned", [False, True])
def test_weights_are_those_of_the_layer(turned):
    """Values weighed by what is measured are what the layer gives, with and without masks and phases."""
    from astro_spectok.network import get_config

    config = get_config("tiny")
    torch.manual_seed(3)
    layer = Attention(config.width, config.heads)
    x, mask = torch.randn(2, 7, config.width), torch.arange(7) < torch.tensor([[7], [4]])
    phases = RotaryPhases(config)(8.5 + 0.01 * torch.arange(14.0).view(2, 7).double(), "cpu") if turned else None
    weights = layer.weigh(x, x, mask, phases, phases)
    value = layer.key_value(x).chunk(2, dim=-1)[1].unflatten(-1, (layer.heads, -1)).transpose(1, 2)
    expected = layer.out((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(x, x, mask, phases, phases), expected, rtol=1e-4, atol=1e-5)
    with torch.inference_mode():  # which goes another way
        torch.testing.assert_close(layer(x, x, mask, phases, phases), expected, rtol=1e-4, atol=1e-5)


def test_shares_add_up_and_masked_tokens_receive_nothing(attention):
    """Each token gives 1 in all; what has no good pixel receives 0, and the others 1 in the mean."""
    assert attention.weights.shape == (1, 2, 10, 10)
    good = ~attention.mask
    assert good.sum() == 9
    np.testing.assert_allclose(attention.weights[:, :, good].sum(axis=-1), 1, rtol=1e-5)
    assert (attention.received[..., ~good] == 0).all()
    np.testing.assert_allclose(attention.received[..., good].mean(axis=-1), 1, rtol=1e-5)
    assert np.isnan(attention.given[..., ~good]).all()
    own = attention.weights[0, 1, 2, 2]
    assert attention.given[0, 1, 2] == pytest.approx(1 - own)


@pytest.mark.parametrize("unit", [u.nm, u.GHz])
def test_units_and_junk_do_not_matter(tiny_weights, unit):
    """The same attention in any unit of the axis, in order of increasing wavelength, whatever stands in bad pixels."""
    expected = measure_attention(make_spectrum(320), weights=tiny_weights, medium="vacuum", device="cpu")
    found = measure_attention(make_spectrum(320, axis_unit=unit), weights=tiny_weights, medium="vacuum", device="cpu")
    np.testing.assert_allclose(found.weights, expected.weights, atol=2e-5)
    assert found.wavelength.unit == unit
    np.testing.assert_allclose(found.wavelength.to_value(u.AA, u.spectral()), expected.wavelength.value, rtol=1e-6)


def test_nothing_is_left_behind(tiny_weights):
    """No hook is hung on the network, which others may be using, and tokens are those of the usual way."""
    network = Runner(tiny_weights, "cpu").network
    before = [dict(vars(module)) for module in network.modules()]
    spectrum = make_spectrum(320)
    measured = measure_attention(spectrum, weights=tiny_weights, medium="vacuum", device="cpu")
    assert [dict(vars(module)) for module in network.modules()] == before
    assert not any(block.attention._forward_hooks for block in network.blocks)
    tokens = tokenize(spectrum, weights=tiny_weights, medium="vacuum", device="cpu")
    np.testing.assert_array_equal(measured.tokens.values, tokens.values)


def test_token_is_found_in_any_unit(attention):
    """The nearest centre counts; a masked token is passed over."""
    centre = attention.wavelength[7]
    assert attention.find_token(centre) == 7
    assert attention.find_token(centre.to(u.THz, u.spectral())) == 7
    assert attention.find_token(attention.wavelength[4]) in (3, 5)
    with pytest.raises(u.UnitsError):
        attention.find_token(3 * u.kg)


def test_many_spectra_are_refused(tiny_weights):
    """The error says what to do."""
    with pytest.raises(ValueError, match=r"obj must be one spectrum; got 2 in a list"):
        measure_attention([make_spectrum(320)] * 2, weights=tiny_weights, medium="vacuum")


def test_weights_must_fit_the_tokens(attention):
    """Arrays of another shape are refused."""
    with pytest.raises(ValueError, match=r"\(blocks, heads, 10, 10\)"):
        TokenAttention(attention.weights[..., :9], attention.tokens)


def test_plot_shows_each_head(attention):
    """One row for each head, blank for the masked token; units as of the spectrum."""
    axes = attention.plot()
    image = axes[1].collections[0].get_array()
    assert image.shape == (2, 10)
    assert np.ma.getmaskarray(image)[:, 4].all()
    assert not np.ma.getmaskarray(image)[:, 5].any()
    np.testing.assert_allclose(image[:, 5], np.maximum(attention.received[0, :, 5], 0.1), rtol=1e-6)
    assert axes[1].get_ylim() == (2, 0)
    assert axes[1].get_xlabel().startswith("Wavelength [")
    axes[0].figure.canvas.draw()


def test_notebooks_show_where_attention_goes(attention):
    """A table, and a curve with a gap at the masked token."""
    html = attention._repr_html_()
    assert "1 blocks of 2 heads" in html
    assert html.count("<svg") == 1
    assert html.split('<path d="')[1].split('"')[0].count("M") == 2
    assert repr(attention) == "<TokenAttention: encoder 1 blocks of 2 heads; tokens 10, 1 masked; weights tiny>"
