# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Estimators: class and redshift of spectra from any instrument."""

from astro_spectok.estimators.classes import ClassEstimate, ClassEstimator, classify
from astro_spectok.estimators.redshift import RedshiftEstimator

__all__ = ["ClassEstimate", "ClassEstimator", "RedshiftEstimator", "classify"]
