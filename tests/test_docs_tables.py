# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The tables of the documentation say what the results say."""

import importlib.util
import json
from pathlib import Path

import pytest

from astro_spectok.weights import get_entry

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("write_tables", ROOT / "benchmarks" / "write_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_tables()


def test_tables_agree_with_results(tables):
    """Every table is the one that ``benchmarks/write_tables.py`` writes today, and none is left over."""
    folder = ROOT / "docs" / "_tables"
    assert {path.stem for path in folder.glob("*.rst")} == set(tables)
    for name, text in tables.items():
        assert (folder / f"{name}.rst").read_text() == text, f"run benchmarks/write_tables.py: {name} has changed"


def test_results_are_those_of_the_packaged_weights():
    """The figures in the model card were measured with the file that is installed."""
    content = json.loads((ROOT / "benchmarks" / "results" / "small_reconstruction.json").read_text())
    entry = get_entry("small")
    assert content["sha256"] == entry.sha256
    measured = {row["set"].removesuffix("_real"): row["chi2_net"] for row in content["sets"]}
    assert {f"chi2_{name}" for name in measured} >= set(entry.figures)
    for name, figure in entry.figures.items():
        assert figure == pytest.approx(measured[name.removeprefix("chi2_")], abs=0.006)
