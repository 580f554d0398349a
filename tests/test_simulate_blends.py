# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of blends: two objects in one aperture."""

import math

import pytest
import torch

from astro_spectok.simulate import Randomness
from astro_spectok.simulate.blends import Blends, _shift
from astro_spectok.simulate.templates import TemplateStore


@pytest.fixture(scope="module")
def blends():
    """Of analytic templates."""
    return Blends(TemplateStore())


def test_both_objects_are_in_the_flux(blends):
    """Neither class is meant, the redshift is that of the first, and lines of both are there."""
    drawn = blends.draw(5, Randomness(3))
    assert drawn.kind == ["blend"] * 5
    assert (drawn.cls == -1).all()
    assert drawn.measurable.all()
    finite = torch.isfinite(drawn.flux)
    assert (finite.sum(1) > 1000).all()
    assert (drawn.flux[finite] >= 0).all()
    first = blends.front.draw(5, Randomness(3))
    assert torch.equal(drawn.z, first.z)
    assert drawn.line_flux.shape[1] > first.line_flux.shape[1]
    again = blends.draw(5, Randomness(3))
    assert torch.equal(again.flux.nan_to_num(), drawn.flux.nan_to_num())


def test_second_object_is_seen_at_its_own_redshift():
    """Moved by the ratio of the two; what comes from beyond the grid is unknown."""
    flux = torch.zeros(2, 200)
    flux[:, 100] = 1.0
    moved = _shift(flux, torch.tensor([30.25, -40.0], dtype=torch.float64))
    assert moved[0, 130].item() == pytest.approx(0.75)
    assert moved[0, 131].item() == pytest.approx(0.25)
    assert moved[1, 60].item() == pytest.approx(1.0)
    assert torch.isnan(moved[0, :30]).all()
    assert torch.isnan(moved[1, -39:]).all()
    assert math.isclose(moved[0].nansum().item(), 1.0, rel_tol=1e-6)
