# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A spectral axis in any unit and order becomes increasing wavelengths in Angstrom."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.problems import make_error

__all__ = ["PixelOrder", "axis_to_wavelength", "depends_on_medium", "order_pixels", "wavelength_to_axis"]

_DOPPLER = {"optical": u.doppler_optical, "radio": u.doppler_radio, "relativistic": u.doppler_relativistic}
#: wavelengths closer than this (relative) are one wavelength that went through a change of units
_SAME = 1e-11


def _is_velocity(unit):
    return unit.is_equivalent(u.km / u.s)


def depends_on_medium(unit, doppler_rest=None):
    """Return whether an axis in this unit holds wavelengths (which differ in air), not frequencies or energies."""
    if _is_velocity(unit):
        unit = doppler_rest.unit
    return unit.is_equivalent(u.AA)


def _equivalency(unit, doppler_rest, doppler_convention):
    if not _is_velocity(unit):
        return u.spectral()
    if doppler_rest is None or doppler_convention is None:
        missing = "rest_value" if doppler_rest is None else "velocity_convention"
        raise make_error(
            InputFlag.BAD_UNITS,
            u.UnitsError,
            f"spectral_axis is a velocity ({unit}) without {missing}, so it has no wavelengths; give both: "
            "Spectrum(flux=..., spectral_axis=..., rest_value=5000 * u.AA, velocity_convention='optical')",
        )
    return u.spectral() + _DOPPLER[doppler_convention](doppler_rest)


def axis_to_wavelength(values, unit, *, doppler_rest=None, doppler_convention=None):
    """Convert the values of a spectral axis to Angstrom, in the order and the medium given.

    A redshift or radial velocity that the axis carries is not applied: wavelengths stay as
    observed. Values that are no wavelength (NaN, zero frequency) become non-finite.

    Parameters
    ----------
    values : array_like
    unit : `~astropy.units.Unit`
        Length, frequency, energy, wavenumber, or velocity with a rest value.
    doppler_rest : `~astropy.units.Quantity`, optional
    doppler_convention : {'optical', 'radio', 'relativistic'}, optional

    Returns
    -------
    ndarray of float64

    Raises
    ------
    `~astropy.units.UnitsError`
        For pixels, or a velocity without rest value or convention.
    """
    values = np.asarray(values, dtype=np.float64)
    equivalency = _equivalency(unit, doppler_rest, doppler_convention)
    try:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            wavelength = unit.to(u.AA, values, equivalencies=equivalency)
    except u.UnitConversionError as error:
        raise make_error(
            InputFlag.BAD_UNITS,
            u.UnitsError,
            f"spectral_axis must be convertible to wavelength; got the unit {unit.to_string() or 'dimensionless'!r}. "
            "Give the wavelengths (or frequencies, energies): Spectrum(flux=..., spectral_axis=values * u.AA)",
        ) from error
    return wavelength


def wavelength_to_axis(wavelength, unit, *, doppler_rest=None, doppler_convention=None):
    """Convert Angstrom back to the unit of a spectral axis: the inverse of `axis_to_wavelength`.

    Parameters
    ----------
    wavelength : array_like
        Angstrom, in the medium that the axis is to have.
    unit, doppler_rest, doppler_convention
        As for `axis_to_wavelength`.

    Returns
    -------
    ndarray of float64
    """
    equivalency = _equivalency(unit, doppler_rest, doppler_convention)
    return u.AA.to(unit, np.asarray(wavelength, dtype=np.float64), equivalencies=equivalency)


@dataclass(frozen=True)
class PixelOrder:
    """Conversion of pixels as given to pixels of increasing wavelength.

    Attributes
    ----------
    index : slice or ndarray of int
        What to take from the spectral axis as given.
    wavelength : ndarray of float64
        Strictly increasing, after the merging.
    starts : ndarray of int, or None
        Where each group of equal wavelengths starts among the taken pixels; None if all differ.
    was_sorted : bool
        False if the axis was neither increasing nor decreasing, or had duplicates.
    """

    index: slice | np.ndarray
    wavelength: np.ndarray
    starts: np.ndarray | None
    was_sorted: bool


def order_pixels(wavelength):
    """Find the order of increasing wavelength; drop pixels whose wavelength is not finite and positive.

    Parameters
    ----------
    wavelength : ndarray of float64, shape (m,)

    Returns
    -------
    PixelOrder
    """
    index = slice(None)
    with np.errstate(invalid="ignore"):
        usable = (wavelength > 0) & (wavelength < np.inf)
    if not usable.all():
        index = np.flatnonzero(usable)
        wavelength = wavelength[index]
    step = np.diff(wavelength)
    if (step < 0).all() and len(step):
        index = slice(None, None, -1) if isinstance(index, slice) else index[::-1]
        wavelength, step = wavelength[::-1], -step[::-1]
    was_sorted = bool((step >= 0).all())
    if not was_sorted:
        by_wavelength = np.argsort(wavelength, kind="stable")
        index = by_wavelength if isinstance(index, slice) else index[by_wavelength]
        wavelength = wavelength[by_wavelength]
        step = np.diff(wavelength)
    distinct = step > _SAME * wavelength[1:]
    if distinct.all():
        return PixelOrder(index, np.ascontiguousarray(wavelength), None, was_sorted)
    starts = np.flatnonzero(np.concatenate(([True], distinct)))
    return PixelOrder(index, wavelength[starts], starts, False)
