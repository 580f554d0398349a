# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The tables of the documentation say what the results say."""

import json
import re
from pathlib import Path

import pytest

from astro_spectok.weights import get_entry

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SNR = {"snr_low": 2, "snr_high": None}
FIGURES = {
    "n": 7, "class_right": 0.5, "within_0033": 0.25, "within_01": 1.0, "median_dv": -12.34, "nmad_dv": 4321.0,
    "median_abs_dv": 5.0, "confident": 0.125, "purity": None, "coverage": 0.75, "pull_width": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(load):
    return load("write_tables").make_tables()


def test_tables_agree_with_results(tables):
    """Every table is the one that ``benchmarks/write_tables.py`` writes today, and none is left over."""
    folder = ROOT / "docs" / "_tables"
    assert {path.stem for path in folder.glob("*.rst")} == set(tables)
    for name, text in tables.items():
        assert (folder / f"{name}.rst").read_text() == text, f"run benchmarks/write_tables.py: {name} has changed"


def test_every_table_is_shown(tables):
    """What the pages include is there, and nothing is made that no page includes."""
    pages = "".join(path.read_text() for folder in ("docs", "docs/dev") for path in (ROOT / folder).glob("*.rst"))
    shown = re.findall(r"include:: (?:\.\./)?_tables/(\w+)\.rst", pages)
    assert sorted(shown) == sorted(tables)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*_real_spectra.json")), ids=lambda path: path.stem)
def test_redshifts_are_those_of_the_weights(path):
    """The redshifts and bars in the model card were measured with the file that the registry names, on everything."""
    content = json.loads(path.read_text())
    assert content["sha256"] == get_entry(path.stem.removesuffix("_real_spectra")).sha256
    assert content["limit"] is None
    assert "simulated" in content


def test_results_are_those_of_the_packaged_weights():
    """The figures in the model card were measured with the file that is installed."""
    content = json.loads((RESULTS / "small_reconstruction.json").read_text())
    entry = get_entry("small")
    assert content["sha256"] == entry.sha256
    measured = {row["set"].removesuffix("_real"): row["chi2_net"] for row in content["sets"]}
    assert {f"chi2_{name}" for name in measured} >= set(entry.figures)
    for name, figure in entry.figures.items():
        assert figure == pytest.approx(measured[name.removeprefix("chi2_")], abs=0.006)


def test_files_are_those_of_the_packaged_weights():
    """The single files in the model card were measured with the file that is installed."""
    content = json.loads((RESULTS / "small_files.json").read_text())
    assert content["sha256"] == get_entry("small").sha256
    assert len(content["files"]) == 16


def make_content(**simulated):
    """A file of results with one row of each kind."""
    pair = {"pair": "r600", "noise": "as real", "method": "embedding", "n": 40}
    kind = {"family": "stars", "kind": "M", "right": 0.875} | FIGURES
    return {
        "sha256": "0123456789abcdef", "limit": None,
        "redshift": [{"set": "lamost", "class": "STAR"} | SNR | FIGURES,
                     {"set": "lamost", "class": "all", "snr_low": None, "snr_high": None} | FIGURES],
        "no_redshift": [{"set": "sky", "n": 3, "confident": 0.333333, "median_p": 0.5}],
        "types": [{"set": "spex", "type": "L", "n": 8, "exact": 0.75, "near": 0.875, "stated": None}],
        "retrieval": [{"method": "flux", "recall": 0.25, "n": 8}],
        "bars": [{"name": "a |dz| b", "bar": "0.7", "measured": 0.6, "met": False, "n": 5},
                 {"name": "c", "bar": "<= 0.02", "measured": None, "met": None, "n": 0}],
        "simulated": {
            "retrieval": [pair | {"class": "all", "recall": 0.5}, pair | {"class": "STAR", "recall": 0.125}],
            "held_out": [{"instrument": "galah", "twin": "", "n": 30, "right": 0.9, "right_twin": 0.95, "loss": 0.05,
                          "loss_error": 0.021, "trained": False, "right_own": 0.91, "right_alike": 0.92,
                          "loss_alike": 0.01, "loss_alike_error": 0.012},
                         {"instrument": "fors", "twin": None, "n": 40, "right": None, "right_twin": None, "loss": None,
                          "loss_error": None, "trained": True, "right_own": 0.8, "right_alike": 0.7,
                          "loss_alike": -0.1, "loss_alike_error": 0.05}],
            "redshift": [kind | {"snr_low": 1, "snr_high": 100}, kind | {"snr_low": 3, "snr_high": 10, "right": 1.0},
                         kind | {"kind": "G", "snr_low": 1, "snr_high": 100, "right": 0.0}],
            "no_redshift": [{"family": "blazars", "n": 4, "confident": 0.75}],
            "reconstruction": [{"noise": "as stated", "n": 6, "median": 1.014, "p16": 0.9, "p84": 1.2}],
        } | simulated,
    }  # fmt: skip
