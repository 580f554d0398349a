# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Other kinds of object than the classes: what supernovae, composites or light of two objects leave unexplained."""

from typing import NamedTuple

import numpy as np

from astro_spectok.utils.spectypes import STAR

__all__ = ["Shown", "is_unlike"]

# All of these were fitted together on simulated spectra of all instruments, real stars (MILES, STELIB, Indo-US, Jacoby,
# SpeX, CALSPEC, Kast) and supernovae (superfit, SNID, deepSIP, before 1990) of the folder ``train``:
# ``benchmarks/nonsense.py --train`` shows what they do.

#: root mean square, over the continuum and in bins of 600 km/s, of what templates leave of features, to be counted
LEFT = 0.07
#: its share of the features, probability below which, and signal-to-noise ratio per pixel above which it is doubted
GALAXY_LEFT, GALAXY_SURE, GALAXY_BRIGHT = 0.75, 0.95, 10.0
QUASAR_LEFT, QUASAR_SURE, QUASAR_BRIGHT = 0.5, 0.97, 5.0
#: nat that a quasar as bright tells of its redshift, if pixels are no wider in ln(wavelength): less is a broad bump
QUASAR_INFORMATION, WIDE_PIXEL = 6.6, 2e-3
#: share left of a star's features, nat that it tells, and probability of its type, that must all be missed
STAR_LEFT, STAR_INFORMATION, STAR_TYPE = 0.85, 2.5, 0.45
#: velocity over the speed of light up to which a galaxy or quasar may as well be a star: most stars are slower
STELLAR_VELOCITY = 0.001


class Shown(NamedTuple):
    """What a spectrum shows of the kind of its object.

    Attributes
    ----------
    snr : float
        Median signal-to-noise ratio per pixel.
    pixel : float
        Width of a pixel in ln(wavelength).
    structure, unexplained : float
        As of `~astro_spectok.redshift.fit.Refined`; NaN where templates were not compared.
    type_probability : float
        Of the most probable type, if it is a star; 1 where weights tell none.
    """

    snr: float = 0.0
    pixel: float = 0.0
    structure: float = np.nan
    unexplained: float = np.nan
    type_probability: float = 1.0


def is_unlike(spectype, z, probability, information, shown):
    """Whether an object is of another kind than those of its class, or has the velocity of a star without being one.

    Templates explain most of the features of a spectrum of their class, if not all; a bright quasar has a sharp
    redshift, and a bright star a type. Supernovae and spectra of two objects fail in one of these.

    Parameters
    ----------
    spectype : str
    z, probability : float
        Of the best solution.
    information : float
        In nat, of class and redshift, before a user's prior.
    shown : `Shown`

    Returns
    -------
    bool

    Examples
    --------
    >>> from astro_spectok.redshift.kinds import Shown, is_unlike
    >>> is_unlike("QSO", 2.8, 0.85, 6.9, Shown(snr=20, pixel=3e-4, structure=0.3, unexplained=0.2))
    True
    >>> is_unlike("QSO", 2.8, 0.999, 8.5, Shown(snr=20, pixel=3e-4, structure=0.3, unexplained=0.2))
    False
    """
    if spectype != STAR and abs(z) < STELLAR_VELOCITY:
        return True
    strange = shown.unexplained > LEFT  # False for NaN
    share = shown.unexplained / shown.structure if strange else 0.0
    if spectype == STAR:
        return bool(
            share > STAR_LEFT and information < STAR_INFORMATION and shown.type_probability < STAR_TYPE
        )  # fmt: skip
    if spectype != "QSO":
        return bool(share > GALAXY_LEFT and probability < GALAXY_SURE and shown.snr > GALAXY_BRIGHT)
    if shown.pixel > WIDE_PIXEL or not shown.snr > QUASAR_BRIGHT:
        return False
    return bool(information < QUASAR_INFORMATION or (share > QUASAR_LEFT and probability < QUASAR_SURE))
