# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What everything that takes spectra does alike: input to batch and weights, files, parameters, provenance."""

from astro_spectok.interface.estimator import Estimator

__all__ = ["Estimator"]
