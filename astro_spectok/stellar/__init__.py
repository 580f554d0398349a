# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar parameters: the estimator, labels and their domain, velocities, second stars, flags and result."""

from astro_spectok.stellar.result import StellarDistributions, StellarEstimate
from astro_spectok.stellar.warn import StellarFlag

__all__ = ["StellarDistributions", "StellarEstimate", "StellarFlag"]
