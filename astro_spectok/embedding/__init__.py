# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`tokenize`, `embed` and `measure_attention`: from anything specutils holds to tokens and vectors."""

from astro_spectok.embedding.attention import measure_attention
from astro_spectok.embedding.embed_spectra import embed, embed_files, embed_table
from astro_spectok.embedding.tokenize_spectra import tokenize

__all__ = ["embed", "embed_files", "embed_table", "measure_attention", "tokenize"]
