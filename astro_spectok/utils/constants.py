# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The speed of light, and widths of a Gaussian: numbers that several rooms need."""

import math

__all__ = ["FWHM_PER_SIGMA", "LIGHT_SPEED", "SIGMA_PER_MAD"]

#: speed of light in km/s
LIGHT_SPEED = 299792.458
#: full width at half maximum of a Gaussian over its standard deviation
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: standard deviation of a Gaussian over its median absolute deviation
SIGMA_PER_MAD = 1.482602
