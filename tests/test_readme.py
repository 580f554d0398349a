# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""README and pages: the code runs, the commands are those that are checked, the tables are true."""

import doctest
import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import astro_spectok
from astro_spectok.cli import build_parser
from astro_spectok.galaxies import GalaxyFlag
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.simulate.public_sets import STORED
from astro_spectok.simulate.survey import FAMILIES
from astro_spectok.spectra import InputFlag
from astro_spectok.stellar import StellarFlag
from astro_spectok.transients import TransientFlag

ROOT = Path(__file__).parents[1]
README = ROOT / "README.rst"
DOCS = [*sorted(ROOT.glob("docs/*.rst")), *sorted(ROOT.glob("docs/dev/*.rst"))]
PAGES = [README, ROOT / "CONTRIBUTING.rst", *DOCS]


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
    assert test == 'pip install -c constraints.txt ".[test]" && pytest -n 2'


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
    for target in re.findall(r"\.\. (?:image|figure):: (\S+)", text):
        assert (ROOT / "docs" / target[1:] if target.startswith("/") else page.parent / target).exists(), target
    for block in re.findall(r"\.\. toctree::\n(?: +:.*\n)*\n((?: +\S.*\n)+)", text):
        for name in re.findall(r"^ +(?:.*<)?([^<>\s]+)>?$", block, re.M):
            # what is made when the pages are built is checked there
            assert name.startswith("generated/") or (page.parent / f"{name}.rst").exists(), name


def read_shell_commands(text):
    """The commands that a page shows: lines that begin with ``$``, and whole ones of ``spectok`` inside sentences."""
    lines = re.findall(r"^ +\$ (.+?)(?:\s+#.*)?$", text, re.M)
    inside = [one for one in re.findall(r"``(spectok [^`]+)``", " ".join(text.split())) if " -o " in one]
    return [part for line in (*lines, *inside) for part in re.split(r" && | \| ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_are_understood(page, capsys):
    """Every ``spectok`` command that is shown is one that it parses; every script exists and has the options."""
    for command in read_shell_commands(page.read_text()):
        words = shlex.split(command)
        if words[0] == "torchrun":
            words = ["spectok", *words[words.index("astro_spectok") + 1 :]]
        if words[0] == "spectok":
            try:
                build_parser().parse_args(words[1:])
            except SystemExit as stopped:
                assert stopped.code == 0, f"{command}: {capsys.readouterr().err}"  # noqa: PT017
        elif words[0] == "python" and words[1].endswith(".py"):
            source = (ROOT / words[1]).read_text()
            for option in (word for word in words[2:] if re.match(r"--?[a-z]", word)):
                assert f'"{option}"' in source, command
        else:
            assert words[0] in {"mypy", "pip", "pytest", "ruff", "sphinx-build", "tox", "python", "."}, command


def test_commands_are_found():
    """The search sees commands in blocks and in sentences, and parts of a line."""
    text = "a ``spectok embed *.fits\n -o x.ecsv`` b\n\n    $ spectok weights list && ruff check .    # c\n"
    expected = ["spectok weights list", "ruff check .", "spectok embed *.fits -o x.ecsv"]
    assert read_shell_commands(text) == expected
    assert len({command for page in PAGES for command in read_shell_commands(page.read_text())}) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_all_code_is_run(page):
    """Python on a page is a doctest, or the source of a picture: nothing is shown that nobody runs."""
    text = page.read_text()
    blocks = re.findall(r"(?:\.\. code-block:: python|^(?!\s*\.\.).*::)\n\n((?: +.*\n|\n)+)", text, re.M)
    for block in blocks:
        if re.search(r"^\s*(import|from) \w|^\s*\w+ = \w+\(", block, re.M):
            assert ">>> " in block, block
            # what stands between lines of a doctest is its output: no statement may hide there
            assert not re.search(r"^ +(import|from) \w+", block, re.M), block


def test_every_page_of_the_documentation_is_in_a_table_of_contents():
    """None is reached by a link alone."""
    named = set(re.findall(r"^   (\S+)$", (ROOT / "docs/index.rst").read_text(), re.M))
    pages = {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in DOCS}
    assert pages - named == {"index"}


def test_shares_of_families_are_those_of_the_simulator():
    """The page on the simulator says how often each family is drawn."""
    rows = re.findall(r"\* - ``(\w+)``\n     - (\d+) %", (ROOT / "docs/simulator_physics.rst").read_text())
    total = sum(row[0] for row in FAMILIES.values())
    assert dict(rows) == {name: f"{100 * row[0] / total:.0f}" for name, row in FAMILIES.items()}


@pytest.mark.parametrize(
    ("page", "flags"),
    [
        ("spectra_in", InputFlag), ("redshift", RedshiftFlag), ("stellar", StellarFlag), ("galaxies", GalaxyFlag),
        ("transients", TransientFlag),
    ],
)  # fmt: skip
def test_tables_of_flags_are_complete(page, flags):
    """The page on each kind of result lists every flag with its value, in order."""
    rows = re.findall(r"\* - (\d+)\n     - ``(\w+)``", (ROOT / f"docs/{page}.rst").read_text())
    assert [(int(value), name) for value, name in rows] == [(flag.value, flag.name) for flag in flags if flag]


def test_training_table_lists_every_set():
    """The page on the data directory lists every file that the corpus knows, with its kind."""
    rows = re.findall(
        r"\* - ``(\w+)``\n     - (star|galaxy|observed)\n", (ROOT / "docs/data_directory.rst").read_text()
    )
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


def test_citations_agree():
    """README, CITATION.cff and ``__citation__`` cite the same paper."""
    paper = "2510.17959"
    assert astro_spectok.__citation__.count(paper) == 1
    for name in ("README.rst", "CITATION.cff", "docs/licence.rst"):
        assert paper in (ROOT / name).read_text()
    for name in ("LICENSE.rst", "CODE_OF_CONDUCT.rst", "CONTRIBUTING.rst"):
        assert len((ROOT / name).read_text()) > 300
