# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of what the package returns; matplotlib is imported when the first is drawn."""

from astro_spectok.plotting.maps import plot_map
from astro_spectok.plotting.spectra import mark_lines, plot_reconstruction
from astro_spectok.plotting.tables import plot_embeddings, plot_table

__all__ = ["mark_lines", "plot_embeddings", "plot_map", "plot_reconstruction", "plot_table"]
