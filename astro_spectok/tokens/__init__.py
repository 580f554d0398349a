# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens of a spectrum: their values, where they stand, how they turn back into a spectrum, files of them."""

from astro_spectok.tokens.spectral_tokens import SpectralTokens
from astro_spectok.tokens.token_attention import TokenAttention
from astro_spectok.tokens.tokens_list import SpectralTokensList

__all__ = ["SpectralTokens", "SpectralTokensList", "TokenAttention"]
