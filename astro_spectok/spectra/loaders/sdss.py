# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for SDSS: spec files; spSpec and spPlate files, whose wavelengths specutils gives one pixel too red."""

import numpy as np
from astropy import units as u

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.unit_words import AxisUnit

__all__ = ["read_spec", "read_spplate", "read_spspec"]

#: no data, no sky, every exposure rejected. Others warn of a pixel, and 0x40000000 marks emission lines
_FATAL = 0x40000 | 0x400000 | 0x1000000


def _is_spspec(source):
    header = source.header
    return (
        header.get("TELESCOP") == "SDSS 2.5-M" and header.get("NAXIS") == 2 and header.get("NAXIS2") == 5
        and "COEFF0" in header and "COEFF1" in header
    )  # fmt: skip


@register_format("SDSS spSpec", sniff=_is_spspec)
def read_spspec(source, options):
    """
    Read an SDSS-I/II spSpec file: rows of flux, continuum-subtracted flux, error, mask.

    Wavelengths are 10**(COEFF0 + COEFF1 i), i from 0, in vacuum: specutils' own loader counts from 1.
    """
    data, header = source.hdulist[0].data, source.header
    wave = header["COEFF0"] + header["COEFF1"] * np.arange(data.shape[1])
    mask = (data[3].astype(np.int64) & _FATAL) != 0
    draft = Draft(
        wave, data[0], data[2], mask, AxisUnit(u.AA, 10.0), "1e-17 erg/s/cm2/A", sure_kind=True, header=header,
        meta={"medium": "vacuum", "flux_calibration": "absolute"},
    )  # fmt: skip
    return build_spectra(draft, source, options)


def _is_spplate(source):
    header = source.header
    return (
        str(header.get("TELESCOP", "")).startswith("SDSS") and header.get("NAXIS") == 2 and header.get("NAXIS2", 0) > 5
        and "COEFF0" in header and "COEFF1" in header and source.extension is not None
        and source.extension.shape == source.hdulist[0].shape
    )  # fmt: skip


@register_format("SDSS plate", sniff=_is_spplate)
def read_spplate(source, options):
    """
    Read all fibres of an SDSS spPlate file: flux, inverse variance, AND mask of which zero is good.

    Wavelengths are 10**(COEFF0 + COEFF1 i), i from 0, in vacuum. Written by the published layout; no real file was met.
    """
    header, hdus = source.header, source.hdulist
    flux = hdus[0].data
    mask = hdus[2].data != 0 if len(hdus) > 2 and hdus[2].is_image and hdus[2].shape == flux.shape else None
    draft = Draft(
        header["COEFF0"] + header["COEFF1"] * np.arange(flux.shape[1]), flux, hdus[1].data, mask, AxisUnit(u.AA, 10.0),
        header.get("BUNIT", "1e-17 erg/s/cm2/A"), "ivar", True, header,
        meta={"medium": "vacuum", "flux_calibration": "absolute"},
    )  # fmt: skip
    return build_spectra(draft, source, options)


def _is_spec(source):
    if len(source.raw) < 2 or not source.raw[0].cards.get("TELESCOP", "").startswith("SDSS"):
        return False
    return {"flux", "loglam", "ivar"} <= {name.lower() for name in source.raw[1].names}


@register_format("SDSS spec", sniff=_is_spec)
def read_spec(source, options):
    """
    Read the co-added spectrum of an SDSS, BOSS, eBOSS or SDSS-V spec file: flux, ivar, AND mask of which zero is good.

    specutils reads these too; it looks through all extensions first, of which a full file has dozens.
    """
    table = source.raw[1]
    names = {name.lower(): name for name in table.names}
    data = {name: table.read(names[name]) for name in ("loglam", "flux", "ivar")}
    mask = table.read(names["and_mask"]) != 0 if "and_mask" in names else None
    draft = Draft(
        data["loglam"], data["flux"], data["ivar"], mask, AxisUnit(u.AA, 10.0),
        source.header.get("BUNIT") or "1e-17 erg/s/cm2/A", "ivar", True, source.header,
        meta={"medium": "vacuum", "flux_calibration": "absolute"},
    )  # fmt: skip
    return build_spectra(draft, source, options)
