# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The speed of light, and the FWHM of a Gaussian: numbers that several rooms need."""

import numpy as np

__all__ = ["FWHM_PER_SIGMA", "LIGHT_SPEED"]

#: speed of light in km/s
LIGHT_SPEED = 299792.458
#: full width at half maximum of a Gaussian over its standard deviation
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
