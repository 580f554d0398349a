# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reading arrays out of FITS files with errors that name the file and what it lacks."""

import contextlib
import os
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from specutils.io.parsing_utils import read_fileobj_or_hdulist

from astro_spectok.spectra.unit_words import parse_flux_unit

__all__ = ["SpectrumFile", "bad_pixels", "header_flag", "linear_axis", "open_spectrum_file"]

# What astropy and the gzip layer raise when the bytes of an HDU end too early or are not what the header says.
_READ_ERRORS = (OSError, EOFError, TypeError, ValueError, IndexError, KeyError)


@dataclass(frozen=True)
class SpectrumFile:
    """
    An open FITS file of one format.

    Attributes
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        The open file.
    label : str
        Name of the format, for messages.
    name : str
        Name of the file, for messages.
    """

    hdulist: fits.HDUList
    label: str
    name: str

    @property
    def header(self):
        """The primary header."""
        return self.hdulist[0].header

    def error(self, problem):
        """The ValueError to raise for this file: its name, the format, the problem and what to do."""
        msg = (
            f"{self.name} cannot be read as {self.label!r}: {problem}. "
            "Fetch the file again if it may be damaged, or name another format with format=."
        )
        return ValueError(msg)

    def hdu(self, key):
        """The HDU of that number or name; ValueError if there is none."""
        try:
            return self.hdulist[key]
        except _READ_ERRORS as err:
            present = [hdu.name or number for number, hdu in enumerate(self.hdulist)]
            raise self.error(f"it has no extension {key!r}, only {present}") from err

    def image(self, key):
        """The image of an HDU as a native-endian copy that outlives the file; ValueError if there is none."""
        hdu = self.hdu(key)
        try:
            data = hdu.data
        except _READ_ERRORS as err:
            raise self.error(f"the data of extension {key!r} are incomplete ({err})") from err
        if data is None or data.dtype.fields is not None:
            raise self.error(f"extension {key!r} holds no image")
        return _to_native(data)

    def column(self, key, *names):
        """
        The first of the named columns that a table has, as a one-dimensional native-endian copy.

        A table of one row that holds a vector and a table of one row per pixel give the same. ValueError if there
        is no such column or the table is incomplete.
        """
        hdu = self.hdu(key)
        if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
            raise self.error(f"extension {key!r} is not a table")
        present = {name.upper(): name for name in hdu.columns.names}
        found = next((present[name] for name in names if name in present), None)
        if found is None:
            raise self.error(f"the table in extension {key!r} has no column {' or '.join(names)}, only {list(present)}")
        try:
            data = _to_native(hdu.data[found])
        except _READ_ERRORS as err:
            raise self.error(f"the table in extension {key!r} is incomplete ({err})") from err
        if data.ndim == 2 and data.shape[0] == 1:
            data = data[0]
        if data.ndim != 1:
            raise self.error(f"column {found} has shape {data.shape}, but one spectrum was expected")
        return data

    def flux_unit(self, default):
        """The unit in BUNIT of the primary header, ``default`` without one; ValueError if it is none."""
        text = self.header.get("BUNIT")
        if text is None or not str(text).strip():
            return default
        unit, known = parse_flux_unit(text)
        if not known:
            raise self.error(f"BUNIT={text!r} is not a unit")
        return unit

    def has_column(self, key, name):
        """Whether the table in that HDU has the column."""
        return name in {column.upper() for column in self.hdu(key).columns.names}

    def require_length(self, arrays):
        """Raise ValueError unless all arrays (a mapping of name to array) are as long as the first and not empty."""
        lengths = {name: array.shape[-1] for name, array in arrays.items()}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise self.error(f"its arrays must have one length, not {lengths}")


@contextlib.contextmanager
def open_spectrum_file(file_obj, label, **kwargs):
    """
    Open a FITS file by whatever names it, and close it again if it was opened here.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file; gzip is recognised.
    label : str
        Name of the format, for messages.
    **kwargs
        Passed to `astropy.io.fits.open`. Memory mapping is off by default: a map would keep the file open.

    Yields
    ------
    SpectrumFile
    """
    kwargs.setdefault("memmap", False)
    with read_fileobj_or_hdulist(file_obj, **kwargs) as hdulist:
        yield SpectrumFile(hdulist, label, _describe(file_obj))


def bad_pixels(flux, weight):
    """
    True where a pixel cannot be used: flux not finite, or ivar (or error) not finite or not positive.

    Parameters
    ----------
    flux, weight : ndarray
        Flux, and its inverse variance, variance or standard deviation, of one shape.

    Returns
    -------
    ndarray of bool
    """
    # the comparison is negated because it is false for NaN
    return ~np.isfinite(flux) | ~np.isfinite(weight) | ~(weight > 0)


def header_flag(header, key, *, default=False):
    """A header card as bool, whether it was written as a FITS logical, a number or a string ('T', 'F')."""
    value = header.get(key, default)
    if isinstance(value, str):
        return value.strip().upper() in ("T", "TRUE", "YES", "1")
    return bool(value)


def linear_axis(file, n_pixel, *, key=0):
    """
    The axis that CRVAL1, CRPIX1 and CDELT1 (or CD1_1) describe, as float64.

    Parameters
    ----------
    file : SpectrumFile
    n_pixel : int
    key : int or str, optional
        The HDU whose header to read.

    Returns
    -------
    ndarray, shape (n_pixel,)

    Raises
    ------
    ValueError
        A card is missing or the step is zero.
    """
    header = file.hdu(key).header
    # 1 as the default reference pixel is what IRAF and 2dfdr mean when they leave it out; FITS says 0
    start, step = header.get("CRVAL1"), header.get("CDELT1", header.get("CD1_1"))
    if start is None or not step:
        raise file.error(f"CRVAL1={start} and CDELT1={step} in header {key!r} give no wavelengths")
    return start + step * (np.arange(n_pixel) + 1 - header.get("CRPIX1", 1))


def _describe(file_obj):
    """A name for messages."""
    if isinstance(file_obj, fits.HDUList):
        return file_obj.filename() or "the HDUList"
    if isinstance(file_obj, str | os.PathLike):
        return os.fspath(file_obj)
    return str(getattr(file_obj, "name", None) or "the file")


def _to_native(array):
    """A copy in native byte order."""
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="))
