# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for IUE final archive spectra: low (MXLO) and high (MXHI) dispersion."""

import numpy as np

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format

__all__ = ["read_iue_high", "read_iue_low"]

#: quality from here down is no measurement: extrapolated, saturated, lost
_BAD_QUALITY = -256


def _columns(source):
    return set(source.raw[1].names)


def _is_low(source):
    return {"WAVELENGTH", "DELTAW", "NPOINTS", "FLUX"} <= _columns(source)


def _is_high(source):
    return {"WAVELENGTH", "DELTAW", "STARTPIX", "ABS_CAL"} <= _columns(source)


@register_format("IUE MXLO", sniff=_is_low)
def read_iue_low(source, options):
    """Read IUE low-dispersion spectra, one for each aperture: vacuum below 2000 Angstrom, air above."""
    spectra = []
    for row in source.hdulist[1].data:
        n = int(row["NPOINTS"])
        wave = float(row["WAVELENGTH"]) + float(row["DELTAW"]) * np.arange(n)
        draft = Draft(
            wave, row["FLUX"][:n], row["SIGMA"][:n], np.asarray(row["QUALITY"][:n]) <= _BAD_QUALITY, "Angstrom",
            "erg/s/cm2/A", "err", True, source.header, str(source.header.get("LTARGET", "")).strip(),
            {"aperture": str(row["APERTURE"]).strip(), "medium": "air"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra


@register_format("IUE MXHI", sniff=_is_high)
def read_iue_high(source, options):
    """Read the orders of an IUE high-dispersion spectrum; written by the published layout, no real file was met."""
    spectra = []
    for row in source.hdulist[1].data:
        first, n = int(row["STARTPIX"]) - 1, int(row["NPOINTS"])
        part = slice(max(first, 0), max(first, 0) + n)
        wave = float(row["WAVELENGTH"]) + float(row["DELTAW"]) * np.arange(n)
        flux, quality = np.asarray(row["ABS_CAL"])[part], np.asarray(row["QUALITY"])[part]
        if n < 2 or len(flux) != n:
            continue
        draft = Draft(
            wave, flux, None, quality <= _BAD_QUALITY, "Angstrom", "erg/s/cm2/A", header=source.header,
            meta={"order": int(row["ORDER"]), "medium": "air"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra
