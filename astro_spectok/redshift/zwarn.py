# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Warning bits of redshifts, by name."""

from enum import IntFlag

__all__ = ["RedshiftFlag"]


class RedshiftFlag(IntFlag):
    """The bits of every ``zwarn``; a redshift with 0 can be relied on.

    Bits below 4096 have the same meaning as in SDSS's ``ZWARNING`` (and redrock's ``ZWARN``), so that pipelines which
    test for those continue to work; the others are our own.

    Examples
    --------
    >>> from astro_spectok.redshift.zwarn import RedshiftFlag
    >>> [flag.name for flag in RedshiftFlag(4 | 4096)]
    ['TWO_PEAKS', 'LOW_CONFIDENCE']
    >>> RedshiftFlag(512).measured
    False
    """

    NONE = 0
    #: no features that are those of the class: blank sky, noise or a featureless continuum (SDSS: ``SKY``)
    SKY_LIKE = 1
    #: fewer good pixels than one patch of 32, so nothing was measured (SDSS: ``LITTLE_COVERAGE``)
    TOO_FEW_PIXELS = 2
    #: another redshift is nearly as probable as the best (SDSS: ``SMALL_DELTA_CHI2``)
    TWO_PEAKS = 4
    #: the flux is negative on average, beyond the noise (SDSS: ``NEGATIVE_MODEL``)
    NEGATIVE_CONTINUUM = 8
    #: features are not those of the class, by the residuals of its templates and by the little information on redshift
    #: or type: another kind of object; or a galaxy or quasar at the velocity of a star, or a star at that of a near
    #: galaxy which templates of galaxies explain as well, or one with the lines of a nebula (SDSS: ``MANY_OUTLIERS``)
    UNLIKE_CLASS = 16
    #: the best redshift lies at the end of the range that was searched (SDSS: ``Z_FITLIMIT``), or the spectrum of a
    #: galaxy ends at the Lyman-alpha break, or that of a quasar before its Lyman alpha
    AT_EDGE = 32
    #: no spectrum, or one that cannot be read or converted, so nothing was measured (SDSS: ``NODATA``)
    NO_DATA = 512
    #: the probability of the best class with a redshift within 0.01 (1 + z) of the best is below the threshold
    #: of that class in the calibration of the weights, 0.8 if there is none; or a quasar or star is not certain enough
    #: of its class where pixels are too wide to show widths of lines
    LOW_CONFIDENCE = 4096
    #: part of the spectrum lies outside the wavelengths that the weights were trained on; if that is less than three
    #: tenths of its good pixels, a remark that is set only beside another bit
    OUTSIDE_TRAINED_RANGE = 8192
    #: no uncertainties were given, or implausible ones: they were estimated from the scatter of the flux, and the
    #: errors follow from that. A remark that is set only beside another bit
    ERRORS_ESTIMATED = 16384
    #: fewer than 300 good pixels, which fill less than a tenth in ln(wavelength)
    LITTLE_COVERAGE = 32768
    #: templates of supernovae and other transients explain it better than those of its class (weights with a head
    #: ``transient``); not set for galaxies whose lines are certain, as the redshift of the host is right
    TRANSIENT_LIKE = 65536
    #: of a series: one spectrum alone is sure of another class or redshift than all together, as of another object
    EPOCHS_DISAGREE = 131072
    #: it is not stated whether wavelengths are in air or in vacuum; vacuum was assumed, and the errors include the
    #: possible shift, 83 km/s in the optical. A remark that is set only beside another bit
    MEDIUM_UNKNOWN = 8388608

    @property
    def measured(self) -> bool:
        """Whether there is a redshift at all."""
        return not self & (RedshiftFlag.NO_DATA | RedshiftFlag.TOO_FEW_PIXELS)
