# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The resolving power of each pixel, from what the user or the file says."""

import logging

import numpy as np
from astropy import constants as const
from astropy import units as u

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.problems import make_error

__all__ = ["find_resolution"]

log = logging.getLogger(__name__)

_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
#: the profile of one spectrograph arm hardly differs between fibres: the mean of a few tells it
_N_FIBRES = 16


def _from_desi(meta, wavelength):
    """R from the second moment of the resolution matrix (targets, diagonals, wavelengths) of the first fibres."""
    matrix = np.asarray(meta["resolution_data"], dtype=np.float64)
    if matrix.ndim != 3 or matrix.shape[2] != len(wavelength):
        return None
    diagonals = matrix[:_N_FIBRES].mean(axis=0)  # (d, m)
    offset = np.arange(len(diagonals))[::-1, None] - len(diagonals) // 2  # (d, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = diagonals.sum(axis=0)
        mean = (diagonals * offset).sum(axis=0) / total
        sigma = np.sqrt((diagonals * (offset - mean) ** 2).sum(axis=0) / total)
        return wavelength / (_FWHM_PER_SIGMA * sigma * np.abs(np.gradient(wavelength)))


def _from_quantity(resolution, wavelength, axis, unit):
    """R from a FWHM in the unit of the axis (or one convertible to it), or in km/s."""
    if resolution.unit.is_equivalent(u.dimensionless_unscaled):
        return resolution.to_value(u.dimensionless_unscaled)
    if resolution.unit.is_equivalent(u.AA):
        return wavelength / resolution.to_value(u.AA)
    if resolution.unit.is_equivalent(u.km / u.s):
        return const.c.to_value(u.km / u.s) / resolution.to_value(u.km / u.s)
    if resolution.unit.is_equivalent(unit):
        return np.abs(axis) / resolution.to_value(unit)
    raise make_error(
        InputFlag.BAD_UNITS,
        u.UnitsError,
        f"resolution must be R = wavelength / FWHM without unit, or a FWHM in wavelength, km/s or the unit of the "
        f"spectral axis ({unit}); got the unit {resolution.unit}",
    )


def _from_meta(meta, wavelength, axis, unit):
    if meta.get("resolution") is not None:
        try:
            return find_resolution(meta["resolution"], wavelength=wavelength, axis=axis, unit=unit)
        except (TypeError, ValueError, u.UnitsError) as error:
            # the key may mean anything in a stranger's meta: unknown, not an error
            log.debug("meta['resolution'] is no resolving power: %s", error)
    if meta.get("resolution_data") is not None:
        found = _from_desi(meta, wavelength)
        return None if found is None else find_resolution(found, wavelength=wavelength, axis=axis, unit=unit)
    return None


def find_resolution(resolution, *, wavelength, axis, unit, meta=None):
    """Return the resolving power R = wavelength / FWHM of each pixel of the axis as given.

    Parameters
    ----------
    resolution : float, array_like, `~astropy.units.Quantity` or None
        R, or a FWHM with a unit; one value or one for each pixel. With None,
        ``meta['resolution']`` is read in the same way, then the DESI loader's resolution matrix.
    wavelength : ndarray of float64, shape (m,)
        Angstrom, in the order as given.
    axis, unit
        The axis as given: values of shape (m,), and unit.
    meta : dict, optional

    Returns
    -------
    ndarray of float32, shape (m,), or None
        NaN where unknown (also for R that is not positive, unless none is); None if nothing is known.

    Raises
    ------
    ValueError
        If an array does not fit the spectral axis, or no value is positive.
    `~astropy.units.UnitsError`
        If a FWHM has a unit of something else.
    """
    if resolution is None:
        return _from_meta(meta or {}, wavelength, axis, unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(resolution, u.Quantity):
            resolution = _from_quantity(resolution, wavelength, axis, unit)
        found = np.asarray(resolution, dtype=np.float64)
    if found.shape not in ((), (1,), wavelength.shape):
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"resolution must be one value or one for each of the {len(wavelength)} pixels of the spectral axis; "
            f"got the shape {found.shape}",
        )
    known = found[np.isfinite(found)]
    if known.size and not (known > 0).any():
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"resolution must be positive; got {known.flat[0]:g} as the resolving power; leave it out where it is not "
            "known",
        )
    found = np.broadcast_to(found, wavelength.shape)
    with np.errstate(over="ignore"):
        return np.where(np.isfinite(found) & (found > 0), found, np.nan).astype(np.float32)
