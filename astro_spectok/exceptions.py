# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors and warnings of the package, each a subclass of the builtin or Astropy one it refines."""

from astropy.utils.exceptions import AstropyUserWarning

__all__ = [
    "FlaggedSpectraWarning",
    "SpectokWarning",
    "UnknownWeightsError",
    "WavelengthRangeWarning",
    "WeightsError",
    "WeightsIntegrityError",
]


class SpectokWarning(AstropyUserWarning):
    """Base class of every warning this package issues."""


class WavelengthRangeWarning(SpectokWarning):
    """A spectrum reaches outside the wavelengths that the weights were trained on."""


class FlaggedSpectraWarning(SpectokWarning):
    """Some spectra of many could not be used; their rows hold NaN and a flag that says why."""


class WeightsError(RuntimeError):
    """A set of weights cannot be used; the message says why and what to do."""


class WeightsIntegrityError(WeightsError):
    """A weights file is truncated, altered or not what the registry says it is."""


class UnknownWeightsError(WeightsError, LookupError):
    """No set of weights of that name is known."""
