# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of depths: who is ahead of the linear one, and its tables."""

import pytest

ROW = {
    "task": "x",
    "score": "R2",
    "labels": 30,
    "scores": {"PCA-20": [0.4, 0.5], "CNN": [0.6, 0.6], "linear": [0.7, 0.9], "lora": [0.9, 0.9]},
    "fit_s": {"linear": [1.0, 1.0], "lora": [9.0, 9.0]},
}


def test_depths_are_compared_with_the_linear_one_in_the_mean(load):
    compare = load("depths").compare
    other = ROW | {"score": "scatter", "scores": {"linear": [0.2], "lora": [0.3]}}
    same = ROW | {"scores": {"linear": [0.2], "lora": [0.2]}}
    *counts, mean, worst = compare([ROW, other, same], ["lora"])["lora"]
    assert counts == [1, 1, 1]
    assert (mean, worst) == pytest.approx((0.0, -0.1))


def test_tables_show_scores_and_costs(load):
    make = load("_depths_table").make_depths_tables
    cost = {
        "depth": "lora",
        "n": 300,
        "pixels": 500.0,
        "fit_s": 61.2,
        "predict_s": 2.0,
        "memory_mb": 900.0,
        "gain": 0.4,
    }
    content = {"sha256": "a" * 64, "seeds": 2, "limit": 200, "rows": [ROW], "cost": [cost]}
    tables = make(content)
    order = [tables["depths"].index(x) for x in ("0.600 ± 0.000", "0.800 ± 0.100", "0.900 ± 0.000")]
    assert order == sorted(order)
    assert "- –\n     - 1 s\n     - 9 s" in tables["depths"]
    assert "at most 200 spectra of a set" in tables["depths"]
    assert "- 61\n     - 2\n     - 900\n     - 0.4" in tables["depths_cost"]
    assert "Not measured" in make(content | {"cost": []})["depths_cost"]
    assert "Not measured" in make(None)["depths"]
