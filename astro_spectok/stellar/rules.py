# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarRules`: thresholds and limits of stellar parameters, whose numbers stand with the stellar head."""

from dataclasses import dataclass
from typing import ClassVar

from astro_spectok.heads.small_numbers import STELLAR_RULES
from astro_spectok.utils.settings import Rules

__all__ = ["StellarRules"]


@dataclass(frozen=True)
class StellarRules(Rules):
    """Thresholds of the flags of stellar parameters, and of giving parameters at all.

    Attributes
    ----------
    flagged, refused : float
        Probability of a star below which it is flagged, and below which nothing is given.
    suspect, certain : float
        Probability of a type without parameters above which they are flagged, and above which none are given: with a
        type head that trained on none of them, 2 of 358 stars of types F to K in the optical and the H band had more
        than 0.2, and 160 of 164 white dwarfs, cataclysmic variables, L and T; other bits flagged the other four.
    least_snr : float
        Median signal-to-noise ratio per pixel below which the quality of parameters has not been measured.
    least_share : float
        Share of the good pixels that must lie within the trained wavelengths, unless they fill these.
    tail : float
        Share of the probability of the labels that may lie outside the hull: dwarfs are at its edge, where stars end
        and not only those that have labels, so that up to half of theirs does.
    shared_type : float
        Probability that each of two types must have to be a blend.
    possible : float
        Probability from which a type counts when temperatures are compared.
    least_gain, least_line_share : float
        Fall of chi squared by the lines of a second star, and strength of these, from which there may be one: of 368
        spectra of single stars of types F to K none reaches 25 and 0.15, of hotter ones one in twenty.
    informative : float
        Share of the spread of the training stars below which the error of an optional label must lie for it to be
        given: above, the value is what was known without the spectrum.
    velocity_scale, velocity_floor : float
        Factor of the errors of velocities from the H band, so that pulls on simulated stars have unit width; and the
        least error, in ln(1 + v / c).
    """

    flagged: float
    refused: float
    suspect: float
    certain: float
    least_snr: float
    least_share: float
    tail: float
    shared_type: float
    possible: float
    least_gain: float
    least_line_share: float
    informative: float
    velocity_scale: float
    velocity_floor: float

    _former_names: ClassVar[dict] = {"doubtful": "flagged", "told": "informative"}

    @classmethod
    def begin(cls):
        """Rules of a new head.

        Returns
        -------
        StellarRules
        """
        return cls.from_dict(STELLAR_RULES)
