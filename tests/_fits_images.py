# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A spectrum with exact values, and what writes it as FITS images, for the tests of their loaders."""

import numpy as np
from astropy.io import fits

__all__ = ["ERROR", "FLUX", "LINEAR", "LOG", "N", "write_image"]

N = 400
RNG = np.random.default_rng(5)
FLUX = 2 + np.sin(np.arange(N) / 30) + RNG.normal(0, 0.05, N)
ERROR = np.full(N, 0.05)
LINEAR = 4000.0 + 1.5 * np.arange(N)
LOG = 10 ** (3.6 + 1e-4 * np.arange(N))


def write_image(path, data=FLUX, header=None, *sisters):
    """A primary image and its extensions, (name, data) or (name, data, header)."""
    hdus = [fits.PrimaryHDU(data, fits.Header(header or {}))]
    for name, values, *rest in sisters:
        hdus.append(fits.ImageHDU(values, fits.Header(rest[0] if rest else {}), name=name))
    fits.HDUList(hdus).writeto(path)
    return path
