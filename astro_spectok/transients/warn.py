# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Warning bits of transients, by name."""

from enum import IntFlag

__all__ = ["TransientFlag"]


class TransientFlag(IntFlag):
    """The bits of ``warn`` of transients; type and redshift with 0 can be relied on within their probabilities.

    Bits that `~astro_spectok.redshift.RedshiftFlag` has too have the same value and meaning there.

    Examples
    --------
    >>> from astro_spectok.transients import TransientFlag
    >>> [flag.name for flag in TransientFlag(4096 | 131072)]
    ['LOW_CONFIDENCE', 'TYPE_UNSURE']
    >>> TransientFlag(512).measured
    False
    """

    NONE = 0
    #: blank sky, or noise
    SKY_LIKE = 1
    #: fewer good pixels than one patch of 32, so nothing was measured
    TOO_FEW_PIXELS = 2
    #: no spectrum, or one that cannot be read or converted, so nothing was measured
    NO_DATA = 512
    #: the probability of a redshift within 0.01 of the best is too low, by what was found with known ones
    LOW_CONFIDENCE = 4096
    #: part of the spectrum lies outside the wavelengths that the weights were trained on. A remark that is set only
    #: beside another bit
    OUTSIDE_TRAINED_RANGE = 8192
    #: no uncertainties were given, or implausible ones. A remark that is set only beside another bit
    ERRORS_ESTIMATED = 16384
    #: too few good pixels for broad features, or too little of the range of the library
    LITTLE_COVERAGE = 32768
    #: the probability of the group of ``type`` (Ia, II, Ibc) is too low: of those above, 95 per cent are right
    TYPE_UNSURE = 131072
    #: it is not surely a transient: more than 3 in 1000 galaxies, quasars and stars look so. Where it is more probably
    #: none, ``type`` is a class and the redshift is its
    NOT_A_TRANSIENT = 262144
    #: the error of the phase is too large: of those below, 90 per cent are right within 10 days. A
    #: remark that is set only beside another bit: ``phase_err`` says how sure a phase is
    PHASE_UNSURE = 524288
    #: a type that the library has fewer than six objects of
    THIN_TYPE = 1048576
    #: of a series: one spectrum alone is sure of another redshift than all together, as of another object
    EPOCHS_DISAGREE = 2097152
    #: of a series: the phases of its spectra are not as far apart as their dates
    DATES_DISAGREE = 4194304
    #: it is not stated whether wavelengths are in air or in vacuum. A remark that is set only beside another bit
    MEDIUM_UNKNOWN = 8388608

    @property
    def measured(self) -> bool:
        """Whether there is a spectrum that could be measured."""
        return not self & (TransientFlag.NO_DATA | TransientFlag.TOO_FEW_PIXELS)
