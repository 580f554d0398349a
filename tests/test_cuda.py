# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The same on a graphics card: simulator, network, training step and engine against the CPU in single precision.

Every test runs on each device there is. On the CPU it compares with something that must give the same as well: other
seeds, other batches, single precision beside bfloat16.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from _distributed import CONFIG
from _distributed import NETWORK as WITH_DROPOUT
from _network_inputs import GRIDS, arrange_one, make_spectrum, stack_spectra
from conftest import assert_same_vectors
from conftest import make_spectrum as make_observed
from scipy.stats import ks_2samp

from astro_spectok.engine import Runner
from astro_spectok.heads import build_model
from astro_spectok.simulate import Survey
from astro_spectok.spectra import to_batch
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.loop import _make_optimizer, pretrain
from astro_spectok.training.step import TrainingStep

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

#: what is forgotten in training depends on the device
TYPES = replace(WITH_DROPOUT.heads["spectral_type"], dropout=0.0)
NETWORK = replace(WITH_DROPOUT, heads=WITH_DROPOUT.heads | {"spectral_type": TYPES})


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_CUDA)])
def device(request):
    """Each device there is, with convolutions in float32: cuDNN would round their input to 10 bits."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield torch.device(request.param)


def make_network():
    """A network with all heads, random but always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        return build_model(NETWORK).eval()


@pytest.fixture(scope="module")
def training_batch():
    """Simulated objects of several classes, all of which count."""
    drawn = ViewDataset(None, replace(CONFIG, batch_tokens=160, hide_fraction=0.3), NETWORK)[0]
    return replace(drawn, aligned=drawn.measurable.clone())


def describe_groups(groups):
    """What is drawn, one number for each spectrum: signal-to-noise ratio, scatter in sigma, bad share, redshift."""
    out = {"snr": [], "scatter": [], "bad": [], "z": []}
    for group in groups:
        (seen,) = group.observations
        for i in range(len(seen)):
            there = seen.present[i]
            flux, ivar, truth = (getattr(seen, key)[i][there].cpu().numpy() for key in ("flux", "ivar", "truth"))
            assert np.isfinite(flux).all()
            assert (np.isfinite(ivar) & (ivar >= 0)).all()
            assert torch.isfinite(seen.ln_wavelength[i][there]).all()
            good = (ivar > 0) & np.isfinite(truth)
            deviation = (flux - truth)[good] * np.sqrt(ivar[good])
            out["scatter"].append(np.subtract(*np.percentile(deviation, (84, 16))) / 2)
            out["snr"].append(np.median(flux[good] * np.sqrt(ivar[good])))
            out["bad"].append(np.mean(ivar == 0))
        out["z"] += group.objects.z.tolist()
    return out


@pytest.mark.parametrize("family", ["galaxies", "quasars", "stars"])
def test_draws_are_alike(device, family):
    """On a device as on the CPU with another seed: finite, and of the same distributions."""
    options = {"snr": (5.0, 20.0), "instruments": [["sdss"]], "max_pixels": 1000}
    drawn = describe_groups(Survey(families=[family], device=device).draw(40, 5, **options))
    wanted = describe_groups(Survey(families=[family]).draw(40, 6, **options))
    for key, values in drawn.items():
        assert len(values) == 40
        assert ks_2samp(values, wanted[key]).pvalue > 1e-3, key
    assert np.median(drawn["scatter"]) == pytest.approx(1, abs=0.2)


def test_draws_repeat(device):
    """A draw is a function of its seed; sums of floats may differ in the last bits."""
    survey = Survey(device=device)
    first, again = (survey.draw(8, 3, max_pixels=600) for _ in range(2))
    assert [group.family for group in first] == [group.family for group in again]
    for one, other in zip(first, again, strict=True):
        for key, value in vars(one.observations[0]).items():
            torch.testing.assert_close(
                value, getattr(other.observations[0], key), rtol=1e-4, atol=1e-4, equal_nan=True, msg=key
            )
        assert one.observations[0].flux.device.type == device.type


def run_network(network, patches, grid, row):
    """Everything that the network gives for one spectrum of a batch, on the CPU."""
    with torch.inference_mode():
        tokens = network.encode(patches)
        one = slice(row, row + 1)
        part = tokens[one], patches.mask[one], patches.grid.geometry[one]
        mean, log_sigma = network.decode(*part, grid)
        types = network.read("spectral_type", None, patches.mask, patches.grid.geometry, patches)
        scores = network.read("redshift", tokens, patches.mask, patches.grid.geometry, patches)
        out = {
            "tokens": tokens[one][patches.grid.present[one]], "embedding": network.embed(*part), "mean": mean,
            "log_sigma": log_sigma, "types": types[row], "scores": torch.cat(scores, 1)[row],
        }  # fmt: skip
    return {key: value.cpu() for key, value in out.items()}


@pytest.mark.parametrize("name", ["sdss", "arms", "single token"])
def test_network_gives_the_same(device, name):
    """In a batch on the device as alone on the CPU."""
    spectra = [make_spectrum(GRIDS[key], seed) for seed, key in enumerate(("desi", name, "infrared"))]
    network, grid = make_network(), arrange_one(GRIDS[name])
    wanted = run_network(network, stack_spectra([spectra[1]]), grid, 0)
    found = run_network(network.to(device), stack_spectra(spectra).to(device), grid.to(device), 1)
    for key, values in wanted.items():
        assert_close(found[key], values)


def assert_close(actual, wanted, size=2e-4):
    """Within a small part of the spread of what is wanted."""
    actual, wanted = (x.detach().cpu().double() for x in (actual, wanted))
    assert torch.isfinite(actual).all()
    torch.testing.assert_close(actual, wanted, rtol=size, atol=size * float(wanted.abs().max()))


def take_gradients(batch, device, dtype):
    """Loss of a batch, its figures and the gradient of each parameter, on the CPU; and the step itself."""
    step = TrainingStep(make_network().to(device), CONFIG, dtype).to(device).train()
    loss, figures = step(batch.to(device))
    loss.backward()
    gradients = {name: p.grad.detach().cpu() for name, p in step.named_parameters() if p.grad is not None}
    return float(loss.detach()), {key: float(total) for key, (total, _) in figures.items()}, gradients, step


def test_gradients_are_the_same(device, training_batch):
    """In float32 on the device as with the pairs the other way round on the CPU."""
    loss, figures, gradients, _ = take_gradients(training_batch, device, None)
    half = len(training_batch.hide) // 2
    order = torch.arange(len(training_batch.hide)).roll(half)
    wanted = take_gradients(reorder(training_batch, order), torch.device("cpu"), None)
    assert loss == pytest.approx(wanted[0], rel=1e-4)
    assert figures == pytest.approx(wanted[1], rel=1e-3, abs=1e-3)
    assert gradients.keys() == wanted[2].keys()
    for name, gradient in gradients.items():
        error = (gradient - wanted[2][name]).norm()
        assert error <= 2e-3 * wanted[2][name].norm() + 1e-6, name


def reorder(batch, order):
    """The spectra of a batch in another order."""

    def pick(value):
        if isinstance(value, torch.Tensor):
            return value[order] if value.ndim else value
        if isinstance(value, dict):
            return {key: pick(part) for key, part in value.items()}
        if isinstance(value, bool):
            return value  # of the batch as a whole
        return type(value)(**{key: pick(part) for key, part in vars(value).items()})

    return pick(batch)


def test_step_in_bfloat16(device, training_batch):
    """About the gradient of float32 on the CPU; a few steps along it bring the loss down, all numbers finite."""
    exact, _, wanted, _ = take_gradients(training_batch, torch.device("cpu"), None)
    loss, _, gradients, step = take_gradients(training_batch, device, torch.bfloat16)
    assert loss == pytest.approx(exact, rel=0.05)
    flat, wanted = (torch.cat([g[name].flatten() for name in wanted]) for g in (gradients, wanted))
    assert torch.isfinite(flat).all()
    assert float(torch.nn.functional.cosine_similarity(flat, wanted, dim=0)) > 0.97
    batch, optimizer = training_batch.to(device), _make_optimizer(step.network, CONFIG)
    for _ in range(4):
        optimizer.step()
        optimizer.zero_grad()
        last, _ = step(batch)
        last.backward()
    assert float(last.detach()) < loss - 0.01
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in step.parameters())


def test_run_moves_between_devices(device, tmp_path):
    """A run that was begun on a device goes on on the CPU."""
    config = replace(CONFIG, steps=2, shards=1)
    options = {"precision": "float32"}
    assert pretrain(None, tmp_path, NETWORK, config, device=device, stop_after=1, **options) is None
    moved = pretrain(None, tmp_path, NETWORK, config, device="cpu", resume=True, **options)
    whole = pretrain(None, tmp_path / "whole", NETWORK, config, device="cpu", **options)
    found, wanted = (Runner(path, "cpu").network.state_dict() for path in (moved, whole))
    for name, value in wanted.items():
        assert_close(found[name], value, 5e-3)


def test_runner_gives_the_same(device, redshift_weights):
    """Many spectra at a time on the device as one after the other on the CPU."""
    spectra = [make_observed(n, seed=seed) for seed, n in enumerate((700, 150, 1300, 64))]
    batch = to_batch(spectra, medium="vacuum")
    runner, single = Runner(redshift_weights, device), Runner(redshift_weights, "cpu", batch_tokens=1)
    # graphics cards may multiply with 10 bits when asked for 'auto'; here it is the device that is tested
    runner.dtype = None
    assert runner.device.type == device.type
    measured, wanted = (dict(one.measure(batch, embedding=True)) for one in (runner, single))
    assert sorted(measured) == sorted(wanted) == [0, 1, 2, 3]
    for i in range(len(batch)):
        assert_same_vectors(measured[i].embedding, wanted[i].embedding, rtol=1e-4)
        for name, scores in wanted[i].heads["redshift"].items():
            np.testing.assert_allclose(measured[i].heads["redshift"][name], scores, atol=2e-3)
    encoded, expected = dict(runner.encode(batch)), dict(single.encode(batch))
    for i in range(len(batch)):
        assert_same_vectors(encoded[i].values, expected[i].values, rtol=1e-3)
        ln_wavelength = np.log(batch.wavelength[batch.grid(i)])
        flux, sigma = runner.decode(encoded[i].values, encoded[i].geometry, encoded[i].good, ln_wavelength)
        other = single.decode(expected[i].values, expected[i].geometry, expected[i].good, ln_wavelength)
        np.testing.assert_allclose(flux, other[0], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(sigma, other[1], rtol=1e-3, atol=1e-3)
