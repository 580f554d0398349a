# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labelled stars of two libraries on one scale."""

import numpy as np

from astro_spectok.simulate.objects import RestGrid
from astro_spectok.simulate.stellar_library import StarLibrary, bring_to_scale, choose_left_out


def make_library(rng, n=200, shared=120):
    """Stars of two libraries, those of the second off by a trend; of the first noisy, and a few off by much."""
    truth = np.column_stack([rng.uniform(3.6, 3.9, n), rng.uniform(1, 4.8, n), rng.uniform(-2, 0.4, n)])
    off = np.array([0.004, 0.1, 0.02]) + (truth - truth.mean(0)) * [0.02, 0.05, 0.03]
    first = truth + rng.normal(0, [0.005, 0.1, 0.08], (n, 3))
    first[:8] += [0.1, 2.0, -1.0]
    names = [f"HD{k}" for k in range(n)]
    labels = np.concatenate([first, truth[:shared] + off[:shared]])
    member = np.repeat([0, 1], [n, shared])
    return StarLibrary(RestGrid(8.2, 1e-4, 3), np.zeros((n + shared, 3)), labels, member, names + names[:shared]), truth


def test_labels_are_brought_to_one_scale():
    """Those of the second library are moved to the scale of the first, of which other stars stay as they are."""
    library, truth = make_library(np.random.default_rng(2))
    made = bring_to_scale(library)
    assert np.array_equal(made[:120], made[200:])
    assert np.array_equal(made[120:200], library.labels[120:200])
    before, after = (np.median(x[200:] - truth[:120], axis=0) for x in (library.labels, made))
    assert (np.abs(after) < [0.003, 0.04, 0.03]).all()
    # of [Fe/H] the labels of the first library scatter by more than the two differ
    assert (np.abs(after) < np.abs(before))[:2].all()


def test_few_shared_stars_give_no_scale():
    """Nor do labels that are not known: they stay unknown."""
    library, _ = make_library(np.random.default_rng(3), shared=10)
    assert np.array_equal(bring_to_scale(library), library.labels)
    library, _ = make_library(np.random.default_rng(3))
    library.labels[150, 2] = np.nan
    made = bring_to_scale(library)
    assert np.isnan(made[150, 2])
    assert np.isfinite(np.delete(made, 150, axis=0)).all()


def test_a_star_is_left_out_of_both_libraries():
    """About a fifth of all, chosen by name alone."""
    names = [f"HD{k}" for k in range(2000)]
    left = choose_left_out(names)
    assert 0.17 < left.mean() < 0.23
    assert np.array_equal(choose_left_out(names[::-1]), left[::-1])


def test_stars_of_the_first_library_were_seen_by_what_it_trained():
    """Of those in both none is left out where networks go on that know the first."""
    names = [f"HD{k}" for k in range(2000)]
    member = np.repeat([0, 1], [2000, 2000])
    both = choose_left_out([*names, *names[:1000], *(f"HR{k}" for k in range(1000))], member)
    assert not both[:3000].any()
    assert 0.15 < both[3000:].mean() < 0.25
