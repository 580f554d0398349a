# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The library of spectra at rest, made in closed form of public and simulated spectra."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from astro_spectok.heads import LibraryConfig
from astro_spectok.heads.library import make_edges
from astro_spectok.heads.registry import build_head
from astro_spectok.training.library_components import find_components
from astro_spectok.training.library_rows import SETS, read_rows, simulate_rows

__all__ = ["LEAST_ROWS", "make_library"]

#: spectra below which a family is left out
LEAST_ROWS = 8


def make_library(data, numbers, seed, *, families=None, leave_out=None, report=None):
    """A library head, of what public sets there are and of simulated objects.

    Parameters
    ----------
    data : path-like or None
        Directory of the public sets; None for analytic templates alone.
    numbers : dict of str to int
        Simulated objects of each family, of those out of `~astro_spectok.simulate.survey.FAMILIES`.
    seed : int
    families : sequence of tuple, optional
        As of `~astro_spectok.heads.LibraryConfig`, whose own are the default.
    leave_out : callable, optional
        Is given the name of a set and its columns; says which rows are left out.
    report : callable, optional
        Is given a text for each family.

    Returns
    -------
    `~astro_spectok.heads.LibraryHead`
        With the families of which there are spectra; ``domain`` says how many of each.

    Raises
    ------
    ValueError
        There are spectra of no family.
    """
    config = LibraryConfig() if families is None else LibraryConfig(tuple(families))
    made, known = {}, {}
    for family in config.list_families():
        rows, counts = _gather_rows(data, family, numbers.get(family.name, 0), seed, leave_out)
        if len(rows) < LEAST_ROWS:
            continue
        mean, basis, variance = find_components(np.array(rows), family.components, seed=seed)
        made[family.name] = (asdict(family) | {"components": len(basis)}, mean, basis, variance)
        known[family.name] = {"spectra": counts, "left": round(float(np.sqrt(np.median(variance))), 4)}
        if report:
            report(f"{family.name}: {len(rows)} spectra; {len(basis)} components leave {known[family.name]['left']}")
    if not made:
        msg = f"data must hold spectra of one family at least; got {data}; give a directory of the public sets"
        raise ValueError(msg)
    head = build_head("library", LibraryConfig(tuple(tuple(sizes.values()) for sizes, *_ in made.values())), None)
    for name, (_, mean, basis, variance) in made.items():
        # as they are stored
        head.set_family(name, *(x.astype(np.float16) for x in (mean, basis, variance)))
    head.domain = {"families": known}
    return head


def _gather_rows(data, family, number, seed, leave_out):
    """Rows of a family, and how many there are of each set."""
    edges, rows, counts = make_edges(family.segments), [], {}
    for name, in_air in SETS.get(family.name, {}).items():
        path = None if data is None else Path(data) / f"{name}.npz"
        if path is None or not path.is_file():
            continue
        left_out = None if leave_out is None else (lambda columns, name=name: leave_out(name, columns))
        new = read_rows(path, edges, in_air=in_air, leave_out=left_out)
        rows, counts = rows + new, counts | {name: len(new)}
    if number:
        new = simulate_rows(data, family.name, number, edges, seed)
        rows, counts = rows + new, counts | {"simulated": len(new)}
    return rows, counts
