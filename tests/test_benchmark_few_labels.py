# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of few labels: what is learned from and scored, when a reading is ahead, and its table."""

import numpy as np
import pytest
from _paths import TEST, TRAIN, needs
from astropy import units as u

from astro_spectok.adapt.features import BLOCKS, HEADS
from astro_spectok.spectra import to_batch
from astro_spectok.training.transient_types import name_object, read_transients


def test_ahead_and_behind_by_the_error_of_the_mean_difference_and_by_the_scatter(load):
    compare = load("_draws").compare_draws
    row = {"score": "R2", "linear": [0.9, 0.8, 0.7], "PCA-20": [0.8, 0.7, 0.6], "flux": [0.7, 0.9, 0.5]}
    assert compare(row, "linear", ["PCA-20"]) == {"error": (True, False), "scatter": (True, False)}
    # differences of 0.2, -0.1, 0.2: mean 0.1, scatter 0.173, error of the mean 0.1 and a little less
    row["flux"] = [0.7, 0.899, 0.5]
    assert compare(row, "linear", ["PCA-20", "flux"]) == {"error": (True, False), "scatter": (False, False)}
    assert compare(row, "PCA-20", ["linear"])["scatter"] == (False, True)
    # of a scatter less is better
    assert compare(row | {"score": "scatter"}, "linear", ["PCA-20"])["error"] == (False, True)
    assert compare(row, "linear", ["PCA-20", "not there"])["error"] == (True, False)


def test_one_draw_tells_of_no_difference(load):
    row = {"score": "R2", "linear": [0.9], "flux": [0.1]}
    assert load("_draws").compare_draws(row, "linear", ["flux"]) == {"error": (False, False), "scatter": (False, False)}


def test_stars_that_the_head_has_seen_are_not_scored(load):
    tasks = load("_few_labels_tasks")
    (few,) = [one for one in tasks.FEW_TASKS if one.task.name == "[Fe/H] (CFLIB)"]
    names = np.array([f"HD{k}" for k in range(10000, 10400)])
    columns = {"object": names, "in_miles": np.arange(400) % 2 == 0}
    left = tasks.choose_left_out([tasks.name_star(one) for one in names])
    known = np.ones(400, bool)
    chosen, scored = tasks.choose_rows(few, [columns, columns], [known, known], 30, 0)
    assert len(chosen) == 30
    assert 10 < len(scored) < 100
    assert left[scored].all()
    assert not columns["in_miles"][scored].any()
    assert not set(chosen) & set(scored)


@needs(TEST / "sn_superfit_real.npz")
@needs(TRAIN / "sn_superfit_real.npz")
def test_supernovae_that_the_head_has_seen_are_not_scored():
    """None of the objects of the test set is in the library or among the training spectra, by name."""
    seen = {one.object for one in read_transients(TRAIN)}
    scored = {name_object(one) for one in np.load(TEST / "sn_superfit_real.npz")["origin"]}
    assert min(len(seen), len(scored)) > 10
    assert not seen & scored


def test_reading_is_that_of_the_estimator(load):
    """What heads say is learned from where it is among the blocks, and nowhere else."""
    few = load("few_labels")
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    blocks = {name: rng.normal(size=(80, 6)).astype(np.float32) for name in BLOCKS}
    blocks[HEADS] = np.stack([y, rng.normal(size=80)], 1).astype(np.float32)
    chosen, scored = np.arange(40), np.arange(40, 80)
    both = few.fit_reading((blocks, blocks), (*BLOCKS, HEADS), chosen, scored, y[chosen, None], False)
    without = few.fit_reading((blocks, blocks), BLOCKS, chosen, scored, y[chosen, None], False)
    assert np.corrcoef(both[:, 0], y[scored])[0, 1] > 0.95
    assert abs(np.corrcoef(without[:, 0], y[scored])[0, 1]) < 0.6


def test_table_names_the_best_baseline(load):
    table = load("_few_labels_table")
    row = {
        "task": "[Fe/H] (X)",
        "known": "other labels",
        "score": "scatter",
        "labels": 30,
        "asked": 30,
        "linear": [0.1],
    }
    row |= {"no heads": [0.2], "untrained": [0.3], "flux": [0.5], "PCA-20": [0.4]}
    text = table.make_few_labels_table({"sha256": "a" * 64, "seeds": 1, "rows": [row, row | {"asked": 10}]})
    assert text.count("[Fe/H] (X), scatter") == 1
    order = [text.index(f"{x:.3f} ± 0.000") for x in (0.4, 0.3, 0.2, 0.1)]
    assert order == sorted(order)
    assert "other stars" in text
    row |= {"linear": [0.1, 0.12, 0.11], "no heads": [0.4, 0.2, 0.3], "untrained": [0.3, 0.3, 0.3], "flux": [0.5] * 3}
    row["PCA-20"] = [0.4, 0.4, 0.4]
    text = table.make_ahead_table({"sha256": "a" * 64, "seeds": 3, "rows": [row]})
    assert "with heads\n     - 30\n     - 1\n     - 1\n     - 1\n     - 1 (1)\n     - 0 (0)" in text
    # its mean of 0.3 is below both baselines, and not below the 0.3 of the untrained network
    assert "without heads\n     - 30\n     - 1\n     - 1\n     - 0\n     - 0 (0)\n     - 0 (0)" in text
    assert "not measured" in table.make_few_labels_table(None).lower()


def test_rows_of_other_weights_stay_and_are_named(load):
    few, table = load("few_labels"), load("_few_labels_table")
    first, second, third = (one.task.name for one in few.FEW_TASKS[:3])
    row = {"known": "none", "score": "R2", "labels": 30, "asked": 30, "linear": [0.1], "no heads": [0.2]}
    row |= {"untrained": [0.3], "flux": [0.5]}
    before = {"sha256": "a" * 64, "rows": [row | {"task": name} for name in (first, second, third)]}
    rows = few.add_others([row | {"task": second, "sha256": "b" * 64}], before)
    assert [one["task"] for one in rows] == [first, second, third]
    text = table.make_few_labels_table({"sha256": "b" * 64, "seeds": 1, "rows": rows})
    assert f"Weights {'a' * 12}, but {'b' * 12} for {second}; means" in text


@pytest.mark.parametrize("known", ["labels", "other labels", "none"])
def test_every_kind_of_knowledge_is_among_the_tasks(load, known):
    assert [one for one in load("_few_labels_tasks").FEW_TASKS if one.known == known]


def test_what_was_measured_is_kept_for_the_same_weights_alone(load, tmp_path):
    kept = load("_kept").Kept
    first = kept(tmp_path / "figures.json", {"sha256": "a"})
    first.write(rows=[1, 2])
    assert kept(tmp_path / "figures.json", {"sha256": "a"}).content["rows"] == [1, 2]
    assert "rows" not in kept(tmp_path / "figures.json", {"sha256": "b"}).content
    first.remove()
    assert "rows" not in kept(tmp_path / "figures.json", {"sha256": "a"}).content


def test_stars_are_seen_as_another_survey_sees_them(load):
    """Pixels of 0.8 Angstrom with the noise that is asked for, bad where the library has a gap; labels are found."""
    transfer = load("transfer")
    wavelength = np.concatenate([np.arange(3500, 5000, 0.9), np.arange(5040, 7700, 0.9)])
    flux = np.full(len(wavelength), 3.0) * transfer.UNIT
    batch = to_batch([(wavelength * u.AA, flux, 0.01 * flux)], medium="vacuum")
    x, seen, sigma = transfer.observe(batch, 0, np.random.default_rng(1))
    bad = ~np.isfinite(seen.value)
    np.testing.assert_array_equal(bad, (x.value > 4999.5) & (x.value < 5040))
    snr = np.nanmedian(seen.value) / sigma.value[0]
    assert 9.9 < snr < 30.1
    assert np.nanstd(seen.value) == pytest.approx(sigma.value[0], rel=0.05)

    rng = np.random.default_rng(0)
    true = {name: rng.normal(size=60) for name in transfer.VALUES}
    said = {name: values + 0.1 * rng.normal(size=60) for name, values in true.items()}
    blocks = {name: rng.normal(size=(60, 5)).astype(np.float32) for name in BLOCKS}
    blocks[HEADS] = np.stack([said["feh"] / 0.6, rng.normal(size=60)], 1).astype(np.float32)
    (row, other, *_) = transfer.measure(
        "x", (blocks, said, true, (np.array([0.6, np.nan]), np.array([0, -1]))), [40], 2
    )
    assert row["head"] == pytest.approx(0.1, abs=0.03)
    assert row["linear"] < 1.5 * row["head"]
    assert row["no heads"] > 0.5
    assert other["scale"] == "stretched"
    assert other["linear"] < other["head"]
