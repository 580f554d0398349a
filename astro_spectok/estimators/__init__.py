# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Estimators: class, redshift, stellar parameters and properties of galaxies of spectra from any instrument."""

from astro_spectok.galaxies.estimator import GalaxyPropertyEstimator
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.stellar.estimator import StellarParameterEstimator

__all__ = ["GalaxyPropertyEstimator", "RedshiftEstimator", "StellarParameterEstimator"]
