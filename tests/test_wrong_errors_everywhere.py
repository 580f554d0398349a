# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors that are five times too large are measured with others by every estimator, also of a series, at a known z."""

import pytest
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum

from astro_spectok.estimators import (
    GalaxyPropertyEstimator,
    RedshiftEstimator,
    TransientEstimator,
)
from astro_spectok.example import read_example
from astro_spectok.spectra import SpectrumSeries


@pytest.fixture(scope="module")
def wrong():
    right = read_example()
    sigma = right.uncertainty.represent_as(StdDevUncertainty).array
    return Spectrum(
        flux=right.flux, spectral_axis=right.spectral_axis, uncertainty=StdDevUncertainty(5 * sigma), mask=right.mask,
        meta=right.meta,
    )  # fmt: skip


@pytest.mark.parametrize("estimator", [RedshiftEstimator, TransientEstimator])
def test_one_spectrum_many_and_a_series(wrong, estimator):
    asked = estimator()
    assert asked.estimate(wrong).errors == "estimated"
    assert asked.estimate([wrong, wrong])["errors"].tolist() == ["estimated"] * 2
    assert asked.estimate(SpectrumSeries([wrong, wrong])).errors == "estimated"


@pytest.mark.parametrize("z", [None, 0.0857])
def test_galaxies_with_and_without_a_redshift(wrong, z):
    found = GalaxyPropertyEstimator().estimate(wrong, redshift=z)
    assert found.errors == "estimated"
    assert "times those stated" in found.meta["guesses"]
