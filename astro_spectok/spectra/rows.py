# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra on one spectral axis become flux and inverse variance in float32: the loop that must be fast."""

from dataclasses import dataclass, replace

import numpy as np
from astropy import units as u

from astro_spectok.spectra.axis import axis_to_wavelength, depends_on_medium, order_pixels
from astro_spectok.spectra.batch import InputFlag, SpectrumInfo
from astro_spectok.spectra.fill_values import find_fill_values
from astro_spectok.spectra.flux_units import find_flux_conversion
from astro_spectok.spectra.medium import convert_to_vacuum, find_medium
from astro_spectok.spectra.noise import estimate_noise
from astro_spectok.spectra.parts import find_part
from astro_spectok.spectra.problems import make_error
from astro_spectok.spectra.resolution import find_resolution
from astro_spectok.spectra.sky_lines import find_medium_by_sky
from astro_spectok.spectra.telluric import find_medium_by_oxygen

__all__ = ["Rows", "convert_rows", "read_max_pixels"]

#: used where the package's configuration is not to be had
_MAX_PIXELS = 2**20
#: pixels at a time: input, output and scratch of one block stay in a core's own cache
_BLOCK = 2**16
#: pixels that the scale of one spectrum is read from
_SAMPLE = 32
#: beyond these an inverse variance (over scale**2) would leave float32; what is less certain is a bad pixel
_MIN_IVAR, _MAX_IVAR = 1e-36, 1e30


def read_max_pixels():
    """Return the user's ``conf.max_pixels`` as it is now."""
    try:
        # here and not above: the package's own names may not be complete when this module is imported
        from astro_spectok.config import conf
    except ImportError:
        return _MAX_PIXELS
    return conf.max_pixels


@dataclass
class Rows:
    """n converted spectra on one grid; the attributes are those of `SpectrumBatch`, not yet packed.

    Attributes
    ----------
    wavelength : ndarray of float64, shape (m,)
    flux, ivar : ndarray of float32, shape (n, m)
    scale : ndarray of float64, shape (n,)
    count : ndarray of int64, shape (n,)
        Good pixels.
    flags : `InputFlag`
        Remarks that hold for all of the rows.
    info : `SpectrumInfo`
    names : tuple of str
    resolution : ndarray of float32, shape (m,), or None
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    scale: np.ndarray
    count: np.ndarray
    flags: InputFlag
    info: SpectrumInfo
    names: tuple
    resolution: np.ndarray | None


@dataclass(frozen=True)
class _Plan:
    """Conversion of the pixels of one `RawSpectra`; factors are floats or arrays of shape (m,)."""

    index: slice | np.ndarray
    flux_factor: float | np.ndarray
    error_factor: float | np.ndarray
    kind: str | None


def _error_conversion(raw, conversion):
    """Conversion of the standard deviation that belongs to the uncertainty, whatever its unit."""
    # an unknown unit allows no arithmetic, and nothing but itself beside it
    if raw.uncertainty_unit is None or isinstance(raw.flux_unit, u.UnrecognizedUnit):
        return conversion
    exponent = {"std": 1, "var": 0.5, "ivar": -0.5}[raw.kind]
    unit = u.Unit(raw.uncertainty_unit) ** exponent
    if unit == raw.flux_unit:
        return conversion
    own = find_flux_conversion(unit)
    if own.unit == conversion.unit:
        return own
    try:
        ratio = unit.to(raw.flux_unit)
    except u.UnitsError as error:
        raise make_error(
            InputFlag.BAD_UNITS,
            u.UnitsError,
            "uncertainty must have a unit convertible to that of flux "
            f"({raw.flux_unit.to_string() or 'dimensionless'}); got {raw.uncertainty_unit.to_string() or 'none'}",
        ) from error
    return type(conversion)(conversion.factor * ratio, conversion.power, conversion.unit, conversion.known)


def _prune(good, mask):
    """Take masked pixels out of ``good``, in place; masks of integers are bit masks."""
    if mask.dtype != bool:
        mask = mask != 0
    np.greater(good, mask, out=good)


def _measure_scale(raw, plan, m):
    """A power of two near the median absolute flux of the good pixels of each row; 1 where that is zero or unknown."""
    step = max(1, m // _SAMPLE)
    scale = _sample_scale((raw.flux, raw.uncertainty, raw.mask), plan, step)
    if step > 1:
        # one row at a time: these are few, and whole
        for row in np.flatnonzero(np.isnan(scale)).tolist():
            one = slice(row, row + 1)
            parts = (None if x is None else x[one] for x in (raw.flux, raw.uncertainty, raw.mask))
            scale[one] = _sample_scale(parts, plan, 1)
    return np.where(np.isnan(scale), 1.0, scale)


def _sample_scale(parts, plan, step):
    """The scale from every ``step``-th pixel; NaN where fewer than a quarter of them are good and not zero."""
    flux, error, mask = (None if x is None else _take(x, plan.index, step) for x in parts)
    # a copy in float64: integers and big-endian arrays come too
    size = np.array(flux, dtype=np.float64)
    np.abs(size, out=size)
    size *= plan.flux_factor if np.ndim(plan.flux_factor) == 0 else plan.flux_factor[::step]
    good = (size > 0) & (size < np.inf)
    if error is not None:
        good &= (error > 0) & (error < np.inf)
    if mask is not None:
        _prune(good, mask)
    size[~good] = np.inf
    count = good.sum(axis=1)
    size.sort(axis=1)
    median = size[np.arange(len(size)), np.maximum(count - 1, 0) // 2]
    least = 1 if step == 1 else size.shape[1] // 4
    return np.where(count < max(least, 1), np.nan, np.exp2(np.clip(np.round(np.log2(median)), -500, 500)))


def _take(array, index, step=1):
    """Pixels of (rows, pixels) in order of wavelength, every ``step``-th of them; a view where ``index`` is a slice."""
    return array[:, index][:, ::step] if isinstance(index, slice) else array[:, index[::step]]


def _scale_into(out, values, factor):
    """Write ``values * factor`` into ``out`` (float32); ``factor`` is float64 of shape (rows, 1) or (rows, m).

    One factor per row of a moderate size may be applied after the cast, which is a third faster; all
    else is multiplied in float64 so that no unit leaves the range of float32 on the way.
    """
    if factor.shape[1] > 1:
        np.multiply(values, factor, out=out, casting="same_kind")
        return
    moderate = ((factor > 1e-20) & (factor < 1e20))[:, 0]
    if moderate.all():
        np.copyto(out, values, casting="unsafe")
        out *= factor.astype(np.float32)
    else:
        # row by row, so that no row is rounded otherwise because of its neighbours
        for row, simple in enumerate(moderate.tolist()):
            if simple:
                np.copyto(out[row], values[row], casting="unsafe")
                out[row] *= factor[row].astype(np.float32)
            else:
                np.multiply(values[row], factor[row], out=out[row], casting="same_kind")


def _weigh(error, factor, kind, ivar, good):
    """Write the inverse variance of a block of uncertainties into ``ivar``, and where it is usable into ``good``.

    ``factor`` (float64) turns a standard deviation into the unit of the result; ``ivar`` may hold anything.
    """
    if kind == "std":
        _scale_into(ivar, error, factor)
        np.greater(ivar, 0, out=good)
        good &= ivar < np.float32(_MIN_IVAR**-0.5)
        # a finite upper end makes numpy's clip several times faster than its maximum
        np.clip(ivar, np.float32(_MAX_IVAR**-0.5), np.float32(_MIN_IVAR**-0.5), out=ivar)
        np.multiply(ivar, ivar, out=ivar)
        np.reciprocal(ivar, out=ivar)
    elif kind == "var":
        _scale_into(ivar, error, factor**2)
        np.greater(ivar, 0, out=good)
        good &= ivar < np.float32(1 / _MIN_IVAR)
        np.clip(ivar, np.float32(1 / _MAX_IVAR), np.float32(1 / _MIN_IVAR), out=ivar)
        np.reciprocal(ivar, out=ivar)
    else:
        _scale_into(ivar, error, factor**-2)
        np.greater(ivar, np.float32(_MIN_IVAR), out=good)
        good &= ivar < np.inf
        np.clip(ivar, np.float32(_MIN_IVAR), np.float32(_MAX_IVAR), out=ivar)


def _convert_block(flux, error, mask, plan, scale, out):
    """Convert some rows into ``out``: flux, inverse variance (float32) and good pixels (bool)."""
    out_flux, out_ivar, good = out
    flux, error, mask = (None if x is None else _take(x, plan.index) for x in (flux, error, mask))
    one = scale[:, None]
    _scale_into(out_flux, flux, plan.flux_factor / one)
    if error is None:
        good[:] = True
    else:
        _weigh(error, plan.error_factor / one, plan.kind, out_ivar, good)
    good &= np.isfinite(out_flux)
    if mask is not None:
        _prune(good, mask)
    if error is None:
        for row_flux, row_ivar, row_good in zip(out_flux, out_ivar, good, strict=True):
            row_flux[~row_good] = 0
            sigma, row_good[:] = estimate_noise(row_flux, row_good)
            np.power(sigma, -2, out=row_ivar)
    if not good.all():
        bad = ~good
        np.copyto(out_flux, 0, where=bad)
        np.copyto(out_ivar, 0, where=bad)


def _merge(flux, ivar, starts):
    """Average pixels of equal wavelength by inverse variance; bad ones have no weight."""
    weight = np.add.reduceat(ivar.astype(np.float64), starts, axis=1)
    total = np.add.reduceat(ivar * flux.astype(np.float64), starts, axis=1)
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return mean.astype(np.float32), weight.astype(np.float32)


def _check_size(raw, max_pixels):
    m = len(raw.axis)
    if m > max_pixels:
        raise make_error(
            InputFlag.TOO_MANY_PIXELS,
            ValueError,
            f"spectrum must have at most max_pixels = {max_pixels} pixels; got {m}. Cut it "
            "(specutils.manipulation.extract_region), rebin it (specutils.manipulation.FluxConservingResampler), "
            "or raise astro_spectok.conf.max_pixels",
        )
    if m != raw.flux.shape[1]:
        raise make_error(
            InputFlag.BAD_INPUT,
            ValueError,
            f"flux must have one value for each of the {m} pixels of spectral_axis; got {raw.flux.shape[1]}",
        )


def convert_rows(raw, *, medium=None, resolution=None, max_pixels):
    """Convert spectra on one spectral axis.

    Units are converted (to vacuum Angstrom, and to flux per unit wavelength if the flux is a
    flux density), pixels put in order of wavelength, and bad pixels (masked, flux not finite,
    uncertainty not finite and positive) set to flux 0 and inverse variance 0.

    Parameters
    ----------
    raw : RawSpectra
        Not modified.
    medium, resolution
        As for `~astro_spectok.spectra.to_batch`.
    max_pixels : int

    Returns
    -------
    Rows

    Raises
    ------
    ValueError, `~astropy.units.UnitsError`
        If none of the rows can be converted; see `~astro_spectok.spectra.to_batch`.
    """
    _check_size(raw, max_pixels)
    raw = _mask_fill_values(raw)
    doppler = {"doppler_rest": raw.doppler_rest, "doppler_convention": raw.doppler_convention}
    given = axis_to_wavelength(raw.axis, raw.axis_unit, **doppler)
    order = order_pixels(given)
    medium, source = find_medium(
        medium=medium,
        physical_types=raw.physical_types,
        meta=raw.meta,
        is_length=depends_on_medium(raw.axis_unit, raw.doppler_rest),
    )
    power = find_resolution(resolution, wavelength=given, axis=raw.axis, unit=raw.axis_unit, meta=raw.meta)
    conversion = find_flux_conversion(raw.flux_unit)
    # medium changes the flux per wavelength by 3e-4 at most, and all the same: the factor is taken as given
    wavelength = given[order.index]
    plan = _Plan(
        order.index,
        conversion.evaluate(wavelength),
        1.0 if raw.kind is None else _error_conversion(raw, conversion).evaluate(wavelength),
        raw.kind,
    )
    flux, ivar, scale, count = _convert_all(raw, plan, len(wavelength))
    if order.starts is not None:
        flux, ivar = _merge(flux, ivar, order.starts)
        count = np.count_nonzero(ivar, axis=1)
        power = None if power is None else power[order.index][order.starts]
    elif power is not None:
        power = power[order.index]
    flags = InputFlag.NONE if order.was_sorted else InputFlag.WAVELENGTH_SORTED
    if raw.uncertainty is None:
        flags |= InputFlag.UNCERTAINTY_ESTIMATED
    sure = 1.0
    if source == "assumed":
        medium, source, sure = _look_for_medium(order.wavelength, flux, ivar, power, raw.uncertainty is not None)
    if source == "assumed":
        flags |= InputFlag.MEDIUM_ASSUMED
    guesses = tuple(map(str, raw.meta.get("guesses", ()))) if isinstance(raw.meta, dict) else ()
    if guesses:
        flags |= InputFlag.GUESSED
    info = SpectrumInfo(
        raw.axis_unit, raw.flux_unit, medium, source, raw.doppler_convention, raw.doppler_rest, medium_probability=sure,
        guesses=guesses, part=find_part(raw.meta),
    )  # fmt: skip
    wavelength = convert_to_vacuum(order.wavelength) if medium == "air" else order.wavelength
    return Rows(wavelength, flux, ivar, scale, count, flags, info, raw.names, power)


def _look_for_medium(wavelength, flux, ivar, resolution, has_errors):
    """Medium, source and probability, by bands and lines of the atmosphere where nothing else states it."""
    known = None if resolution is None or not np.isfinite(resolution).any() else float(np.nanmedian(resolution))
    found = find_medium_by_oxygen(wavelength, flux, ivar, resolution=known)
    if found is not None:
        return found.medium, "oxygen", found.probability
    found = find_medium_by_sky(wavelength, flux, ivar, resolution=known, has_errors=has_errors)
    return ("vacuum", "assumed", 0.5) if found is None else (found.medium, "sky", found.probability)


def _mask_fill_values(raw):
    """The spectra with what is no flux masked."""
    none = find_fill_values(raw.flux)
    if none is None:
        return raw
    return replace(raw, mask=none if raw.mask is None else none | (np.asarray(raw.mask) != 0))


def _convert_all(raw, plan, m):
    """Convert all rows in blocks; returns flux, ivar (n, m), scale and count (n,)."""
    n = len(raw.flux)
    flux, ivar = np.empty((n, m), np.float32), np.empty((n, m), np.float32)
    scale, count = np.ones(n), np.zeros(n, np.int64)
    if m == 0:
        return flux, ivar, scale, count
    rows = max(1, _BLOCK // m)
    good = np.empty((min(rows, n), m), dtype=bool)
    with np.errstate(all="ignore"):
        scale = _measure_scale(raw, plan, m)
        for start in range(0, n, rows):
            block = slice(start, min(start + rows, n))
            kept = good[: block.stop - start]
            error, mask = (None if x is None else x[block] for x in (raw.uncertainty, raw.mask))
            _convert_block(raw.flux[block], error, mask, plan, scale[block], (flux[block], ivar[block], kept))
            count[block] = [np.count_nonzero(row) for row in kept]
    return flux, ivar, scale, count
