# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""No import runs upward and none in a circle: read from the imports themselves, those inside functions included."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import astro_spectok

PACKAGE = Path(astro_spectok.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "dev" / "architecture.rst"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def list_imports(source, modules):
    """Modules of the package that a source imports, at its top or within functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("astro_spectok"):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in modules else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("astro_spectok")}
    return found


def read_floors(text):
    """Floor of each room in the table of the page on architecture."""
    rows = re.findall(r"\* - (\d+)\n +- (.+)\n", text)
    return {room: int(floor) for floor, rooms in rows for room in re.findall(r"``(\w+)``", rooms)}


def find_room(module):
    """Room that a module is in: the name after the package's."""
    return module.split(".")[1] if "." in module else None


def find_circle(imports):
    """Modules that import each other in a circle, the first one again at the end; [] without one."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


IMPORTS = {name: list_imports(path.read_text(), MODULES) - {name} for name, path in MODULES.items()}
FLOORS = read_floors(PAGE.read_text())


def test_every_room_has_a_floor():
    """The table names each room, and no other."""
    assert set(FLOORS) == {find_room(name) for name in MODULES} - {None, "__main__"}


@pytest.mark.parametrize("room", sorted(FLOORS))
def test_imports_run_downward(room):
    """A room imports from floors below its own, never from its own floor or above."""
    upward = [
        f"{name} imports {other}"
        for name in MODULES
        if find_room(name) == room
        for other in IMPORTS[name]
        if find_room(other) != room and FLOORS.get(find_room(other), 99) >= FLOORS[room]
    ]
    assert upward == []


def test_modules_import_in_no_circle():
    """Not within a room either, and not by importing late."""
    assert len(IMPORTS) > 200
    assert find_circle(IMPORTS) == []


def test_reads_imports_and_floors():
    """What the tests above rest on: late imports, rooms that share a row, circles."""
    assert set(find_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    source = "from astro_spectok.a import b, c\ndef f():\n    import astro_spectok.d\n"
    expected = {"astro_spectok.a.b", "astro_spectok.a", "astro_spectok.d"}
    assert list_imports(source, {"astro_spectok.a.b"}) == expected
    assert read_floors("   * - 3\n     - ``x``, ``y``\n     - z\n") == {"x": 3, "y": 3}
