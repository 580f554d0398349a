# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for cubes of integral-field spectrographs: a spaxel, the sum over a mask or over all, or all of them."""

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from specutils import Spectrum

from astro_spectok.spectra.column_names import ERROR_ROLES, choose_error, find_role
from astro_spectok.spectra.loaders._draft import (
    Draft,
    build_spectra,
    check_axis_range,
    check_axis_unit,
    guess_axis_unit,
)
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._header_axis import read_header_axis, read_table_axis
from astro_spectok.spectra.loaders._options import OptionError
from astro_spectok.spectra.loaders._tables import is_jwst
from astro_spectok.spectra.loaders.fits_tables import merge_headers
from astro_spectok.spectra.unit_words import parse_axis_unit, parse_flux_unit

__all__ = ["is_cube", "read_cube"]

_SPECTRAL = ("AWAV", "WAVE", "FREQ", "LAMB", "WAVN", "ENER", "LINE", "LOG")
_UNCERTAINTY = {"err": StdDevUncertainty, "var": VarianceUncertainty, "ivar": InverseVariance}


def _shape(hdu):
    """Of the cube that an image is, without a fourth axis of one element, as Stokes'."""
    return tuple(hdu.shape[1:] if len(hdu.shape) == 4 and hdu.shape[0] == 1 else hdu.shape)


def _data(hdu):
    """The array of that shape."""
    return np.asarray(hdu.data).reshape(_shape(hdu))


def _is_whole(hdu):
    """Whether an image has three axes, none of one element."""
    return len(_shape(hdu)) == 3 and min(_shape(hdu)) > 1


def _flux_hdu(source, options=None):
    """The extension of the cube, or None."""
    wanted = None if options is None else (options.columns or {}).get("flux", options.hdu)
    if wanted is not None:
        found = source.hdulist[wanted] if not isinstance(wanted, str) or wanted in source.hdulist else None
        return found if found is not None and found.is_image and _is_whole(found) else None
    for raw in source.raw:
        # astropy takes a millisecond for each header
        name = raw.cards.get("EXTNAME", "").strip() if raw.number and _is_whole(raw) else ""
        role = find_role(name) if name and name != "PRIMARY" else None
        if _is_whole(raw) and (role is None or role.kind == "flux"):
            hdu = source.hdulist[raw.number]
            if hdu.is_image and _is_whole(hdu):
                return hdu
    return None


def is_cube(source, options=None):
    """Whether the flux of a file, or what the options name, is a cube.

    Parameters
    ----------
    source : Source
    options : ReadOptions, optional

    Returns
    -------
    bool
    """
    if not any(_is_whole(raw) for raw in source.raw):
        return False
    hdu = _flux_hdu(source, options)
    if hdu is None:
        return False
    header = hdu.header if hdu is source.hdulist[0] else merge_headers(source.header, hdu.header)
    if "BANDID1" in header or str(header.get("CTYPE1", "")).startswith("MULTISPE"):
        return False
    celestial = str(header.get("CTYPE1", "")).upper().startswith(("RA", "GLON", "DEC", "PIXEL", "LINEAR"))
    spectral = str(header.get("CTYPE3", "")).strip().upper().startswith(_SPECTRAL)
    unit = parse_axis_unit(header.get("CUNIT3")) or parse_axis_unit(header.get("CTYPE3"))
    # whatever the other axes are called
    spectral = spectral or (unit is not None and unit.unit != u.pix and read_header_axis(header, 9, axis=3) is not None)
    return spectral or (celestial and (header.get("CDELT3") or header.get("CD3_3")))


@register_format("spectok cube", sniff=is_cube, takes=("columns", "hdu", "spaxel"))
def read_cube(source, options):
    """
    Read a cube of MUSE, KCWI, GMOS, SAMI and others: flux (y, x, wavelength) with STAT, ERR or IVAR beside it.

    ``spaxel`` asks for one spectrum: ``(x, y)`` from 0, ``'sum'`` of all spaxels, or a mask (y, x) of those to be added
    up; variances are added, as if spaxels were independent. Without it all spaxels are one `~specutils.Spectrum`.
    """
    hdu = _flux_hdu(source, options)
    if hdu is None:
        raise source.refuse("has no cube where hdu or columns say", "name the extension of its flux")
    header = hdu.header if hdu is source.hdulist[0] else merge_headers(source.header, hdu.header)
    sisters = _name_sisters(source, options)
    for other in source.hdulist if options.columns is None else ():
        role = find_role(other.name) if other.name and other is not hdu and other.is_image else None
        if role is not None and (
            _shape(other) == _shape(hdu) or (role.kind == "wave" and other.shape == _shape(hdu)[:1])
        ):
            sisters.setdefault(role.kind, other)
    if "wave" in sisters:
        wave, unit = np.asarray(sisters["wave"].data, float), parse_axis_unit(sisters["wave"].header.get("BUNIT"))
        medium = None
    else:
        count = _shape(hdu)[0]
        axis = read_table_axis(header, source.hdulist, count, axis=3) or read_header_axis(header, count, axis=3)
        if axis is None:
            raise source.refuse("is a cube without wavelengths", "give arrays with units")
        wave, unit, medium = axis.wave, axis.unit, axis.medium
    unit = options.wave_unit or unit
    kind = choose_error({one: hdu for one, hdu in sisters.items() if one not in ("snr", "rel")})
    error = None if kind is None else sisters[kind]
    meta = {} if medium is None else {"medium": medium}
    if "SPECRES" in source.hdulist and source.hdulist["SPECRES"].shape == (len(wave),):
        # MaNGA: the median resolving power
        meta["resolution"] = np.asarray(source.hdulist["SPECRES"].data, float)
    unit_text = header.get("BUNIT")
    if options.spaxel is None:
        return [
            _whole(
                source,
                hdu,
                error,
                kind,
                sisters.get("mask"),
                wave,
                unit,
                unit_text,
                header,
                meta,
                options,
            )
        ]
    chosen = _choose(source, options.spaxel, _shape(hdu)[1:])
    flux = _data(hdu)[:, chosen]
    mask = None if "mask" not in sisters else _read_mask(sisters["mask"], header)[:, chosen]
    variance = None
    if error is not None:
        values = _data(error)[:, chosen].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = {"err": np.square(values), "var": values, "ivar": np.where(values > 0, 1 / values, np.nan)}[kind]
    flux, variance, bad = _add_up(flux, variance, mask)
    draft = Draft(
        wave, flux, variance, bad, unit, unit_text, "var", True, header, meta=meta | {"spaxels": int(chosen.sum())}
    )
    return build_spectra(draft, source, options)


def _name_sisters(source, options):
    """Extensions that the user names beside the flux, by what they hold."""
    sisters = {}
    for kind, name in (options.columns or {}).items():
        if kind == "flux":
            continue
        if isinstance(name, str) and name not in source.hdulist:
            msg = f"columns: {name!r} is none of the extensions {', '.join(hdu.name for hdu in source.hdulist[:8])}"
            raise OptionError(msg)
        role = find_role(source.hdulist[name].name)
        kind = (role.kind if role is not None and role.kind in ERROR_ROLES else "err") if kind == "error" else kind
        sisters[kind] = source.hdulist[name]
    return sisters


def _read_mask(hdu, header):
    """Bad pixels by the mask of a cube."""
    values = _data(hdu)
    return (values & 1 if is_jwst(header) and values.dtype.kind in "iu" else values) != 0


def _choose(source, spaxel, shape):
    """The spaxels that are asked for, as a mask (y, x)."""
    if isinstance(spaxel, str):
        return np.ones(shape, bool)
    if isinstance(spaxel, np.ndarray) and spaxel.shape == shape:
        return spaxel.astype(bool)
    if np.shape(spaxel) != (2,):
        msg = f"spaxel: a mask must have the shape of the image, {shape}; got {np.shape(spaxel)}"
        raise OptionError(msg)
    x, y = (int(value) for value in spaxel)
    if not (0 <= x < shape[1] and 0 <= y < shape[0]):
        msg = f"spaxel must lie within the {shape[1]} x {shape[0]} spaxels of {source.name}; got ({x}, {y})"
        raise OptionError(msg)
    chosen = np.zeros(shape, bool)
    chosen[y, x] = True
    return chosen


def _add_up(flux, variance, mask):
    """Sum over spaxels (m, k), scaled for those that are bad at a wavelength; a pixel is bad where half of them are."""
    good = np.isfinite(flux)
    if mask is not None:
        good &= ~mask
    if variance is not None:
        good &= np.isfinite(variance) & (variance > 0)
    used = good.sum(axis=1)
    # spaxels that are bad everywhere, at the rim, have no part in it
    count = max(int(good.any(axis=0).sum()), 1)
    scale = np.divide(count, used, out=np.zeros(len(used)), where=used > 0)
    total = np.where(good, flux, 0).sum(axis=1, dtype=np.float64) * scale
    bad = 2 * used < count
    if variance is None:
        return total, None, bad
    return total, np.where(good, variance, 0).sum(axis=1, dtype=np.float64) * scale**2, bad


def _whole(source, hdu, error, kind, mask, wave, unit, unit_text, header, meta, options):
    """All spaxels as one Spectrum, flux (y, x, wavelength)."""
    native = lambda array: np.moveaxis(np.asarray(array).astype(array.dtype.newbyteorder("=")), 0, -1)  # noqa: E731
    unit = unit or guess_axis_unit(wave)
    if unit is None:
        raise source.refuse("is a cube whose wavelengths have no unit that fits", "give it with wave_unit")
    check_axis_unit(unit.unit, source)
    wave = wave if unit.base is None else unit.base**wave
    if options.wave_unit is None:
        check_axis_range(wave, unit.unit, source)
    flux_unit = options.flux_unit or parse_flux_unit(unit_text)[0]
    flux = native(_data(hdu))
    uncertainty = None
    if kind is not None:
        exponent = {"err": 1, "var": 2, "ivar": -2}[kind]
        uncertainty = _UNCERTAINTY[kind](native(_data(error)), unit=flux_unit**exponent)
    bad = ~np.isfinite(flux)
    if mask is not None:
        bad |= np.moveaxis(_read_mask(mask, header), 0, -1)
    return Spectrum(
        flux=u.Quantity(flux, flux_unit), spectral_axis=wave * unit.unit, uncertainty=uncertainty, mask=bad,
        meta=meta | {"header": header}, spectral_axis_index=-1,
    )  # fmt: skip
