# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class and redshift: the estimator, its posterior, priors, calibration, templates, flags and result."""

from astro_spectok.redshift.calibration import Calibration
from astro_spectok.redshift.peaks import Peak
from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.priors import JointPrior
from astro_spectok.redshift.result import RedshiftEstimate
from astro_spectok.redshift.zwarn import RedshiftFlag

# what else is imported here is for other rooms
__all__ = ["JointPrior", "Peak", "RedshiftEstimate", "RedshiftFlag", "RedshiftPosterior"]
