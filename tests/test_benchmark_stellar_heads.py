# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The comparison of ways to read stellar labels, and the head's first lessons, on made-up stars."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from _stellar_lines import Family

from astro_spectok.network import get_config
from astro_spectok.network.config import STELLAR_LABELS
from astro_spectok.network.stellar_head import StellarHead


class LabelledFamily(Family):
    """Stars with one label that lines tell, and others that nothing does."""

    def draw(self, n, random):
        objects = super().draw(n, random)
        depth = objects.labels["teff"]
        unknown = torch.full((n,), torch.nan)
        objects.labels = dict.fromkeys((name for name, _, _ in STELLAR_LABELS), unknown)
        objects.labels["teff"] = 3.74 + 0.5 * (depth - 0.4)
        return objects


@pytest.fixture
def stellar_heads(monkeypatch):
    """The script of the benchmark."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("stellar_heads")


def make_stars(n, seed):
    """Labels, and contrasts that are linear in them."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform([3.6, 1.0, -1.5], [3.87, 4.5, 0.4], (n, 3))
    mixing = np.random.default_rng(0).normal(0, 0.05, (3, 200))
    return labels, (labels - [3.74, 3.0, -0.5]) / [0.1, 1.0, 0.6] @ mixing


def test_regressions_find_labels(stellar_heads):
    """Ridge regression all but finds linear labels; the nearest neighbour comes close."""
    labels, train = make_stars(300, 1)
    wanted, test = make_stars(50, 2)
    ridge = stellar_heads.score(stellar_heads.predict_ridge(train, labels, test, strength=1e-4), wanted)
    nearest = stellar_heads.score(stellar_heads.predict_nearest(train, labels, test), wanted)
    assert ridge[0] < 30
    assert ridge[1] < 0.02
    assert ridge[0] < nearest[0] < 900


def test_head_learns_from_lines(stellar_heads):
    """Sixty steps are enough to find a label that five lines tell; unknown labels do no harm."""
    torch.manual_seed(0)
    values = get_config("tiny").to_dict() | {"local_cosines": 16, "stellar_labels": STELLAR_LABELS}
    head = StellarHead(type("Config", (), values))
    told = []
    stellar_heads.teach_lines(head, [LabelledFamily()], 100, 1, tell=lambda step, loss: told.append((step, loss)))
    assert [step for step, _ in told] == [100]
    windows, labels = stellar_heads.draw_windows(LabelledFamily(), 100, stellar_heads.Randomness(9), head.readers)
    with torch.inference_mode():
        mean, tril = head.read_windows(windows)
    whole = windows[0][1].mean(1) > 0.9
    found, wanted = mean[whole, 0], labels["teff"][whole]
    assert torch.corrcoef(torch.stack([found, wanted]))[0, 1] > 0.7
    assert torch.isfinite(tril).all()
