# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Warning bits of properties of galaxies, by name."""

from enum import IntFlag

__all__ = ["GalaxyFlag"]


class GalaxyFlag(IntFlag):
    """The bits of ``warn`` of properties of galaxies; with 0 they can be relied on within their errors.

    Bits that `~astro_spectok.redshift.RedshiftFlag` has too have the same value and meaning there.

    Examples
    --------
    >>> from astro_spectok.galaxies import GalaxyFlag
    >>> [flag.name for flag in GalaxyFlag(65536 | 1048576)]
    ['NOT_A_GALAXY', 'LOW_SNR']
    >>> GalaxyFlag(512).measured
    False
    """

    NONE = 0
    #: no features that are those of a galaxy: noise, blank sky or a featureless continuum
    SKY_LIKE = 1
    #: fewer good pixels than one patch of 32, so nothing was measured
    TOO_FEW_PIXELS = 2
    #: no spectrum, or one that cannot be read or converted, so nothing was measured
    NO_DATA = 512
    #: the redshift that all rests on is flagged itself: see `~astro_spectok.estimators.RedshiftEstimator`
    UNCERTAIN_REDSHIFT = 4096
    #: at rest the spectrum shows too little of what populations were learned from, so that none are given
    OUT_OF_WAVELENGTH_RANGE = 8192
    #: no uncertainties were given, or implausible ones: they were estimated from the scatter of the flux. A remark that
    #: is set only beside another bit
    ERRORS_ESTIMATED = 16384
    #: the probability of a galaxy is below 0.8; below 0.5 nothing is given
    NOT_A_GALAXY = 65536
    #: age, metallicity or attenuation lie at the edge of what was trained on, or beyond
    EXTRAPOLATED = 524288
    #: the median signal-to-noise ratio of the good pixels is below 3: populations are hardly better known than without
    #: the spectrum
    LOW_SNR = 1048576
    #: the resolving power is not known, so that no velocity dispersion is given. A remark that is set only beside
    #: another bit
    RESOLUTION_UNKNOWN = 2097152
    #: fluxes of lines are not given: their unit does not convert to that of the first row
    OTHER_FLUX_UNIT = 4194304
    #: it is not stated whether wavelengths are in air or in vacuum; vacuum was assumed. A remark that is set only
    #: beside another bit
    MEDIUM_UNKNOWN = 8388608
    #: the lines are much broader than those of a galaxy, as of an active nucleus seen directly: fluxes are lower
    #: limits, and populations are those of a mixture with its light
    BROAD_LINES = 16777216

    @property
    def measured(self) -> bool:
        """Whether there is a spectrum that could be measured; properties may still be withheld."""
        return not self & (GalaxyFlag.NO_DATA | GalaxyFlag.TOO_FEW_PIXELS)
