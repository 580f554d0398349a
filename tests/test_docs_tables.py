# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The tables of the documentation say what the results say."""

import importlib
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
def load():
    """Import a script of the benchmarks by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module


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


def test_files(load):
    """Each figure of a file lands in its own cell, and what is not known is a dash."""
    row = {"what": "GALAH", "class_known": None, "z_known": None, "class": "STAR", "z": 1.23456, "z_err": 0.1,
           "p_best": 0.98765, "zwarn": ["TWO_PEAKS", "AT_EDGE"], "snr": 12.34}  # fmt: skip
    rows = [row, row | {"class_known": "QSO", "z_known": 2.5, "zwarn": []}]
    text = load("_files_table").make_files_table({"sha256": "0123456789abcdef", "files": rows})
    cells = [block.strip().split("\n     - ") for block in text.split("\n   * - ")[2:]]
    assert cells[0] == ["GALAH", "–", "–", "STAR", "1.2346 ± 0.1000", "0.988", "TWO_PEAKS, AT_EDGE", "12.3"]
    assert cells[1][1:3] + cells[1][6:7] == ["QSO", "2.5000", "0"]
    assert "archive_files.py" in load("_files_table").make_files_table(None)


def make_content(**simulated):
    """A file of results with one row of each kind."""
    pair = {"pair": "r600", "noise": "as real", "method": "embedding", "n": 40}
    kind = {"family": "stars", "kind": "M", "right": 0.875} | FIGURES
    return {
        "sha256": "0123456789abcdef", "limit": None,
        "redshift": [{"set": "lamost", "class": "STAR"} | SNR | FIGURES,
                     {"set": "lamost", "class": "all", "snr_low": None, "snr_high": None} | FIGURES],
        "no_redshift": [{"set": "sky", "n": 3, "confident": 0.333333, "median_p": 0.5}],
        "labels": [{"set": "miles", "label": "teff", "n": 9, "offset": 8.0, "scatter": 123.4, "stated": 99.0,
                    "coverage": 0.5},
                   {"set": "miles", "label": "logg", "n": 0, "offset": None, "scatter": None, "stated": None,
                    "coverage": None}],
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


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("bars", ["a \\|dz\\| b", "0.7", "0.600", "**no**", "5"]),
        ("bars", ["c", "<= 0.02", "–", "not measured", "0"]),
        ("redshifts", ["lamost", "all", "7", "0.500", "0.250", "1.000", "-12.3", "4321", "0.125", "–", "0.75"]),
        ("redshifts_snr", ["lamost", "STAR", "> 2", "7", "0.500", "0.250", "1.000", "-12.3", "4321", "0.125", "–",
                           "0.75"]),
        ("labels", ["miles", "teff", "9", "8.000", "123", "99.000", "0.500"]),
        ("types", ["spex", "L", "8", "0.750", "0.875", "–"]),
        ("nothing", ["sky", "3", "0.333"]),
        ("nothing", ["simulated blazars", "4", "0.750"]),
        ("repeats", ["flux", "8", "0.250"]),
        ("simulated_redshifts", ["stars", "M", "0.875 (7)", "1.000 (7)"]),
        ("simulated_redshifts", ["stars", "G", "0.000 (7)", "–"]),
        ("simulated_instruments", ["galah", "30", "0.910", "0.920", "1.0 ± 1.2", "–", "0.900", "0.950", "5.0 ± 2.1"]),
        ("simulated_instruments", ["fors (trained)", "40", "0.800", "0.700", "-10.0 ± 5.0", "–", "–", "–", "–"]),
        ("simulated_retrieval", ["SDSS, R 600", "as real", "embedding", "0.500", "0.125"]),
        ("simulated_chi2", ["as stated", "6", "1.01", "0.90", "1.20"]),
    ],
)  # fmt: skip
def test_rows_of_tables(load, name, row):
    """Each figure lands in its own column."""
    made = load("_redshift_tables").make_redshift_tables(make_content())
    rows = [block.strip().split("\n     - ") for block in made[name].split("\n   * - ")[1:]]
    assert row in rows
    assert {len(cells) for cells in rows} == {len(row)}


def test_training_of_parts_is_told_after_what_came_before(load, monkeypatch):
    """One run as it is; a second one, of some parts, follows the first."""
    module = load("write_tables")
    run = {
        "wavelength_range": [2000.0, 9000.0], "steps_done": 1234, "batch_tokens": 512, "spectra": 99, "seconds": 7200,
        "device": "cpu", "torch_version": "2.9", "learning_rate": 1e-3, "hide_fraction": 0.15, "seed": 1,
    }  # fmt: skip
    for training in (run, run | {"steps_done": 77, "train_only": ["norm", "type_head"], "before": run}):
        monkeypatch.setattr(module, "read_metadata", lambda _, training=training: {"training": training})
        text = module.describe_training("small")
        assert text.startswith("1,234 steps of 512 tokens, 99 random views")
        assert text.endswith("(percentiles 1 and 99).\n")
        assert ("After that norm, type_head alone: 77 steps" in text) == ("before" in training)


def test_speeds(load):
    """Each rate lands in its own cell; what training draws and consumes is told below."""
    text = load("write_tables").make_speed_table({
        "templates": "analytic templates", "devices": {"cpu": "Abacus 3", "cuda": "Loom"}, "torch": "2.9",
        "rates": {"1 thread": {"stars": 123.4, "all": 56.7}, "cuda": {"stars": 8901.2, "all": 345.6}},
        "training": [{"config": "small", "device": "cuda", "consumed": 66.6, "loaded": 77.7}],
    })  # fmt: skip
    rows = [block.split("\n\n")[0].strip().split("\n     - ") for block in text.split("\n   * - ")[1:]]
    assert rows == [["family", "1 thread", "cuda"], ["``stars``", "123", "8901"], ["all, in their shares", "57", "346"]]
    assert "analytic templates; Abacus 3, Loom; PyTorch 2.9" in text
    assert "``small`` on Loom consumes 67 spectra a second; one process that loads data for it draws 78." in text


def test_sizes(load):
    """Each figure of a variant lands in its own cell, and what nobody has measured is told."""
    make = load("_sizes_table").make_sizes_table
    row = {
        "variant": "width 96", "redshift": 2.5, "right_class": 0.75, "loss": -0.125, "right": 0.875, "measured": 700,
        "median_abs_dv": None, "ms": 7.25, "megabytes": 8.94, "spectra": 7800, "spectra_per_s": 65.0, "validation": 800,
    }  # fmt: skip
    settings = {"seconds": 120.0, "device": "Abacus 3", "templates": "analytic templates"}
    text = make({"settings": settings, "variants": [row]})
    rows = [block.strip().split("\n     - ") for block in text.split("\n   * - ")[1:]]
    assert rows[1] == ["width 96", "2.500", "0.875", "0.750", "–", "-0.125", "7800", "65.0", "7.2", "8.9"]
    assert len(rows[0]) == len(rows[1])
    assert "after 120 s of one thread of Abacus 3 each, analytic templates; 800 validation spectra, 700" in text
    assert "benchmarks/sizes.py" in make(None)


def test_speeds_are_measured(load):
    """The script times what it says, with the training as it is now."""
    script = load("simulate")
    rates = script.measure_families(None, "cpu", 1, 0.0)
    assert set(rates) == {*script.FAMILIES, "all"}
    assert all(rate > 0 for rate in rates.values())
    row = script.measure_training(None, "tiny", "cpu", 0.0)
    assert row["loaded"] > 0
    assert row["consumed"] > 0
    assert row["batch"] >= 2
    assert script.name_devices()["cpu"]


def test_what_was_not_measured_is_said(load):
    """Without simulated spectra, labels or repeats the tables say so; those that are measured are tables."""
    tables = load("_redshift_tables")
    content = make_content() | {"labels": [], "retrieval": []}
    del content["simulated"]
    made = tables.make_redshift_tables(content)
    missing = {name for name, text in made.items() if text == tables.NOT_MEASURED}
    assert missing == {"labels", "repeats"} | {name for name in tables.NAMES if name.startswith("simulated")}
