# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Estimators of what a spectrum of any instrument is of: class, redshift, stars, galaxies, transients."""

from astro_spectok.galaxies.estimator import GalaxyPropertyEstimator
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.stellar.estimator import StellarParameterEstimator
from astro_spectok.transients.estimator import TransientEstimator

__all__ = ["GalaxyPropertyEstimator", "RedshiftEstimator", "StellarParameterEstimator", "TransientEstimator"]
