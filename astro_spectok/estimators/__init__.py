# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Estimators: class, redshift and stellar parameters of spectra from any instrument."""

from astro_spectok.estimators.classes import ClassEstimate, ClassEstimator, classify
from astro_spectok.estimators.redshift import RedshiftEstimator
from astro_spectok.estimators.stellar import StellarParameterEstimator

__all__ = ["ClassEstimate", "ClassEstimator", "RedshiftEstimator", "StellarParameterEstimator", "classify"]
