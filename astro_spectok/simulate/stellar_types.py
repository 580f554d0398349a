# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral types as catalogues write them, reduced to a letter, and the temperature that goes with it."""

import math

from astro_spectok.simulate.objects import STELLAR_TYPES

__all__ = ["TYPICAL_TEFF", "find_type", "find_type_of_teff", "guess_log_teff", "number_types"]

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


#: those of `STELLAR_TYPES` that have a longer name here
_SHORT = {"white dwarf": "WD", "carbon": "C"}
#: least temperature in kelvin of each type, of dwarfs (Pecaut & Mamajek 2013, Filippazzo+2015) and where giants differ
#: (van Belle+1999, Gray & Corbally 2009); from F to G and from G to K where the types of the MILES stars change most
#: cleanly at the temperatures of their catalogue, 80 to 220 K lower
_LEAST_TEFF = {"O": 30000, "B": 10000, "A": 7300, "F": 5880, "G": 5080, "K": 3900, "M": 2300, "L": 1300}
_LEAST_TEFF_OF_GIANTS = _LEAST_TEFF | {"F": 5770, "G": 4700, "K": 3850}
#: log10 of the gravity in cm/s2 below which a star is a giant, and above which it is a white dwarf
_GIANT, _COMPACT = 3.5, 6.5


def find_type(text):
    """Reduce a spectral type to a key of `TYPICAL_TEFF`.

    Parameters
    ----------
    text : str
        E.g. ``'B2Vne (58343)'``, ``'esdM10'``, ``'a47iv'``, ``'WD:DA'``.

    Returns
    -------
    str
        ``'star'`` where it is unknown.
    """
    for part, kind in _NAMED:
        if part in text:
            return kind
    core = text.strip()
    for prefix in ("esd", "usd", "sd:", "sd", "d", "pickles_r", "pickles_w", "pickles_"):
        if core.startswith(prefix) and core[len(prefix):len(prefix) + 1].upper() in set("OBAFGKMLTC"):  # fmt: skip
            core = core[len(prefix) :]
            break
    letter = core[:1].upper()
    if letter == "C" and not core[1:2].isalpha():
        return "carbon"
    is_type = letter in TYPICAL_TEFF and (len(core) == 1 or not core[1].isalpha() or core[1] in "IVmp")
    return letter if letter and is_type else "star"


def find_type_of_teff(teff, logg=math.nan):
    """The letter of a temperature in kelvin; the borders between F, G, K and M are those of giants at low ``logg``."""
    limits = _LEAST_TEFF_OF_GIANTS if logg < _GIANT else _LEAST_TEFF
    return next((letter for letter, least in limits.items() if teff >= least), "T")


def number_types(kinds, teff, logg):
    """Numbers of the coarse types of stars.

    A known temperature says more than the kind, which may be that of the star that a mixture was begun with; but for
    what is no ordinary star.

    Parameters
    ----------
    kinds : list of str
        Keys of `TYPICAL_TEFF`.
    teff, logg : sequence of float
        Kelvin and log10(g / (cm s-2)); NaN where unknown.

    Returns
    -------
    list of int
        Index into `~astro_spectok.simulate.STELLAR_TYPES`, -1 where the type is unknown.
    """
    numbers = []
    for kind, temperature, gravity in zip(kinds, teff, logg, strict=True):
        name = _SHORT.get(kind, kind)
        if gravity > _COMPACT:
            name = "WD"
        elif name not in ("WD", "CV", "C") and math.isfinite(temperature):
            name = find_type_of_teff(temperature, gravity)
        numbers.append(STELLAR_TYPES.index(name) if name in STELLAR_TYPES else -1)
    return numbers


def guess_log_teff(kind):
    """log10 of the temperature in kelvin that is typical of a type."""
    return math.log10(TYPICAL_TEFF[kind])
