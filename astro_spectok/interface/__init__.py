# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shared parts of everything that takes spectra: input to batch and weights, files, parameters, provenance."""

from astro_spectok.interface.estimator import Estimator

__all__ = ["Estimator"]
