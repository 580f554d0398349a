# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What several rooms' tests share: weights, and synthetic spectra."""

import importlib
import multiprocessing
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from hypothesis import HealthCheck, settings
from specutils import Spectrum

if "PYTEST_XDIST_WORKER" in os.environ:
    # workers share the cores; PyTorch reads this when it is first imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# the same examples in every run; fixtures that are made once are fine for all examples
settings.register_profile(
    "package",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("package")

PACKAGED = Path(__file__).parents[1] / "astro_spectok" / "weights" / "data" / "small.safetensors"
FLAM = u.Unit("1e-17 erg / (s cm2 AA)")


#: files that one worker has all of, since they share what takes ten seconds to make: the server of `processes`, and
#: what is read of the public sets. They take long, and are begun first: at the end workers have small ones left
GROUPS = {
    "processes": (
        "test_training_factory.py", "test_training_freezing.py", "test_training_distributed.py", "test_survey_kill.py",
        "test_weights_download.py", "test_weights_fork.py",
    ),
    "public sets": ("test_simulate_stars.py", "test_simulate_stellar_grid.py", "test_training_real.py"),
    "training": ("test_training_loop.py", "test_training_stellar_head.py"),
}  # fmt: skip


def find_group(path):
    """The group of a file, by its path, or None."""
    return next((group for group, names in GROUPS.items() if path.endswith(names)), None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """All tests of a file, or of a group of files, go to one worker, with what they share."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            name = super()._split_scope(nodeid)
            return find_group(name) or name

    config.option.loadscopereorder = False  # as `pytest_collection_modifyitems` has put them
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """The order of files where several workers share them: groups first, then those with many tests."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    counts, order = Counter(item.path for item in items), list(GROUPS)

    def rank(item):
        group = find_group(str(item.path))
        return len(order) if group is None else order.index(group), -counts[item.path], str(item.path)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory):
    """Path of weights of the smallest network, random but always the same."""
    import torch

    from astro_spectok.network import build_network, get_config
    from astro_spectok.weights import write_network

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20251017)
        network = build_network(get_config("tiny"))
    metadata = {"name": "tiny", "training": {"wavelength_range": [2000.0, 30000.0]}}
    write_network(path, network, metadata=metadata)
    return path


@pytest.fixture(scope="session")
def redshift_weights(tmp_path_factory):
    """Path of weights of a tiny network with a head for redshifts, random but always the same."""
    import torch
    from _redshift import RANGES, STEP

    from astro_spectok.heads import RedshiftConfig, build_model
    from astro_spectok.network import get_config
    from astro_spectok.weights import write_network

    path = tmp_path_factory.mktemp("weights") / "redshift.safetensors"
    head = RedshiftConfig(
        classes=tuple(RANGES), z_range=tuple(RANGES.values()), channels=2, step=STEP, kernel=3, target_sigma=1.5e-4
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20251122)
        network = build_model(get_config("tiny"), {"redshift": head})
    metadata = {"name": "tiny-redshift", "training": {"wavelength_range": [2000.0, 30000.0]}}
    write_network(path, network, metadata=metadata)
    return path


@pytest.fixture(scope="session")
def public_sets():
    """The store of the public sets, with what was made of them."""
    from _paths import TRAIN

    from astro_spectok.simulate.templates import TemplateStore

    return TemplateStore(TRAIN)


@pytest.fixture(scope="session")
def packaged_weights():
    """The packaged default, as what to pass as ``weights``."""
    if not PACKAGED.is_file():
        pytest.skip("no weights are packaged in this checkout yet")


@pytest.fixture(scope="module")
def load():
    """Import a script of the benchmarks by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
        yield importlib.import_module


@pytest.fixture(scope="session")
def processes():
    """Processes that do not begin with the state of this one, and need not import all anew."""
    context = multiprocessing.get_context("forkserver")
    # the optimisers of PyTorch import its compiler, which takes as long as all else
    context.set_forkserver_preload(
        ["torch._dynamo", "specutils", "matplotlib.figure", "astro_spectok.cli", "astro_spectok.survey",
         "astro_spectok.training.factory"]
    )  # fmt: skip
    return context


@pytest.fixture(scope="module")
def single_thread():
    """One core, and with it sums in one order, as in processes that are launched."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def files(tmp_path):
    """Names of two files of a spectrum each."""
    paths = [tmp_path / f"s{k}.fits" for k in range(2)]
    for k, path in enumerate(paths):
        make_spectrum(200 + 50 * k, seed=k).write(path, format="tabular-fits")
    return [str(path) for path in paths]


@pytest.fixture
def own_registry(monkeypatch):
    """A registry that forgets after the test what was registered in it."""
    from astro_spectok.weights import REGISTRY, registry, store

    monkeypatch.setattr(registry, "_ENTRIES", entries := dict(REGISTRY))
    for module in (registry, store):
        monkeypatch.setattr(module, "REGISTRY", entries)
    return entries


@pytest.fixture(params=["tiny", "packaged"])
def weights(request):
    """The random tiny weights and the packaged default, each as what to pass as ``weights``."""
    return request.getfixturevalue(f"{request.param}_weights")


def make_spectrum(n=700, low=4000.0, high=7000.0, *, seed=0, flux_unit=FLAM, axis_unit=u.AA, **kwargs):
    """A spectrum with lines and noise whose S/N is about 50; vacuum wavelengths from ``low`` to ``high`` Angstrom."""
    kwargs = {"meta": {"medium": "vacuum"}} | kwargs
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(low, high, n)
    flux = 5 + np.sin(wavelength / 300 + seed)
    for centre in rng.uniform(low, high, 8):
        flux += rng.normal(0, 2) * np.exp(-0.5 * ((wavelength - centre) / 12) ** 2)
    sigma = rng.uniform(0.05, 0.15, n)
    flux += rng.normal(0, sigma)
    return Spectrum(
        flux=u.Quantity(flux, flux_unit),
        spectral_axis=(wavelength * u.AA).to(axis_unit, u.spectral()),
        uncertainty=StdDevUncertainty(sigma, unit=flux_unit),
        **kwargs,
    )


def rewrite(spectrum, *, axis=None, flux=None, sigma=None, **kwargs):
    """The same spectrum with other arrays."""
    kwargs = {"meta": spectrum.meta} | kwargs
    return Spectrum(
        flux=spectrum.flux if flux is None else flux,
        spectral_axis=u.Quantity(spectrum.spectral_axis) if axis is None else axis,
        uncertainty=StdDevUncertainty(spectrum.uncertainty.quantity if sigma is None else sigma),
        **kwargs,
    )


#: how far, over their size, tokens of a spectrum may differ that went through the network twice: alone and among
#: others, or in another form. Libraries add up in another order where the sizes of what they multiply are others, so
#: that rounding (6e-8, in sums of hundreds, in five blocks one after the other) is another: up to 1.5e-5 where it was
#: seen. One pixel of four thousand that is lost changes tokens by 3e-3 and the embedding by 4e-4.
SAME_TOKENS = 5e-5
#: the same of embeddings, whose whitening makes small differences of tokens larger, up to 7e-5, and which hold waves of
#: 40 km/s of the velocities of stars: up to 3.4e-4 where it was seen. Lost pixels are seen in tokens.
SAME_EMBEDDING = 1e-3


def assert_same_vectors(actual, expected, rtol=SAME_TOKENS):
    """Compare vectors relative to their size: single elements may be near zero."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert np.isfinite(expected).all()
    error, size = np.linalg.norm(actual - expected, axis=-1), np.linalg.norm(expected, axis=-1)
    assert (error <= rtol * size).all(), f"relative error {np.max(error / np.maximum(size, 1e-30)):.2g}"
