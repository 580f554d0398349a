# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Numbers that several modules of the simulator need."""

import math

from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED

__all__ = ["FWHM", "GAUSS_AREA", "HC_OVER_K", "LIGHT_SPEED", "MAGNITUDE"]

#: full width at half maximum of a Gaussian over its standard deviation
FWHM = FWHM_PER_SIGMA
#: area of a Gaussian over its height and standard deviation
GAUSS_AREA = math.sqrt(2 * math.pi)
#: natural logarithm of the flux ratio that a magnitude is
MAGNITUDE = 0.4 * math.log(10)
#: h c / k in Angstrom K
HC_OVER_K = 1.43877e8
