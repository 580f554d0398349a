# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for files that specutils cannot read or misreads; importing this package registers them with specutils."""

# formats of one layout, then general readers: this is the order in which they are tried
from astro_spectok.spectra.loaders import (  # isort: skip
    astropy_tables, cubes, deep2, desi, echelle, gaia, iue, pypeit, sdss, spextool, supernovae, surveys,
)  # fmt: skip
from astro_spectok.spectra.loaders import fits_tables, fits_images, json_tables, text_tables, binary_tables, trees  # isort: skip
from astro_spectok.spectra.loaders._refusal import UnreadableFileError
from astro_spectok.spectra.loaders.aaomega import read_2dfdr, read_2dfdr_list
from astro_spectok.spectra.loaders.calspec import read_calspec
from astro_spectok.spectra.loaders.gtc_osiris import read_gtc_osiris
from astro_spectok.spectra.loaders.hermes import read_hermes
from astro_spectok.spectra.loaders.lamost import read_lamost_lrs, read_lamost_mrs

__all__ = [
    "UnreadableFileError",
    "read_2dfdr",
    "read_2dfdr_list",
    "read_calspec",
    "read_gtc_osiris",
    "read_hermes",
    "read_lamost_lrs",
    "read_lamost_mrs",
]
