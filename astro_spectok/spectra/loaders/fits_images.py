# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in FITS images: with their sister extensions, bands, rows and orders."""

import re

import numpy as np
from astropy.io import fits

from astro_spectok.spectra.loaders._draft import Draft, build_spectra, guess_axis_unit
from astro_spectok.spectra.loaders._error_kind import KIND_NAMES, match_error_kind
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._header_axis import HeaderAxis, read_header_axis
from astro_spectok.spectra.loaders._iraf import read_multispec, wat_unit
from astro_spectok.spectra.loaders._roles import ERROR_ROLES, find_role
from astro_spectok.spectra.loaders._unit_words import AxisUnit, parse_axis_unit
from astro_spectok.spectra.loaders.fits_tables import describe_fits, merge_headers

__all__ = ["read_fits_image"]

#: names of extensions that hold the flux, in this order
_FLUX_NAMES = ("FLUX", "SCI", "DATA", "SPECTRUM", "SPEC", "SPECTRA", "SIGNAL", "FLUX_CAL", "PRIMARY")
_LEAST_PIXELS = 8
#: images of more rows than this are pictures of the sky or of a detector, not lists of spectra
_MAX_ROWS = 10000
#: what a row or band is, by a word in its description; the first that is found decides
_BAND_ROLES = {
    "sigma": "err", "error": "err", "variance": "var", "uncertainty": "err", "background": None, "sky": None,
    "raw": None, "continuum": None, "spectrum": "flux", "flux": "flux", "mask": "mask",
}  # fmt: skip


def _is_image(hdu):
    return hdu.is_image and bool(hdu.shape) and min(hdu.shape) > 0


def _squeezed(shape):
    return tuple(n for n in shape if n > 1)


def _image(hdu):
    data = np.asarray(hdu.data)
    data = data.astype(data.dtype.newbyteorder("="))
    return data.reshape(_squeezed(data.shape)) if data.size > 1 else data.reshape(-1)


def _choose_flux(source, options):
    """The HDU of the flux, or None."""
    wanted = options.hdu if options.columns is None else options.columns.get("flux", options.hdu)
    if wanted is not None:
        try:
            return source.hdulist[wanted]
        except (KeyError, IndexError) as error:
            names = ", ".join(hdu.name or str(number) for number, hdu in enumerate(source.hdulist))
            raise source.refuse(f"has no extension {wanted!r}, only {names}", "name another with hdu") from error
    images = [hdu for hdu in source.hdulist if _is_image(hdu) and max(hdu.shape) >= _LEAST_PIXELS]
    for name in _FLUX_NAMES:
        found = next((hdu for hdu in images if hdu.name.upper() == name), None)
        if found is not None:
            return found
    for hdu in images:
        role = find_role(hdu.name) if hdu.name else None
        if role is None or role.kind == "flux":
            return hdu
    return None


def _looks_like_wavelengths(data):
    """Whether values run one way in every row and can be wavelengths, or their logarithms."""
    rows = data.reshape(-1, data.shape[-1])[:50].astype(float)
    if not np.isfinite(rows).all():
        return False
    step = np.diff(rows, axis=1)
    one_way = np.all(step > 0, axis=1) | np.all(step < 0, axis=1)
    return (
        bool(one_way.all()) and rows.min() > 0 and guess_axis_unit(rows[0]) is not None and not np.allclose(step, 1.0)
    )


def _find_sisters(source, flux_hdu, options):
    """Arrays beside the flux: ``{role: (hdu, array)}``, and what was guessed."""
    shape, guesses, sisters = _squeezed(flux_hdu.shape), [], {}
    wanted = options.columns or {}
    for kind, name in wanted.items():
        if kind == "flux":
            continue
        hdu = source.hdulist[name]
        role = find_role(hdu.name)
        kind = (role.kind if role and role.kind in ERROR_ROLES else "err") if kind == "error" else kind
        sisters[kind] = (hdu, _image(hdu))
    if wanted:
        return sisters, guesses
    unnamed = []
    for hdu in source.hdulist:
        if hdu is flux_hdu or not _is_image(hdu):
            continue
        own = _squeezed(hdu.shape)
        role = find_role(hdu.name) if hdu.name and hdu.name.upper() != "PRIMARY" else None
        if role is not None:
            fits_flux = own == shape or (role.kind in ("wave", "mask") and own == shape[-1:])
            if (
                fits_flux
                and role.kind != "flux"
                and (role.kind not in sisters or role.rank < find_role(sisters[role.kind][0].name).rank)
            ):
                sisters[role.kind] = (hdu, _image(hdu))
        elif own in (shape, shape[-1:]) and not hdu.name:
            unnamed.append(hdu)
    for hdu in unnamed:
        data = _image(hdu)
        where = f"extension {source.hdulist.index(hdu)}"
        if "wave" not in sisters and _looks_like_wavelengths(data):
            sisters["wave"] = (hdu, data)
            guesses.append(f"{where} holds the wavelengths, by its values")
        elif data.shape != shape:
            continue
        elif data.dtype.kind in "iu" and "mask" not in sisters and np.count_nonzero(data) < data.size / 2:
            sisters["mask"] = (hdu, data)
            guesses.append(f"{where} holds a mask, by its values")
        elif data.dtype.kind == "f" and not set(sisters) & set(ERROR_ROLES):
            kind = match_error_kind(_first_row(_image(flux_hdu)), _first_row(data))
            if kind is not None:
                sisters[kind] = (hdu, data)
                guesses.append(f"{where} holds errors ({KIND_NAMES[kind]}), by its values")
    return sisters, guesses


def _first_row(array):
    return array if array.ndim == 1 else array.reshape(-1, array.shape[-1])[0]


def _axis_of(source, flux_hdu, header, sisters, n_pixel):
    """The wavelengths: of an extension, of multispec, or of a header."""
    if "wave" in sisters:
        hdu, data = sisters["wave"]
        role = find_role(hdu.name) if hdu.name else None
        unit = parse_axis_unit(hdu.header.get("BUNIT") or hdu.header.get("UNITS"))
        if role is not None and role.base is not None:
            unit = AxisUnit(parse_axis_unit("Angstrom").unit, role.base)
        medium = "air" if "AIR" in hdu.name.upper() else "vacuum" if "VAC" in hdu.name.upper() else None
        return HeaderAxis(data, unit, medium)
    try:
        waves, numbers = read_multispec(header, n_pixel)
    except ValueError as error:
        raise source.refuse(f"has a dispersion solution that cannot be used: {error}") from error
    if waves is not None:
        axis = HeaderAxis(waves, parse_axis_unit(wat_unit(header)))
        axis.apertures = [aperture for aperture, _ in numbers]
        return axis
    axis = read_header_axis(flux_hdu.header, n_pixel)
    return axis or (read_header_axis(header, n_pixel) if header is not flux_hdu.header else None)


def _row_roles(header, count, *, bands):
    """Roles of the rows (or bands) of an image from ARRAYn or BANDIDn cards: list of role or None; None if no cards."""
    texts = [header.get(f"ARRAY{k}") for k in range(1, count + 1)]
    if bands and not any(isinstance(text, str) for text in texts):
        texts = [header.get(f"BANDID{k}") for k in range(1, count + 1)]
        if count == 4 and texts[3] is None:
            texts[3] = "sigma"  # IRAF's apall writes spectrum, raw, background, sigma
    if not any(isinstance(text, str) for text in texts):
        return None
    roles = []
    for text in texts:
        low = str(text or "").lower()
        role = next((role for word, role in _BAND_ROLES.items() if word in re.split(r"\s+-\s+", low)[0]), None)
        if "subtracted" in low or "expected" in low or role in roles:
            role = None
        roles.append(role)
    if "flux" not in roles:
        roles[0] = "flux"
    return roles


def _is_list(header, axis, sisters, flux, source):
    """Whether the rows of a two-dimensional image are spectra, rather than a picture."""
    if np.ndim(axis.wave) == 2 or any(key in header for key in ("APNUM1", "COEFF0", "NFIBRE", "NFIBER", "PLATEID")):
        return True
    if set(sisters) & {"ivar", "err", "var"} and str(header.get("CTYPE2", "")).strip().upper()[:4] not in (
        "RA--",
        "DEC-",
    ):
        return True
    tables = (hdu for hdu in source.hdulist if isinstance(hdu, fits.BinTableHDU))
    return any(hdu.header.get("NAXIS2") == len(flux) for hdu in tables)


def is_fits_image(source):
    """Whether a file has an image that may be a spectrum: one axis of wavelengths at least as likely as a picture."""
    return any(_is_image(hdu) and max(hdu.shape) >= _LEAST_PIXELS for hdu in source.hdulist)


@register_format("spectok image", sniff=is_fits_image, general=True)
def read_fits_image(source, options):
    """
    Read spectra from FITS images: one of one axis, or several as bands, apertures or orders.

    Wavelengths are those of an extension, of IRAF's multispec, or of the header, linear or logarithmic. Errors and
    masks are those of extensions of the same shape, or of IRAF's bands; extensions without a name are told by values.

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
    flux_hdu = _choose_flux(source, options)
    if flux_hdu is None or not _is_image(flux_hdu):
        raise describe_fits(source)
    header = flux_hdu.header if flux_hdu is source.hdulist[0] else merge_headers(source.header, flux_hdu.header)
    flux = _image(flux_hdu)
    sisters, guesses = _find_sisters(source, flux_hdu, options)
    axis = _axis_of(source, flux_hdu, header, sisters, flux.shape[-1])
    if axis is None:
        raise describe_fits(source)
    make = {
        "wave_unit": axis.unit, "flux_unit": _flux_unit(header), "header": header,
        "meta": {} if axis.medium is None else {"medium": axis.medium}, "guesses": [*guesses, *axis.guesses],
    }  # fmt: skip
    kind = next((kind for kind in ERROR_ROLES if kind in sisters), None)
    error = None if kind is None else sisters[kind][1]
    mask = sisters["mask"][1] if "mask" in sisters else None
    if "good" in sisters:
        mask = sisters["good"][1] == 0
    if mask is not None and np.count_nonzero(mask) > 0.9 * mask.size:
        mask = None
        make["guesses"].append("the mask extension would mask nearly all: not used")
    if flux.ndim == 3:
        flux, error, kind = _take_bands(header, flux, error, kind, source)
    elif flux.ndim == 2:
        roles = _row_roles(header, len(flux), bands=header.get("NAXIS", 2) > 2 and header.get("NAXIS2") == 1)
        if roles is not None and np.ndim(axis.wave) == 1:
            flux, error, kind, mask = _take_rows(flux, roles, error, kind, mask)
        elif (
            np.ndim(axis.wave) == 1
            and not sisters
            and "APNUM1" not in header
            and len(flux) <= 4
            and (found := match_error_kind(flux[0], flux[1]))
        ):
            make["guesses"].append(f"rows of the image are flux and error ({KIND_NAMES[found]}), by their values")
            flux, error, kind = flux[0], flux[1], found
        elif len(flux) > _MAX_ROWS or not _is_list(header, axis, sisters, flux, source):
            raise source.refuse(
                f"is a two-dimensional image of {flux.shape[1]} x {len(flux)} pixels", "extract its spectra first"
            )
    elif flux.ndim > 3:
        raise source.refuse(f"is an image of {flux.ndim} axes", "extract its spectra first")
    make["error_kind"] = kind or "err"
    return _build(flux, error, mask, axis, make, source, options)


def _build(flux, error, mask, axis, make, source, options):
    """Spectra of arrays whose roles are settled."""
    waves = np.asarray(axis.wave)
    if flux.ndim == 2 and waves.ndim == 2:
        spectra = []
        apertures = getattr(axis, "apertures", range(1, len(flux) + 1))
        for row in range(min(len(flux), len(waves))):
            if not np.isfinite(waves[row]).any():
                continue
            own = make | {"meta": make["meta"] | {"order": list(apertures)[row]}, "guesses": list(make["guesses"])}
            part = [None if x is None else x[row] if x.ndim == 2 else x for x in (error, mask)]
            spectra += build_spectra(Draft(waves[row], flux[row], *part, **own), source, options)
        return spectra
    if waves.ndim == 2:
        waves = waves[0]
    return build_spectra(Draft(waves, flux, error, mask, **make), source, options)


def _flux_unit(header):
    unit = header.get("BUNIT") or header.get("FLUXUNIT") or header.get("YUNITS") or header.get("UNITS")
    return unit if isinstance(unit, str) else None


def _take_rows(flux, roles, error, kind, mask):
    """Flux, error and mask among the rows of an image."""
    for number, role in enumerate(roles):
        if role in ERROR_ROLES and error is None:
            error, kind = flux[number], role
        elif role == "mask" and mask is None:
            mask = flux[number].astype(np.int64) != 0 if np.isfinite(flux[number]).all() else None
    return flux[roles.index("flux")], error, kind, mask


def _take_bands(header, flux, error, kind, source):
    """Flux (apertures, pixels) and error of an image of IRAF's (bands, apertures, pixels)."""
    roles = _row_roles(header, len(flux), bands=True)
    if roles is None and "APNUM1" not in header and not str(header.get("CTYPE1", "")).startswith("MULTISPE"):
        shape = " x ".join(str(n) for n in flux.shape[::-1])
        raise source.refuse(f"is an image of {shape} pixels whose axes are not told", "extract a spectrum first")
    roles = roles or ["flux", *[None] * (len(flux) - 1)]
    for number, role in enumerate(roles):
        if role in ERROR_ROLES and error is None:
            error, kind = flux[number], role
    return flux[roles.index("flux")], error, kind
