# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The training of the type head: that it learns, and that all else stays as it is."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from astro_spectok.network.type_head import FluxTypeHead, TypeHead

from astro_spectok.network import build_network, get_config
from astro_spectok.network.config import STELLAR_TYPES
from astro_spectok.weights import load_weights
from astro_spectok.weights.format import read_weights, write_weights


@pytest.fixture
def script(monkeypatch):
    """The script of the benchmark."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("make_type_head")


@pytest.fixture
def start(tmp_path):
    """Weights with a head that reads tokens."""
    config = replace(get_config("tiny"), stellar_types=STELLAR_TYPES)
    tensors = {key: value.half() for key, value in build_network(config).state_dict().items()}
    path = tmp_path / "start.safetensors"
    return write_weights(path, config.to_dict(), tensors, metadata={"calibration": {"x": 1}, "name": "some"})


def test_head_is_replaced_and_nothing_else(script, start, tmp_path):
    """Other tensors, in their precision, and the metadata of the start are in the file; so they are with --head."""
    empty, out, again = tmp_path / "sets", tmp_path / "out.safetensors", tmp_path / "again.safetensors"
    empty.mkdir()
    script.main(["--data", str(empty), "--start", str(start), "--out", str(out), "--stars", "130", "--epochs", "1"])
    script.main(["--head", str(out), "--start", str(start), "--out", str(again)])
    assert isinstance(load_weights(start).network.type_head, TypeHead)
    assert isinstance(load_weights(out).network.type_head, FluxTypeHead)
    before, written, copied = (read_weights(path)[1] for path in (start, out, again))
    assert written.keys() == copied.keys()
    assert all(torch.equal(written[key], copied[key]) for key in written)
    kept = [key for key in before if not key.startswith("type_head.")]
    assert all(torch.equal(before[key], written[key]) for key in kept)
    for path in (out, again):
        assert load_weights(path).metadata["calibration"] == {"x": 1}
        assert load_weights(path).metadata["name"] == "some"
        assert load_weights(path).network.config.type_step == script.STEP


def make_views(training, n, seed):
    """Views of two kinds of stars, which the course tells apart; the lines are noise."""
    generator = torch.Generator().manual_seed(seed)
    types = torch.randint(2, (n,), generator=generator)
    view = FluxTypeHead(STELLAR_TYPES, 5e-3).view
    broad = torch.rand(n, 3, view.n_broad, generator=generator)
    broad[:, 0] += types[:, None]
    return training.TypeViews([(torch.rand(n, 2, view.n_lines, generator=generator), broad, types)])


def test_head_learns(script):
    """A hundred steps tell two kinds of stars apart, and the temperature is that of scores that are right."""
    training = importlib.import_module("_type_training")
    torch.manual_seed(0)
    head = FluxTypeHead(STELLAR_TYPES, 5e-3)
    script.train_head(head, make_views(training, 512, 1), 30, 1)
    others = make_views(training, 200, 2)
    scores = script.score_stars(head, others)
    assert (scores.argmax(1) == others.types).float().mean() > 0.95
    lines = []
    script.check_head(head, others, lines.append)
    assert lines[0].startswith("200 other stars: exact")
    assert lines[-1] == f"temperature {script.find_temperature(scores, others.types):.2f}"


def test_temperature(script):
    """Scores that are three times too sure are divided by three."""
    generator = torch.Generator().manual_seed(0)
    scores = 2 * torch.randn(4000, 4, generator=generator)
    types = torch.multinomial(torch.softmax(scores, 1), 1, generator=generator)[:, 0]
    assert script.find_temperature(3 * scores, types) == pytest.approx(3.0, rel=0.12)


@pytest.mark.parametrize("air", [False, True])
def test_stored_spectra_are_altered_within_reason(script, air):
    """Finite, rising, with errors; too few pixels, or none with flux, give nothing."""
    training = importlib.import_module("_type_training")
    wavelength, rng = np.linspace(4000.0, 7000.0, 900), np.random.default_rng(0)
    flux, ivar = np.full(900, 2.0), np.where(np.arange(900) % 50 == 0, 0.0, 1.0)
    drawn = [training._alter(wavelength, flux, ivar, rng, air=air) for _ in range(40)]
    assert all(made is not None for made in drawn)
    for x, f, i in drawn:
        assert (np.diff(x) > 0).all()
        assert np.isfinite(f).all()
        assert np.isfinite(i).all()
        assert (i >= 0).all()
        assert 64 <= len(x) <= 900
    assert len({len(x) for x, _, _ in drawn}) > 3
    assert training._alter(wavelength, 0 * flux, ivar, rng, air=air) is None
    assert training._alter(wavelength[:40], flux[:40], ivar[:40], rng, air=air) is None


def test_windows(script):
    """Whole spectra for the most part, and otherwise a stretch with enough pixels."""
    training = importlib.import_module("_type_training")
    x, rng = np.log(np.linspace(3800.0, 9200.0, 4000)), np.random.default_rng(0)
    shown = [training.show_window(x, x, np.ones(4000), 3, rng) for _ in range(200)]
    sizes = np.array([len(one[0]) for one in shown])
    assert all(one[3] == 3 for one in shown)
    assert 0.5 < np.mean(sizes == 4000) < 0.85
    assert sizes.min() >= training.LEAST_PIXELS
    assert all(np.array_equal(one[0], one[1]) for one in shown)
