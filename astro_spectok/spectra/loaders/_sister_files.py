# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors and wavelengths in a file of their own beside that of the flux, as MASE, XIDL, IRAF users and PHOENIX do."""

import glob
import os
import re

import numpy as np
from astropy.io import fits

__all__ = ["find_flux_file", "is_named_error", "read_error_file", "read_wave_file"]

#: end of the name without ending: what it is of the file of errors, and their kind
_PAIRS = (
    ("F", "E", "err"), ("_f", "_e", "err"), ("flux", "err", "err"), ("flux", "error", "err"), ("flux", "sig", "err"),
    ("flux", "ivar", "ivar"), ("flux", "var", "var"), ("", "_err", "err"), ("", "_error", "err"), ("", "_sigma", "err"),
    ("", ".sig", "err"), ("", ".err", "err"), ("", "_var", "var"), ("", "_ivar", "ivar"),
)  # fmt: skip
_WAVE_PAIRS = (
    ("flux", "wave"), ("FLUX", "WAVE"), ("_f", "_w"), ("spec", "wave"), ("flux", "lambda"), ("", "_wave"), ("", "_wav"),
    ("", "_wavelength"), ("", "_lambda"), ("", ".wave"),
)  # fmt: skip
#: the grid of the PHOENIX library (Husser+2013) lies up to two folders above its spectra
_LIBRARY_GRID, _LIBRARY_KEY = "WAVE_PHOENIX*.fits", "PHXTEFF"
#: ends of names that only files of errors have
_ERROR_NAME = re.compile(r"(_nE|[_.-](err|errs|error|errors|sig|sigma|noise|var|variance|ivar))$", re.IGNORECASE)
_NAME = re.compile(r"^(.*?)(\.fits?(?:\.gz)?)$", re.IGNORECASE)


def _beside(path, end, other):
    """The path with another end of its name, if its name has this one and such a file is there."""
    found = _NAME.match(path)
    if not found or not found[1].endswith(end) or len(found[1]) == len(end):
        return None
    candidate = found[1][: len(found[1]) - len(end)] + other + found[2]
    return candidate if os.path.isfile(candidate) else None


def read_error_file(source, shape):
    """The errors of a spectrum in the file beside it.

    Parameters
    ----------
    source : Source
    shape : tuple of int
        Of the flux, which they must have.

    Returns
    -------
    values : ndarray or None
    kind : {'err', 'var', 'ivar'} or None
    name : str
        Of the file.
    """
    for end, other, kind in _PAIRS if source.path else ():
        path = _beside(source.path, end, other)
        values = None if path is None else _read_array(path, shape)[0]
        if values is not None:
            return values, kind, os.path.basename(path)
    return None, None, ""


def _read_array(path, shape):
    """The first image of a file and its header where it has this shape; (None, None) where not."""
    try:
        with fits.open(path, memmap=False) as hdus:
            values, header = np.squeeze(np.asarray(hdus[0].data)), hdus[0].header
    except (OSError, TypeError, ValueError, fits.VerifyError):
        return None, None
    fits_flux = values.shape == shape and values.dtype.kind in "fiu"
    return (values.astype(np.float64), header) if fits_flux else (None, None)


def read_wave_file(source, header, shape):
    """The wavelengths of a spectrum in the file beside it, or those of its library.

    Parameters
    ----------
    source : Source
    header : mapping
        Of the flux.
    shape : tuple of int

    Returns
    -------
    values : ndarray or None
    header : `~astropy.io.fits.Header` or None
        Of the file of wavelengths.
    name : str
        Of that file.
    """
    if not source.path:
        return None, None, ""
    paths = [_beside(source.path, end, other) for end, other in _WAVE_PAIRS]
    if _LIBRARY_KEY in header:
        folder = os.path.dirname(os.path.abspath(source.path))
        for above in (folder, os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))):
            paths += sorted(glob.glob(os.path.join(glob.escape(above), _LIBRARY_GRID)))
    for path in paths:
        values, own = (None, None) if path is None else _read_array(path, shape)
        if values is not None and values.min() > 0 and (np.diff(values) > 0).all():
            return values, own, os.path.basename(path)
    return None, None, ""


def find_flux_file(source):
    """The name of the file whose errors a file holds, by their names; '' where there is none."""
    for end, other, _ in _PAIRS if source.path else ():
        path = _beside(source.path, other, end)
        if path is not None:
            return os.path.basename(path)
    return ""


def is_named_error(source):
    """Whether a file, by its name, holds errors: of a spectrum that is not beside it, or `find_flux_file` finds it."""
    found = _NAME.match(os.path.basename(source.path)) if source.path else None
    return bool(found and _ERROR_NAME.search(found[1]))
