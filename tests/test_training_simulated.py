# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of simulated observations as training examples."""

import dataclasses

import numpy as np
import pytest
import torch

from astro_spectok.simulate import STELLAR_TYPES, Survey
from astro_spectok.training.simulated import pair_views

FAMILIES = ("galaxies", "quasars", "stars", "blends", "supernovae", "sky", "blazars")


@pytest.fixture(scope="module")
def groups():
    """Objects of each family, seen by two instruments."""
    return {
        name: group
        for k, name in enumerate(FAMILIES)
        for group in Survey(families=[name]).draw(4, k, views=2, max_pixels=(500, 300))
    }


def make_pairs(group, seed=0, target_pixels=400):
    """Pairs of a group."""
    return pair_views(group, np.random.default_rng(seed), target_pixels)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_object_gives_two_finite_views(groups, name):
    """In order, within limits, with something good on either side: of blank sky as well."""
    pairs = make_pairs(groups[name])
    assert len(pairs) >= len(groups[name].objects) - 1
    for pair in pairs:
        assert len(pair) == 2
        for view, limit in zip(pair, (500, 300), strict=True):
            assert view.name == name
            assert 32 <= np.count_nonzero(view.ivar) <= len(view.ivar) == len(view.flux) <= limit
            assert 16 <= np.count_nonzero(view.target_ivar) <= len(view.target_flux) <= 400
            for array in (view.ln_wavelength, view.flux, view.ivar, view.target_flux, view.target_ivar):
                assert np.isfinite(array).all()
            assert (np.diff(view.ln_wavelength) > 0).all()
            assert (np.diff(view.target_ln_wavelength) > 0).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_truth_is_that_of_the_object(groups, name):
    """Class, redshift and labels of both views; an object without a redshift cannot be distinguished from others."""
    group = groups[name]
    objects = group.objects
    every = dict(zip(np.log1p(objects.z.numpy()).round(12), range(len(objects)), strict=True))
    for one, other in make_pairs(group):
        assert one.truth is other.truth
        i = every[round(one.truth.ln_one_plus_z, 12)]
        assert one.truth.cls == objects.cls[i]
        assert one.truth.stellar_type == (*STELLAR_TYPES, "")[objects.stellar_type[i]]
        assert (one.truth.stellar_type != "") == (name == "stars")
        assert one.truth.measurable == bool(objects.measurable[i])
        assert one.truth.aligned <= one.truth.measurable
        assert one.truth.measurable == (name not in ("sky", "blazars"))
        for label, values in objects.labels.items():
            np.testing.assert_equal(one.truth.labels[label], values[i].item())


@pytest.mark.parametrize(
    ("snr", "instruments", "aligned"),
    [((10, 20), ["sdss"], True), ((0.3, 1.5), ["sdss"], False), ((10, 20), ["mixed"], False)],
)
def test_only_views_that_can_be_compared_are_aligned(snr, instruments, aligned):
    """Both with enough signal, and with a range of wavelengths in common."""
    survey = Survey(families=["galaxies"], snr=snr)
    seen_by = [["sdss"], ["apogee" if instruments == ["mixed"] else "sdss"]]
    (group,) = survey.draw(4, 5, views=2, max_pixels=4000, instruments=seen_by)
    assert {view.truth.aligned for pair in make_pairs(group) for view in pair} == {aligned}


def test_blank_sky_wants_nothing():
    """A target of zeros with a finite weight, a small part of the noise; no class, no redshift, no partner."""
    (group,) = Survey(families=["sky"]).draw(4, 3, views=2, max_pixels=400)
    for pair in make_pairs(group):
        for view in pair:
            known = view.target_ivar > 0
            assert not view.target_flux[known].any()
            assert 0 < view.target_ivar[known].min() <= view.target_ivar.max() < 1e8
            noise = np.median(view.ivar[view.ivar > 0]) ** -0.5
            assert view.target_ivar[known].max() ** -0.5 < 0.2 * noise
            assert (view.truth.cls, view.truth.measurable, view.truth.aligned) == (-1, False, False)


def test_views_depend_on_the_generator_alone(groups):
    """Same seed, same pairs; another seed hides other pixels."""
    one, same, other = (make_pairs(groups["stars"], seed)[0][0] for seed in (1, 1, 2))
    for name in ("flux", "ivar", "target_flux", "target_ivar", "resolution", "target_resolution"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.ivar, other.ivar)


def test_resolution_is_given_in_part_of_the_draws(groups):
    """Per pixel, as the instrument has it; NaN otherwise."""
    given = [view.resolution for seed in range(20) for pair in make_pairs(groups["quasars"], seed) for view in pair]
    known = [np.ndim(resolution) == 1 and np.isfinite(resolution).all() for resolution in given]
    assert 0.3 < np.mean(known) < 0.7
    assert all(np.ndim(resolution) == 1 or np.isnan(resolution) for resolution in given)
    wanted = [view.target_resolution for seed in range(20) for view in make_pairs(groups["quasars"], seed)[0]]
    assert 0.2 < np.mean(np.isfinite(wanted)) < 0.8


def test_wanted_is_the_truth_of_one_of_the_instruments(groups):
    """Mostly of the own, now and then of the other, where fluxes can be compared; never with noise."""
    group = groups["galaxies"]
    calibrated = [dataclasses.replace(one, calibrated=True, normalised=False) for one in group.instruments[0]]
    counts = []
    for instruments in ([calibrated, calibrated], [[dataclasses.replace(c, calibrated=False) for c in calibrated]] * 2):
        group = dataclasses.replace(group, instruments=instruments)
        grids = [observation.ln_wavelength.numpy() for observation in group.observations]
        pairs = [pair for seed in range(25) for pair in make_pairs(group, seed, 10**6)]
        own = [
            any(np.isin(view.target_ln_wavelength, row).all() for row in grids[k])
            for pair in pairs
            for k, view in enumerate(pair)
        ]
        counts.append(np.mean(own))
    assert 0.5 < counts[0] < 0.9
    assert counts[1] == 1


def test_wanted_flux_is_that_of_the_simulator(groups):
    """Over the median of what is shown, on the same pixels."""
    group = groups["stars"]
    raw = [[dataclasses.replace(one, calibrated=False) for one in view] for view in group.instruments]
    group = dataclasses.replace(group, instruments=raw)
    truth, present = group.observations[0].truth.numpy(), group.observations[0].present.numpy()
    for i, (view, _) in enumerate(make_pairs(group, target_pixels=10**6)):
        rows = [k for k in range(len(truth)) if np.count_nonzero(present[k]) == len(view.target_flux)]
        ratios = []
        for row in rows:
            known = view.target_ivar > 0
            ratio = view.target_flux[known] / truth[row][present[row]][known]
            ratios.append(np.std(ratio) / np.mean(ratio))
        assert min(np.abs(ratios)) < 1e-4, i


def test_objects_with_too_few_good_pixels_are_left_out(groups):
    """In one of the views is enough."""
    group = groups["stars"]
    observation = group.observations[1]
    ivar = observation.ivar.clone()
    ivar[0] = 0
    corrupted = dataclasses.replace(
        group, observations=[group.observations[0], dataclasses.replace(observation, ivar=ivar)]
    )
    lost = np.log1p(group.objects.z[0].item())
    left = [pair[0].truth.ln_one_plus_z for pair in make_pairs(corrupted)]
    assert len(left) == len(make_pairs(group)) - 1
    assert lost not in left
    nothing = [dataclasses.replace(o, ivar=torch.zeros_like(o.ivar)) for o in group.observations]
    assert make_pairs(dataclasses.replace(group, observations=nothing)) == []
