# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The resolving power of each pixel, from what the user or the file says."""

import logging

import numpy as np
from astropy import constants as const
from astropy import units as u

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.problems import make_error
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["LEAST", "MOST", "check_resolution", "find_resolution"]

log = logging.getLogger(__name__)

#: the profile of one spectrograph arm hardly differs between fibres: the mean of a few suffices
_N_FIBRES = 16
#: resolving powers that a spectrum can have; what lies outside is a slip of units, or means something else
LEAST, MOST = 1.0, 1e8
#: those that the metadata of a stranger are believed to mean: from a prism to a Fourier spectrograph
_PLAUSIBLE = (3.0, 3e6)


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
        return wavelength / (FWHM_PER_SIGMA * sigma * np.abs(np.gradient(wavelength)))


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
            found = find_resolution(meta["resolution"], wavelength=wavelength, axis=axis, unit=unit)
            typical = np.nanmedian(found) if np.isfinite(found).any() else np.nan
            if _PLAUSIBLE[0] <= typical <= _PLAUSIBLE[1]:
                return found
            log.debug("meta['resolution'] is not believed: R = %g", typical)
        except Exception as error:
            # the key may mean anything in a stranger's meta: unknown, not an error
            log.debug("meta['resolution'] is no resolving power: %s", error)
    if meta.get("resolution_data") is not None:
        try:
            found = _from_desi(meta, wavelength)
            return None if found is None else find_resolution(found, wavelength=wavelength, axis=axis, unit=unit)
        except Exception as error:
            log.debug("meta['resolution_data'] is no resolution matrix: %s", error)
    return None


def find_resolution(resolution, *, wavelength, axis, unit, meta=None):
    """Return the resolving power R = wavelength / FWHM of each pixel of the axis as given.

    Parameters
    ----------
    resolution : float, array_like, `~astropy.units.Quantity` or None
        R, or a FWHM with a unit; one value or one for each pixel. With None,
        ``meta['resolution']`` is read in the same way where it is plausible, then the DESI loader's resolution matrix.
    wavelength : ndarray of float64, shape (m,)
        Angstrom, in the order as given.
    axis, unit
        The axis as given: values of shape (m,), and unit.
    meta : dict, optional

    Returns
    -------
    ndarray of float32, shape (m,), or None
        NaN where unknown (also for R that is impossible, unless all are); None if nothing is known.

    Raises
    ------
    ValueError
        If an array does not fit the spectral axis, or no value is a resolving power.
    TypeError
        If it is no number.
    `~astropy.units.UnitsError`
        If a FWHM has a unit of something else.
    """
    if resolution is None:
        return _from_meta(meta or {}, wavelength, axis, unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(resolution, u.Quantity):
            resolution = _from_quantity(resolution, wavelength, axis, unit)
        found = _to_numbers(resolution)
    if found.shape not in ((), (1,), wavelength.shape):
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"resolution must be one value or one for each of the {len(wavelength)} pixels of the spectral axis; "
            f"got the shape {found.shape}",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        possible = (found >= LEAST) & (found <= MOST)
    if not possible.any() and not np.isnan(found).all():
        first = found[~np.isnan(found)].flat[0]
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"resolution must be positive, a resolving power between {LEAST:g} and {MOST:.0e}, or a FWHM that gives "
            f"one; got {first:g}; leave it out where it is not known",
        )
    found = np.broadcast_to(found, wavelength.shape)
    return np.where(possible, found, np.nan).astype(np.float32)


def check_resolution(resolution):
    """Refuse what can be no resolution of any spectrum, as an error and not as a flag on each.

    Parameters
    ----------
    resolution
        As for `find_resolution`.

    Raises
    ------
    TypeError
    """
    if resolution is not None and not isinstance(resolution, u.Quantity):
        _to_numbers(resolution)


def _to_numbers(resolution):
    """The resolution as an array of numbers."""
    if isinstance(resolution, bool | np.bool_ | str | bytes):
        found = None
    else:
        try:
            found = np.asarray(resolution, dtype=np.float64)
        except (TypeError, ValueError):
            found = None
    if found is None:
        raise make_error(
            InputFlag.BAD_INPUT,
            TypeError,
            "resolution must be a number R, one for each pixel, or a FWHM with a unit (2 * u.AA); got "
            f"{resolution!r:.60}",
        )
    return found
