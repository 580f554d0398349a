# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Numbers that several modules of the simulator need."""

import math

__all__ = ["FWHM", "GAUSS_AREA", "HC_OVER_K", "LIGHT_SPEED", "MAGNITUDE"]

#: speed of light in km/s
LIGHT_SPEED = 299792.458
#: full width at half maximum of a Gaussian over its standard deviation
FWHM = 2 * math.sqrt(2 * math.log(2))
#: area of a Gaussian over its height and standard deviation
GAUSS_AREA = math.sqrt(2 * math.pi)
#: natural logarithm of the flux ratio that a magnitude is
MAGNITUDE = 0.4 * math.log(10)
#: h c / k in Angstrom K
HC_OVER_K = 1.43877e8
