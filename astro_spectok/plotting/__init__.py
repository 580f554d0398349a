# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of what the package returns; matplotlib is imported when the first is drawn."""

from astro_spectok.plotting.posteriors import draw_posterior
from astro_spectok.plotting.spectra import (
    draw_attention,
    draw_reconstruction,
    draw_redshift,
    draw_tokens,
    mark_lines,
)
from astro_spectok.plotting.stellar import draw_distributions, draw_kiel, draw_stellar
from astro_spectok.plotting.tables import draw_embeddings, draw_table

__all__ = [
    "draw_attention",
    "draw_distributions",
    "draw_embeddings",
    "draw_kiel",
    "draw_posterior",
    "draw_reconstruction",
    "draw_redshift",
    "draw_stellar",
    "draw_table",
    "draw_tokens",
    "mark_lines",
]
