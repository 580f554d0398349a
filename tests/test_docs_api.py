# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Every object that the pages list is documented in full: summary, parameters, result, errors, an example that runs."""

import importlib
import importlib.resources
import inspect
import re
from pathlib import Path

import pytest
from _docstrings import DIRECTIVE, list_faults, list_shown, list_untyped

from astro_spectok.utils.host import own_state

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "api.rst"
#: rooms of which a user is to find everything on the pages
PUBLIC = (
    "astro_spectok",
    "astro_spectok.adapt",
    "astro_spectok.align",
    "astro_spectok.engine",
    "astro_spectok.estimators",
    "astro_spectok.exceptions",
    "astro_spectok.galaxies",
    "astro_spectok.heads",
    "astro_spectok.interface",
    "astro_spectok.network",
    "astro_spectok.plotting",
    "astro_spectok.redshift",
    "astro_spectok.simulate.export",
    "astro_spectok.spectra",
    "astro_spectok.stellar",
    "astro_spectok.survey",
    "astro_spectok.tokens",
    "astro_spectok.training",
    "astro_spectok.weights",
)
#: names that a user is to know at most; and those who build on it
MOST, MOST_BUILDING = 52, 38
USERS, BUILDING = (
    list_shown("\n".join(path.read_text() for path in sorted(folder.glob("*.rst")))) for folder in (DOCS, DOCS / "dev")
)
SHOWN = USERS + BUILDING


@pytest.mark.parametrize("thing", [thing for _, thing in SHOWN], ids=[name for name, _ in SHOWN])
def test_objects_are_documented_in_full(thing):
    """Nothing is missing from the docstring of a public class or function, nor from those of its public methods."""
    assert list_faults(thing.__qualname__, thing) == []


@pytest.mark.parametrize(("name", "thing"), SHOWN, ids=[name for name, _ in SHOWN])
def test_objects_are_annotated(name, thing):
    """Every parameter and result of what is public has a type, which mypy checks."""
    assert list_untyped(thing.__qualname__, thing) == []


def test_decorators_keep_types():
    """What makes a function one of its own state does not hide its types from type checkers."""
    assert list_untyped("own_state", own_state) == []


def test_types_are_shipped():
    """Type checkers of those who use the package see them."""
    assert importlib.resources.files("astro_spectok").joinpath("py.typed").is_file()


@pytest.mark.parametrize("room", PUBLIC)
def test_pages_show_all_that_users_import(room):
    """No class or function of these rooms is left out of the pages."""
    module = importlib.import_module(room)
    shown = {id(thing) for _, thing in SHOWN}
    made = {name: getattr(module, name) for name in module.__all__}
    assert [name for name, thing in made.items() if callable(thing) and id(thing) not in shown] == []


@pytest.mark.parametrize("page", [PAGE, DOCS / "dev" / "api.rst"], ids=["users", "building"])
def test_sections_say_what_they_are_for(page):
    """Each section of a page has a sentence before the first list of objects."""
    parts = re.split(r"^(.+)\n[-=]{4,}\n", page.read_text(), flags=re.MULTILINE)
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        assert re.match(r"\s*[A-Z`][^\n]{20}", DIRECTIVE.split(text)[0]), title


def good(a, *, b=1):
    """Add two numbers.

    Parameters
    ----------
    a, b : int

    Returns
    -------
    int

    Raises
    ------
    ValueError
        ``b`` is zero.

    Examples
    --------
    >>> from test_docs_api import good
    >>> good(1)
    2
    """
    if not b:
        msg = "b must not be zero"
        raise ValueError(msg)
    return a + b


class Kept:
    """A number that is kept.

    Parameters
    ----------
    number : int

    Examples
    --------
    >>> from test_docs_api import Kept
    >>> Kept(2).number
    2
    """

    def __init__(self, number):
        if number < 0:
            raise ArithmeticError
        self.number = number

    @property
    def root(self):
        return self.number**0.5

    def power(self, n):
        """Raise it to a power."""
        return self.number**n


def test_what_is_in_order_passes():
    assert list_faults("good", good) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Add two numbers.", "", "no summary line"),
        ("a, b : int", "a : int", "not documented: b"),
        ("a, b : int", "a, b, c : int", "no parameters: c"),
        ("Parameters", "Arguments", "not documented: a, b"),
        ("Returns\n    -------", "Gives\n    -----", "no section Returns"),
        ("Raises\n    ------", "Note\n    ----", "no section Raises"),
        ("ValueError", "TypeError", "ValueError is not among what it says it raises"),
        ("ValueError", "Exception", "ValueError is not among what it says it raises"),
        ("    Examples\n    --------\n", "", "no example that runs"),
        ("good(1)\n    2", "good(1)  # doctest: +SKIP\n    2", "no example with a result"),
        ("good(1)\n    2", "a = good(1)", "no example with a result"),
        (">>> from test_docs_api import good\n    ", "", "no example that runs and imports"),
    ],
)
def test_what_is_missing_is_found(monkeypatch, old, new, fault):
    """A docstring that lacks one thing has one fault, which names it."""
    assert old in good.__doc__
    monkeypatch.setattr(good, "__doc__", good.__doc__.replace(old, new))
    (found,) = list_faults("good", good)
    assert fault in found


def test_examples_that_nobody_runs_are_found():
    """A function under another name than its own, as a decorator leaves it, is not collected by doctest."""

    def hidden(a, *, b=1):
        return a + b

    hidden.__doc__ = good.__doc__
    assert list_faults("hidden", hidden) == ["hidden: doctest does not come by its example"]


def test_missing_types_are_found():
    """Of functions, and of methods and properties of classes."""

    def typed(a: int) -> int:
        return a

    assert list_untyped("typed", typed) == []
    assert list_untyped("good", good) == ["good: no annotation of a, b, return"]
    assert list_untyped("Kept", Kept) == [
        "Kept.__init__: no annotation of number, return",
        "Kept.root: no annotation of return",
        "Kept.power: no annotation of n, return",
    ]


def test_methods_are_looked_at():
    """Construction, properties and methods of a class count as well."""
    assert list_faults("Kept", Kept) == [
        "Kept: no section Raises",
        "Kept.root: no summary line",
        "Kept.power: not documented: n",
        "Kept.power: no section Returns",
    ]


def test_objects_that_are_not_there_are_noticed():
    """A name that is skipped or included must exist, or the page shows something else than is meant."""
    with pytest.raises(ValueError, match="no public Nothing"):
        list_shown(".. automodapi:: astro_spectok.stellar\n   :no-inheritance-diagram:\n   :skip: Nothing\n")


def test_page_shows_classes_and_functions():
    """The page is read as Sphinx reads it: what is skipped is not shown, what is included alone is."""
    text = ".. automodapi:: astro_spectok.redshift.peaks\n   :include: Peak\n\n"
    text += ".. automodapi:: astro_spectok.plotting.lines\n"
    assert [name for name, _ in list_shown(text)] == [
        "astro_spectok.redshift.peaks.Peak",
        "astro_spectok.plotting.lines.list_lines",
    ]
    assert 40 < len(USERS) <= MOST
    assert 15 < len(BUILDING) <= MOST_BUILDING
    assert len({id(thing) for _, thing in SHOWN}) == len(SHOWN)  # each on one page
    assert all(inspect.isclass(thing) or callable(thing) for _, thing in SHOWN)
