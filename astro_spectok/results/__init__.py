# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What users get back: tokens and tables with units."""

from astro_spectok.results.tokens import SpectralTokens
from astro_spectok.results.tokens_list import SpectralTokensList

__all__ = ["SpectralTokens", "SpectralTokensList"]
