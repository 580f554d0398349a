# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for HARPS and CORALIE echelle orders (e2ds) with the wavelength polynomials of their header."""

import numpy as np

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format

__all__ = ["read_e2ds"]


def _prefix(header):
    """The observatory whose keywords the wavelengths stand in, or None."""
    return next((one for one in ("ESO", "TNG", "OHP") if f"{one} DRS CAL TH COEFF LL0" in header), None)


def _is_e2ds(source):
    return source.header.get("NAXIS") == 2 and _prefix(source.header) is not None


@register_format("HARPS e2ds", sniff=_is_e2ds)
def read_e2ds(source, options):
    """Read the orders of a HARPS, HARPS-N or SOPHIE e2ds file, in air, by the published layout: it met no real file."""
    header, data = source.header, source.hdulist[0].data
    key = f"{_prefix(header)} DRS CAL TH "
    degree = int(header[key + "DEG LL"])
    pixel = np.arange(data.shape[1], dtype=float)
    spectra = []
    for order, flux in enumerate(data):
        terms = [float(header[f"{key}COEFF LL{order * (degree + 1) + k}"]) for k in range(degree + 1)]
        draft = Draft(
            np.polynomial.polynomial.polyval(pixel, terms), flux, None, None, "Angstrom", "electron",
            header=header, meta={"order": order, "medium": "air"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra
