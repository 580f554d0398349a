# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of few labels: what is learned from and scored, when a reading is ahead, and its table."""

import numpy as np
import pytest

from astro_spectok.adapt.features import BLOCKS, HEADS


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
    assert "with heads\n     - 30\n     - 1\n     - 1 (1)\n     - 0 (0)" in text
    assert "without heads\n     - 30\n     - 1\n     - 0 (0)\n     - 0 (0)" in text
    assert "not measured" in table.make_few_labels_table(None).lower()


@pytest.mark.parametrize("known", ["labels", "other labels", "none"])
def test_every_kind_of_knowledge_is_among_the_tasks(load, known):
    assert [one for one in load("_few_labels_tasks").FEW_TASKS if one.known == known]
