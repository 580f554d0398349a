# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The scripts of the gallery, which are run when the pages are built: short, of public things alone, without data."""

import ast
import importlib
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "docs" / "gallery").glob("plot_*.py"))
#: lines of code without comments and blank ones
MOST_LINES = 60


def test_there_are_scripts():
    """One for each picture that the gallery is to have."""
    assert len(SCRIPTS) >= 7


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_can_be_copied(path):
    """What is imported is public, nothing private is touched, and no file or address is needed."""
    tree = ast.parse(path.read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and "astro_spectok" in node.module]
    assert imported
    for node in imported:
        public = importlib.import_module(node.module).__all__
        assert [name.name for name in node.names if name.name not in public] == []
    assert not [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")]
    assert not any(word in path.read_text() for word in ("http", "data=", "download"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_is_short(path):
    """It has a title, text between its parts, and no more code than is read in one go."""
    text = path.read_text()
    title, ruler = ast.get_docstring(ast.parse(text)).splitlines()[:2]
    assert ruler == "=" * len(title)
    assert text.count("\n# %%\n") >= 3
    body = text.split('"""', 2)[2]
    assert sum(bool(line.strip()) and not line.startswith("#") for line in body.splitlines()) <= MOST_LINES
