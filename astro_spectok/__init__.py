# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens, embeddings and reconstructions of spectra of any object, wavelength range and resolution, for specutils."""

from importlib.metadata import version as _version

__version__ = _version("astro_spectok")

import astro_spectok.spectra.loaders  # noqa: F401  (registers loaders for files that specutils does not read)
from astro_spectok.accessors import register_accessors
from astro_spectok.config import conf
from astro_spectok.embedding import embed, embed_table, tokenize
from astro_spectok.results import SpectralTokens, SpectralTokensList

__all__ = ["SpectralTokens", "SpectralTokensList", "__version__", "conf", "embed", "embed_table", "tokenize"]

register_accessors()
