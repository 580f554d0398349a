# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tasks of few labels, what heads have learned of each beforehand, and which spectra are learned from and scored."""

import re
from dataclasses import dataclass

import numpy as np
from _representation_probes import _VALUES, TASKS, Task, _read_label, _split

from astro_spectok.simulate.star_names import name_star
from astro_spectok.simulate.stellar_library import choose_left_out

__all__ = ["FEW_TASKS", "FewTask", "choose_rows"]

_CFLIB, _LAMOST = ("train/cflib_real_stars",), ("test/lamost_real",)
_SPEX, _SUPERNOVAE = "splat_spex_real", "sn_superfit_real"
#: days around maximum light between which phases are asked for
LATEST = 60


def _read_subtype(columns):
    """M0 as 0, L0 as 10, T0 as 20."""
    found = [re.match(r"([MLT])(\d\.?\d?)", text) for text in columns["sptype"].astype(str)]
    return np.array([np.nan if one is None else 10 * "MLT".index(one[1]) + float(one[2]) for one in found])


def _read_phase(columns):
    age = columns["age"].astype(float)
    return np.where(np.abs(age) < LATEST, age, np.nan)


@dataclass(frozen=True)
class FewTask:
    """A task, and what the packaged heads know of it.

    Attributes
    ----------
    task : `_representation_probes.Task`
    known : str
        ``labels``: a head has learned from labels of the spectra that labels are drawn from, not from those that are
        scored; ``other labels``: a head gives the quantity, from labels of other sets; ``none``: no head gives it.
    held_out : bool
        Scored are the stars of CFLIB that the stellar head has not seen, and all others are learned from.
    """

    task: Task
    known: str
    held_out: bool = False


def _judge(task):
    if "CFLIB" in task.name:
        return FewTask(task, "labels", held_out=True)
    return FewTask(task, "labels" if any(one in task.name for one in ("MILES", "SpeX", "SN")) else "other labels")


FEW_TASKS = (
    *map(_judge, TASKS),
    *(FewTask(Task(f"{said} (LAMOST)", _LAMOST, _LAMOST, _read_label(key), "object"), "other labels")
      for key, said in _VALUES),
    FewTask(Task("subtype (SpeX)", (f"train/{_SPEX}",), (f"test/{_SPEX}",), _read_subtype), "none"),
    FewTask(Task("phase (SN)", (f"train/{_SUPERNOVAE}",), (f"test/{_SUPERNOVAE}",), _read_phase), "labels"),
)  # fmt: skip


def choose_rows(few, columns, known, number, seed):
    """Rows that are learned from, and rows that are scored, no object in both."""
    if not few.held_out:
        return _split(few.task, columns, known, number, seed)
    left = choose_left_out([name_star(one) for one in columns[0]["object"]]) & ~columns[0]["in_miles"]
    rng = np.random.default_rng([seed, 5])
    return rng.permutation(np.flatnonzero(known[0] & ~left))[:number], np.flatnonzero(known[1] & left)
