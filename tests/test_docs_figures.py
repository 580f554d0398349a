# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures in sentences, the table of the README, the comparison and the pictures are what the results say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def writer(load):
    return load("write_tables")


def test_figures_in_sentences_agree_with_results(load, writer):
    """What ``|name|`` stands for on pages is what the results say."""
    text = load("_figures").format_figures(load("_figures").make_figures(writer.read))
    assert writer.FIGURES.read_text() == text, "run benchmarks/write_tables.py: figures have changed"
    assert "not measured" not in text


def test_figures_are_used_where_they_are_known(writer):
    """Pages use figures that there are and include the file that defines them; every figure is used."""
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
    for title, file, name, _ in readme.HEADLINES:
        assert sum(bar["name"].startswith(name) for bar in readme.collect_bars(writer.read)[file]) == 1, title
