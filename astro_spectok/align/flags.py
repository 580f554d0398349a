# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What may be wrong with photometry, as bits of ``warn``."""

from enum import IntFlag

__all__ = ["PhotometryFlag"]


class PhotometryFlag(IntFlag):
    """Bits of the column ``warn`` of photometric redshifts.

    Examples
    --------
    >>> from astro_spectok.align import PhotometryFlag
    >>> PhotometryFlag(5)
    <PhotometryFlag.UNUSABLE|FEW_BANDS: 5>
    """

    #: fewer than two filters have a flux with an error: nothing is measured
    UNUSABLE = 1
    #: an error is negative, or zero: that filter is left out
    BAD_ERROR = 2
    #: two filters only: one colour
    FEW_BANDS = 4
    #: no filter with a signal-to-noise ratio of 3
    FAINT = 8
    #: a filter beyond the wavelengths of those in training: it is left out
    OUTSIDE = 16
    #: several redshifts or classes are about as probable
    AMBIGUOUS = 32
    #: the redshift is at the end of the range that is known
    AT_LIMIT = 64
