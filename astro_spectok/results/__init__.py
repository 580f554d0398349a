# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What users get back: tokens, redshifts, stellar parameters and tables with units."""

from astro_spectok.results.attention import TokenAttention
from astro_spectok.results.calibration import Calibration
from astro_spectok.results.redshift import RedshiftEstimate
from astro_spectok.results.redshift_flags import RedshiftFlag
from astro_spectok.results.redshift_posterior import RedshiftPosterior
from astro_spectok.results.stellar import StellarDistributions, StellarEstimate
from astro_spectok.results.stellar_flags import StellarFlag
from astro_spectok.results.tokens import SpectralTokens
from astro_spectok.results.tokens_list import SpectralTokensList

__all__ = [
    "Calibration",
    "RedshiftEstimate",
    "RedshiftFlag",
    "RedshiftPosterior",
    "SpectralTokens",
    "SpectralTokensList",
    "StellarDistributions",
    "StellarEstimate",
    "StellarFlag",
    "TokenAttention",
]
