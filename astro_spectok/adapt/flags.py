# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The bits of ``warn`` of what adapted estimators give."""

from enum import IntFlag

__all__ = ["AdaptFlag"]


class AdaptFlag(IntFlag):
    """The bits of ``warn`` of estimators for your own labels; 0 is a spectrum like those used in training.

    The lower bits are those of `~astro_spectok.spectra.InputFlag`, with the same values.

    Examples
    --------
    >>> from astro_spectok.adapt import AdaptFlag
    >>> [flag.name for flag in AdaptFlag(2 | 65536)]
    ['MEDIUM_ASSUMED', 'LITTLE_COVERAGE']
    >>> AdaptFlag(2048).unusable
    True
    """

    NONE = 0
    #: as of InputFlag
    UNCERTAINTY_ESTIMATED = 1
    #: as of InputFlag
    MEDIUM_ASSUMED = 2
    #: as of InputFlag
    WAVELENGTH_SORTED = 4
    #: as of InputFlag
    OUTSIDE_TRAINED_RANGE = 8
    #: as of InputFlag
    PIXELS_AVERAGED = 16
    #: as of InputFlag
    UNCERTAINTY_RAISED = 32
    #: as of InputFlag
    GUESSED = 64
    #: as of InputFlag
    TOO_FEW_PIXELS = 256
    #: as of InputFlag
    TOO_MANY_PIXELS = 512
    #: as of InputFlag
    BAD_UNITS = 1024
    #: as of InputFlag
    BAD_INPUT = 2048
    #: as of InputFlag
    WHOLLY_OUTSIDE = 4096
    #: as of InputFlag
    FAILED = 8192
    #: the spectrum fills less than two thirds of the wavelengths that were learned from
    LITTLE_COVERAGE = 65536
    #: it is farther from those that were learned from than these are from each other
    UNLIKE_TRAINING = 131072
    #: a label lies outside the range of those that were learned from, by more than its error
    LABEL_OUTSIDE = 262144
    #: its pixels are a quarter wider or narrower than any that were learned from, as those of another instrument:
    #: errors hold what noise, resolution and calibration do, and not that labels of two surveys may differ
    OTHER_INSTRUMENT = 524288

    @property
    def unusable(self) -> bool:
        """Whether no result can be given: bool."""
        return bool(self & 0x3F00)
