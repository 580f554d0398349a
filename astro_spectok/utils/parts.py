# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The parts of an embedding by name, and which of them are asked for."""

from typing import Any

__all__ = ["LEARNED", "PARTS", "PIXEL_PARTS", "check_parts"]

#: in the order in which they stand in an embedding
PARTS = ("lines", "colours", "redshift", "learned")
#: those that are read from pixels, which tokens do not hold
PIXEL_PARTS = ("lines", "colours")
#: the only one of weights that have no head for the parts: the network's own vector as it is
LEARNED = "learned"


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
        It is empty, or names a part that there never is.
    """
    if parts is None:
        return None
    asked = (parts,) if isinstance(parts, str) else parts
    if not isinstance(asked, list | tuple | set | frozenset) or not all(isinstance(part, str) for part in asked):
        msg = f"parts must be a name, several names, or None for all; got {parts!r}; give ['lines', 'colours'], say"
        raise TypeError(msg)
    if not asked or not set(asked) <= set(PARTS):
        wrong = sorted(set(asked) - set(PARTS))
        msg = f"parts must be out of {', '.join(PARTS)}; got {repr(wrong[0]) if wrong else 'none'}; None is for all"
        raise ValueError(msg)
    return tuple(asked)
