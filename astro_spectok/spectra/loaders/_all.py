# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All loaders of this package, registered at once: importing this module does it."""

import importlib

from astro_spectok.spectra.loaders._registration import registering

__all__ = ["MODULES"]

#: formats of one layout, then general readers, then surveys by their headers: the order in which they are tried
MODULES = (
    "gaia", "astropy_tables", "cubes", "deep2", "desi", "echelle", "iue", "pypeit", "sdss", "spextool", "supernovae",
    "surveys", "fits_tables", "fits_images", "json_tables", "text_tables", "binary_tables", "trees", "matlab",
    "aaomega", "calspec", "gtc_osiris", "hermes", "lamost",
)  # fmt: skip

with registering():
    for _name in MODULES:
        importlib.import_module(f"astro_spectok.spectra.loaders.{_name}")
