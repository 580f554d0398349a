# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of the representation: its figures of merit, its baselines, and what it opens."""

import numpy as np
import pytest
import torch
from _paths import TEST, needs
from numpy.testing import assert_allclose

from astro_spectok.heads import ModelConfig
from astro_spectok.network import build_network, get_config
from astro_spectok.spectra import to_batch
from astro_spectok.training.checkpoint import write_checkpoint


def make_batch(n=6, pixels=400):
    """Spectra that differ in the depth of one line, on one grid."""
    from astropy import units as u

    wavelength = np.linspace(4000, 4400, pixels)
    line = np.exp(-0.5 * ((wavelength - 4200) / 6) ** 2)
    return to_batch(
        [(wavelength * u.AA, (1 - 0.08 * k * line) * u.Jy, np.full(pixels, 0.01) * u.Jy) for k in range(n)],
        medium="vacuum",
    )


def test_a_line_is_met_by_the_straight_line_and_one_in_it_is_not(load):
    """Over a slope the interpolation is exact; where a line was hidden, it is off by its depth."""
    hidden = load("_representation_hidden")
    x, shown = np.arange(200.0), np.ones(200, bool)
    shown[90:120] = False
    slope = 1 + 0.01 * x
    assert_allclose(hidden.interpolate_line(x, slope, np.ones(200), shown), slope, atol=1e-9)
    deep = slope - np.where(np.arange(200) == 100, 0.5, 0)
    guess = hidden.interpolate_line(x, deep, np.ones(200), shown)
    assert guess[100] - deep[100] == pytest.approx(0.5)


def test_hidden_blocks_are_a_fifth_and_halves_a_half(load):
    hidden = load("_representation_hidden")
    rng = np.random.default_rng(1)
    shares = np.array([hidden.hide_blocks(3000, rng).mean() for _ in range(50)])
    assert (shares >= 0.2).all()
    assert (shares < 0.23).all()
    sides = [hidden.hide_half(100, rng) for _ in range(20)]
    assert {int(side.sum()) for side in sides} == {50}
    assert len({bool(side[0]) for side in sides}) == 2


def test_components_find_a_line_that_its_neighbours_tell_of(load):
    """Where two lines always come together, one that is hidden is found from the other."""
    hidden = load("_representation_hidden")
    x = np.linspace(0, 1, 300)
    both = np.exp(-0.5 * ((x - 0.3) / 0.02) ** 2) + 2 * np.exp(-0.5 * ((x - 0.7) / 0.02) ** 2)
    depths = np.random.default_rng(2).uniform(0, 0.3, 40)
    rows = 1 - depths[:, None] * both
    edges = 0.5 * (x[1] - x[0])
    known = hidden.SurveyComponents(rows[1:], x[0] - edges, x[-1] + edges)
    shown = np.abs(x - 0.7) > 0.1
    guess = known.predict(x, rows[0], np.full(300, 1e6), shown)
    assert_allclose(guess, rows[0], atol=0.01)


def test_components_of_a_library_find_a_line_at_its_redshift(load):
    """Two lines that always come together, at rest: one is found from the other in an object that has moved."""
    rest = load("_rest_components")
    known = object.__new__(rest.RestComponents)
    known.step, known.x = 1e-3, np.arange(np.log(4000), np.log(5000), 1e-3)
    both = sum(np.exp(-0.5 * ((known.x - np.log(line)) / 4e-3) ** 2) for line in (4300, 4700))
    known.mean, known.basis = -0.3 * both, np.stack([0.3 * both, np.ones_like(both)])
    known.variance = np.full(len(known.x), 1e-5)
    wavelength = np.linspace(4100 * 1.1, 4900 * 1.1, 900)
    lines = sum(np.exp(-0.5 * ((np.log(wavelength / 1.1) - np.log(line)) / 4e-3) ** 2) for line in (4300, 4700))
    flux, shown = 7 * np.exp(-0.6 * lines), np.abs(wavelength / 1.1 - 4700) > 60
    guess = known.predict(wavelength, flux, np.full(900, 1e6), shown, 0.1)
    assert_allclose(guess, flux, rtol=0.03)


def test_ridge_learns_a_linear_map_and_does_not_follow_noise(load):
    probes = load("_representation_probes")
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=(60, 8)), rng.normal(size=(8, 2))
    fit = probes.fit_ridge(x, x @ weights + 3)
    more = rng.normal(size=(20, 8))
    assert_allclose(fit(more), more @ weights + 3, atol=0.01)
    nothing = probes.fit_ridge(rng.normal(size=(40, 200)), rng.normal(size=(40, 1)))
    assert np.std(nothing(rng.normal(size=(500, 200)))) < 0.5


def test_scores_of_classes_count_each_class_the_same(load):
    probes = load("_representation_probes")
    labels, names = np.array(["A"] * 9 + ["B"]), np.array(["A", "B"])
    assert probes._score(labels, np.tile([1.0, 0.0], (10, 1)), names) == 0.5
    values = np.arange(10.0)
    assert probes._score(values, values[:, None], None) == 1
    assert probes._score(values, values[:, None] + 5, None, scatter=True) == 0


def test_no_object_is_learned_from_and_scored(load):
    probes = load("_representation_probes")
    task = probes.Task("t", ("test/a",), ("test/a",), None, "object")
    objects = np.repeat(np.arange(20), 2)
    columns = ({"object": objects},) * 2
    chosen, scored = probes._split(task, columns, [np.ones(40, bool)] * 2, None, 0)
    assert not set(objects[chosen]) & set(objects[scored])
    assert len(chosen) == len(scored) == 20


def test_effective_rank_counts_directions(load):
    spectra = load("_representation_spectra")
    axes = np.concatenate([np.eye(8), -np.eye(8)])
    assert spectra.effective_rank(axes) == pytest.approx(8)
    assert spectra.effective_rank(axes * np.array([1.0, *[1e-6] * 7])) == pytest.approx(1, abs=1e-3)


def test_an_object_is_found_by_what_does_not_change(load):
    """Vectors of lines find each spectrum after an error of calibration that vectors of flux do not."""
    pairs = load("_representation_pairs")
    batch = make_batch()
    warped = pairs.warp_batch(batch, np.random.default_rng(4))
    first, second = (b.flux[b.pixels(3)] for b in (batch, warped))
    assert 1.05 < np.max(second / first) <= 1.3 + 1e-4
    assert pairs.find_rank(np.eye(3), np.eye(3), np.arange(3)).tolist() == [0, 0, 0]
    assert pairs.find_rank(np.eye(3)[[1, 0, 2]], np.eye(3), np.arange(3)).tolist() == [2, 2, 0]  # ties are no finds
    assert pairs.normalise_name("HD_000123") == pairs.normalise_name("HD123")


def test_a_checkpoint_is_opened_as_the_network_in_it(load, tmp_path):
    spectra = load("_representation_spectra")
    network = build_network(get_config("tiny"))
    optimizer = torch.optim.AdamW(network.parameters())
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(
        path, network, optimizer, 3, {"network": ModelConfig.from_network(network).to_dict(), "training": {}}
    )
    runner = spectra.open_runner(path)
    assert torch.equal(runner.network.input.weight, network.input.weight)
    other = spectra.make_untrained(runner)
    assert other.network.config == network.config
    assert not torch.equal(other.network.input.weight, network.input.weight)


def test_hidden_pixels_do_not_reach_the_network(load):
    """What stands in hidden pixels changes no token; a spectrum of which nothing is left has none."""
    spectra = load("_representation_spectra")
    runner = spectra.make_untrained(spectra.open_runner(None))
    batch = make_batch(2)
    ivar = batch.ivar.copy()
    ivar[100:200], ivar[400:] = 0, 0
    first, none = spectra.encode_spectra(runner, batch, ivar=ivar)
    assert none is None or not none.good.any()
    batch.flux[100:200] = 1e3
    again, _ = spectra.encode_spectra(runner, batch, ivar=ivar)
    assert_allclose(again.values, first.values)


@needs(TEST / "miles_real_stars.npz")
def test_the_packaged_weights_are_measured(load):
    """One part of the benchmark, on the real set with the fewest spectra."""
    pairs, spectra = load("_representation_pairs"), load("_representation_spectra")
    rows = pairs.measure_ranks(spectra.open_runner(None), TEST, ["miles_real_stars"], limit=8)
    assert rows[0]["n"] == 8
    assert 1 < rows[0]["embed"] <= 8


def test_table_says_where_components_of_the_survey_have_no_skill_themselves(load):
    table = load("_representation_table")
    row = {"set": "x", "n": 9, "decode": [0.3, 0.1], "net": [0.1, 0.1], "within_1": 0.7, "within_2": 0.9}
    surveys = [0.5, 0.1], [0.1, 0.2], None
    content = {"sha256": "a" * 64, "hidden_half": [row | {"survey": survey} for survey in surveys]}
    text = table.make_representation_tables(content)["hidden"]
    assert text.count("- 0.60\n") == 1
    assert text.count("PPCA has no skill") == 1
