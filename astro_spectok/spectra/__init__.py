# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The boundary in: from anything specutils can hold to plain arrays."""

from astro_spectok.spectra.arms import join_arms
from astro_spectok.spectra.axis import axis_to_wavelength, depends_on_medium, wavelength_to_axis
from astro_spectok.spectra.back import to_spectrum
from astro_spectok.spectra.batch import InputFlag, SpectrumBatch, SpectrumInfo
from astro_spectok.spectra.convert import MIN_GOOD_PIXELS, to_batch
from astro_spectok.spectra.files import read_files
from astro_spectok.spectra.flux_units import FluxConversion, find_flux_conversion
from astro_spectok.spectra.forms import is_single
from astro_spectok.spectra.medium import convert_to_air, convert_to_vacuum, find_medium
from astro_spectok.spectra.noise import estimate_noise
from astro_spectok.spectra.reading import READ_OPTIONS, read, read_paths
from astro_spectok.spectra.series import SpectrumSeries

# what else is imported here is for other rooms
__all__ = [
    "InputFlag",
    "SpectrumBatch",
    "SpectrumSeries",
    "join_arms",
    "read",
    "to_batch",
]
