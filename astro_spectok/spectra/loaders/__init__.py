# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for files that specutils cannot read or misreads; importing this package registers them with specutils."""

from astro_spectok.spectra.loaders import _all  # isort: skip  (before all that is named below)
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
