# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in json and YAML: lists of wavelengths and flux, rows, or one object for each pixel."""

import ast
import contextlib
import json
import re

import numpy as np
from astropy.io.misc import yaml

from astro_spectok.spectra.column_names import pick_roles
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._tables import Columns, read_columns
from astro_spectok.spectra.loaders._text_block import guess_names
from astro_spectok.spectra.loaders._text_tidy import LEAST_ROWS

__all__ = ["read_json"]

#: names of the list in an object that holds it beside its unit
_INNER = ("values", "value", "data", "array")
#: most columns of rows of numbers
_MOST_COLUMNS = 12
#: characters of a dict as Python prints it
_LONGEST_LITERAL = 2**24


#: first line, and lists of numbers, of YAML
_KEY = re.compile(r"(?:\s*(?:#[^\n]*|---[^\n]*)?\n)*[A-Za-z][\w ()-]*:[ \t]*(?:\[[^\n]*|[\w.+-]*)\n")
_LIST = re.compile(r":\s*\[\s*[-+.\d]|^[ \t]*-[ \t]+[-+.\d]", re.MULTILINE)


def _is_json(source):
    return re.match(r"\s*(?:\{\s*[\"'}]|\[\s*[\[{])", source.head) is not None or _is_yaml(source)


def _is_yaml(source):
    return _KEY.match(source.head) is not None and _LIST.search(source.head) is not None


def _is_nested(value):
    return isinstance(value, dict | list)


def _are_numbers(items):
    return all(item is None or isinstance(item, int | float) for item in items)


def _are_rows(content):
    """Whether a list holds rows of numbers, all of one length."""
    if not isinstance(content, list) or len(content) < LEAST_ROWS or not isinstance(content[0], list):
        return False
    count = len(content[0])
    return 2 <= count <= _MOST_COLUMNS and all(
        isinstance(row, list) and len(row) == count and _are_numbers(row) for row in content
    )


def _take_list(value):
    """The list that a value is or holds, and its unit: as ``{"values": [...], "unit": "nm"}``, or by index (pandas)."""
    if isinstance(value, list):
        return value, None
    if not isinstance(value, dict) or not value:
        return None, None
    inner = next((value[name] for name in _INNER if isinstance(value.get(name), list)), None)
    if inner is not None:
        unit = value.get("unit", value.get("units"))
        return inner, unit if isinstance(unit, str) else None
    if "0" in value and list(value) == [str(number) for number in range(len(value))]:
        return list(value.values()), None
    return None, None


def _list_entries(content):
    """What holds a spectrum, however deep: (lists by name, units, the object they are in)."""
    if isinstance(content, dict):
        if isinstance(content.get("columns"), list) and _are_rows(content.get("data")):
            # pandas, split
            names = [str(name) for name in content["columns"]]
            return [(dict(zip(names, map(list, zip(*content["data"], strict=True)), strict=False)), {}, content)]
        taken = {key: _take_list(value) for key, value in content.items()}
        lists = {key: values for key, (values, _) in taken.items() if values is not None and len(values) > 1}
        if {"wave", "flux"} <= set(pick_roles([key for key in lists if not _are_rows(lists[key])])):
            return [(lists, {key: taken[key][1] for key in lists if taken[key][1]}, content)]
        content = list(content.values())
    elif _are_rows(content):
        block = np.array(content, dtype=float)
        return [(dict(zip(guess_names(block)[0], block.T.tolist(), strict=True)), {}, {})]
    elif content and all(isinstance(item, dict) and not any(map(_is_nested, item.values())) for item in content):
        # records: one object for each pixel
        names = [name for name in content[0] if all(isinstance(item.get(name), int | float) for item in content)]
        return _list_entries({name: [item[name] for item in content] for name in names})
    return [one for item in content if _is_nested(item) for one in _list_entries(item)]


def _parse(source):
    """The content of a json, of one in each line, or of YAML."""
    if _is_yaml(source):
        try:
            return yaml.load(source.text)
        except Exception as error:  # its loader raises whatever it stumbles over
            raise source.refuse(f"is no valid YAML: {error}", "give wavelength and flux in columns") from error
    try:
        return json.loads(source.text)
    except json.JSONDecodeError as error:
        lines = [line for line in source.text.split("\n") if line.strip()]
        if len(lines) > 1:
            try:
                return [json.loads(line) for line in lines]
            except json.JSONDecodeError:
                pass
        if "'" in source.head and len(source.text) < _LONGEST_LITERAL:
            with contextlib.suppress(ValueError, SyntaxError, MemoryError):  # as Python prints a dict
                return ast.literal_eval(source.text)
        raise source.refuse(f"is no valid json: {error}", "fetch it again") from error


@register_format("spectok json", kind="text", sniff=_is_json, general=True, takes=("columns",))
def read_json(source, options):
    """Read spectra from json, one json in each line, or YAML, by the meaning of the names of its lists."""
    try:
        entries = _list_entries(_parse(source))
    except RecursionError as error:
        raise source.refuse("is no valid json: too deep", "fetch it again") from error
    spectra = []
    for lists, units, entry in entries:
        length = len(lists[pick_roles(list(lists))["flux"][0]])
        lists = {key: value for key, value in lists.items() if len(value) == length}
        plain = str | int | float | bool
        header = {str(key).upper(): value for key, value in entry.items() if isinstance(value, plain)}
        columns = Columns(list(lists), lambda name, own=lists: np.array(own[name], dtype=float), units, {}, header)
        spectra += read_columns(columns, source, options)
    if not spectra:
        what = "YAML" if _is_yaml(source) else "a json"
        raise source.refuse(f"is {what} without spectra", "give wavelength and flux in columns")
    return spectra
