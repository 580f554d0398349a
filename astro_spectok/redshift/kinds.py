# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Other kinds of object than the classes: what supernovae, composites or light of two objects leave unexplained."""

from typing import NamedTuple

import numpy as np

from astro_spectok.redshift.reliance import describe_answer, is_dubious
from astro_spectok.utils.spectypes import STAR

__all__ = ["FAST", "Shown", "is_galaxy_like", "is_unlike"]

#: velocity over the speed of light up to which a galaxy or quasar may as well be a star: most stars are slower
STELLAR_VELOCITY = 0.001
#: velocity over the speed of light from which a star recedes fast enough to be asked whether it is a near galaxy
FAST = 0.0006
#: nat by which templates of stars must explain a fast star better than those of galaxies do at the same redshift: this
#: share of their evidence, and bounds of that
RIVAL, RIVAL_BOUNDS = 0.06, (3.0, 20.0)


class Shown(NamedTuple):
    """Evidence of a spectrum on the kind of its object.

    Attributes
    ----------
    snr : float
        Median signal-to-noise ratio per pixel.
    pixel : float
        Width of a pixel in ln(wavelength).
    structure, unexplained : float
        As of `~astro_spectok.redshift.fit.Refined`; NaN where templates were not compared.
    type_probability : float
        Of the most probable type, if it is a star; 1 for weights without a type head.
    evidence, tension : float
        As of `~astro_spectok.redshift.solutions.Sharpened`.
    rival : float
        Of a star that recedes faster than `FAST`: evidence of the templates of galaxies at its redshift; NaN where
        there are none, and for all else.
    """

    snr: float = 0.0
    pixel: float = 0.0
    structure: float = np.nan
    unexplained: float = np.nan
    type_probability: float = 1.0
    evidence: float = np.nan
    tension: float = 0.0
    rival: float = np.nan


def is_galaxy_like(shown):
    """Whether templates of galaxies explain a fast star about as well as those of stars do.

    Parameters
    ----------
    shown : `Shown`

    Returns
    -------
    bool
        False where they were not compared.
    """
    return bool(shown.rival - shown.evidence > -np.clip(RIVAL * shown.evidence, *RIVAL_BOUNDS))


def is_unlike(spectype, z, probability, information, shown, rules, around=None):
    """Whether an object is of another kind than those of its class, or has the velocity of a star without being one.

    Templates explain most of the features of a spectrum of their class, if not all; a bright quasar has a sharp
    redshift, and a bright star a type. Supernovae and spectra of two objects fail in one of these. A star at the
    velocity of a near galaxy is one by its lines alone: templates of galaxies must not explain it as well. Beyond that,
    a fitted rule compares answers with right ones.

    Parameters
    ----------
    spectype : str
    z, probability : float
        Of the best solution.
    information : float
        In nat, of class and redshift, before a user's prior.
    shown : `Shown`
    rules : `~astro_spectok.redshift.rules.RedshiftRules`
    around : float, optional
        Probability of the class and a redshift in the vicinity; that of the best solution if not given.

    Returns
    -------
    bool

    Examples
    --------
    >>> from astro_spectok.redshift.kinds import Shown, is_unlike
    >>> from astro_spectok.redshift.rules import RedshiftRules
    >>> shown, rules = Shown(snr=20, pixel=3e-4, structure=0.3, unexplained=0.2), RedshiftRules.begin()
    >>> is_unlike("QSO", 2.8, 0.85, 6.9, shown, rules)
    True
    >>> is_unlike("QSO", 2.8, 0.999, 8.5, shown, rules)
    False
    """
    if spectype != STAR and abs(z) < STELLAR_VELOCITY:
        return True
    if spectype == STAR and is_galaxy_like(shown):
        return True
    features = describe_answer(z, probability, probability if around is None else around, information, shown)
    if is_dubious(spectype, features, rules.reliable):
        return True
    strange = shown.unexplained > rules.unexplained  # False for NaN
    share = shown.unexplained / shown.structure if strange else 0.0
    limits = rules.unlike["QSO" if spectype == "QSO" else STAR if spectype == STAR else "GALAXY"]
    if spectype == STAR:
        known = information >= limits["information"] or shown.type_probability >= limits["type"]
        return bool(share > limits["share"] and not known)
    if spectype == "QSO" and shown.pixel > limits["pixel"]:
        return False
    if not shown.snr > limits["bright"]:
        return False
    left = share > limits["share"] and probability < limits["sure"]
    return bool(left or (spectype == "QSO" and information < limits["information"]))
