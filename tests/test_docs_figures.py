# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures in sentences, the table of the README, the comparison and the pictures are what the results say."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def load():
    """Import a script of the benchmarks by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module


@pytest.fixture(scope="module")
def writer(load):
    return load("write_tables")


def test_figures_in_sentences_agree_with_results(load, writer):
    """What ``|name|`` stands for on pages is what the results say."""
    text = load("_figures").format_figures(load("_figures").make_figures(writer.read))
    assert writer.FIGURES.read_text() == text, "run benchmarks/write_tables.py: figures have changed"
    assert "not measured" not in text


def test_figures_are_used_where_they_are_known(writer):
    """Pages use figures that there are and include the file that tells them; every figure is used."""
    known = set(re.findall(r"^\.\. \|([\w-]+)\| replace::", writer.FIGURES.read_text(), re.M))
    used = set()
    for path in [*(ROOT / "docs").glob("*.rst"), *(ROOT / "docs/dev").glob("*.rst")]:
        text = re.sub(r"``[^`]*``|^\.\. \|.*$", "", path.read_text(), flags=re.M)
        names = {name for name in re.findall(r"(?<![\\\w])\|([a-z][a-z0-9-]+)\|", text) if name != "rarr"}
        assert names <= known, path.name
        assert bool(names) == ("_tables/figures.txt" in text), path.name
        used |= names
    assert used == known


def test_readme_agrees_with_results(load, writer):
    """The table of figures in the README is the one that the results make."""
    readme = load("_readme_table")
    page = writer.README.read_text()
    block = readme.make_readme_block(writer.read)
    assert readme.replace_block(page, block) == page, "run benchmarks/write_tables.py: README.rst has changed"
    for row in readme.HEADLINES:
        assert sum(readme._fits(bar["name"], row[1]) for bar in readme.collect_bars(writer.read)[row[0]]) >= 1, row


def test_readme_block_tells_what_is_missed(load):
    """Numbers of bars, and a row for each headline; those the network and the estimator share count once."""
    module = load("_readme_table")
    bar = {"bar": "0.9", "measured": 0.95, "met": True, "n": 3}
    contents = {file: {"sha256": "0123456789abcdef", "bars": []} for file, _ in module.HEADLINES}
    for file, name in module.HEADLINES:
        contents[file]["bars"].append(bar | {"name": name + " |dz|"})
    missed = bar | {"name": contents["small_redshift_estimator"]["bars"][0]["name"], "met": False}
    contents["small_real_spectra"]["bars"].append(missed)
    contents["small_stellar_parameters"]["bars"].append(bar | {"name": "other", "met": False, "bar": "<= 1"})
    row = {"ratio": 12.6, "bar": 10, "met": True, "n": 5}
    sets = [row | {"name": name} for name in ("one grid", "grids of their own")]
    contents["redrock"] = {"sha256": "0123456789abcdef", "sets": sets}
    text = module.make_readme_block(contents.get)
    n = len(module.HEADLINES)
    assert f"Of {n + 1} figures that were aimed at, {n} are met and 1 missed" in text
    assert text.count("\n   * - ") == n + 1
    rows = [block.strip().split("\n     - ") for block in text.split("\n   * - ")[1:]]
    assert rows[1] == ["LAMOST: stars, class right \\|dz\\|", ">= 0.9", "0.950", "yes", "3"]
    assert "Not measured" in module.make_readme_block(lambda name: None)
    page = f"above\n{text}below\n"
    new = f"{module.BEGIN}new\n{module.END}"
    assert module.replace_block(page, new) == f"above\n{new}below\n"
    with pytest.raises(ValueError, match="must hold one block"):
        module.replace_block("above\n", text)


def test_comparison(load):
    """Each tool has a row, with what it was told; specutils is left out where it was not measured."""
    make = load("_comparison_table").make_comparison_table
    found = {
        "n": 4, "class_right": 0.75, "within_0033": 0.5, "per_second": 1.25,
        "by_class": {"GALAXY": {"median_abs_dv": 12.34}, "STAR": {"median_abs_dv": 4321.0}},
    }  # fmt: skip
    redrock = {"redrock": "0.1", "cpu": "Abacus 3", "sha256": "0123456789abcdef",
               "sets": [{"name": "one grid", "sides": {"redrock": found, "astro_spectok": found}}]}  # fmt: skip
    tools = [found | {"tool": "template_redshift", "told": "class", "class_right": None}]
    rows = make(redrock, {"specutils": "2.4", "name": "one grid", "tools": tools}).split("\n   * - ")[1:]
    rows = [row.strip().split("\n     - ") for row in rows]
    figures = ["0.500", "12.3", "–", "4321", "1.25"]
    assert rows[1] == ["one grid", "redrock 0.1", "line-spread function", "4", "0.750", *figures]
    assert rows[3] == ["one grid", "specutils 2.4, ``template_redshift``", "class", "4", "–", *figures]
    assert make(redrock).count("\n   * - ") == 3
    assert "Not measured" in make(None)


def test_figures_without_results_say_so(load):
    """Pages can be built before anything is measured; sizes come from the weights."""
    figures = load("_figures").make_figures(lambda name: None)
    assert figures["recall-star"] == "(not measured)"
    assert figures["patch"] == "32"
    assert load("_figures")._write(2.5e-4) == "2.5e-4"


def test_history(writer):
    """Runs that the weights do not tell of, and rows of the log that are not finite."""
    runs = [{"what": "alone", "steps": 7000}, {"what": "more", "steps": 20, "spectra": 1300}]
    content = {"runs": runs, "remarks": ["So."]}
    text = writer.describe_history(content, [{"loss": "0.5"}, {"loss": "nan"}])
    assert text.startswith("Before that: 7,000 steps alone; 20 steps (1,300 spectra) more. So. In 1 of the 2 rows")
    assert writer.describe_history(None).strip() == ""


def test_diagrams_are_drawn(load, tmp_path):
    """All pictures of how it works, and a small one for the README."""
    load("_diagrams").plot_diagrams(tmp_path)
    drawn = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(drawn) == {"readme.png", "how_patches.png", "how_network.png", "how_redshift.png"}
    assert min(drawn.values()) > 20_000
    assert drawn["readme.png"] < 150_000
    for name in drawn:
        assert (ROOT / "docs" / "_images" / name).exists()
