# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""README and pages: the code runs, the commands are those that are checked, the tables are true."""

import doctest
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from astro_spectok.spectra import InputFlag
from astro_spectok.training.corpus import STORED

ROOT = Path(__file__).parents[1]
README = ROOT / "README.rst"


def read_commands():
    """The shell commands of the README: the indented lines after a double colon."""
    return re.findall(r"::\n\n    (pip install .*)\n", README.read_text())


def read_constraints():
    """Names and versions in constraints.txt."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return dict(line.split("==") for line in lines if line)


def test_readme_code_runs():
    """The code of the README gives the output that it shows."""
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    results = doctest.testfile(str(README), module_relative=False, optionflags=flags)
    assert results.attempted >= 8
    assert results.failed == 0


def test_readme_has_two_commands():
    """One command installs and runs, one installs and tests."""
    run, test = read_commands()
    assert run == 'pip install -c constraints.txt ".[plot]" && spectok demo'
    assert test == 'pip install -c constraints.txt ".[test]" && pytest'


def test_ci_runs_the_commands_of_the_readme():
    """Every part of both commands is a line of .ci/run, or the beginning of one, in the same order."""
    # the demonstration runs where its picture is in nobody's way
    script = (ROOT / ".ci/run").read_text().replace('(cd "$work" && spectok demo &&', "spectok demo -")
    lines = script.splitlines()
    parts = [part for command in read_commands() for part in command.split(" && ")]
    found = [next(i for i, line in enumerate(lines) if line == part or line.startswith(f"{part} -")) for part in parts]
    assert found == sorted(found)


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.rst"))], ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(page):
    """Relative links of the README and names in tables of contents exist."""
    text = page.read_text()
    for target in re.findall(r"`[^`]*<([\w./]+)>`_", text):
        assert (page.parent / target).exists(), target
    for block in re.findall(r"\.\. toctree::\n(?: +:.*\n)*\n((?: +\S+\n)+)", text):
        for name in block.split():
            assert (page.parent / f"{name}.rst").exists(), name


def test_flags_table_is_complete():
    """The page on input lists every flag with its value."""
    rows = re.findall(r"\* - (\d+)\n     - ``(\w+)``", (ROOT / "docs/spectra_in.rst").read_text())
    assert {name: int(value) for value, name in rows} == {flag.name: flag.value for flag in InputFlag if flag}


def test_training_table_lists_every_set():
    """The page on training lists every file that the corpus knows, with its kind."""
    rows = re.findall(r"\* - ``(\w+)``\n     - (star|galaxy|observed)\n", (ROOT / "docs/training.rst").read_text())
    # the emulator stands in the table of models
    assert dict(rows) == {name: kind for name, (_, kind) in STORED.items() if name != "apogee_emulator"}


def test_constraints_pin_all_requirements():
    """Whatever pyproject.toml asks for is pinned, to a version that it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {canonicalize_name(name): version for name, version in read_constraints().items()}
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    wanted = [Requirement(line) for line in wanted]
    wanted = [need for need in wanted if canonicalize_name(need.name) != canonicalize_name(project["name"])]
    assert len(wanted) > 10
    for need in wanted:
        assert need.specifier.contains(pins[canonicalize_name(need.name)]), need


def test_torch_is_pinned_exactly():
    """A range would bring the CUDA libraries; the local part of the version is none of a pin's business."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", read_constraints()["torch"])


def test_citation_names_this_package():
    """CITATION.cff has the name and the licence of the package."""
    text = (ROOT / "CITATION.cff").read_text()
    project = metadata.metadata("astro_spectok")
    assert re.search(r"^title: (\S+)$", text, re.M).group(1) == project["Name"]
    assert re.search(r"^license: (\S+)$", text, re.M).group(1) == project["License-Expression"]
