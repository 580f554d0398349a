# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in FITS images: with their sister extensions, bands, rows and orders."""

import json
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u
from astropy.io import fits

from astro_spectok.spectra.column_names import ERROR_ROLES, choose_error, find_role
from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._error_kind import KIND_NAMES, match_error_kind
from astro_spectok.spectra.loaders._fibres import list_objects
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._header_axis import HeaderAxis, read_header_axis, read_table_axis
from astro_spectok.spectra.loaders._image_parts import (
    MAX_COLUMNS,
    choose_flux,
    find_families,
    find_row_roles,
    find_sisters,
    find_versions,
    is_image,
    looks_like_wavelengths,
    read_image,
)
from astro_spectok.spectra.loaders._iraf import read_multispec, wat_unit
from astro_spectok.spectra.loaders._refusal import UnreadableFileError
from astro_spectok.spectra.loaders._sister_files import (
    find_flux_file,
    is_named_error,
    read_error_file,
    read_wave_file,
)
from astro_spectok.spectra.loaders._tables import is_jwst
from astro_spectok.spectra.loaders.fits_tables import describe_fits, merge_headers
from astro_spectok.spectra.unit_words import AxisUnit, parse_axis_unit

__all__ = ["read_fits_image"]

_LEAST_PIXELS = 8
#: extensions that say which object each row is of
_OF_FIBRES = frozenset({"FIBERS", "FIBRES", "FIBERMAP", "FIBTABLE", "SLITMAP"})
#: cards of the unit of wavelengths that stand in a row: Spextool, SOFIA
_ROW_UNITS = ("XUNITS", "XUNIT", "WAVEUNIT", "LAMBUNIT")


@dataclass
class _Parts:
    """Contents of an image and its sisters; flux and error of shape (pixels,) or (spectra, pixels) in the end."""

    flux: np.ndarray
    header: object
    axis: HeaderAxis | None = None
    error: np.ndarray | None = None
    kind: str | None = None
    mask: np.ndarray | None = None
    apertures: list | None = None
    guesses: list = field(default_factory=list)
    is_list: bool = False  # whether the header says that rows are spectra
    is_table: bool = False  # whether the rows of the image are columns of a table, wavelengths first


def is_fits_image(source):
    """Whether a file has an image that may be a spectrum."""
    return any(raw.shape and min(raw.shape) > 0 and max(raw.shape) >= _LEAST_PIXELS for raw in source.raw)


@register_format("spectok image", sniff=is_fits_image, general=True, takes=("columns", "hdu"))
def read_fits_image(source, options):
    """
    Read spectra from FITS images: one of one axis, or several as bands, apertures or orders.

    Wavelengths are those of an extension, of IRAF's multispec, of the header (linear or logarithmic), or of the first
    row. Errors and masks are those of extensions of the same shape, of rows or of IRAF's bands; what nobody named is
    recognised by its values.

    Parameters
    ----------
    source : Source
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`

    Raises
    ------
    UnreadableFileError
        There are no wavelengths, or the image is a picture.
    """
    hdu = choose_flux(source, options)
    families = [] if options.by_hand or (hdu is not None and find_role(hdu.name)) else find_families(source)
    if families:
        return [spectrum for hdu, own in families for spectrum in _read_one(source, options, hdu, own)]
    if hdu is None or not is_image(hdu):
        raise describe_fits(source)
    versions = [] if options.columns is not None else find_versions(source, hdu)
    if options.hdu is not None:
        versions = [own for own in versions if own[0] is hdu]
    if not versions:
        return _read_one(source, options, hdu)
    spectra, problem = [], None
    for one, own in versions:
        try:
            found = _read_one(source, options, one, find_sisters(source, one, options, own)[0])
        except UnreadableFileError as error:
            problem = problem or error
            continue
        for spectrum in found:
            spectrum.meta["extension"] = f"{one.name},{one.ver}"
        spectra += found
    if not spectra:
        raise problem
    return spectra


def _read_one(source, options, hdu, sisters=None):
    """Spectra of one image of flux, with its sisters where they are known."""
    header = hdu.header if hdu is source.hdulist[0] else merge_headers(source.header, hdu.header)
    parts = _Parts(read_image(hdu), header)
    if sisters is None:
        sisters, parts.guesses = find_sisters(source, hdu, options)
    _take_sisters(parts, sisters)
    _settle_axis(parts, sisters, hdu, source)
    if parts.axis is None and parts.flux.ndim == 1 and not options.by_hand:
        _take_wave_file(parts, source)
    if parts.axis is None:
        raise describe_fits(source)
    if parts.flux.ndim == 1 and parts.error is None:
        _take_error_file(parts, source, options)
    if parts.flux.ndim == 3:
        _settle_bands(parts, source)
    elif parts.flux.ndim == 2:
        _settle_rows(parts, sisters, source)
    elif parts.flux.ndim > 3:
        raise source.refuse(f"is an image of {parts.flux.ndim} axes", "extract its spectra first")
    return _build(parts, source, options)


def _take_sisters(parts, sisters):
    """Errors and mask of the extensions."""
    parts.kind = choose_error(sisters)
    parts.error = None if parts.kind is None else sisters[parts.kind][1]
    if "mask" in sisters or "good" in sisters:
        if "mask" in sisters:
            values = sisters["mask"][1]
            mask = (values & 1 if is_jwst(parts.header) and values.dtype.kind in "iu" else values) != 0
        else:
            mask = sisters["good"][1] == 0
        if np.count_nonzero(mask) > 0.9 * mask.size:
            parts.guesses.append("the mask extension would mask nearly all: not used")
        else:
            parts.mask = mask


def _take_wave_file(parts, source):
    """Wavelengths of the file beside."""
    values, header, name = read_wave_file(source, parts.header, parts.flux.shape)
    if values is None:
        return
    unit = parse_axis_unit(header.get("UNIT") or header.get("BUNIT") or header.get("UNITS"))
    parts.axis = HeaderAxis(values, unit, "vacuum" if "PHXTEFF" in parts.header else None)
    parts.guesses.append(f"wavelengths are those of the file {name} beside it")


def _take_error_file(parts, source, options):
    """Errors of the file beside; a file that holds the errors of another is none of a spectrum."""
    values, kind, name = read_error_file(source, parts.flux.shape)
    if values is not None:
        parts.error, parts.kind = values, kind
        parts.guesses.append(f"errors are those of the file {name} beside it")
    elif np.nanmin(parts.flux) >= 0 and (name := find_flux_file(source)):
        raise source.refuse(f"holds the errors of {name}", f"give {name}, with which they are read")
    elif not options.by_hand and np.nanmin(parts.flux) >= 0 and is_named_error(source):
        raise source.refuse(
            "holds errors, by its name, and no flux", "give the file of the flux, or hdu=0 if it is one"
        )


def _settle_axis(parts, sisters, hdu, source):
    """The wavelengths: of an extension, of multispec, of a header, or of the image itself."""
    flux, header = parts.flux, parts.header
    if "wave" in sisters:
        parts.axis = _read_wave_extension(*sisters["wave"])
        return
    parts.axis = read_table_axis(header, source.hdulist, flux.shape[-1])
    if parts.axis is not None:
        return
    try:
        waves, numbers = read_multispec(header, flux.shape[-1])
    except ValueError as error:
        raise source.refuse(f"has a dispersion solution that cannot be used: {error}", "calibrate it again") from error
    if waves is not None:
        parts.axis = HeaderAxis(waves, parse_axis_unit(wat_unit(header)))
        parts.apertures = [aperture for aperture, _ in numbers]
        return
    if len(hdu.shape) == 2 and (second := _read_second_axis(hdu)) is not None:
        parts.axis, parts.flux, parts.is_list = second, np.asarray(hdu.data).T, True
        return
    long = [axis for axis, length in enumerate(hdu.shape[::-1], start=1) if length > 1]
    if flux.ndim == 1 and long and long[0] > 1:
        # of one axis but the first, as a spaxel cut from a cube
        parts.axis = read_header_axis(header, flux.shape[-1], axis=long[0])
    if parts.axis is None:
        parts.axis = read_header_axis(hdu.header, flux.shape[-1])
    if parts.axis is None and header is not hdu.header:
        parts.axis = read_header_axis(header, flux.shape[-1])
    if parts.axis is None and flux.ndim == 3 and len(flux) > 1 and looks_like_wavelengths(flux[0]):
        _take_planes(parts)
        return
    if flux.ndim == 3 and flux.shape[-1] == 2 and looks_like_wavelengths(flux[..., 0]):
        # orders of pairs of wavelength and flux, as CHIRON has them
        parts.guesses.append("the image holds pairs of wavelength and flux, by its values")
        parts.axis, parts.flux = HeaderAxis(flux[..., 0]), flux[..., 1]
    elif flux.ndim == 2 and (len(flux) <= MAX_COLUMNS or find_row_roles(header, len(flux), bands=False)):
        _take_wave_row(parts)


def _read_second_axis(hdu):
    """The axis of an image whose spectra stand in columns, by its unit, and whose first axis counts them; or None."""
    first, second = (str(hdu.header.get(f"CUNIT{axis}", "") or "") for axis in (1, 2))
    counts = str(hdu.header.get("CTYPE1", "")).strip().upper() in ("INDEX", "FIBRE", "FIBER", "APERTURE")
    unit = parse_axis_unit(second)
    if not counts or parse_axis_unit(first) not in (None, AxisUnit(u.pix)) or unit is None or unit.unit == u.pix:
        return None
    return read_header_axis(hdu.header, hdu.shape[0], axis=2)


def _read_wave_extension(hdu, data):
    """The axis that an extension holds."""
    role = find_role(hdu.name) if hdu.name else None
    unit = parse_axis_unit(hdu.header.get("BUNIT") or hdu.header.get("UNITS"))
    if role is not None and role.base is not None:
        unit = AxisUnit(u.AA, role.base)
    name = hdu.name.upper()
    return HeaderAxis(data, unit, "air" if "AIR" in name else "vacuum" if "VAC" in name else None)


def _take_wave_row(parts):
    """Take the wavelengths out of the rows of an image, if one holds them by its card or, the first, by its values."""
    roles = find_row_roles(parts.header, len(parts.flux), bands=False)
    unit = next((found for key in _ROW_UNITS if (found := parse_axis_unit(parts.header.get(key))) is not None), None)
    if roles is not None and "wave" in roles:
        parts.axis = HeaderAxis(parts.flux[roles.index("wave")].astype(float), unit)
    elif roles is None and parts.axis is None:
        rows = [row for row in range(len(parts.flux)) if looks_like_wavelengths(parts.flux[row : row + 1])]
        if not rows or (rows[0] > 0 and len(rows) > 1):
            return
        which = "first" if rows[0] == 0 else f"{rows[0] + 1}th" if rows[0] + 1 < len(parts.flux) else "last"
        parts.guesses.append(f"the {which} row of the image holds the wavelengths, by its values")
        parts.axis, parts.is_table = HeaderAxis(parts.flux[rows[0]].astype(float), unit), True
        parts.flux = np.delete(parts.flux, rows[0], axis=0)


def _take_planes(parts):
    """Flux and error of orders whose wavelengths are the first plane of an image, as CERES has them."""
    planes = parts.flux
    parts.axis, parts.flux = HeaderAxis(planes[0].astype(float)), planes[1]
    parts.guesses.append("the first plane of the image holds the wavelengths and the second the flux, by their values")
    for number, plane in enumerate(planes[2:], start=3):
        kind = match_error_kind(planes[1, 0], plane[0])
        if kind is not None:
            parts.error, parts.kind = plane, kind
            parts.guesses.append(f"plane {number} of the image holds errors ({KIND_NAMES[kind]}), by its values")
            return


def _settle_rows(parts, sisters, source):
    """Roles of the rows of a two-dimensional image; refused where it is a picture."""
    flux, header, one_axis = parts.flux, parts.header, np.ndim(parts.axis.wave) == 1
    if len(flux) == 1:
        parts.flux = flux[0]
        return
    roles = find_row_roles(header, len(flux), bands=header.get("NAXIS", 2) > 2 and header.get("NAXIS2") == 1)
    if roles is not None and one_axis:
        _take_rows(parts, roles)
        return
    if one_axis and not sisters and "APNUM1" not in header and len(flux) <= MAX_COLUMNS:
        found = match_error_kind(flux[0], flux[1])
        if found is not None:
            parts.guesses.append(f"rows of the image are flux and error ({KIND_NAMES[found]}), by their values")
            parts.flux, parts.error, parts.kind = flux[0], flux[1], found
            return
        found = match_error_kind(flux[1], flux[0]) if parts.is_table else None
        if found is not None:
            parts.guesses.append(f"rows of the image are error ({KIND_NAMES[found]}) and flux, by their values")
            parts.flux, parts.error, parts.kind = flux[1], flux[0], found
            return
    if parts.is_table and len(flux) <= MAX_COLUMNS:
        parts.guesses.append("the second row of the image is the flux: which of the others is its error is not stated")
        parts.flux = flux[0]
        return
    if not _is_list(parts, sisters, source):
        shape = f"{flux.shape[1]} x {len(flux)}"
        raise source.refuse(f"is a two-dimensional image of {shape} pixels", "extract its spectra first")


def _is_list(parts, sisters, source):
    """Whether the rows of a two-dimensional image are spectra, rather than a picture."""
    header = parts.header
    if parts.is_list or np.ndim(parts.axis.wave) == 2:
        return True
    if any(key in header for key in ("APNUM1", "COEFF0", "NFIBRE", "NFIBER")):
        return True
    on_sky = str(header.get("CTYPE2", "")).strip().upper().startswith(("RA--", "DEC-"))
    # places along a slit are a fraction of an arcsecond or more apart, spectra are counted
    on_sky = on_sky or header.get("CDELT2", header.get("CD2_2", 1.0)) not in (0, 1)
    if set(sisters) & {"ivar", "err", "var"} and not on_sky:
        return True
    if not on_sky and any(hdu.name.upper() in _OF_FIBRES for hdu in source.hdulist):
        return True
    tables = (hdu for hdu in source.hdulist if isinstance(hdu, fits.BinTableHDU))
    return any(hdu.header.get("NAXIS2") == len(parts.flux) for hdu in tables)


def _take_rows(parts, roles):
    """Flux, error and mask among the rows (or bands) of an image."""
    flux = parts.flux
    for number, role in enumerate(roles):
        if role in ERROR_ROLES and parts.error is None:
            parts.error, parts.kind = flux[number], role
        elif role == "mask" and parts.mask is None and np.isfinite(flux[number]).all():
            parts.mask = flux[number].astype(np.int64) != 0
    parts.flux = flux[roles.index("flux")]


def _settle_bands(parts, source):
    """Flux (apertures, pixels) and error of an image of IRAF's (bands, apertures, pixels)."""
    flux, header = parts.flux, parts.header
    roles = find_row_roles(header, len(flux), bands=True)
    if roles is None and "APNUM1" not in header and not str(header.get("CTYPE1", "")).startswith("MULTISPE"):
        shape = " x ".join(str(n) for n in flux.shape[::-1])
        raise source.refuse(f"is an image of {shape} pixels whose axes are not described", "extract a spectrum first")
    _take_rows(parts, roles or ["flux", *[None] * (len(flux) - 1)])


def _read_linetools(parts):
    """Units and medium as linetools writes them: json in two cards."""
    try:
        units, remarks = (json.loads(parts.header.get(key, "{}")) for key in ("UNITS", "METADATA"))
        medium = {"vac": "vacuum", "air": "air"}.get(remarks.get("airvac"))
        parts.axis.unit = parts.axis.unit or parse_axis_unit(units.get("wave"))
    except (AttributeError, TypeError, ValueError):
        return None
    parts.axis.medium = parts.axis.medium or medium
    return units.get("flux")


def _build(parts, source, options):
    """Spectra of parts whose roles are settled."""
    header, waves = parts.header, np.asarray(parts.axis.wave)
    unit = (
        _read_linetools(parts)
        or header.get("BUNIT")
        or header.get("FLUXUNIT")
        or header.get("YUNITS")
        or header.get("UNITS")
    )
    make = {
        "wave_unit": parts.axis.unit, "flux_unit": unit if isinstance(unit, str) else None,
        "error_kind": parts.kind or "err", "header": header,
    }  # fmt: skip
    meta = {} if parts.axis.medium is None else {"medium": parts.axis.medium}
    guesses = [*parts.guesses, *parts.axis.guesses]
    names, keep, left_out = None, [], ""
    if parts.flux.ndim == 2 and not parts.is_table:
        names, keep, left_out = list_objects(source, header, len(parts.flux))
        meta |= {"left_out": left_out} if left_out else {}
    if waves.ndim == 1 and left_out:
        parts.flux, parts.error, parts.mask = (
            x[keep] if np.ndim(x) == 2 else x for x in (parts.flux, parts.error, parts.mask)
        )
    if waves.ndim == 1 and names:
        meta["name"] = [names[row] for row in keep]
    if waves.ndim == 1 or parts.flux.ndim == 1:
        wave = waves if waves.ndim == 1 else waves[0]
        draft = Draft(wave, parts.flux, parts.error, parts.mask, meta=meta, guesses=guesses, **make)
        return build_spectra(draft, source, options)
    spectra = []
    for row, (wave, flux) in enumerate(zip(waves, parts.flux, strict=False)):
        if not np.isfinite(wave).any() or (left_out and row not in keep):
            continue
        part = [None if x is None else x[row] if x.ndim == 2 else x for x in (parts.error, parts.mask)]
        order = parts.apertures[row] if parts.apertures else row + 1
        own = {"order": order} | ({"name": names[row]} if names and names[row] else {})
        draft = Draft(wave, flux, *part, meta=meta | own, guesses=list(guesses), **make)
        spectra += build_spectra(draft, source, options)
    return spectra
