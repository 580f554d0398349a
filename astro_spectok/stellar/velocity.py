# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The radial velocity of what is taken for a star, by its posterior and by templates."""

from typing import NamedTuple

import numpy as np

from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.solutions import Sharpened, find_solutions, take_resolution, take_spectrum
from astro_spectok.stellar.infrared_velocity import refine_infrared_velocity
from astro_spectok.utils.spectypes import STAR

__all__ = ["StellarVelocity", "find_velocity"]


class StellarVelocity(NamedTuple):
    """A radial velocity.

    Attributes
    ----------
    ln_doppler, width : float
        ln(1 + v / c) and its standard deviation.
    evidence : float
        Of features in the spectrum, in nat, as of `~astro_spectok.redshift.solutions.find_solutions`; infinite where
        lines of the H band determine the velocity.
    infrared : bool
        Whether they do.
    sharp : `~astro_spectok.redshift.solutions.Sharpened`
        Without them: what the templates say of the features.
    """

    ln_doppler: float
    width: float
    evidence: float
    infrared: bool
    sharp: Sharpened


def find_velocity(posterior, calibration, rules, batch, i):
    """The radial velocity of a spectrum if it is of a star, however probable that is.

    Parameters
    ----------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
        Over classes among which there is that of stars.
    calibration : `~astro_spectok.redshift.Calibration`
    rules : `~astro_spectok.stellar.rules.StellarRules`
    batch : `~astro_spectok.spectra.SpectrumBatch`
    i : int
        The spectrum in the batch.

    Returns
    -------
    StellarVelocity
    """
    star = RedshiftPosterior(posterior.grid.cut(None, STAR).grid, {STAR: posterior.log_probability[STAR]})
    (best, *_), _, sharp = find_solutions(star, calibration, batch, i, 1)
    ln_doppler, width = float(np.log1p(best.z)), best.z_err / (1 + best.z)
    finer = refine_infrared_velocity(
        *take_spectrum(batch, i), ln_doppler, width, rules, resolution=take_resolution(batch, i)
    )  # fmt: skip
    if finer is None:
        return StellarVelocity(ln_doppler, width, sharp.evidence, False, sharp)
    return StellarVelocity(*finer, np.inf, True, sharp)  # what has lines at one velocity has features
