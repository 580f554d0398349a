# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the whole network: what its results may and may not depend on."""

import dataclasses

import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra
from conftest import SAME_TOKENS

from astro_spectok.heads import RedshiftConfig, build_model
from astro_spectok.network import build_network, compute_in, get_config

#: every parameter of the tiny network and its shape: published weights break when one of these changes
TINY_PARAMETERS = {
    "input.weight": (32, 128),
    "input.bias": (32,),
    "wavelength.project.weight": (32, 101),
    "wavelength.project.bias": (32,),
    "blocks.0.norm_attention.weight": (32,),
    "blocks.0.norm_attention.bias": (32,),
    "blocks.0.attention.query.weight": (32, 32),
    "blocks.0.attention.query.bias": (32,),
    "blocks.0.attention.key_value.weight": (64, 32),
    "blocks.0.attention.key_value.bias": (64,),
    "blocks.0.attention.out.weight": (32, 32),
    "blocks.0.attention.out.bias": (32,),
    "blocks.0.norm_feedforward.weight": (32,),
    "blocks.0.norm_feedforward.bias": (32,),
    "blocks.0.feedforward.0.weight": (128, 32),
    "blocks.0.feedforward.0.bias": (128,),
    "blocks.0.feedforward.2.weight": (32, 128),
    "blocks.0.feedforward.2.bias": (32,),
    "norm.weight": (32,),
    "norm.bias": (32,),
    "pooling.queries": (2, 32),
    "pooling.attention.query.weight": (32, 32),
    "pooling.attention.query.bias": (32,),
    "pooling.attention.key_value.weight": (64, 32),
    "pooling.attention.key_value.bias": (64,),
    "pooling.attention.out.weight": (32, 32),
    "pooling.attention.out.bias": (32,),
    "pooling.norm.weight": (32,),
    "pooling.norm.bias": (32,),
    "pooling.to_embedding.weight": (16, 64),
    "pooling.to_embedding.bias": (16,),
    "pooling.unfold.0.weight": (32, 16),
    "pooling.unfold.0.bias": (32,),
    "pooling.unfold.2.weight": (64, 32),
    "pooling.unfold.2.bias": (64,),
    "decoder.detail.weight": (128, 32),
    "decoder.detail.bias": (128,),
    "decoder.query.weight": (32, 192),
    "decoder.query.bias": (32,),
    "decoder.blocks.0.norm_attention.weight": (32,),
    "decoder.blocks.0.norm_attention.bias": (32,),
    "decoder.blocks.0.attention.query.weight": (32, 32),
    "decoder.blocks.0.attention.query.bias": (32,),
    "decoder.blocks.0.attention.key_value.weight": (64, 32),
    "decoder.blocks.0.attention.key_value.bias": (64,),
    "decoder.blocks.0.attention.out.weight": (32, 32),
    "decoder.blocks.0.attention.out.bias": (32,),
    "decoder.blocks.0.norm_feedforward.weight": (32,),
    "decoder.blocks.0.norm_feedforward.bias": (32,),
    "decoder.blocks.0.feedforward.0.weight": (128, 32),
    "decoder.blocks.0.feedforward.0.bias": (128,),
    "decoder.blocks.0.feedforward.2.weight": (32, 128),
    "decoder.blocks.0.feedforward.2.bias": (32,),
    "decoder.norm.weight": (32,),
    "decoder.norm.bias": (32,),
    "decoder.to_pixels.weight": (128, 32),
    "decoder.to_pixels.bias": (128,),
    "decoder.head.0.weight": (8, 10, 5),
    "decoder.head.0.bias": (8,),
    "decoder.head.2.weight": (8, 8, 5),
    "decoder.head.2.bias": (8,),
    "decoder.head.4.weight": (2, 8, 1),
    "decoder.head.4.bias": (2,),
}
#: spectra of one batch: all of one kind of grid, so that their patches lie as they do alone
BATCH = ("sdss", "single token", "sdss")


def make_network(name="tiny", **changes):
    """A network of random weights, always the same."""
    torch.manual_seed(11)
    return build_network(dataclasses.replace(get_config(name), **changes)).eval()


def run_all(network, patches):
    """Tokens, embedding, mean and log sigma."""
    with torch.inference_mode():
        tokens = network.encode(patches)
        embedding = network.embed(tokens, patches.mask, patches.grid.geometry)
        return tokens, embedding, *network.decode(tokens, patches.mask, patches.grid.geometry, patches.grid)


def relative_error(a, b):
    """Largest difference over the largest value."""
    return ((a - b).abs().max() / b.abs().max()).item()


def test_names_and_shapes_of_parameters_are_stable():
    """A rename would make every published file of weights useless."""
    state = make_network().state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == TINY_PARAMETERS


def test_shapes_and_dtypes():
    """As documented, everything in float32, finite."""
    patches = stack_spectra([make_spectrum(GRIDS[name]) for name in GRIDS], resolution=2000)
    tokens, embedding, mean, log_sigma = run_all(make_network(), patches)
    n, n_tokens = patches.mask.shape
    assert tokens.shape == (n, n_tokens, 32)
    assert embedding.shape == (n, 16)
    assert mean.shape == log_sigma.shape == (n, n_tokens, 32)
    for result in (tokens, embedding, mean, log_sigma):
        assert result.dtype == torch.float32
        assert torch.isfinite(result).all()
    assert torch.count_nonzero(tokens[~patches.mask]) == 0
    assert (log_sigma >= -7).all()


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_batch_make_up_does_not_matter(name):
    """Each spectrum of a batch has the tokens and embedding that it has alone, but for rounding."""
    network = make_network(name)
    spectra = [make_spectrum(GRIDS[grid], seed) for seed, grid in enumerate(BATCH)]
    together = run_all(network, stack_spectra(spectra))
    for i, spectrum in enumerate(spectra):
        alone = run_all(network, stack_spectra([spectrum]))
        n = alone[0].shape[1]
        assert relative_error(together[0][i, :n], alone[0][0]) < SAME_TOKENS
        assert relative_error(together[1][i], alone[1][0]) < SAME_TOKENS
        inner = slice(None, 32 * n - 4)
        for a, b in zip(together[2:], alone[2:], strict=True):
            assert relative_error(a[i, :n].flatten()[inner], b[0].flatten()[inner]) < SAME_TOKENS


def test_decoded_ends_do_not_depend_on_the_batch():
    """The last pixels before the padding as well."""
    network = make_network()
    spectra = [make_spectrum(GRIDS[grid], seed) for seed, grid in enumerate(BATCH)]
    together = run_all(network, stack_spectra(spectra))
    alone = run_all(network, stack_spectra(spectra[1:2]))
    for a, b in zip(together[2:], alone[2:], strict=True):
        assert relative_error(a[1, :1], b[0]) < SAME_TOKENS


def test_batch_of_unlike_grids_does_not_matter():
    """As above for linear next to logarithmic pixels."""
    network = make_network("small")
    spectra = [make_spectrum(GRIDS[grid], seed) for seed, grid in enumerate(("desi", "infrared", "sdss"))]
    together = run_all(network, stack_spectra(spectra))
    for i, spectrum in enumerate(spectra):
        alone = run_all(network, stack_spectra([spectrum]))
        assert relative_error(together[0][i, : alone[0].shape[1]], alone[0][0]) < SAME_TOKENS
        assert relative_error(together[1][i], alone[1][0]) < SAME_TOKENS


def test_junk_in_bad_pixels_changes_no_result():
    """From the pixels to the decoded flux, bit by bit."""
    x, flux, ivar = make_spectrum(GRIDS["desi"])
    corrupted = flux.copy()
    corrupted[ivar == 0] = float("nan")
    network = make_network()
    one = run_all(network, stack_spectra([(x, flux, ivar)]))
    other = run_all(network, stack_spectra([(x, corrupted, ivar)]))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_patches_without_a_good_pixel_never_change_the_others():
    """Neither their wavelengths nor their number: masked in the middle equals cut out."""
    x, flux, ivar = make_spectrum(GRIDS["sdss"][:640], bad=0)
    hidden = ivar.copy()
    hidden[320:480] = 0
    cut = [part[hidden > 0] for part in (x, flux, ivar)]
    network = make_network()
    patches = stack_spectra([(x, flux, hidden)])
    # flux without its continuum looks a few pixels across the edge, which in the cut spectrum lie closer
    patches.channels[..., 1] = 0
    without = stack_spectra([cut])
    without.channels[..., 1] = 0
    one, other = run_all(network, patches), run_all(network, without)
    assert relative_error(one[0][patches.mask], other[0][without.mask]) < SAME_TOKENS
    assert relative_error(one[1], other[1]) < SAME_TOKENS


def test_wavelength_and_resolution_matter():
    """The same flux elsewhere, or at another resolution, has other tokens."""
    network = make_network()
    x, flux, ivar = make_spectrum(GRIDS["desi"])
    tokens = run_all(network, stack_spectra([(x, flux, ivar)], resolution=2000))[0]
    for other in (stack_spectra([(x + 0.1, flux, ivar)], 2000), stack_spectra([(x, flux, ivar)], 4000)):
        assert relative_error(run_all(network, other)[0], tokens) > 1e-3


def test_bfloat16_is_close_to_float32():
    """Results stay float32 and within a per cent or so; geometry is never rounded."""
    network = make_network("small")
    patches = stack_spectra([make_spectrum(GRIDS[name]) for name in ("desi", "single token")], resolution=2000)
    exact = run_all(network, patches)
    with compute_in(torch.bfloat16):
        rounded = run_all(network, patches)
    for a, b in zip(rounded, exact, strict=True):
        assert a.dtype == torch.float32
        assert not torch.equal(a, b)
        assert (a - b).norm() < 0.03 * b.norm()


@pytest.mark.parametrize("hidden", [(), (1,)])
def test_attention_with_gradients_in_half_precision_is_the_same(hidden):
    """It is computed by other means on a CPU, since PyTorch's own backward pass is slow there."""
    torch.manual_seed(2)
    attention = build_network(get_config("small")).blocks[0].attention
    x = torch.randn(2, 40, 160)
    mask = torch.ones(2, 40, dtype=torch.bool)
    mask[0, 30:] = False
    mask[list(hidden)] = False

    def attend(x, dtype):
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            return attention(x, x, mask).float()

    exact = x.clone().requires_grad_(True)
    half = x.clone().requires_grad_(True)
    wanted, found = attend(exact, None), attend(half, torch.bfloat16)
    seen = mask.any(1)
    assert (found - wanted)[seen].norm() < 0.02 * wanted[seen].norm()
    assert torch.isfinite(found).all()
    wanted[seen].square().sum().backward()
    found[seen].square().sum().backward()
    assert (half.grad - exact.grad).norm() < 0.03 * exact.grad.norm()


def test_spectrum_without_a_good_pixel_stays_finite_and_alone():
    """Its tokens are zero, and its neighbour in the batch does not notice."""
    x, flux, ivar = make_spectrum(GRIDS["sdss"])
    network = make_network()
    results = run_all(network, stack_spectra([(x, flux, 0 * ivar), (x, flux, ivar)]))
    assert all(torch.isfinite(result).all() for result in results)
    assert torch.count_nonzero(results[0][0]) == 0
    alone = run_all(network, stack_spectra([(x, flux, ivar)]))
    assert relative_error(results[0][1], alone[0][0]) < SAME_TOKENS


def test_heads_that_are_not_there_are_named():
    """With those there are, and what to do; and what a head needs and is not given."""
    patches = stack_spectra([make_spectrum(GRIDS["single token"])])
    where = patches.mask, patches.grid.geometry
    with pytest.raises(ValueError, match=r"'tiny', which are none; got 'redshift'; use weights that have it"):
        make_network().read("redshift", None, *where, patches)
    network = build_model(get_config("tiny"), {"z": RedshiftConfig(step=1e-3)})
    with pytest.raises(ValueError, match=r"'tiny', which are z; got 'redshift'"):
        network.read("redshift", None, *where, patches)
    with pytest.raises(ValueError, match=r"tokens, patches must be given for the head 'z'"):
        network.read("z", None, *where)


def test_gradients_reach_every_parameter_and_are_finite():
    """Training moves all of the network."""
    network = make_network().train()
    patches = stack_spectra([make_spectrum(GRIDS[name]) for name in ("desi", "single token")])
    mean, log_sigma = network(patches, patches.grid, hide=torch.tensor([False, True]))
    (mean.square().mean() + log_sigma.mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert torch.count_nonzero(parameter.grad) > 0, name
