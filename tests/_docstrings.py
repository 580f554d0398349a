# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What docstrings of public objects lack: which objects a page shows, and whether each is documented in full."""

import ast
import builtins
import doctest
import functools
import importlib
import inspect
import re
import sys
import textwrap
from enum import Enum

#: one block of a page: the module and its indented options
DIRECTIVE = re.compile(r"^\.\. automodapi:: (\S+)\n((?:[ ]+:.*\n?)*)", re.MULTILINE)
#: a title of numpydoc and what stands below it
SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}[ ]*$", re.MULTILINE)
#: exceptions that name nothing in particular
VAGUE = (BaseException, Exception, object)


def list_shown(text):
    """Classes and functions that a page shows: list of (name, object), each once.

    Parameters
    ----------
    text : str
        Of the page.
    """
    shown = {}
    for name, options in DIRECTIVE.findall(text):
        module = importlib.import_module(name)
        chosen = {}
        for key, names in re.findall(r":(skip|include): (.+)", options):
            # Sphinx reads a list after skip, and a single name after each include
            chosen.setdefault(key, []).extend(names.strip().split(", ") if key == "skip" else [names.strip()])
        unknown = [each for names in chosen.values() for each in names if each not in module.__all__]
        if unknown:
            msg = f"{name} has no public {', '.join(unknown)}"
            raise ValueError(msg)
        for each in module.__all__:
            if each in chosen.get("include", [each]) and each not in chosen.get("skip", []):
                made = getattr(module, each)
                if callable(made):
                    shown.setdefault(id(made), (f"{name}.{each}", made))
    return list(shown.values())


def list_faults(name, thing):
    """What the docstrings of a class or function and of its public methods lack: list of str."""
    if not inspect.isclass(thing):
        return _judge_function(name, thing) + _judge_examples(name, thing)
    faults = _judge_class(name, thing) + _judge_examples(name, thing)
    for key, member in vars(thing).items():
        if key.startswith("_"):
            continue
        if isinstance(member, property | functools.cached_property):
            faults += _judge_summary(f"{name}.{key}", member)
        elif isinstance(member, classmethod | staticmethod) or inspect.isfunction(member):
            faults += _judge_function(f"{name}.{key}", getattr(member, "__func__", member))
    return faults


def list_untyped(name, thing):
    """What has no annotation of a function, or of a class and its public methods: list of str."""
    if not inspect.isclass(thing):
        return _judge_annotations(name, thing)
    faults = []
    for key, member in vars(thing).items():
        function = getattr(member, "__func__", getattr(member, "func", getattr(member, "fget", member)))
        if inspect.isfunction(function) and _has_source(function) and (key == "__init__" or not key.startswith("_")):
            faults += _judge_annotations(f"{name}.{key}", function)
    return faults


def _judge_annotations(name, function):
    """All of a function's parameters and its result have a type."""
    signature = inspect.signature(inspect.unwrap(function))
    untyped = [key for key, each in _list_parameters(name, function).items() if each.annotation is each.empty]
    if signature.return_annotation is signature.empty:
        untyped.append("return")
    return [f"{name}: no annotation of {', '.join(untyped)}"] if untyped else []


def _list_parameters(name, function):
    """Parameters of a function by name; of a method, which has a dot in its name, without what it belongs to."""
    parameters = dict(inspect.signature(inspect.unwrap(function)).parameters)
    if "." in name:
        parameters.pop("self", None)
        parameters.pop("cls", None)
    return parameters


def read_sections(thing):
    """The sections of a docstring by title; the text before the first is ''."""
    parts = SECTION.split(inspect.cleandoc(thing.__doc__ or ""))
    return {"": parts[0].strip()} | dict(zip(parts[1::2], parts[2::2], strict=True))


def read_names(section):
    """Names in a list of parameters: what stands at the margin, before the colon."""
    heads = [line.split(" : ")[0] for line in section.splitlines() if line and not line[0].isspace()]
    return {name.strip(" *:") for head in heads for name in head.split(",")}


def _judge_summary(name, thing):
    """A docstring begins with a sentence."""
    summary = read_sections(thing)[""].split("\n\n")[0]
    return [] if len(summary) > 10 and summary.endswith((".", ":")) else [f"{name}: no summary line"]


def _judge_examples(name, thing):
    """A class or function has code that runs, brings what it needs, and shows a result."""
    code = doctest.DocTestParser().get_examples(read_sections(thing).get("Examples", ""))
    run = [example for example in code if not re.search(r"doctest: *\+(REMOTE_DATA|SKIP)", example.source)]
    if not any(re.match(r"(from|import) ", example.source) for example in run):
        return [f"{name}: no example that runs and imports what it shows"]
    if not any(example.want for example in run):
        return [f"{name}: no example with a result"]
    found = f"{thing.__module__}.{thing.__qualname__}" in _list_collected(thing.__module__)
    return [] if found else [f"{name}: doctest does not come by its example"]


@functools.cache
def _list_collected(module):
    """Names of the docstrings whose examples are run with those of a module."""
    made = sys.modules[module]
    if hasattr(made, "__doctest_skip__") or hasattr(made, "__doctest_requires__"):
        return frozenset()
    return frozenset(test.name for test in doctest.DocTestFinder().find(made, module))


def _judge_class(name, cls):
    """All that a class is made with, and what its construction raises."""
    faults, sections = _judge_summary(name, cls), read_sections(cls)
    if issubclass(cls, BaseException | Enum) or not _has_own_signature(cls):
        return faults
    given = {each for each in inspect.signature(cls).parameters if not each.startswith("_")}
    parameters = read_names(sections.get("Parameters", ""))
    missing = given - parameters - read_names(sections.get("Attributes", ""))
    if missing:
        faults.append(f"{name}: not documented: {', '.join(sorted(missing))}")
    if parameters - given:
        faults.append(f"{name}: no parameters: {', '.join(sorted(parameters - given))}")
    for key in ("__init__", "__post_init__"):
        if inspect.isfunction(vars(cls).get(key)) and _has_source(vars(cls)[key]):
            faults += _judge_raises(name, vars(cls)[key], sections)
    return faults


def _has_own_signature(cls):
    """Whether a class of the package, not one of Python or of another package, documents its parameters."""
    return any(key in vars(cls) for key in ("__init__", "__new__", "__dataclass_fields__"))


def _has_source(function):
    """Whether a function was written, not made by a decorator."""
    module = sys.modules.get(function.__module__)  # a named tuple makes its own
    return module is not None and inspect.unwrap(function).__code__.co_filename == module.__file__


def _judge_function(name, function):
    """All parameters, what is returned, and what is raised, of a function or method."""
    faults, sections = _judge_summary(name, function), read_sections(function)
    function = inspect.unwrap(function)
    given = set(_list_parameters(name, function))
    documented = read_names(sections.get("Parameters", ""))
    if given - documented:
        faults.append(f"{name}: not documented: {', '.join(sorted(given - documented))}")
    if documented - given:
        faults.append(f"{name}: no parameters: {', '.join(sorted(documented - given))}")
    kind = _find_result(function)
    if kind and kind not in sections:
        faults.append(f"{name}: no section {kind}")
    return faults + _judge_raises(name, function, sections)


def _walk(function):
    """The nodes of a function without those of the functions inside it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    left = list(tree.body)
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            left.extend(ast.iter_child_nodes(node))


def _find_result(function):
    """'Yields', 'Returns' or None."""
    nodes = list(_walk(function))
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes):
        return "Yields"
    returned = [node.value for node in nodes if isinstance(node, ast.Return) and node.value is not None]
    return "Returns" if any(not (isinstance(x, ast.Constant) and x.value is None) for x in returned) else None


def _judge_raises(name, function, sections):
    """Exceptions that are raised by a function itself, not by those it calls, are documented, or a base class is."""
    text = sections.get("Raises", "")
    where = vars(builtins) | vars(sys.modules[function.__module__])
    words = [word for word in re.findall(r"\w+", text) if word.endswith(("Error", "Exception"))]
    documented = tuple(_find_exception(word, where) for word in words)
    faults = []
    for node in _walk(function):
        if not isinstance(node, ast.Raise):
            continue
        if not text:
            faults.append(f"{name}: no section Raises")
            break
        called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        raised = where.get(called.id) if isinstance(called, ast.Name) else None
        if inspect.isclass(raised) and not issubclass(raised, documented):
            faults.append(f"{name}: {raised.__name__} is not among what it says it raises")
    return faults


def _find_exception(word, where):
    """The exception of a name, `VAGUE` ones left out; one that nothing is a subclass of if there is none."""
    from astropy import units as u

    from astro_spectok import exceptions

    found = where.get(word) or getattr(exceptions, word, None) or getattr(u, word, None)
    return found if inspect.isclass(found) and found not in VAGUE else _Nothing


class _Nothing(Exception):
    """No exception is one of these."""
