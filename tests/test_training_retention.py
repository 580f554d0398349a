# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether a training has made weights forget: the same spectra before and after, and what counts as worse."""

import pytest

from astro_spectok.training.retention import RETENTION_KEY, check_retention, compare_figures, measure_known
from astro_spectok.weights import read_metadata

BEFORE = {"redshift_GALAXY": 0.9, "n_GALAXY": 100, "redshift_STAR": 1.0, "n_STAR": 50, "residual": 1.1}


@pytest.mark.parametrize(
    ("change", "worse"),
    [
        ({}, []),
        ({"redshift_GALAXY": 0.86}, []),
        ({"redshift_GALAXY": 0.8}, ["redshift_GALAXY"]),
        ({"redshift_STAR": 0.98}, []),
        ({"redshift_STAR": 0.9}, ["redshift_STAR"]),
        ({"redshift_STAR": 0.9, "residual": 1.3}, ["redshift_STAR", "residual"]),
        ({"residual": float("nan")}, ["residual"]),
    ],
)
def test_what_is_worse(change, worse):
    """A fall beyond chance, or more than a tenth more that decoding leaves."""
    assert compare_figures(BEFORE, BEFORE | change) == worse


def test_written_into_the_file(redshift_weights, tmp_path):
    """Both measurements stand in the metadata; of the same weights they are the same, and nothing is forgotten."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(redshift_weights.read_bytes())
    before = measure_known(redshift_weights, None, 6, device="cpu")
    assert 0 <= before["redshift_STAR"] <= 1
    assert before["residual"] > 0
    report = check_retention(path, before, None, 6, device="cpu")
    assert report["after"] == before
    assert report["forgotten"] == []
    assert read_metadata(path)[RETENTION_KEY] == report
