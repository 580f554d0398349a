# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Galaxies: stellar populations, velocity dispersion, emission lines and the break at 4000 Angstrom."""

from astro_spectok.galaxies.result import GalaxyEstimate
from astro_spectok.galaxies.warn import GalaxyFlag

__all__ = ["GalaxyEstimate", "GalaxyFlag"]
