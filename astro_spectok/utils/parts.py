# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The parts of an embedding by name, and which of them are asked for."""

from typing import Any

__all__ = ["LEARNED", "PARTS", "PHOTOMETRY", "PIXEL_PARTS", "STARS", "check_parts"]

#: in the order in which they stand in an embedding
PARTS = ("lines", "colours", "redshift", "learned", "stars")
#: which star it is, of weights that have learned it
STARS = "stars"
#: those that are read from pixels, which tokens do not hold
PIXEL_PARTS = ("lines", "colours", "stars")
#: the only one of weights that have no head for the parts: the network's own vector as it is
LEARNED = "learned"
#: what is compared with vectors of photometry: a vector of its own, which is given when it is asked for, alone
PHOTOMETRY = "photometry"


def check_parts(parts: Any) -> tuple[str, ...] | None:
    """Parts that are asked for, as a tuple of texts; None for all.

    Parameters
    ----------
    parts : str, sequence of str or None

    Returns
    -------
    tuple of str or None

    Raises
    ------
    TypeError
        It is neither a text nor a sequence of texts.
    ValueError
        It is empty, names a part that there never is, or ``'photometry'`` among others.
    """
    if parts is None:
        return None
    asked = (parts,) if isinstance(parts, str) else parts
    if not isinstance(asked, list | tuple | set | frozenset) or not all(isinstance(part, str) for part in asked):
        msg = f"parts must be a name, several names, or None for all; got {parts!r}; give ['lines', 'colours'], say"
        raise TypeError(msg)
    if PHOTOMETRY in asked and set(asked) != {PHOTOMETRY}:
        msg = f"parts must be {PHOTOMETRY!r} alone, or others without it; got {parts!r}; embed twice for both"
        raise ValueError(msg)
    if not asked or not set(asked) <= {*PARTS, PHOTOMETRY}:
        wrong = sorted(set(asked) - {*PARTS, PHOTOMETRY})
        known, got = ", ".join((*PARTS, PHOTOMETRY)), repr(wrong[0]) if wrong else "none"
        msg = f"parts must be out of {known}; got {got}; None is for all"
        raise ValueError(msg)
    return tuple(asked)
