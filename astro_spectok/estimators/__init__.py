# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Estimators: class, redshift, stellar parameters and types of transients of spectra from any instrument."""

from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.stellar.estimator import StellarParameterEstimator
from astro_spectok.transients.estimator import TransientEstimator

__all__ = ["RedshiftEstimator", "StellarParameterEstimator", "TransientEstimator"]
