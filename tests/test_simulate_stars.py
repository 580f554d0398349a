# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars: rest wavelengths, zero points, labels, and what remains without data."""

import numpy as np
import pytest
import torch
from _paths import TRAIN, needs
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate import STELLAR_LABELS, STELLAR_TYPES, Randomness
from astro_spectok.simulate.stars import STAR_FAMILIES, Stars
from astro_spectok.simulate.stellar_models import AnalyticStars
from astro_spectok.simulate.stellar_sets import OPTICAL, read_stars
from astro_spectok.simulate.stellar_types import TYPICAL_TEFF, find_type, find_type_of_teff, number_types
from astro_spectok.simulate.stellar_zero_points import measure_zero_points
from astro_spectok.simulate.templates import TemplateStore

needs_data = needs(TRAIN)
SPEED_OF_LIGHT = 299792.458


@pytest.fixture(scope="module")
def families(public_sets):
    """Every family, made once."""
    there = {name: family for name, (_, family) in STAR_FAMILIES.items() if family.usable(public_sets)}
    return {name: public_sets.make(family, "cpu") for name, family in there.items()}


@pytest.fixture(scope="module")
def bases(public_sets):
    """Model stars."""
    return public_sets.read("redrock_bases")


def check_objects(objects, n):
    """What must be true of any stars."""
    assert objects.flux.shape == (n, objects.grid.size)
    assert objects.flux.dtype == torch.float32
    assert objects.z.dtype == torch.float64
    assert len(objects.kind) == n
    assert (objects.cls == 2).all()
    assert objects.measurable.all()
    known = torch.isfinite(objects.flux)
    assert not torch.isinf(objects.flux).any()
    assert (objects.flux[known] >= 0).all()
    median = objects.flux.nanmedian(1).values
    assert ((median > 0.5) & (median < 2)).all()
    assert (objects.z.abs() <= 700.1 / SPEED_OF_LIGHT).all()
    assert ((objects.rotation > 0) & (objects.rotation < 251 / SPEED_OF_LIGHT)).all()
    assert ((objects.template_sigma > 1e-5) & (objects.template_sigma < 2e-2)).all()
    assert objects.line_flux.shape == objects.line_sigma.shape == objects.line_ln_wavelength.shape
    assert torch.isfinite(objects.line_flux).all()
    assert (objects.line_flux >= 0).all()
    assert set(objects.labels) - {"log_vbroad"} == set(STELLAR_LABELS)  # broadening only where it is a label
    assert objects.stellar_type.dtype == torch.int64
    assert ((objects.stellar_type >= -1) & (objects.stellar_type < len(STELLAR_TYPES))).all()


def find_trough(objects, row, centre, *, half=0.004):
    """Wavelength, in Angstrom, of the centroid of the core of an absorption line in one spectrum, and its depth."""
    x = objects.grid.ln_wavelength()
    inside = (x - np.log(centre)).abs() < half
    x, flux = x[inside], objects.flux[row, inside].double()
    absorbed = 1 - flux / flux.max()
    weight = (absorbed - 0.6 * absorbed.max()).clamp(min=0)
    return float(torch.exp((weight * x).sum() / weight.sum())), float(absorbed.max())


def test_analytic_stars_need_no_data():
    stars = Stars(TemplateStore(None))
    assert list(stars.families) == ["analytic"]
    objects = stars.draw(40, Randomness(3))
    check_objects(objects, 40)
    assert {"white dwarf", "M", "B"} <= set(objects.kind)


def test_stars_are_a_function_of_the_seed():
    stars = AnalyticStars()
    first, again, other = (stars.draw(5, Randomness(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.flux, again.flux)
    assert torch.equal(first.z, again.z)
    assert not torch.equal(first.flux, other.flux)


def test_analytic_hot_stars_have_hydrogen_where_it_belongs():
    objects = AnalyticStars().draw(200, Randomness(0))
    rows = [i for i, kind in enumerate(objects.kind) if kind in "BA"]
    assert len(rows) > 20
    for row in rows[:20]:
        for centre in (4862.68, 6564.61):
            found, depth = find_trough(objects, row, centre)
            assert abs(found / centre - 1) * SPEED_OF_LIGHT < 30
            assert depth > 0.1


@pytest.mark.parametrize(
    ("text", "kind"),
    [("B2Vne (58343)", "B"), ("esdM10", "M"), ("a47iv", "A"), ("WD:DA", "white dwarf"), ("CalciumWD", "white dwarf"),
     ("Carbon", "carbon"), ("dC", "carbon"), ("DC 10", "star"), ("CV", "CV"),
     ("sdF3 (140283)", "F"), ("L4.0", "L"), ("pickles_wk3iii", "K"), ("", "star"),
     ("HB", "star"), ("hd009051_stis_007", "star")],
)  # fmt: skip
def test_types_are_recognised(text, kind):
    assert find_type(text) == kind


def test_temperatures_have_letters():
    assert [find_type_of_teff(t) for t in (40000, 12000, 8000, 6500, 5700, 4500, 3300, 1800, 900)] == list("OBAFGKMLT")


def test_temperatures_of_giants_have_their_own_letters():
    """A giant of one type is cooler than a dwarf of the same, from F to M."""
    assert [find_type_of_teff(t, 4.5) for t in (5800, 5000, 3880)] == list("GKM")
    assert [find_type_of_teff(t, 2.0) for t in (5800, 5000, 3880)] == list("FGK")


@pytest.mark.parametrize(
    ("kind", "teff", "logg", "expected"),
    [("G", np.nan, np.nan, "G"), ("G", 8000.0, 4.0, "A"), ("white dwarf", 8000.0, 4.0, "WD"), ("CV", np.nan, 4.0, "CV"),
     ("carbon", 3300.0, 0.5, "C"), ("B", 12000.0, 8.1, "WD"), ("star", np.nan, np.nan, None),
     ("star", 3000.0, np.nan, "M")],
)  # fmt: skip
def test_types_are_numbered(kind, teff, logg, expected):
    """By temperature where it is known, but for what is no ordinary star."""
    assert number_types([kind], [teff], [logg]) == [-1 if expected is None else STELLAR_TYPES.index(expected)]


def test_every_kind_has_a_number():
    """But for stars that nothing is known of; each type has a kind."""
    unknown = [np.nan] * len(TYPICAL_TEFF)
    numbers = dict(zip(TYPICAL_TEFF, number_types(list(TYPICAL_TEFF), unknown, unknown), strict=True))
    assert numbers.pop("star") == -1
    assert sorted(numbers.values()) == list(range(len(STELLAR_TYPES)))


@needs_data
def test_nearly_every_star_has_a_type(families):
    """Of each family nine in ten at least."""
    for name, family in families.items():
        types = family.draw(100, Randomness(11)).stellar_type
        assert (types >= 0).float().mean() >= 0.9, name


@needs_data
@pytest.mark.parametrize("name", list(STAR_FAMILIES))
def test_every_family_draws_stars(families, name):
    objects = families[name].draw(30, Randomness(4))
    check_objects(objects, 30)
    again = families[name].draw(30, Randomness(4))
    assert torch.equal(torch.nan_to_num(objects.flux), torch.nan_to_num(again.flux))


@needs_data
def test_redrock_stars_include_white_dwarfs_and_cataclysmic_variables(families):
    kinds = families["redrock"].draw(400, Randomness(5)).kind
    assert 50 < kinds.count("white dwarf") < 120
    assert kinds.count("CV") > 2


@needs_data
@pytest.mark.parametrize(
    ("kind", "centre", "tolerance"),
    [("A", 4862.68, 12), ("A", 6564.61, 12), ("K", 8544.44, 10), ("K", 8664.52, 10), ("G", 8544.44, 10)],
)
def test_redrock_lines_are_at_rest(families, kind, centre, tolerance):
    objects = families["redrock"].draw(300, Randomness(6))
    rows = [i for i, k in enumerate(objects.kind) if k == kind]
    found = np.array([find_trough(objects, row, centre, half=0.0015) for row in rows])
    assert abs(np.median(found[:, 0]) / centre - 1) * SPEED_OF_LIGHT < tolerance
    assert np.median(found[:, 1]) > 0.15


@needs_data
def test_labels_are_dense_and_within_those_of_the_set(families):
    family = families["labelled"]
    labels = family.draw(300, Randomness(7)).labels
    teff = labels["teff"][torch.isfinite(labels["teff"])]
    stored = family.stars.labels[:, 0]
    stored = stored[torch.isfinite(stored)]
    assert len(teff) > 250
    assert teff.min() >= stored.min() - 1e-5
    assert teff.max() <= stored.max() + 1e-5
    assert len(torch.unique(teff)) > 200
    assert torch.isfinite(labels["fe_h"]).float().mean() > 0.6


@needs_data
def test_apogee_stars_have_all_labels(families):
    labels = families["apogee"].draw(50, Randomness(8)).labels
    assert all(torch.isfinite(labels[name]).all() for name in STELLAR_LABELS)
    assert labels["logg"].min() < 2.5
    assert labels["logg"].max() > 4.2


@needs_data
@pytest.mark.parametrize("shift", [-200.0, -40.0, -25.0, 0.0, 65.0, 180.0])
def test_shifts_are_measured(bases, shift):
    """Model stars moved by a known velocity, resampled to the pixels of SDSS, are found to have it."""
    x, target = np.log(bases["wave"]), np.arange(np.log(3700), np.log(9200), 2.3e-4)
    stars = np.concatenate([bases[f"coeff_{kind}"][5:9] @ bases[f"basis_{kind}"] for kind in "BAFGKM"])
    stars = gaussian_filter1d(stars, 2.5)  # about the resolution of SDSS
    moved = [np.interp(target - shift / SPEED_OF_LIGHT, x, star) for star in stars]
    every = np.ones(len(target), bool)
    found = measure_zero_points([target] * 24, moved, [every] * 24, bases)
    assert found.measured.all()
    assert found.consistent.all()
    np.testing.assert_allclose(found.shift * SPEED_OF_LIGHT, shift, atol=8)


@needs_data
def test_noise_has_no_zero_point(bases):
    x = np.arange(np.log(3700), np.log(9200), 2e-4)
    noise = np.random.default_rng(0).normal(1, 0.1, (4, len(x)))
    found = measure_zero_points([x] * 4, list(noise), [np.ones(len(x), bool)] * 4, bases)
    assert not found.measured.any()
    assert (found.shift == 0).all()


@needs_data
def test_stelib_is_brought_to_rest(public_sets):
    """The calcium triplet of the cool stars of STELIB, which are not all published at rest."""
    stars = read_stars(public_sets, ["stelib_real_stars"], OPTICAL)
    x = OPTICAL.ln_wavelength()
    inside = (x - np.log(8544.44)).abs() < 0.0012
    rows = [i for i, kind in enumerate(stars.kind) if kind in "GK" and torch.isfinite(stars.flux[i, inside]).all()]
    flux = stars.flux[rows][:, inside].double()
    weight = (flux.amax(1, keepdim=True) * 0.85 - flux).clamp(min=0)
    offset = ((weight * x[inside]).sum(1) / weight.sum(1) - np.log(8544.44)) * SPEED_OF_LIGHT
    assert len(rows) > 30
    assert abs(float(offset.nanmedian())) < 12
    assert float((offset - offset.nanmedian()).abs().nanmedian()) < 12
