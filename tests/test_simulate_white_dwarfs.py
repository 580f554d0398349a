# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""White dwarfs with labels, from a made-up network and made-up bases."""

import numpy as np
import pytest
import torch

from astro_spectok.simulate import STELLAR_TYPES, Randomness
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.white_dwarfs import COMPACT, WhiteDwarfs
from astro_spectok.stellar.white_dwarfs import read_white_dwarf_models
from astro_spectok.training.white_dwarf_models import make_white_dwarf_models

LINE, WIDTH = 4862.7, 30.0


def make_sets(folder):
    """A network whose stars have one line, the deeper the hotter they are, and bases with that line or another."""
    lam = np.arange(3866.0, 6864.0, 1.0)
    line = np.exp(-0.5 * ((lam - LINE) / WIDTH) ** 2)
    first, later, last = np.zeros((2, 4)), np.eye(4), np.zeros((4, len(lam)))
    first[0, 0], last[0] = -1.0, 1.4 * line
    layers = [first, later, later, last]
    biases = [np.array([0.5, 0, 0, 0]), np.zeros(4), np.zeros(4), 1 - 0.1 * line - 0.7 * line]
    arrays = {f"w{k}": x.astype(np.float32) for k, x in enumerate(layers)}
    arrays |= {f"b{k}": x.astype(np.float32) for k, x in enumerate(biases)}
    np.savez(folder / "wd_da_network.npz", lam=lam, **arrays)
    wave = np.arange(3400.0, 7600.0, 1.0)
    lines = [np.exp(-0.5 * ((wave - place) / WIDTH) ** 2) for place in (LINE, 5877.0)]
    basis = np.stack([np.ones(len(wave)), *lines])
    # a third is featureless but for a line of helium
    depth = np.linspace(0.15, 0.7, 300)
    coefficients = np.stack([np.ones(300), -depth, 0 * depth], 1)
    coefficients[::3, 1:] = coefficients[::3, :0:-1]
    np.savez(folder / "redrock_bases.npz", wave=wave, basis_WD=basis, coeff_WD=coefficients.astype(np.float32))
    return TemplateStore(folder)


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    return WhiteDwarfs(make_sets(tmp_path_factory.mktemp("sets")))


def test_labels_are_those_of_white_dwarfs(white):
    """All are known to be white dwarfs; metals and broadening are unknown; the same for the same seed."""
    objects, again = (white.draw(200, Randomness(1)) for _ in range(2))
    assert torch.equal(objects.flux.nan_to_num(), again.flux.nan_to_num())
    assert {STELLAR_TYPES[number] for number in objects.stellar_type.tolist()} == {"WD"}
    for name, label in (("log_teff", "teff"), ("logg", "logg")):
        low, high = COMPACT[name]
        assert low - 0.06 <= objects.labels[label].min() < objects.labels[label].max() <= high + 0.06
    assert torch.isnan(objects.labels["fe_h"]).all()
    known = torch.isfinite(objects.flux)
    assert (known.float().mean(1) > 0.8).all()


def test_stars_of_the_bases_get_labels_of_the_network(white):
    """Where it fits them; what has lines of another element is apart."""
    assert len(white.unlike) >= 80
    assert len(white.alike) > 100
    depth = -white.alike[:, 1]
    assert (white.alike[:, 2] == 0).all()
    teff = 10 ** white.labels[:, 0]
    expected = 2500 + 97500 * (0.5 - (0.8 - depth) / 1.4)
    inside = (expected > 7000) & (expected < 38000)
    assert inside.sum() > 20
    assert ((teff - expected).abs()[inside] < 0.05 * expected[inside] + 300).all()


def test_models_to_fit(tmp_path):
    """The spectra of the network come back from the file, at the temperatures and gravities of its axes."""
    store, lines = make_sets(tmp_path), []
    left = make_white_dwarf_models(tmp_path, tmp_path / "models.safetensors", report=lines.append)
    models = read_white_dwarf_models(tmp_path / "models.safetensors")
    assert left < 1e-3
    assert len(lines) == 1
    assert len(models.coefficients) == len(models.log_teff) * len(models.logg)
    log_teff, logg = np.repeat(models.log_teff, len(models.logg)), np.tile(models.logg, len(models.log_teff))
    x, flux = WhiteDwarfs(store).tabulate(log_teff, logg)
    place = (np.log(LINE) - models.ln_start) / models.step
    found = 1 + models.mean[round(place)] + models.coefficients @ models.basis[:, round(place)]
    np.testing.assert_allclose(found, flux[:, np.argmin(abs(x - np.log(LINE)))], atol=5e-3)
    ((low, high),) = np.exp(models.windows)
    assert 3866 < low < 3868
    assert 6860 < high < 6864
