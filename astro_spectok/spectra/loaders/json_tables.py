# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in json: an object, or a list of objects, with lists of wavelengths and flux."""

import json
import re

import numpy as np

from astro_spectok.spectra.column_names import pick_roles
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._tables import Columns, read_columns

__all__ = ["read_json"]


def _is_json(source):
    return re.match(r"\s*(?:\{\s*[\"}]|\[\s*[\[{])", source.head) is not None


def _list_entries(content):
    """Objects that hold lists of numbers for wavelengths and flux, however deep."""
    if isinstance(content, dict):
        lists = [key for key, value in content.items() if isinstance(value, list) and len(value) > 1]
        if {"wave", "flux"} <= set(pick_roles(lists)):
            return [content]
        content = list(content.values())
    elif content and all(isinstance(item, dict) and not any(map(_is_nested, item.values())) for item in content):
        # records: one object for each pixel
        names = [name for name in content[0] if all(isinstance(item.get(name), int | float) for item in content)]
        return _list_entries({name: [item[name] for item in content] for name in names})
    return [one for item in content if isinstance(item, dict | list) for one in _list_entries(item)]


def _is_nested(value):
    return isinstance(value, dict | list)


@register_format("spectok json", kind="text", sniff=_is_json, general=True, takes=("columns",))
def read_json(source, options):
    """Read spectra from json with lists of wavelengths and flux, by the meaning of their names."""
    try:
        entries = _list_entries(json.loads(source.text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise source.refuse(f"is no valid json: {error}", "fetch it again") from error
    spectra = []
    for entry in entries:
        lists = {key: value for key, value in entry.items() if isinstance(value, list) and len(value) > 1}
        length = len(lists[pick_roles(list(lists))["flux"][0]])
        lists = {key: value for key, value in lists.items() if len(value) == length}
        plain = str | int | float | bool
        header = {str(key).upper(): value for key, value in entry.items() if isinstance(value, plain)}
        columns = Columns(list(lists), lambda name, own=lists: np.array(own[name], dtype=float), {}, {}, header)
        spectra += read_columns(columns, source, options)
    if not spectra:
        raise source.refuse("is a json without spectra", "give wavelength and flux in columns")
    return spectra
