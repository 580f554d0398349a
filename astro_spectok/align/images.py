# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Images of objects in named bands, from arrays, NDData and FITS cutouts, as one array."""

import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import Cutout2D, NDData
from astropy.wcs.utils import proj_plane_pixel_area

__all__ = ["cut_middle", "read_images"]

#: part by which pixels may differ in size from band to band
UNLIKE = 0.01
#: keywords of a header that name bands, as one word or a list
BAND_KEYS = ("BANDS", "FILTERS", "BAND", "FILTER")


def read_images(images: Any, bands: Sequence[str], size: int, *, positions: Any = None, wcs: Any = None) -> np.ndarray:
    """Images around objects, cut to one size.

    Parameters
    ----------
    images : ndarray, mapping of str to image, or sequence of path-like or mapping
        Cutouts as an array (n, bands, height, width) or (bands, height, width); or files, one for each object, with a
        cube (bands, height, width) whose header names the bands (``BANDS``); or for each object a dict of band to
        `~astropy.nddata.NDData`, array or file. One dict of large images with a WCS, and ``positions``, gives a
        cutout each.
    bands : sequence of str
        Names of the bands in the order that the tower takes them.
    size : int
        Height and width in pixels.
    positions : `~astropy.coordinates.SkyCoord`, optional
        Of objects on large images.
    wcs : `~astropy.wcs.WCS`, optional
        Of arrays that have none of their own.

    Returns
    -------
    ndarray of float32, shape (n, bands, size, size)
        NaN where an image is masked, or ends: such rows are left out by `ContrastiveAligner`.

    Raises
    ------
    TypeError, ValueError
        A band is missing or not named, an image has another form, or bands have pixels of unlike size; the message
        names it.
    `~astropy.units.UnitsError`
        Bands have units that do not convert to each other.
    """
    if isinstance(bands, str) or not len(bands):
        msg = f"bands must be a sequence of names, such as ('g', 'r', 'z'); got {bands!r}"
        raise TypeError(msg)
    if len(set(bands)) < len(bands):
        msg = f"bands must be different names; got {', '.join(map(str, bands))}"
        raise ValueError(msg)
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 16:
        msg = f"size must be an integer of 16 or more pixels; got {size!r}"
        raise ValueError(msg)
    bands = list(bands)
    if positions is not None:
        return _cut_all(images, bands, size, positions, wcs)
    if isinstance(images, np.ndarray) or hasattr(images, "detach"):
        stack = _fill_mask(images.detach().cpu() if hasattr(images, "detach") else images)
        stack = stack[None] if stack.ndim == 3 else stack
        if stack.ndim != 4 or stack.shape[1] != len(bands):
            msg = (
                f"images must have the shape (n, {len(bands)}, height, width) for the bands {bands}; got {stack.shape}"
            )
            raise ValueError(msg)
        return cut_middle(stack, size)
    if isinstance(images, Mapping | str | PathLike):
        images = [images]
    if not isinstance(images, Iterable):
        msg = f"images must be an array, files, or dicts of band to image; got {type(images).__name__}"
        raise TypeError(msg)
    planes = [cut_middle(_read_one(one, bands, k), size) for k, one in enumerate(images)]
    return np.stack(planes) if planes else np.zeros((0, len(bands), size, size), np.float32)


def _read_one(image, bands, k):
    """Planes (bands, height, width) of one object."""
    if isinstance(image, str | PathLike):
        return _read_file(image, bands)
    if not isinstance(image, Mapping):
        msg = f"images must be files, or dicts of band to image; image {k} is {type(image).__name__}, without bands"
        raise TypeError(msg)
    missing = [band for band in bands if band not in image]
    if missing:
        msg = f"images must have the bands {', '.join(bands)}; image {k} has {', '.join(map(str, image))}"
        raise ValueError(msg)
    known = {band: getattr(image[band], "wcs", None) for band in bands}
    _check_scales({band: wcs for band, wcs in known.items() if wcs is not None})
    planes = _read_planes(image, bands, f"image {k}")
    if len({plane.shape for plane in planes}) > 1 or planes[0].ndim != 2:
        msg = f"images must be planes of one shape in all bands; image {k} has {[plane.shape for plane in planes]}"
        raise ValueError(msg)
    return np.stack(planes)


def _read_planes(image, bands, what):
    """Values of an object in each band, in the unit of the first, list of ndarray."""
    units = [_find_unit(image[band]) for band in bands]
    planes = []
    for band, unit in zip(bands, units, strict=True):
        plane = _read_plane(image[band], f"{what}, band {band!r}")
        try:
            planes.append(plane if unit == units[0] else plane * np.float32(unit.to(units[0])))
        except (AttributeError, TypeError, u.UnitConversionError) as error:
            words = ", ".join(str(one) for one in units)
            msg = f"images must have one unit in all bands; {what} has {words}; convert them, or leave the unit out"
            raise u.UnitsError(msg) from error
    return planes


def _find_unit(image):
    """The unit of an image, None without any."""
    unit = getattr(image, "unit", None)
    return None if unit is None or str(unit) == "" else u.Unit(unit)


def _read_plane(image, what):
    """Values of an image, NaN where masked."""
    if isinstance(image, str | PathLike):
        found = _open_image(image)[0]
        return found[0] if found.ndim == 3 and len(found) == 1 else found
    try:
        if not isinstance(image, NDData):
            return _fill_mask(image)
        mask = False if image.mask is None else np.broadcast_to(np.asarray(image.mask, bool), np.shape(image.data))
        return _fill_mask(np.ma.array(image.data, mask=mask))
    except (TypeError, ValueError) as error:
        msg = f"images must be arrays, NDData or files in each band; {what} is {type(image).__name__}"
        raise TypeError(msg) from error


def _fill_mask(values):
    """Values as float32, NaN where masked."""
    values = getattr(values, "value", values)
    mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else getattr(values, "mask", None)
    out = np.array(np.ma.getdata(getattr(values, "unmasked", values)), np.float32)
    if mask is not None:
        out[np.asarray(mask, bool)] = np.nan
    return out


def _open_image(path):
    """The first image of a FITS file, and what its header says of bands."""
    try:
        file = fits.open(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        msg = f"images: {os.fspath(path)} must be a FITS file; got {type(error).__name__}: {error}"[:300]
        raise ValueError(msg) from error
    with file:
        found = next((hdu for hdu in file if hdu.is_image and getattr(hdu, "data", None) is not None), None)
        if found is None or found.data.ndim not in (2, 3):
            got = "none" if found is None else f"one of {found.data.ndim} dimensions"
            msg = f"images: {os.fspath(path)} must hold an image (bands, height, width); got {got}"
            raise ValueError(msg)
        text = next((str(hdu.header[key]) for hdu in (found, file[0]) for key in BAND_KEYS if key in hdu.header), "")
        return np.array(found.data, np.float32), text


def _read_file(path, bands):
    """Planes of a FITS cutout whose header names its bands."""
    cube, text = _open_image(path)
    cube = cube[None] if cube.ndim == 2 else cube
    names = text.replace(",", " ").split()
    names = list(names[0]) if len(names) == 1 and len(names[0]) == len(cube) else names
    if len(names) != len(cube) or not set(bands) <= set(names):
        msg = (
            f"images: {os.fspath(path)} must name the bands of its {len(cube)} planes in the header, "
            f"{', '.join(bands)} among them (BANDS = 'grz', say); got {text!r}; give a dict of band to image instead"
        )
        raise ValueError(msg)
    return cube[[names.index(band) for band in bands]]


def cut_middle(planes, size):
    """The middle of planes (..., height, width), NaN where they end."""
    out = np.full((*planes.shape[:-2], size, size), np.nan, np.float32)
    source, target = [], []
    for n in planes.shape[-2:]:
        begin = (n - size) // 2
        source.append(slice(max(begin, 0), min(begin + size, n)))
        target.append(slice(max(-begin, 0), max(-begin, 0) + min(size, n)))
    out[..., target[0], target[1]] = planes[..., source[0], source[1]]
    return out


def _cut_all(images, bands, size, positions, wcs):
    """A cutout of each band around each position."""
    if not isinstance(images, Mapping) or any(band not in images for band in bands):
        names = ", ".join(map(str, images)) if isinstance(images, Mapping) else type(images).__name__
        msg = f"images must be a dict of the bands {', '.join(bands)} where positions are given; got {names}"
        raise ValueError(msg)
    positions = positions.reshape(1) if positions.isscalar else positions
    _check_scales({band: getattr(images[band], "wcs", None) or wcs for band in bands})
    planes = _read_planes(images, bands, "it")
    out = np.full((len(positions), len(bands), size, size), np.nan, np.float32)
    for k, band in enumerate(bands):
        own = getattr(images[band], "wcs", None) or wcs
        for i, place in enumerate(positions):
            try:
                out[i, k] = Cutout2D(planes[k], place, (size, size), wcs=own, mode="partial", fill_value=np.nan).data
            except ValueError:  # the position lies beside the image
                continue
    return out


def _check_scales(known):
    """Refuse images without a WCS, and bands whose pixels are of unlike size."""
    for band, wcs in known.items():
        if wcs is None:
            msg = f"wcs must be given: the image of band {band!r} has none; use CCDData, or wcs="
            raise ValueError(msg)
    scales = {band: float(np.sqrt(proj_plane_pixel_area(wcs))) for band, wcs in known.items()}
    if scales and max(scales.values()) > (1 + UNLIKE) * min(scales.values()):
        words = ", ".join(f"{band} {3600 * scale:.3g}" for band, scale in scales.items())
        msg = f"images must have pixels of one size in all bands; got, in arcsec, {words}; resample them first"
        raise ValueError(msg)
