# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where the spectra of a cube stand: the shape of its image, and the sky that it shows."""

import json
import warnings
from typing import NamedTuple

from astropy.io import fits
from astropy.wcs import WCS
from specutils import Spectrum, SpectrumCollection

__all__ = ["CubeLayout", "find_layout"]


class CubeLayout(NamedTuple):
    """Places of the spectra of one cube.

    Attributes
    ----------
    shape : tuple of int
        Of the cube without its spectral axis; spectra follow each other in C order.
    wcs : str
        Cards of the celestial WCS of the image as JSON, '' where there is none.
    """

    shape: tuple
    wcs: str = ""


def find_layout(obj):
    """The layout of what is one cube.

    Parameters
    ----------
    obj
        Anything.

    Returns
    -------
    CubeLayout or None
        None for all that is no `~specutils.Spectrum` with three axes or more, nor a `~specutils.SpectrumCollection`
        with as many: their spectra have no other order than the one they come in.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from specutils import Spectrum
    >>> from astro_spectok.spectra.layout import find_layout
    >>> cube = Spectrum(flux=np.ones((2, 3, 40)) * u.Jy, spectral_axis=np.arange(4000, 4040) * u.AA)
    >>> find_layout(cube).shape, find_layout(cube[0]) is None
    ((2, 3), True)
    """
    if isinstance(obj, Spectrum) and obj.data.ndim > 2:
        axis = obj.spectral_axis_index % obj.data.ndim
        shape = tuple(n for number, n in enumerate(obj.data.shape) if number != axis)
        return CubeLayout(shape, _find_sky(obj, shape))
    if isinstance(obj, SpectrumCollection) and len(obj.shape) > 1:
        return CubeLayout(tuple(obj.shape))
    return None


def _find_sky(cube, shape):
    """Cards of the celestial WCS of a cube whose image is of this shape, '' where there is none."""
    if len(shape) != 2:
        return ""
    for given in (cube.wcs, (cube.meta or {}).get("header")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # cards that break rules without consequence
                wcs = given if isinstance(given, WCS) else WCS(fits.Header(given)) if given else None
                if wcs is None or not wcs.has_celestial:
                    continue
                sky = wcs.celestial
                # an image that was turned or cut has lost its place
                if sky.array_shape is not None and tuple(sky.array_shape) != shape:
                    continue
                # one text without blanks, which FITS would lose where it breaks a long value
                return json.dumps(dict(sky.to_header()), separators=(",", ":"))
        except Exception:  # headers of strangers make WCS raise whatever it can
            continue
    return ""
