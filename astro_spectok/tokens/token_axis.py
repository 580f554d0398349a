# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral axes of tokens: their own, in unit and medium of the spectrum, and those that they are decoded to."""

import numpy as np
from astropy import units as u

from astro_spectok.spectra import (
    axis_to_wavelength,
    convert_to_air,
    convert_to_vacuum,
    depends_on_medium,
    wavelength_to_axis,
)
from astro_spectok.spectra.resolution import find_resolution

__all__ = ["check_resolution", "express_wavelength", "fill_slots", "is_in_air", "read_request"]


def is_in_air(info):
    """Whether the axis of a spectrum is one of wavelengths in air: bool, from its `SpectrumInfo`."""
    return info.medium == "air" and depends_on_medium(info.spectral_unit, info.doppler_rest)


def express_wavelength(wavelength, info):
    """Vacuum wavelengths (n,) in Angstrom as a quantity in the unit and medium of the spectrum."""
    if is_in_air(info):
        wavelength = convert_to_air(wavelength)
    doppler = {"doppler_rest": info.doppler_rest, "doppler_convention": info.doppler_convention}
    return wavelength_to_axis(wavelength, info.spectral_unit, **doppler) * info.spectral_unit


def fill_slots(geometry, patch):
    """Increasing coordinates, ln(wavelength), of all slots of some patches; where two overlap, the later one counts.

    Parameters
    ----------
    geometry : ndarray of float64, shape (T, 3)
    patch : int
        Slots per patch, P.

    Returns
    -------
    ndarray of float64, shape (N,)
    """
    offsets = np.arange(patch) - (patch - 1) / 2
    positions = geometry[:, :1] + geometry[:, 1:2] * offsets + geometry[:, 2:] * offsets**2  # (T, P)
    next_start = np.append(positions[1:, 0], np.inf)
    return positions[positions < next_start[:, None] - geometry[:, 1:2] / 2]


def read_request(spectral_axis, info):
    """Increasing vacuum wavelengths of the requested pixels, and the order that leads there (and back)."""
    unit = getattr(spectral_axis, "unit", None)
    if unit is None or not isinstance(spectral_axis, u.Quantity):  # a spectrum has a unit too, that of its flux
        msg = (
            f"spectral_axis must be a Quantity with a spectral unit, got {type(spectral_axis).__name__}; "
            "give for instance np.linspace(4000, 9000, 500) * u.AA, or spectrum.spectral_axis"
        )
        raise TypeError(msg)
    values = np.asarray(spectral_axis.value, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        msg = (
            f"spectral_axis must be one-dimensional and not empty, got the shape {values.shape}; "
            "one pixel is [5000] * u.AA"
        )
        raise ValueError(msg)
    doppler = {"doppler_rest": info.doppler_rest, "doppler_convention": info.doppler_convention}
    if getattr(spectral_axis, "doppler_rest", None) is not None:
        doppler = {
            "doppler_rest": spectral_axis.doppler_rest,
            "doppler_convention": spectral_axis.doppler_convention,
        }
    wavelength = axis_to_wavelength(values, unit, **doppler)
    order = slice(None, None, -1) if wavelength[-1] < wavelength[0] else slice(None)
    wavelength = wavelength[order]
    if not (np.isfinite(wavelength).all() and (wavelength > 0).all() and (np.diff(wavelength) > 0).all()):
        msg = (
            "spectral_axis must be strictly monotonic, with finite, positive wavelengths; sort it and drop "
            "repeated values (np.unique)"
        )
        raise ValueError(msg)
    if info.medium == "air" and depends_on_medium(unit, doppler["doppler_rest"]):
        wavelength = convert_to_vacuum(wavelength)
    return wavelength, order


def check_resolution(resolution, wavelength, axis):
    """Requested resolving power for each pixel of an axis (``wavelength`` in the same order), or None; positive."""
    if resolution is None:
        return None
    if not isinstance(resolution, u.Quantity) and np.asarray(resolution).dtype.kind not in "iuf":
        msg = (
            f"resolution must be a resolving power R or a FWHM with unit, one or one for each pixel, got {resolution!r}"
        )
        raise TypeError(msg)
    found = find_resolution(resolution, wavelength=wavelength, axis=axis.value, unit=axis.unit)
    if not np.isfinite(found).all():
        msg = f"resolution must be positive and finite, got {resolution!r}; None asks for that of the spectrum"
        raise ValueError(msg)
    return found
