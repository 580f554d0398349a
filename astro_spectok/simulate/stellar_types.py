# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral types as catalogues write them, reduced to a letter, and the temperature that goes with it."""

import math

__all__ = ["TYPICAL_TEFF", "find_type", "find_type_of_teff", "guess_log_teff"]

#: kelvin, of the middle of each type
TYPICAL_TEFF = {
    "O": 35000.0, "B": 15000.0, "A": 8500.0, "F": 6700.0, "G": 5700.0, "K": 4700.0, "M": 3400.0, "L": 1900.0,
    "T": 1100.0, "white dwarf": 12000.0, "CV": 12000.0, "carbon": 3500.0, "star": 5700.0,
}  # fmt: skip
#: parts of names that say what a star is, before its letter does
_NAMED = (
    ("WD", "white dwarf"), ("CV", "CV"), ("Carbon", "carbon"), ("wd", "white dwarf"), ("gd", "white dwarf"),
    ("g191b2b", "white dwarf"), ("Ldwarf", "L"),
)  # fmt: skip


def find_type(text):
    """Reduce a spectral type to a key of `TYPICAL_TEFF`.

    Parameters
    ----------
    text : str
        E.g. ``'B2Vne (58343)'``, ``'esdM10'``, ``'a47iv'``, ``'WD:DA'``.

    Returns
    -------
    str
        ``'star'`` where it cannot be told.
    """
    for part, kind in _NAMED:
        if part in text:
            return kind
    core = text.strip()
    for prefix in ("esd", "usd", "sd:", "sd", "d", "pickles_r", "pickles_w", "pickles_"):
        if core.startswith(prefix) and core[len(prefix):len(prefix) + 1].upper() in set("OBAFGKMLT"):  # fmt: skip
            core = core[len(prefix) :]
            break
    letter = core[:1].upper()
    if letter == "C" and not core[1:2].isalpha():
        return "carbon"
    is_type = letter in TYPICAL_TEFF and (len(core) == 1 or not core[1].isalpha() or core[1] in "IVmp")
    return letter if letter and is_type else "star"


def find_type_of_teff(teff):
    """The letter of a temperature in kelvin."""
    limits = {"O": 30000, "B": 10000, "A": 7500, "F": 6000, "G": 5300, "K": 3900, "M": 2400, "L": 1400}
    return next((letter for letter, least in limits.items() if teff >= least), "T")


def guess_log_teff(kind):
    """log10 of the temperature in kelvin that is typical of a type."""
    return math.log10(TYPICAL_TEFF[kind])
