# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names of stars, written in one way, so that the same star is found again in another library."""

import re

__all__ = ["name_star"]

_HENRY_DRAPER = re.compile(r"^HD0*(\d+)([AB]?)$")


def name_star(text):
    """Name of a star as it is compared.

    Parameters
    ----------
    text : str
        As a catalogue has it.

    Returns
    -------
    str
        In capitals, without spaces, with P and M for signs, and for a number of Henry Draper's catalogue without zeros
        before it and without the letter of a component.

    Examples
    --------
    >>> from astro_spectok.simulate.star_names import name_star
    >>> name_star("HD 004628"), name_star("HD4628A"), name_star("bd_+04 4551")
    ('HD4628', 'HD4628', 'BDP044551')
    """
    text = re.sub(r"[_ ]", "", str(text).upper()).replace("-", "M").replace("+", "P")
    match = _HENRY_DRAPER.match(text)
    return f"HD{int(match[1])}" if match else text
