# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Supernovae and other transients: the estimator, the posterior of type and redshift, flags and result."""

from astro_spectok.transients.changes import Changes, find_changes
from astro_spectok.transients.result import TransientEstimate
from astro_spectok.transients.warn import TransientFlag

__all__ = ["Changes", "TransientEstimate", "TransientFlag", "find_changes"]
