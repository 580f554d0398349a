# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The boundary in: from anything specutils can hold to plain arrays."""

from .arms import join_arms
from .axis import axis_to_wavelength, depends_on_medium, wavelength_to_axis
from .batch import InputFlag, SpectrumBatch, SpectrumInfo
from .convert import MIN_GOOD_PIXELS, to_batch
from .files import read_file, read_files
from .flux_units import FluxConversion, find_flux_conversion
from .forms import is_single
from .medium import convert_to_air, convert_to_vacuum, find_medium
from .noise import estimate_noise

__all__ = [
    "MIN_GOOD_PIXELS",
    "FluxConversion",
    "InputFlag",
    "SpectrumBatch",
    "SpectrumInfo",
    "axis_to_wavelength",
    "convert_to_air",
    "convert_to_vacuum",
    "depends_on_medium",
    "estimate_noise",
    "find_flux_conversion",
    "find_medium",
    "is_single",
    "join_arms",
    "read_file",
    "read_files",
    "to_batch",
    "wavelength_to_axis",
]
