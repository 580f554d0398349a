# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of what the package returns; matplotlib is imported when the first is drawn."""

from astro_spectok.plotting.redshift import plot_posterior, plot_redshift
from astro_spectok.plotting.spectra import (
    mark_lines,
    plot_attention,
    plot_reconstruction,
    plot_tokens,
)
from astro_spectok.plotting.stellar import plot_distributions, plot_kiel, plot_stellar
from astro_spectok.plotting.tables import plot_embeddings, plot_table

__all__ = [
    "mark_lines",
    "plot_attention",
    "plot_distributions",
    "plot_embeddings",
    "plot_kiel",
    "plot_posterior",
    "plot_reconstruction",
    "plot_redshift",
    "plot_stellar",
    "plot_table",
    "plot_tokens",
]
