# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Made-up spectra whose lines follow from labels."""

import numpy as np
from astropy import units as u

WAVELENGTH = np.linspace(5000.0, 5600.0, 320)


def make_labelled(n=40, seed=0, noise=0.02):
    """Spectra as tuples of arrays, and a dict of the depths of their two lines and of their kind."""
    rng = np.random.default_rng(seed)
    depth, width = rng.uniform(0.1, 0.9, n), rng.uniform(5, 12, n)
    kind = np.where(np.arange(n) % 3 == 0, "emission", "absorption")
    line = np.exp(-0.5 * ((WAVELENGTH - 5200) / width[:, None]) ** 2) * depth[:, None]
    other = 0.4 * np.exp(-0.5 * ((WAVELENGTH - 5450) / 7) ** 2) * np.where(kind == "emission", 1, -1)[:, None]
    flux = 1 - line + other + rng.normal(0, noise, (n, len(WAVELENGTH)))
    error = np.full(len(WAVELENGTH), noise)
    spectra = [(WAVELENGTH * u.AA, f * u.Jy, error * u.Jy) for f in flux]
    return spectra, {"depth": depth, "width": width, "kind": kind}
