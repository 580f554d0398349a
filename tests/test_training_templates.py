# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Templates made of simulated objects: what they are made of, and the files that fits read."""

import numpy as np

from astro_spectok.redshift.templates import read_templates
from astro_spectok.training import rest_templates


def test_templates_are_made_of_simulated_objects():
    """Sharp, at rest, over their continuum; components explain more than the mean alone."""
    rows, known = rest_templates.draw_rows(None, "STAR", 12, 7702)
    assert rows.shape == known.shape == (12, len(rest_templates.make_instrument()))
    assert np.abs(np.mean(rows[known])) < 0.1
    mean, basis, variance = rest_templates.find_components(rows, known, 3)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=0.02)
    assert (np.diff(variance) <= 0).all()
    left = np.where(known, rows - mean, 0)
    explained = (left @ basis.T) @ basis
    assert np.sum(np.where(known, left - explained, 0) ** 2) < 0.8 * np.sum(left**2)


def test_file_is_what_fits_read(tmp_path):
    """Mean and components of each class asked for, at any resolution; their residual is given."""
    path, lines = tmp_path / "templates.safetensors", []
    left = rest_templates.make_templates(None, path, {"STAR": 12}, 1, report=lines.append)
    made = read_templates(path)
    assert made.classes == ("STAR",)
    assert made.resolution == rest_templates.RESOLUTION
    values = made.at_resolution("STAR", 3000.0)
    assert values.shape[1] == 1 + 10
    assert np.isfinite(values).all()
    assert 0 < left["STAR"] < 0.1
    assert lines[0].startswith("STAR: 12 objects")
