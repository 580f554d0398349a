# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class, redshift, parameters, tokens and embeddings of spectra of any object, range and resolution, for specutils."""

import astro_spectok.utils.without_plots  # isort: skip  (before all that imports specutils)
import astro_spectok.spectra.loaders  # noqa: F401  (registers loaders for files that specutils does not read)
from astro_spectok.accessors import register_accessors
from astro_spectok.config import conf
from astro_spectok.embedding import embed, embed_files, embed_table, measure_attention, tokenize
from astro_spectok.spectra import read
from astro_spectok.tokens import SpectralTokens, SpectralTokensList
from astro_spectok.version import __version__

#: how to cite the package
__citation__ = (
    f"astro_spectok developers, astro_spectok {__version__}, BSD-3-Clause; design after Shen et al. 2025, "
    "Universal Spectral Tokenization via Self-Supervised Panchromatic Representation Learning, arXiv:2510.17959"
)

__all__ = [
    "SpectralTokens",
    "SpectralTokensList",
    "__citation__",
    "__version__",
    "conf",
    "embed",
    "embed_files",
    "embed_table",
    "measure_attention",
    "read",
    "tokenize",
]

register_accessors()
