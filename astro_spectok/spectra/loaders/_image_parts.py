# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Roles of the images of a FITS file: flux, wavelengths, errors, masks; by name, else by values."""

import re

import numpy as np

from astro_spectok.spectra.column_names import ERROR_ROLES, find_role
from astro_spectok.spectra.loaders._draft import guess_axis_unit
from astro_spectok.spectra.loaders._error_kind import KIND_NAMES, match_error_kind
from astro_spectok.spectra.loaders._header_axis import read_header_axis

__all__ = [
    "MAX_COLUMNS", "choose_flux", "find_families", "find_row_roles", "find_sisters", "find_versions", "is_image",
    "looks_like_wavelengths", "read_image", "refuse_extension",
]  # fmt: skip

#: names of extensions that hold the flux, in this order
_FLUX_NAMES = ("FLUX", "SCI", "DATA", "SPECTRUM", "SPEC", "SPECTRA", "SIGNAL", "FLUX_CAL", "INTENSITY", "PRIMARY")
_LEAST_PIXELS = 8
#: card that says what a column of an image is: CASSIS, of Spitzer's spectra
_COLUMN_CARD = "COL{:02d}DEF"
#: an image of at most so many columns and at least so many rows is a table of columns
MAX_COLUMNS, _LEAST_ROWS = 8, 64
#: numbers in names of extensions, as SLIT2, IFU.7.DATA
_NUMBERS = re.compile(r"\d+")
#: names that say nothing, whose numbers tell flux and errors apart rather than spectra
_NO_NAMES = frozenset({"", "ARRAY", "EXT", "EXTENSION", "HDU", "IMAGE", "LAYER", "PLANE", "COL", "COLUMN"})
#: what stands in names of images in the place of FLUX, and names of those of no object
_IN_FAMILIES = {"WAVE": "wave", "VAR": "var", "IVAR": "ivar", "ERR": "err"}
_WITH_SKY = re.compile(r"NO(?:N|T)?_?(?:SS|SKY)", re.IGNORECASE)
_BESIDE = re.compile(r"SKY|MODEL|CONTIN|TELLURIC|BACKGR|RESPONSE|BLAZE|LSF|PROFILE|TRACE|^POL|^NULL", re.IGNORECASE)
_NO_OBJECT = re.compile(r"SKY|CAL|ETAL|LFC")
#: what a row or band is, by a word in its description; the first that is found decides
_BAND_ROLES = {
    "wavelength": "wave", "lambda": "wave", "signal-to-noise": "snr", "signal to noise": "snr",
    "sigma": "err", "error": "err", "variance": "var", "uncertainty": "err", "background": None, "sky": None,
    "raw": None, "continuum": None, "spectrum": "flux", "flux": "flux", "intensity": "flux", "mask": "mask",
    "noise": "err", "lamp": None, "flat": None, "object": "flux",
}  # fmt: skip


def is_image(hdu):
    """Whether an HDU holds an image."""
    return hdu.is_image and bool(hdu.shape) and min(hdu.shape) > 0


def _squeezed(shape):
    return tuple(n for n in shape if n > 1)


def read_image(hdu):
    """The array of an image, in native order and without axes of one element."""
    data = np.asarray(hdu.data)
    data = data.astype(data.dtype.newbyteorder("="))
    data = data.reshape(_squeezed(data.shape)) if data.size > 1 else data.reshape(-1)
    # pixels along the other axis: a table of few columns written as an image
    described = data.ndim == 2 and _COLUMN_CARD.format(2) in hdu.header and data.shape[1] < data.shape[0]
    is_table = data.ndim == 2 and (described or data.shape[1] <= MAX_COLUMNS) and data.shape[0] >= _LEAST_ROWS
    return data.T if is_table else data


def refuse_extension(source, wanted):
    """The error for an extension that is not there, which names those that are."""
    names = ", ".join(hdu.name or str(number) for number, hdu in enumerate(source.hdulist))
    return source.refuse(f"has no extension {wanted!r}, only {names}", "name another with hdu")


def choose_flux(source, options):
    """The HDU of the flux, or None."""
    wanted = options.hdu if options.columns is None else options.columns.get("flux", options.hdu)
    if wanted is not None:
        try:
            return source.hdulist[wanted]
        except (KeyError, IndexError) as error:
            raise refuse_extension(source, wanted) from error
    images = [hdu for hdu in source.hdulist if is_image(hdu) and max(hdu.shape) >= _LEAST_PIXELS]
    shapes = [_squeezed(hdu.shape) for hdu in images]
    if len(images) > 1 and images[0] is source.hdulist[0] and shapes.count(shapes[0]) > 1 and len(shapes[0]) == 2:
        # wavelengths come first in spectra of hectospec
        images = images[1:] if looks_like_wavelengths(read_image(images[0])) else images
    if len(images) > 1 and images[0] is source.hdulist[0] and len(shapes[0]) == 1 and shapes[1] == shapes[0]:
        # wavelengths first, without names and without an axis
        alone = read_header_axis(images[0].header, shapes[0][0]) is None
        images = images[1:] if alone and looks_like_wavelengths(read_image(images[0])) else images
    # a picture beside spectra that were extracted from it
    has_axis = [read_header_axis(hdu.header, hdu.shape[-1]) is not None for hdu in images]
    is_picture = bool(images) and len(shapes[0]) > 1 and not has_axis[0]
    is_picture &= any(found and len(_squeezed(hdu.shape)) == 1 for hdu, found in zip(images, has_axis, strict=True))
    for name in _FLUX_NAMES[:-1] if is_picture else _FLUX_NAMES:
        found = next((hdu for hdu in images if hdu.name.upper() == name), None)
        if found is not None:
            return found
    # spectra of one axis before pictures, without the sky before those with it
    for hdu in sorted(images, key=_rank_image):
        role = find_role(hdu.name) if hdu.name else None
        if role is None or role.kind == "flux":
            return hdu
    return None


def _rank_image(hdu):
    """Sorts images of names that say little: what is beside a flux comes last."""
    is_beside, with_sky = (found.search(hdu.name) is not None for found in (_BESIDE, _WITH_SKY))
    return is_beside and not with_sky, len(_squeezed(hdu.shape)) > 1, with_sky


def looks_like_wavelengths(data):
    """Whether values run one way in every row and can be wavelengths, or their logarithms."""
    rows = data.reshape(-1, data.shape[-1])[:50].astype(float)
    if not np.isfinite(rows).all():
        return False
    step = np.diff(rows, axis=1)
    one_way = np.all(step > 0, axis=1) | np.all(step < 0, axis=1)
    return (
        bool(one_way.all()) and rows.min() > 0 and guess_axis_unit(rows[0]) is not None and not np.allclose(step, 1.0)
    )


def _find_version(hdu):
    """EXTVER of an extension, and the numbers in its name."""
    return hdu.ver, *_NUMBERS.findall(hdu.name)


def find_versions(source, flux_hdu):
    """Images of one name and number of axes, told apart by EXTVER: each flux with the extensions that are its own.

    Parameters
    ----------
    source : Source
    flux_hdu : ImageHDU

    Returns
    -------
    list of (hdu, list of hdus)
        Empty where there is but one of the name.
    """
    hdus = list(source.hdulist)
    stem, axes = _NUMBERS.sub("#", flux_hdu.name), len(_squeezed(flux_hdu.shape))
    same = [one for one in hdus if stem and is_image(one) and _NUMBERS.sub("#", one.name) == stem]
    same = [one for one in same if len(_squeezed(one.shape)) == axes]
    if len(same) < 2 or stem.strip("#_-. ") in _NO_NAMES:
        return []
    keys = [_find_version(one) for one in same]
    if len(set(keys)) == len(same):
        return [(one, [other for other in hdus[1:] if _find_version(other) == key])
                for one, key in zip(same, keys, strict=True)]  # fmt: skip
    # without EXTVER: what stands behind each, up to the next; or before it
    places = [hdus.index(one) for one in same]
    behind = list(zip(places, [*places[1:], len(hdus)], strict=True))
    before = list(zip([0, *places[:-1]], places, strict=True))
    cuts = behind if behind[0][1] > behind[0][0] + 1 and len({b - a for a, b in behind}) == 1 else before
    return [(one, [other for other in hdus[max(a, 1) : b + 1] if other is one or other not in same])
            for one, (a, b) in zip(same, cuts, strict=True)]  # fmt: skip


def find_sisters(source, flux_hdu, options, among=None):
    """Arrays beside the flux, of all extensions or of some: ``{role: (hdu, array)}``, and what was guessed."""
    shape, guesses, sisters = _squeezed(flux_hdu.shape), [], {}
    wanted = options.columns or {}
    for kind, name in wanted.items():
        if kind == "flux":
            continue
        hdu = source.hdulist[name]
        role = find_role(hdu.name)
        kind = (role.kind if role and role.kind in ERROR_ROLES else "err") if kind == "error" else kind
        sisters[kind] = (hdu, read_image(hdu))
    if wanted:
        return sisters, guesses
    unnamed = []
    for hdu in source.hdulist if among is None else among:
        if hdu is flux_hdu or not is_image(hdu):
            continue
        own = _squeezed(hdu.shape)
        role = _find_sister_role(hdu.name, flux_hdu.name) if hdu.name and hdu.name.upper() != "PRIMARY" else None
        if role is not None:
            fits_flux = own == shape or (role.kind in ("wave", "mask") and own == shape[-1:])
            if (
                fits_flux
                and role.kind != "flux"
                and (
                    role.kind not in sisters
                    or role.rank < _find_sister_role(sisters[role.kind][0].name, flux_hdu.name).rank
                )
            ):
                sisters[role.kind] = (hdu, read_image(hdu))
        elif own in (shape, shape[-1:]) and (not hdu.name or hdu is source.hdulist[0]):
            unnamed.append(hdu)
    for hdu in unnamed:
        data = read_image(hdu)
        where = f"extension {source.hdulist.index(hdu)}"
        if "wave" not in sisters and looks_like_wavelengths(data):
            sisters["wave"] = (hdu, data)
            guesses.append(f"{where} holds the wavelengths, by its values")
        elif data.shape != shape:
            continue
        elif data.dtype.kind in "iu" and "mask" not in sisters and np.count_nonzero(data) < data.size / 2:
            sisters["mask"] = (hdu, data)
            guesses.append(f"{where} holds a mask, by its values")
        elif data.dtype.kind == "f" and not set(sisters) & set(ERROR_ROLES):
            kind = match_error_kind(_first_row(read_image(flux_hdu)), _first_row(data))
            if kind is not None:
                sisters[kind] = (hdu, data)
                guesses.append(f"{where} holds errors ({KIND_NAMES[kind]}), by its values")
    return sisters, guesses


def _find_sister_role(name, flux_name):
    """What an extension holds by its name, or by what stands behind the word it begins with as the flux does."""
    role, begins = find_role(name), flux_name.split("_")[0] + "_"
    if role is None and "_" in flux_name and name.startswith(begins):
        role = find_role(name[len(begins) :])
    return role


def find_families(source):
    """Images of fluxes whose names tell those of their wavelengths and variances: ``GREEN_SCI_FLUX1`` and its like.

    Parameters
    ----------
    source : Source

    Returns
    -------
    list of (hdu, dict)
        The flux, and by role what `find_sisters` gives; sky and calibration only where there is nothing else.
    """
    images = {hdu.name.upper(): hdu for hdu in source.hdulist if hdu.name and is_image(hdu)}
    families = []
    for name, hdu in images.items():
        if "FLUX" not in name:
            continue
        named = {role: images.get(name.replace("FLUX", word)) for word, role in _IN_FAMILIES.items()}
        same = {role: one for role, one in named.items() if one is not None and one.shape == hdu.shape}
        if "wave" in same:
            families.append((hdu, {role: (one, read_image(one)) for role, one in same.items()}))
    families = [one for one in families if not _NO_OBJECT.search(one[0].name.upper())] or families
    return families or _find_mpdaf(images)


def _find_mpdaf(images):
    """Spectra of a source of MPDAF: images of one axis whose names end with DATA, with those that end with STAT."""
    families = []
    for name, hdu in images.items():
        beside = images.get(name.removesuffix("_DATA") + "_STAT") if name.endswith("_DATA") else None
        if beside is None or len(_squeezed(hdu.shape)) != 1 or beside.shape != hdu.shape:
            continue
        families.append((hdu, {"var": (beside, read_image(beside))}))
    return families


def _first_row(array):
    return array if array.ndim == 1 else array.reshape(-1, array.shape[-1])[0]


def find_row_roles(header, count, *, bands):
    """Roles of rows (or bands) of an image from an axis of Stokes or ARRAYn, COLn, ROWn, BANDIDn; None without."""
    if str(header.get("CTYPE2", "")).strip().upper().startswith("STOKES"):
        # rows are I, Q, U and V, by number
        first = 1 - header.get("CRPIX2", 1.0)
        numbers = [header.get("CRVAL2", 1.0) + (k + first) * header.get("CDELT2", 1.0) for k in range(count)]
        return ["flux" if k == (numbers.index(1) if 1 in numbers else 0) else None for k in range(count)]
    key = "ARRAY{}" if "ARRAY1" in header else _COLUMN_CARD if _COLUMN_CARD.format(1) in header else "COL{}"
    key = "ROW{}" if isinstance(header.get("ROW1"), str) and key.format(1) not in header else key
    texts = [header.get(key.format(k)) for k in range(1, count + 1)]
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
        roles[roles.index(None) if None in roles else 0] = "flux"
    return roles
