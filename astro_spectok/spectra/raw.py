# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RawSpectra`: what specutils' containers, or arrays with units, hold, taken apart without copying."""

import math
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u
from astropy.io.fits import VerifyError
from astropy.nddata import NDUncertainty, StdDevUncertainty

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.desi_targets import count_rows, read_targets
from astro_spectok.spectra.flux_units import find_flux_conversion, to_physical_flux
from astro_spectok.spectra.problems import make_error

__all__ = ["RawSpectra", "read_arrays", "read_collection", "read_spectrum"]

_KINDS = frozenset({"std", "var", "ivar"})
#: letters of a name that are kept
LONGEST = 200


@dataclass(frozen=True)
class RawSpectra:
    """n spectra on one spectral axis as given: views of the caller's arrays, never to be written to.

    Attributes
    ----------
    axis : ndarray, shape (m,)
    axis_unit : `~astropy.units.Unit`
    flux : ndarray, shape (n, m)
    flux_unit : `~astropy.units.Unit`
    uncertainty : ndarray, shape (n, m), or None
    kind : {'std', 'var', 'ivar'} or None
    uncertainty_unit : `~astropy.units.Unit` or None
        None if it follows from ``flux_unit``.
    mask : ndarray, shape (n, m), or None
        Of any type; a pixel is bad where it is not zero.
    doppler_rest, doppler_convention
        As of `~specutils.SpectralAxis`.
    physical_types : tuple of str
        ``world_axis_physical_types`` of the WCS.
    meta : dict
    names : tuple of str
    """

    axis: np.ndarray
    axis_unit: u.UnitBase
    flux: np.ndarray
    flux_unit: u.UnitBase
    uncertainty: np.ndarray | None = None
    kind: str | None = None
    uncertainty_unit: u.UnitBase | None = None
    mask: np.ndarray | None = None
    doppler_rest: u.Quantity | None = None
    doppler_convention: str | None = None
    physical_types: tuple = ()
    meta: dict = field(default_factory=dict)
    names: tuple = ()


def _rows_of(array, axis_index):
    """Return ``array`` as (rows, pixels): a view, unless leading axes must be flattened across a stride."""
    array = np.asarray(array)
    if array.ndim == 1:
        return array[None]
    if axis_index not in (-1, array.ndim - 1):
        array = np.moveaxis(array, axis_index, -1)
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def _take_uncertainty(uncertainty, axis_index):
    """Return (array of (rows, pixels), kind, unit) of an `NDUncertainty`, a Quantity (std) or None."""
    if isinstance(uncertainty, u.Quantity):
        uncertainty = StdDevUncertainty(_fill_masked(uncertainty), copy=False)
    if uncertainty is None or uncertainty.array is None:
        return None, None, None
    if uncertainty.uncertainty_type == "cov":
        # correlations are left to what is measured of the noise
        return np.asarray(uncertainty.variance, dtype=np.float64).reshape(1, -1), "var", uncertainty.unit
    if uncertainty.uncertainty_type not in _KINDS:
        # an unknown kind of uncertainty cannot be used: as good as none
        return None, None, None
    return _rows_of(_fill_masked(uncertainty.array), axis_index), uncertainty.uncertainty_type, uncertainty.unit


def _fill_masked(array):
    """Masked values as NaN, which is a bad pixel whatever it stands for."""
    mask = getattr(array, "mask", None)
    if mask is None or mask is np.ma.nomask:
        return array
    bare = getattr(array, "unmasked", None)
    bare = np.ma.getdata(array) if bare is None else bare
    bare = bare.astype(np.float64)  # a copy
    bare[mask] = np.nan
    return bare


def _make_raw(axis, flux, flux_unit, uncertainty, mask, *, axis_index=-1, **rest):
    """Put the parts together; ``axis`` is a Quantity of one dimension."""
    shape = np.shape(flux)
    array, kind, unit = _take_uncertainty(uncertainty, axis_index)
    flux, axis = _rows_of(flux, axis_index), _fill_masked(axis)
    for what, values in (("flux", flux), ("uncertainty", array), ("spectral_axis", axis)):
        if values is not None and values.dtype.kind not in "fiu":
            raise make_error(
                InputFlag.BAD_INPUT, TypeError, f"{what} must be real numbers; got an array of the type {values.dtype}"
            )
    if array is not None and array.shape != flux.shape:
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            "uncertainty must have the shape of flux, "
            f"{shape}; got {np.shape(getattr(uncertainty, 'array', uncertainty))}",
        )
    flux, flux_unit, array, kind, unit = to_physical_flux(flux, flux_unit, array, kind, unit)
    return RawSpectra(
        axis=np.asarray(axis.value),
        axis_unit=axis.unit,
        flux=flux,
        flux_unit=flux_unit,
        uncertainty=array,
        kind=kind,
        uncertainty_unit=unit,
        mask=_take_mask(mask, flux.shape, axis_index),
        doppler_rest=getattr(axis, "doppler_rest", None),
        doppler_convention=getattr(axis, "doppler_convention", None),
        **rest,
    )


def _take_mask(mask, shape, axis_index):
    """A mask as (rows, pixels), None where there is none; numbers that are not zero are bad pixels."""
    if mask is None or mask is np.ma.nomask:
        return None
    mask = _rows_of(mask, axis_index)
    if mask.shape != shape:
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"mask must have the shape of flux; got {mask.shape}",
        )
    if mask.dtype.kind not in "biuf":
        raise make_error(
            InputFlag.BAD_INPUT, TypeError, f"mask must be True (or not 0) in bad pixels; got the type {mask.dtype}"
        )
    return mask


def _read_names(meta, n):
    """Names of n rows, from the header's OBJECT."""
    header = meta.get("header")
    try:
        name = meta.get("name") or (header.get("OBJECT") if hasattr(header, "get") else None)
    except VerifyError:  # a card that breaks the rules of FITS
        name = None
    name = name if isinstance(name, str) and name.strip() else meta.get("file")
    # whatever stands in a header, tables of all formats must be able to hold it
    name = "".join(letter for letter in name if letter.isprintable()).strip()[:LONGEST] if isinstance(name, str) else ""
    return (name,) * n


def _physical_types(wcs):
    return tuple(getattr(wcs, "world_axis_physical_types", None) or ())


def read_spectrum(spectrum):
    """Take one `~specutils.Spectrum` (with any number of axes) apart; leading axes are flattened in C order.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`

    Returns
    -------
    RawSpectra
    """
    meta = spectrum.meta
    # .data and not .flux: the latter refuses magnitudes
    flux, targets = spectrum.data, read_targets(spectrum)
    n = count_rows(spectrum)
    return _make_raw(
        spectrum.spectral_axis,
        flux,
        spectrum.unit,
        spectrum.uncertainty,
        spectrum.mask,
        axis_index=spectrum.spectral_axis_index,
        physical_types=_physical_types(spectrum.wcs),
        meta=meta,
        names=_read_names(meta, n) if targets is None else tuple(str(number) for number, _ in targets),
    )


def read_arrays(arrays, row=None):
    """Take a tuple ``(spectral_axis, flux[, uncertainty[, mask]])`` apart; ``row`` picks one of a 2-d axis."""
    axis, flux = arrays[:2]
    uncertainty, own_mask = (*arrays[2:], None, None)[:2]
    if not isinstance(uncertainty, u.Quantity | NDUncertainty | None):
        raise make_error(
            InputFlag.BAD_INPUT,
            TypeError,
            "uncertainty in (spectral_axis, flux, uncertainty) must be a Quantity (standard deviation) or an "
            f"NDUncertainty; got {type(uncertainty).__name__}",
        )
    flux_unit = getattr(flux, "unit", None) or u.dimensionless_unscaled
    if flux_unit.is_equivalent(u.AA, u.spectral()) and find_flux_conversion(axis.unit).known:
        msg = "spectral_axis must come before flux, as in (wavelength * u.AA, flux * u.Jy); "
        raise make_error(InputFlag.BAD_UNITS, u.UnitsError, f"{msg}got {axis.unit} before {flux_unit}; swap them")
    mask = getattr(flux, "mask", None)
    if axis.ndim not in (1, 2):
        raise make_error(
            InputFlag.BAD_INPUT, ValueError, f"spectral_axis must have one value for each pixel; got {axis!r}"
        )
    values = np.asarray(getattr(flux, "unmasked", flux).value if isinstance(flux, u.Quantity) else np.ma.getdata(flux))
    if own_mask is not None:
        own_mask = np.asarray(own_mask) != 0
        if own_mask.shape not in (values.shape, values.shape[-1:]):
            raise make_error(
                InputFlag.BAD_INPUT,
                ValueError,
                f"mask in (spectral_axis, flux, uncertainty, mask) must have the shape of flux, {values.shape}; got "
                f"{own_mask.shape}",
            )
        mask = own_mask if mask is None else own_mask | np.broadcast_to(mask, values.shape)
    if values.ndim not in (1, 2) or values.shape[-1] != axis.shape[-1] or (row is not None and values.ndim != 2):
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"flux in (spectral_axis, flux) must have the shape (pixels,) or (spectra, pixels) with the "
            f"{axis.shape[-1]} pixels of spectral_axis; got {values.shape}"
            + ("; transpose it, flux.T" if values.ndim == 2 and len(values) == axis.shape[-1] else "")
            + ("; make a cube a Spectrum(flux=..., spectral_axis=...)" if values.ndim > 2 else ""),
        )
    if row is not None:
        uncertainty = None if uncertainty is None else uncertainty[row]
        mask = None if mask is None else np.broadcast_to(mask, values.shape)[row]
        axis, values = axis[row], values[row]
    elif mask is not None:
        mask = np.broadcast_to(mask, values.shape)
    return _make_raw(axis, values, flux_unit, uncertainty, mask, names=("",) * (1 if values.ndim == 1 else len(values)))


def read_collection(collection, row):
    """Take one spectrum of a `~specutils.SpectrumCollection`, counted in C order, apart."""
    at = np.unravel_index(row, collection.shape)
    axis = collection.spectral_axis
    if axis is None:
        raise make_error(
            InputFlag.BAD_UNITS, u.UnitsError, "spectral_axis of a SpectrumCollection must be given; got None"
        )
    uncertainty, mask, meta = collection.uncertainty, collection.mask, collection.meta
    if isinstance(meta, list | tuple):
        meta = meta[row]
    wcs = collection.wcs[row] if isinstance(collection.wcs, list | tuple) else collection.wcs
    meta = meta or {}
    # a row of a SpectralCoord is slow to make: its parts are taken instead
    raw = _make_raw(
        u.Quantity(axis.value[at], axis.unit, copy=False),
        collection.flux.value[at],
        collection.flux.unit,
        None if uncertainty is None else type(uncertainty)(uncertainty.array[at], unit=uncertainty.unit, copy=False),
        None if mask is None else np.asarray(mask)[at],
        physical_types=_physical_types(wcs),
        meta=meta,
        names=_read_names(meta, 1),
    )
    return RawSpectra(**{**vars(raw), "doppler_rest": axis.doppler_rest, "doppler_convention": axis.doppler_convention})
