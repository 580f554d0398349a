# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Coarse types of stars: those of the catalogues beside those of the network, and figures of merit."""

import numpy as np

from astro_spectok.simulate import STELLAR_TYPES
from astro_spectok.simulate.stellar_types import find_type, number_types

__all__ = ["TYPE_BARS", "is_near", "read_types", "score_types"]

#: sets with a bar, as it is called there
TYPE_BARS = {"lamost_real": "LAMOST", "splat_spex_real": "SpeX"}
#: types that follow one another; white dwarfs, cataclysmic variables and carbon stars have no neighbours
SEQUENCE = "OBAFGKMLT"


def read_types(columns, rows):
    """Coarse types of the chosen rows of a set, '' for what is no star and where the catalogue has none.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n,)
        As of `~astro_spectok.simulate.public_sets.load_set`; the type stands in ``sptype``, or else in ``subclass``.
    rows : ndarray of int

    Returns
    -------
    ndarray of str
        Out of `~astro_spectok.simulate.STELLAR_TYPES`.
    """
    texts = next((columns[name][rows] for name in ("sptype", "subclass") if name in columns), np.full(len(rows), ""))
    # LAMOST writes gM0 for a giant
    kinds = [find_type(str(text).removeprefix("g")) for text in texts]
    unknown = [np.nan] * len(kinds)
    names = [STELLAR_TYPES[number] if number >= 0 else "" for number in number_types(kinds, unknown, unknown)]
    return np.where(columns["cls"][rows] == "STAR", np.array(names, "U2"), "")


def is_near(found, truth):
    """Whether each type is the true one or, in the sequence from O to T, next to it."""
    place = {name: number for number, name in enumerate(SEQUENCE)}
    return np.array(
        [a == b or (a in place and b in place and abs(place[a] - place[b]) == 1)
         for a, b in zip(found.tolist(), truth.tolist(), strict=True)],
        bool,
    )  # fmt: skip


def score_types(found, truth, probability):
    """Figures of merit of types: of all stars, and of those of each type.

    Parameters
    ----------
    found, truth : ndarray of str, shape (n,)
        ``found`` is '' where a star was taken for something else, and then wrong; ``truth`` '' where it is unknown, and
        then not scored.
    probability : ndarray, shape (n,)
        Stated, of the type that was found.

    Returns
    -------
    list of dict
        ``type`` ('all' for all of them), ``n``, ``exact``, ``near`` (`is_near`), and ``stated``, the mean probability
        of those that were found to be stars (None: there are none), to compare with ``exact``. Empty where no type is
        known, or none was found at all, as by weights without a type head.
    """
    known = truth != ""
    if not known.any() or not (found != "").any():
        return []
    found, truth, probability = found[known], truth[known], probability[known]
    rows = []
    for name in ("all", *(kind for kind in STELLAR_TYPES if kind in truth)):
        chosen = np.full(len(truth), True) if name == "all" else truth == name
        stated = probability[chosen & (found != "")]
        rows.append({
            "type": name,
            "n": int(np.count_nonzero(chosen)),
            "exact": float(np.mean(found[chosen] == truth[chosen])),
            "near": float(np.mean(is_near(found[chosen], truth[chosen]))),
            "stated": float(np.mean(stated)) if len(stated) else None,
        })  # fmt: skip
    return rows
