# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated observations as what the estimators take: arrays, and arrays with units."""

import numpy as np
from astropy import units as u

from astro_spectok.simulate.public_sets import has_errors

__all__ = ["WIDE_RESOLUTION", "to_inputs", "to_spectra"]

#: resolving power up to which no redshift better than 0.01 is asked for
WIDE_RESOLUTION = 600


def to_spectra(observation):
    """An `~astro_spectok.simulate.observe.Observation` as a list of (wavelength in Angstrom, flux, ivar).

    Where the instrument gives no errors, ``ivar`` is 1 in good pixels, as in the real sets.
    """
    out = []
    for i in range(len(observation)):
        present = observation.present[i]
        ln, flux, ivar = (getattr(observation, k)[i][present].cpu().numpy() for k in ("ln_wavelength", "flux", "ivar"))
        if not observation.has_errors[i]:
            ivar = np.where(ivar > 0, np.float32(1), np.float32(0))
        out.append((np.exp(ln), flux, ivar))
    return out


def to_inputs(spectra):
    """Spectra (wavelength, flux, ivar) as `to_batch` takes them, with uncertainty where it is known."""
    return [_as_input(*s) for s in spectra]


def _as_input(wavelength, flux, ivar):
    """One spectrum as `to_batch` takes it, with no uncertainty where none is known."""
    good = (ivar > 0) & np.isfinite(flux)
    axis = wavelength.astype(float) * u.AA
    flux = np.where(good, flux, np.nan) * u.dimensionless_unscaled
    if not has_errors(ivar, good):
        return axis, flux
    sigma = np.full(len(ivar), np.inf)
    sigma[good] = ivar[good].astype(float) ** -0.5
    return axis, flux, sigma * u.dimensionless_unscaled
