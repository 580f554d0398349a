# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of simulated surveys: what is asked for is drawn, the same each time."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from _paths import TRAIN, needs

from astro_spectok.simulate import FAMILIES, Survey
from astro_spectok.simulate.instruments import choose_instrument


@pytest.fixture(scope="module")
def survey():
    """Of analytic templates, through all instruments."""
    return Survey()


def tensors_of(groups):
    """All arrays of a draw, NaN as a number."""
    out = []
    for group in groups:
        out += [*group.snr, group.objects.flux, group.objects.z, group.objects.cls]
        for observation in group.observations:
            out += [getattr(observation, field.name) for field in fields(observation)]
    return [torch.nan_to_num(tensor.double(), -1) for tensor in out]


def same(one, other):
    """Whether two draws are equal, bit by bit."""
    pairs = list(zip(tensors_of(one), tensors_of(other), strict=False))
    return len(one) == len(other) and all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def test_draw_is_a_function_of_the_seed(survey):
    """Not of what was drawn before, nor of the survey that draws."""
    first = survey.draw(6, 1, views=2, max_pixels=300)
    survey.draw(3, 9)
    assert same(survey.draw(6, 1, views=2, max_pixels=300), first)
    assert same(Survey().draw(6, 1, views=2, max_pixels=300), first)
    assert not same(survey.draw(6, 2, views=2, max_pixels=300), first)
    assert same(survey.draw(4, (3, 1), max_pixels=300), survey.draw(4, [3, 1], max_pixels=300))


@pytest.mark.parametrize(("n", "views"), [(1, 1), (9, 2), (40, 3)])
def test_every_object_is_seen_in_every_view(survey, n, views):
    """Families in order, as many objects as wanted, all arrays of matching length."""
    limits = [300, 200, 120][:views]
    groups = survey.draw(n, n, views=views, max_pixels=limits)
    order = [list(FAMILIES).index(group.family) for group in groups]
    assert order == sorted(order)
    assert sum(len(group.objects) for group in groups) == n
    for group in groups:
        assert len(group.observations) == len(group.instruments) == len(group.snr) == views
        for observation, instruments, snr, limit in zip(
            group.observations, group.instruments, group.snr, limits, strict=True
        ):
            assert len(observation) == len(instruments) == len(snr) == len(group.objects)
            assert observation.present.sum(1).tolist() == [len(instrument) for instrument in instruments]
            assert observation.present.sum(1).max() <= limit
            assert torch.isfinite(observation.flux).all()
            assert torch.isfinite(observation.truth[observation.ivar > 0]).all()
            assert (observation.ivar >= 0).all()


def test_no_objects(survey):
    """An empty draw."""
    assert survey.draw(0, 1) == []


@pytest.mark.parametrize("families", [["stars"], ["quasars", "galaxies"], ["sky", "blazars", "supernovae"]])
def test_families_asked_for_are_drawn(families):
    """And no others, in the order of `FAMILIES` whatever the order given."""
    groups = Survey(families=families).draw(24, 5, max_pixels=150)
    assert {group.family for group in groups} == set(families)
    other = Survey(families=families[::-1]).draw(24, 5, max_pixels=150)
    assert same(groups, other)


def test_shares_of_the_families(survey):
    """As often as their weights say."""
    counts = dict.fromkeys(FAMILIES, 0)
    for group in survey.draw(300, 11, max_pixels=80):
        counts[group.family] += len(group.objects)
    for name, (share, _) in FAMILIES.items():
        assert counts[name] / 300 == pytest.approx(share, abs=4 * np.sqrt(share / 300))


def test_instruments_asked_for_are_used():
    """All views through those of the survey, or each through its own."""
    survey = Survey(families=["stars"], instruments=["sdss", "desi"])
    (group,) = survey.draw(4, 1, views=2, max_pixels=400)
    assert {one.name for view in group.instruments for one in view} <= {"sdss", "desi"}
    (group,) = survey.draw(4, 1, views=2, max_pixels=400, instruments=[["boss"], ["lamost_lrs"]])
    assert [{one.name for one in view} for view in group.instruments] == [{"boss"}, {"lamost_lrs"}]


def test_instruments_may_be_chosen_by_a_function():
    """It is given the range in which the object is known, and the most pixels."""
    seen = []

    def choose(rng, low, high, max_pixels):
        seen.append((low, high, max_pixels))
        return choose_instrument(rng, low, high, max_pixels, ["sdss"])

    (group,) = Survey(families=["stars"]).draw(3, 1, views=2, max_pixels=(300, 200), instruments=[choose, ["random"]])
    assert {one.name for one in group.instruments[0]} == {"sdss"}
    assert {one.name for one in group.instruments[1]} == {"random"}
    assert len(seen) == 3
    assert all(low < high and limit == 300 for low, high, limit in seen)


def test_the_farthest_galaxies_are_seen_to_the_red_of_lyman_alpha():
    """Optical instruments would see nothing of them: the gas between is opaque."""
    groups = Survey(families=["galaxies"]).draw(400, 3, max_pixels=2000)
    seen = [
        (float(z), instrument.wavelength[-1])
        for group in groups
        for z, instrument in zip(group.objects.z, group.instruments[0], strict=True)
        if z > 7
    ]
    assert len(seen) >= 4
    assert all(reddest > 1215.67 * (1 + z) for z, reddest in seen)


@pytest.mark.parametrize(("given", "low", "high"), [(None, 0.3, 100), ((4.0, 6.0), 4, 6), ((20.0, 20.0), 20, 20)])
def test_snr(given, low, high):
    """Within the range, of the survey or of the draw; faint ones by default too."""
    for options, wanted in (({"snr": given}, {}), ({}, {"snr": given})):
        groups = Survey(families=["stars"], **options).draw(60, 2, max_pixels=80, **wanted)
        snr = torch.cat([group.snr[0] for group in groups])
        assert low * (1 - 1e-5) <= snr.min() <= snr.max() <= high * (1 + 1e-5)
        if given is None:
            assert 0.02 < (snr < 1).float().mean() < 0.35
        elif low < high:
            assert len(torch.unique(snr)) == 60


def test_noise_follows_the_snr_asked_for():
    """Flux over sigma of good pixels, in the middle, rises with it."""
    found = []
    for snr in (2.0, 50.0):
        (group,) = Survey(families=["stars"], instruments=["sdss"]).draw(4, 4, max_pixels=400, snr=(snr, snr))
        observation = group.observations[0]
        good = observation.ivar > 0
        found.append((observation.truth.abs() * observation.ivar.sqrt())[good].median().item())
    assert found[0] == pytest.approx(2, rel=0.6)
    assert found[1] == pytest.approx(50, rel=0.6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ["stars", "planets"]}, "families must be names out of galaxies, .*, got planets"),
        ({"families": []}, "families must be .*got none"),
        ({"snr": (0.0, 3.0)}, r"snr must be a range above zero, lowest first; got \(0.0, 3.0\)"),
        ({"snr": (9.0, 3.0)}, "snr must be a range above zero"),
        ({"snr": (1.0, float("nan"))}, "snr must be a range above zero"),
    ],
)
def test_wrong_settings_of_a_survey(options, message):
    """Are reported when it is made."""
    with pytest.raises(ValueError, match=message):
        Survey(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr": (-1.0, 3.0)}, "snr must be a range above zero"),
        ({"max_pixels": (100, 200)}, "max_pixels must be one for each of the 1 views; got 2"),
        ({"views": 2, "instruments": [["sdss"]]}, "instruments must be one for each of the 2 views; got 1"),
        ({"instruments": [["tardis"]]}, r"instruments must be .* got \['tardis'\]"),
        ({"instruments": [lambda *args, **kwargs: None]}, "instruments: one of the views sees none of the stars drawn"),
    ],
)
def test_wrong_draws(options, message):
    """Name the argument, and end."""
    with pytest.raises(ValueError, match=message):
        Survey(families=["stars"]).draw(2, 0, **options)


@needs(TRAIN)
def test_survey_of_the_public_sets():
    """Objects with labels through two instruments; real supernovae have types."""
    groups = Survey(TRAIN, families=["galaxies", "supernovae"]).draw(40, 1, views=2, max_pixels=300)
    assert sum(len(group.objects) for group in groups) == 40
    assert {group.family for group in groups} == {"galaxies", "supernovae"}
    for group in groups:
        for observation in group.observations:
            assert torch.isfinite(observation.flux).all()
            # of a handful of supernovae one may lie where its spectrum has a hole
            assert (observation.ivar > 0).any(1).float().mean() > 0.7
        if group.family == "galaxies":
            assert group.objects.labels["age"].isfinite().any()
        else:
            assert any(kind != "supernova" for kind in group.objects.kind)
