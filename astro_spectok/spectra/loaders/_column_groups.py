# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which columns, and which rows, of a table belong to one spectrum."""

import re

import numpy as np

from astro_spectok.spectra.column_names import ERROR_ROLES, find_role, pick_roles

__all__ = ["LEAST_ROWS", "find_arms", "find_numbered", "group_columns", "runs_down", "split_objects"]

#: fewest pixels that a table of one row per pixel must have to be taken for a spectrum
LEAST_ROWS = 8
#: names of columns of objects; names with a number at their end
_OBJECTS = re.compile(
    r"(?:(?:obj|object|source|src|spec|spectrum|target|star|galaxy|sn|fib(?:er|re)|aperture|order|exposure|epoch)"
    r"[_ ]?(?:id|name|no|num|number|index)?|targetid|objid|specid|id|name|ident|iauname)"
)
_NUMBERED = re.compile(r"(.*?[A-Za-z])[_ .-]?(\d+)")
#: names that end with that of an arm
_OF_ARMS = re.compile(r"(.*?[a-z])_(b|g|r|i|z|y|j|h|k|blue|green|red|uv|uvb|vis|opt|nir|ir)", re.IGNORECASE)


def group_columns(names):
    """Columns of several spectra, by what their names begin with: ``02_01_SPEC``, ``02_01_ERR``, ``02_01_WL``.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict of str to dict of str to str
        By the beginning: the name of each column by the rest of it; of those alone that are a spectrum.
    """
    groups = {}
    for name in names:
        beginning, _, rest = name.rpartition("_")
        if beginning:
            groups.setdefault(beginning, {})[rest] = name
    return {key: own for key, own in groups.items() if {"wave", "flux"} <= set(pick_roles(list(own)))}


def find_arms(names):
    """Columns of spectra with wavelengths of their own, by what their names end with: ``LAMBDA_B``, ``FLUX_B``.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict of str to dict of str to str
        As of `group_columns`; empty where there are not two.

    Examples
    --------
    >>> from astro_spectok.spectra.loaders._column_groups import find_arms
    >>> find_arms(["wave1", "flux1", "wave2", "flux2"])
    {'1': {'wave': 'wave1', 'flux': 'flux1'}, '2': {'wave': 'wave2', 'flux': 'flux2'}}
    """
    groups = {}
    for name in names:
        found = _OF_ARMS.fullmatch(name.strip()) or _NUMBERED.fullmatch(name.strip())
        if found is not None:
            groups.setdefault(found[2], {})[found[1]] = name
    groups = {key: own for key, own in groups.items() if {"wave", "flux"} <= set(pick_roles(list(own)))}
    return groups if len(groups) > 1 else {}


def find_numbered(names):
    """Columns of several spectra on one axis, told apart by a number at the end: ``flux_1``, ``err_1``, ``flux_2``.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    list of (str, list of str)
        The name of each flux, and those of its columns with that of the wavelengths; empty where there are not two.
    """
    roles = pick_roles(names, guess=False)
    numbered = [found for name in names if (found := _NUMBERED.fullmatch(name)) is not None]
    by_stem = {}
    for found in numbered:
        by_stem.setdefault(found[1], []).append(found)
    plain = [name for name in names if find_role(name) is None or find_role(name).kind == "flux"]
    fluxes = next((own for stem, own in by_stem.items() if len(own) > 1 and len(own) == len(plain)
                   and ((role := find_role(stem)) is None or role.kind == "flux")), [])  # fmt: skip
    if "wave" not in roles:
        return []
    errors = [found for found in numbered if (role := find_role(found[1])) is not None and role.kind in ERROR_ROLES]
    return [
        (flux[0], [roles["wave"][0], flux[0], *(found[0] for found in errors if found[2] == flux[2])])
        for flux in fluxes
    ]


def split_objects(columns, wave):
    """Names of objects and their rows, where a column names them and the wavelengths start again: else all rows."""
    everything = [(None, slice(None))]
    step = np.diff(wave)
    if (step > 0).all() or (step < 0).all():
        return everything
    for name in columns.names:
        if not _OBJECTS.fullmatch(name.strip().lower()):
            continue
        values = np.asarray(columns.read(name))
        if values.shape != wave.shape or values.dtype.kind not in "iufUSO":
            continue
        found, of_row = np.unique(values.astype(str), return_inverse=True)
        counts = np.bincount(of_row)
        if len(found) > 1 and counts.min() >= LEAST_ROWS:
            return [(str(one).strip(), np.flatnonzero(of_row == number)) for number, one in enumerate(found)]
    return everything


def runs_down(wave):
    """Whether vectors hold one pixel of each order, and rows the pixels, as stacks of PypeIt and columns of width 1."""
    if wave.dtype == object or wave.ndim != 2 or len(wave) < LEAST_ROWS:
        return False
    if wave.shape[1] == 1:
        return True
    down, across = (np.abs(np.diff(np.where(wave > 0, wave, np.nan), axis=axis)) for axis in (0, 1))
    if not (np.isfinite(down).any() and np.isfinite(across).any()):
        return False
    return 0 < 5 * np.nanmedian(down) < np.nanmedian(across)
