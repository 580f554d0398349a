# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The coarse type of what is a star, out of the probabilities of all types."""

import math

from astro_spectok.utils.spectypes import STAR

__all__ = ["choose_type"]


def choose_type(spectype, types):
    """The most probable type of a star, and its probability.

    Parameters
    ----------
    spectype : str
        Class of the spectrum.
    types : dict of str to float
        Probability of each type, if it is a star; empty for weights without a type head.

    Returns
    -------
    stellar_type : str
        '' for other classes, and for weights without a type head.
    p_stellar_type : float
        NaN there.
    """
    if spectype != STAR or not types:
        return "", math.nan
    best = max(types, key=types.get)
    return best, types[best]
