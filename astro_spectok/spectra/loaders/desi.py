# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for DESI spectra and coadd files, whose every arm knows the targets it is of."""

import re

import numpy as np
from astropy.nddata import InverseVariance
from astropy.table import Table
from specutils import Spectrum

from astro_spectok.spectra.loaders._finish import restate_units
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.unit_words import parse_axis_unit, parse_flux_unit

__all__ = ["is_desi", "read_desi"]

_FLUX = re.compile(r"^([A-Z]+)_FLUX$")


def is_desi(source):
    """Whether an open file has a fibermap and at least one whole arm."""
    names = set(source.first_names())
    return "FIBERMAP" in names and any(
        {f"{band}_WAVELENGTH", f"{band}_FLUX", f"{band}_IVAR"} <= names for band in ("B", "R", "Z", "BRZ")
    )


@register_format("DESI arms", sniff=is_desi, takes=("hdu",))
def read_desi(source, options):
    """
    Read the arms of a DESI file (healpix or tile, spectra or coadd), each with the fibermap of its targets.

    Arms of the same targets become one spectrum for each when they are embedded or measured. Wavelengths are in vacuum;
    the resolution matrix stays in ``meta['resolution_data']``. With ``hdu='B'`` one arm is read.
    """
    hdus = {hdu.name: hdu for hdu in source.hdulist}
    bands = [found[1] for name in hdus if (found := _FLUX.match(name))]
    if options.hdu is not None:
        bands = [band for band in bands if band == str(options.hdu).upper()[: len(band)]]
    fibermap = Table(np.asarray(hdus["FIBERMAP"].data), copy=True)
    spectra = []
    for band in sorted(bands, key=lambda band: float(hdus[f"{band}_WAVELENGTH"].data[0])):
        flux, ivar = hdus[f"{band}_FLUX"].data, hdus[f"{band}_IVAR"].data
        wave = np.asarray(hdus[f"{band}_WAVELENGTH"].data, np.float64)
        if len(fibermap) != len(flux):
            raise source.refuse(f"has {len(fibermap)} targets and {len(flux)} spectra", "fetch it again")
        unit = parse_flux_unit(hdus[f"{band}_FLUX"].header.get("BUNIT", "1e-17 erg/s/cm2/A"))[0]
        meta = {"band": band.lower(), "bands": [one.lower() for one in bands], "fibermap": fibermap,
                "header": source.header, "medium": "vacuum"}  # fmt: skip
        mask = None
        if f"{band}_MASK" in hdus:
            meta["int_mask"] = np.asarray(hdus[f"{band}_MASK"].data).astype(np.uint32)
            mask = meta["int_mask"] != 0
        if f"{band}_RESOLUTION" in hdus:
            meta["resolution_data"] = np.asarray(hdus[f"{band}_RESOLUTION"].data).astype(np.float32)
        axis_unit = parse_axis_unit(hdus[f"{band}_WAVELENGTH"].header.get("BUNIT")) or parse_axis_unit("Angstrom")
        native = lambda array: np.asarray(array).astype(array.dtype.newbyteorder("="))  # noqa: E731
        spectrum = Spectrum(
            flux=native(flux) * unit, spectral_axis=wave * axis_unit.unit,
            uncertainty=InverseVariance(native(ivar), unit=unit**-2), mask=mask, meta=meta,
        )  # fmt: skip
        spectra.append(restate_units(spectrum, options))
    if not spectra:
        arms = ", ".join(name.removesuffix("_FLUX") for name in hdus if name.endswith("_FLUX"))
        raise source.refuse(f"has no arm {options.hdu!r}, only {arms}", "name one of these with hdu")
    return spectra
