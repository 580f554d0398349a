# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Coarse types of stars: what is chosen, and that it comes from the network."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from _distributed import NETWORK
from conftest import make_spectrum

from astro_spectok.engine import Runner
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.heads import build_model
from astro_spectok.redshift.spectral_type import choose_type
from astro_spectok.spectra import to_batch
from astro_spectok.weights import write_network

TYPES = NETWORK.heads["spectral_type"].types


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights with all heads, which find stars alone."""
    torch.manual_seed(3)
    redshift = dataclasses.replace(NETWORK.heads["redshift"], classes=("STAR",), z_range=((-0.01, 0.01),))
    path = tmp_path_factory.mktemp("weights") / "all.safetensors"
    return write_network(path, build_model(NETWORK, {"redshift": redshift}))


@pytest.mark.parametrize(
    ("spectype", "types", "expected"),
    [
        ("STAR", {"G": 0.2, "K": 0.7, "M": 0.1}, ("K", 0.7)),
        ("STAR", {"WD": 1.0}, ("WD", 1.0)),
        ("GALAXY", {"K": 1.0}, ("", None)),
        ("", {"K": 1.0}, ("", None)),
        ("STAR", {}, ("", None)),
    ],
)
def test_most_probable_type_of_a_star(spectype, types, expected):
    """And nothing for all else."""
    name, probability = choose_type(spectype, types)
    assert name == expected[0]
    assert probability == expected[1] or (expected[1] is None and math.isnan(probability))


def test_types_are_those_of_the_network(weights):
    """Probabilities that add up to one, the same for each spectrum alone and among others."""
    spectra = [make_spectrum(600, seed=k) for k in range(3)]
    runner = Runner(weights, "cpu", precision="float32")
    together = dict(runner.measure(to_batch(spectra)))
    table = RedshiftEstimator(weights, "cpu").estimate(spectra)
    for k, spectrum in enumerate(spectra):
        types = together[k].heads["spectral_type"]
        assert tuple(types) == TYPES
        assert sum(types.values()) == pytest.approx(1, abs=1e-5)
        ((_, alone),) = runner.measure(to_batch([spectrum]))
        assert alone.heads["spectral_type"] == pytest.approx(types, abs=1e-5)
        assert table["stellar_type"][k] == max(types, key=types.get)
        assert table["p_stellar_type"][k] == pytest.approx(max(types.values()), abs=1e-5)
        one = RedshiftEstimator(weights, "cpu").estimate(spectrum)
        assert (one.stellar_type, one.spectype) == (table["stellar_type"][k], "STAR")
    assert len({tuple(np.round(list(together[k].heads["spectral_type"].values()), 6)) for k in range(3)}) == 3
