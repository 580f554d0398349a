# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Depths beyond the linear reading: exact merging, files, and that they add nothing where there is nothing to gain."""

import copy
import pickle

import numpy as np
import pytest
import torch
from _adapt import make_labelled
from conftest import assert_same_vectors
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok.adapt import SpectrumSet
from astro_spectok.adapt.augment import augment_batch
from astro_spectok.adapt.deep import DeepReading, measure_fall
from astro_spectok.adapt.probe import AttentiveProbe, add_low_rank, apply_factors, list_layers, merge_low_rank
from astro_spectok.engine.batching import gather_patches
from astro_spectok.network.linear import Linear, is_plain
from astro_spectok.weights import load_network

pytest.importorskip("sklearn")

from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor

SPECTRA, LABELS = make_labelled(40)
#: a label that no linear map of the flux gives
PRODUCT = LABELS["depth"] * np.where(LABELS["kind"] == "emission", 1, -1)


@pytest.fixture(scope="module")
def spectra():
    return SpectrumSet(SPECTRA, medium="vacuum")


def test_changes_of_low_rank_are_merged_exactly(spectra, tiny_weights):
    """Before training nothing is changed; merged, factors applied anew and parametrized are the same network."""
    network = load_network(tiny_weights, shared=False)
    plain = copy.deepcopy(network)
    patches = gather_patches(spectra.batch, np.arange(3), network.config.patch)
    trained = add_low_rank(network, 2)
    with torch.inference_mode():
        assert_same_vectors(network.encode(patches), plain.encode(patches))
    for p in trained:
        p.data += 0.1
    with torch.no_grad():
        changed = network.encode(patches)
    factors = merge_low_rank(network)
    apply_factors(plain, factors)
    assert all(is_plain(layer, Linear) for layer in list_layers(network).values())
    for one in (network, plain):
        with torch.no_grad():
            assert_same_vectors(one.encode(patches), changed)
    assert not any(p.requires_grad for p in network.parameters())


def test_a_probe_sees_good_tokens_alone_and_begins_at_zero():
    probe = AttentiveProbe(6, 2).eval()
    learned = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
    centre = torch.linspace(8, 9, 5).repeat(2, 1)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    assert (probe(learned, centre, mask) == 0).all()
    torch.nn.init.constant_(probe.out.weight, 0.5)
    changed = learned.clone()
    changed[1, 3:] += 9
    assert_allclose(probe(changed, centre, mask).detach(), probe(learned, centre, mask).detach(), atol=1e-5)


def test_augmentation_keeps_errors_true(spectra):
    """Noise that is added is in the errors, calibration changes both alike, and cuts leave enough."""
    rng = np.random.default_rng(1)
    batch = spectra.batch
    same = augment_batch(batch, (), rng)
    assert_array_equal(same.flux, batch.flux)
    assert_array_equal(same.wavelength[same.grid(3)], batch.wavelength[batch.grid(3)])
    noisy = augment_batch(batch, ("noise",), rng)
    added = (noisy.flux - batch.flux) ** 2 / np.maximum(1 / noisy.ivar - 1 / batch.ivar, 1e-12)
    assert 0.9 < np.mean(added) < 1.1
    bent = augment_batch(batch, ("calibration",), rng)
    assert_allclose(bent.flux**2 * bent.ivar, batch.flux**2 * batch.ivar, rtol=1e-3)
    cut = augment_batch(batch, ("cuts", "velocity"), rng)
    assert min((cut.ivar[cut.pixels(i)] > 0).sum() for i in range(40)) > 0.6 * 320
    smooth = augment_batch(batch, ("resolution",), rng)
    assert_array_equal(smooth.ivar, batch.ivar)
    assert np.std(np.diff(smooth.flux)) < 0.9 * np.std(np.diff(batch.flux))
    assert 0 < np.abs(np.log(cut.wavelength[:320] / batch.wavelength[:320])).max() < 2e-3


@pytest.fixture(scope="module")
def linear(spectra, tiny_weights):
    return SpectrumRegressor(tiny_weights, "cpu", blocks="lines").fit(spectra, PRODUCT)


def make_deep(depth, network):
    """A depth as training might leave it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        probe = AttentiveProbe(network.config.width - 2, 1)
        torch.nn.init.normal_(probe.out.weight, std=0.1)
        if depth == "full":
            factors = {f"blocks.{name}": p.detach() + 0.01 for name, p in network.blocks.named_parameters()}
        elif depth == "lora":
            changed = copy.deepcopy(network)
            for p in add_low_rank(changed, 2):
                p.data += 0.05
            factors = merge_low_rank(changed)
        else:
            factors = {}
    return DeepReading(depth, probe, factors, 0.5)


@pytest.mark.parametrize("depth", ["probe", "lora", "full"])
def test_depths_come_back_from_files(depth, linear, spectra, tiny_weights, tmp_path):
    """What they add changes predictions, and a file and a pickle give back the same."""
    model = pickle.loads(pickle.dumps(linear))
    model.deep_ = make_deep(depth, load_network(tiny_weights))
    found = model.predict(spectra)
    assert np.abs(found - linear.predict(spectra)).max() > 1e-3
    again = SpectrumRegressor.load(model.save(tmp_path / "deep.safetensors"), weights=tiny_weights, device="cpu")
    assert_allclose(again.predict(spectra), found, atol=2e-3)
    assert_allclose(pickle.loads(pickle.dumps(model)).predict(spectra), found, atol=1e-6)


@pytest.mark.parametrize("depth", ["probe", "lora", "full"])
def test_depths_are_never_worse_on_what_was_left_out(depth, spectra, tiny_weights):
    """The output has a weight from 0 to 1 that is chosen there."""
    options = {"epochs": 6 if depth == "probe" else 2, "rate": 5e-3}
    model = SpectrumRegressor(tiny_weights, "cpu", adapt=depth, blocks="lines", options=options)
    model.fit(spectra, PRODUCT, progress=False)
    figures = model.validation_["label"]
    assert 0 <= model.deep_.gain <= 1
    assert figures.get("rms_held", 0) <= figures.get("rms_held_linear", 0)
    assert np.isfinite(model.predict(spectra)).all()


def test_a_probe_adds_to_classes(spectra, tiny_weights):
    """Trained from the same seed it is the same; what it gains is never a loss on the left-out."""
    options = {"epochs": 12, "rate": 5e-3}
    one, two = (
        SpectrumClassifier(tiny_weights, "cpu", adapt="probe", blocks="levels", options=options).fit(
            spectra, LABELS["kind"], progress=False
        )
        for _ in range(2)
    )
    assert_array_equal(one.predict_proba(spectra), two.predict_proba(spectra))
    assert one.deep_.gain == two.deep_.gain


def test_a_gain_must_exceed_its_own_error():
    """Copies of one object are one, and a few that gain much do not make up for what most lose."""
    before, objects = np.ones(20), np.arange(20)
    assert_allclose(measure_fall(before, before - 0.3, objects), 0.3)
    lucky = before + np.where(objects < 2, -0.9, 0.05)
    assert np.mean(before - lucky) > 0 > measure_fall(before, lucky, objects)
    one_in_two = np.where(objects % 2, 0.2, 1.1)
    assert measure_fall(before, one_in_two, objects) > 0 > measure_fall(before, one_in_two, objects % 2)
    assert measure_fall(before, before - 0.3, np.zeros(20)) == 0


def test_unknown_augmentations_are_refused(spectra, tiny_weights):
    model = SpectrumRegressor(tiny_weights, "cpu", adapt="lora", options={"augment": ("mirror",)})
    with pytest.raises(ValueError, match=r"augment must be out of noise, .*, velocity; got mirror"):
        model.fit(spectra, PRODUCT)
