# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Comparisons that retrieval is measured beside: colours that are predicted, and what towers of images are told."""

import numpy as np
import pytest

from astro_spectok.align.filters import BANDS
from astro_spectok.training.photometry_draws import FilterFluxes


@pytest.fixture(scope="module")
def ceiling(load):
    return load("_colour_ceiling")


def test_predicted_colours(ceiling):
    """What follows from what is known is predicted, and what does not is left, by its covariance."""
    rng = np.random.default_rng(1)
    known, wanted = rng.normal(size=(300, 2)), rng.normal(size=(50, 2))

    def colour(x, noise):
        return np.stack([np.sin(x[:, 0]) + 0.3 * x[:, 1], noise], 1)

    found, covariance = ceiling.predict_colours(known, colour(known, rng.normal(size=300)), wanted)
    assert np.abs(found[:, 0] - colour(wanted, 0 * wanted[:, 0])[:, 0]).std() < 0.1
    assert covariance[0, 0] < 0.01
    assert covariance[1, 1] == pytest.approx(1, abs=0.3)


def test_compared_colours(ceiling):
    """The own colours are nearest, whatever the brightness; less so the more they leave open."""
    rng = np.random.default_rng(2)
    logs = 0.5 * rng.normal(size=(80, 5))
    seen = ceiling.see(FilterFluxes(BANDS["ugriz"], np.exp(logs + 3).astype(np.float32)), "ugriz", 20.0)
    own = []
    for spread in (1e-4, 1.0):
        likeness = ceiling.compare_colours(seen, logs - logs.mean(1, keepdims=True), spread * np.eye(5))
        own.append((likeness.argmax(1) == np.arange(80)).mean())
    assert own[0] > 0.9
    assert own[1] <= own[0]
