# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Supernovae, blank sky and blazars."""

import pytest
import torch
from _paths import TRAIN, needs

from astro_spectok.simulate import Randomness
from astro_spectok.simulate.featureless import BlankSky, Blazars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.transients import Supernovae

STORES = [
    pytest.param(None, id="analytic"),
    pytest.param(TRAIN, id="data", marks=needs(TRAIN)),
]


def check_shapes(objects, n):
    """What must be true of any objects without a class."""
    assert objects.flux.shape == (n, objects.grid.size)
    assert objects.flux.dtype == torch.float32
    assert not torch.isinf(objects.flux).any()
    assert (objects.flux[torch.isfinite(objects.flux)] >= 0).all()
    assert (objects.cls == -1).all()
    assert objects.z.shape == objects.measurable.shape == (n,)
    assert objects.line_flux.shape == (n, 0)


@pytest.mark.parametrize("data", STORES)
def test_supernovae(data):
    family = Supernovae(TemplateStore(data))
    objects = family.draw(60, Randomness(1))
    check_shapes(objects, 60)
    assert objects.measurable.all()
    assert ((objects.z >= 0.0049) & (objects.z <= 1.001)).all()
    median = objects.flux.nanmedian(1).values
    assert ((median > 0.5) & (median < 2)).all()
    again = family.draw(60, Randomness(1))
    assert torch.equal(torch.nan_to_num(objects.flux), torch.nan_to_num(again.flux))
    assert objects.kind == again.kind
    assert all(kind.startswith("supernova") for kind in objects.kind)


@pytest.mark.parametrize("data", STORES[1:])
def test_real_supernovae_have_types(data):
    kinds = set(Supernovae(TemplateStore(data)).draw(100, Randomness(2)).kind)
    assert {"supernova Ia", "supernova II", "supernova Ic"} <= kinds


@pytest.mark.parametrize("data", STORES)
def test_phases_of_supernovae(data):
    """Days since maximum of the real ones; unknown of those that are made up."""
    phase = Supernovae(TemplateStore(data)).draw(100, Randomness(2)).labels["sn_phase"]
    known = phase[torch.isfinite(phase)]
    assert (len(known) > 50) == (data is not None)
    assert (known.abs() < 1000).all()


def test_analytic_supernovae_differ_and_have_features():
    flux = Supernovae(TemplateStore(None)).draw(20, Randomness(3)).flux
    wiggle = (flux[:, 200:] - flux[:, :-200]).sign().diff(dim=1).ne(0).sum(1)
    assert (wiggle > 4).all()
    assert len(torch.unique(flux[:, 2000])) == 20


def test_sky_is_empty():
    objects = BlankSky().draw(7, Randomness(1))
    check_shapes(objects, 7)
    assert (objects.flux == 0).all()
    assert not objects.measurable.any()
    assert objects.kind == ["sky"] * 7


def test_blazars_are_smooth_and_have_no_redshift():
    family = Blazars()
    objects = family.draw(50, Randomness(1))
    check_shapes(objects, 50)
    assert not objects.measurable.any()
    assert objects.kind == ["blazar"] * 50
    x = objects.grid.ln_wavelength()
    optical = objects.flux[:, (x > 8.2) & (x < 9.2)]
    curvature = torch.log(optical).diff(n=2, dim=1).abs().max()
    assert curvature < 1e-3
    assert ((objects.flux.median(1).values > 0.5) & (objects.flux.median(1).values < 2)).all()
    assert torch.equal(objects.flux, family.draw(50, Randomness(1)).flux)
