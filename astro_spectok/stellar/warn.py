# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Warning bits of stellar parameters, by name."""

from enum import IntFlag

__all__ = ["StellarFlag"]


class StellarFlag(IntFlag):
    """The bits of ``warn`` of stellar parameters; with 0 they can be relied on within their errors.

    Bits that `~astro_spectok.redshift.RedshiftFlag` has too have the same value and meaning there.

    Examples
    --------
    >>> from astro_spectok.stellar.warn import StellarFlag
    >>> [flag.name for flag in StellarFlag(65536 | 1048576)]
    ['NOT_A_STAR', 'LOW_SNR']
    >>> StellarFlag(512).measured
    False
    """

    NONE = 0
    #: no features that are those of a star: noise, blank sky or a featureless continuum
    SKY_LIKE = 1
    #: fewer good pixels than one patch of 32, so nothing was measured
    TOO_FEW_PIXELS = 2
    #: no spectrum, or one that cannot be read or converted, so nothing was measured
    NO_DATA = 512
    #: part of the spectrum lies outside the wavelengths that the weights were trained on; or most of it outside those
    #: that their stellar labels were trained on, and it fills half of none of these ranges
    OUT_OF_WAVELENGTH_RANGE = 8192
    #: no uncertainties were given, or implausible ones: they were estimated from the scatter of the flux. A remark that
    #: is set only beside another bit
    ERRORS_ESTIMATED = 16384
    #: fewer than 300 good pixels, which fill less than a tenth in ln(wavelength)
    LITTLE_COVERAGE = 32768
    #: the probability of a star is below 0.8, or its features are those of another kind of object; below 0.5 no
    #: parameters are given
    NOT_A_STAR = 65536
    #: with a probability above 0.1 a type that no parameters were trained for, such as a cataclysmic variable, a carbon
    #: star or a brown dwarf, or a white dwarf without hydrogen lines that models fit; above 0.5 no parameters are given
    TYPE_NOT_COVERED = 131072
    #: temperature, gravity and metallicity together lie where no star was trained on
    OUT_OF_HULL = 262144
    #: the parameters lie within what was trained on, but more than half of their probability does not; or the
    #: resolving power does not
    EXTRAPOLATED = 524288
    #: the median signal-to-noise ratio of the good pixels is below 5
    LOW_SNR = 1048576
    #: two types that are far apart are both probable, or there are lines of a second star, 160 km/s apart or more
    BLEND_LIKE = 2097152
    #: the temperature is that of no type which is probable, so that one of the two is wrong
    TYPE_DISAGREES = 4194304
    #: it is not stated whether wavelengths are in air or in vacuum; vacuum was assumed, and ``rv_err`` includes the
    #: possible shift, 83 km/s in the optical. A remark that is set only beside another bit
    MEDIUM_UNKNOWN = 8388608

    @property
    def measured(self) -> bool:
        """Whether there is a spectrum that could be measured; parameters may still be withheld."""
        return not self & (StellarFlag.NO_DATA | StellarFlag.TOO_FEW_PIXELS)
