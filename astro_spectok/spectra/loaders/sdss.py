# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for SDSS: spec, mwm; spSpec and spPlate, whose wavelengths specutils gives one pixel too red."""

import numpy as np
from astropy import units as u

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.unit_words import AxisUnit
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["read_mwm", "read_spec", "read_spplate", "read_spspec"]

#: pixel in log10 of the wavelength
_STEP = 1e-4
#: no data, no sky, every exposure rejected. Others warn of a pixel, and 0x40000000 marks emission lines
_FATAL = 0x40000 | 0x400000 | 0x1000000


def _is_spspec(source):
    first = source.raw[0]
    return (
        first.cards.get("TELESCOP") == "SDSS 2.5-M" and len(first.shape) == 2 and first.shape[0] == 5
        and {"COEFF0", "COEFF1"} <= set(first.cards)
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
    first = source.raw[0]
    return (
        first.cards.get("TELESCOP", "").startswith("SDSS") and len(first.shape) == 2 and first.shape[0] > 5
        and {"COEFF0", "COEFF1"} <= set(first.cards) and source.raw[1].shape == first.shape
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


def _find_resolving_power(wdisp):
    """R by the sigma of the profile in pixels of the survey; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(wdisp > 0, 1 / (FWHM_PER_SIGMA * _STEP * np.log(10) * wdisp), np.nan)


def _is_spec(source):
    if len(source.raw) < 2 or not source.raw[0].cards.get("TELESCOP", "").startswith("SDSS"):
        return False
    return {"flux", "loglam", "ivar"} <= {name.lower() for name in source.raw[1].names}


@register_format("SDSS spec", sniff=_is_spec)
def read_spec(source, options):
    """
    Read the co-added spectrum of an SDSS, BOSS, eBOSS or SDSS-V spec file: flux, ivar, AND mask of which zero is good.

    The resolving power is that of the column wdisp, which is the sigma of the profile in pixels of 1e-4 in log10.

    specutils reads these too; it looks through all extensions first, of which a full file has dozens.
    """
    table = source.raw[1]
    names = {name.lower(): name for name in table.names}
    data = {name: table.read(names[name]) for name in ("loglam", "flux", "ivar")}
    mask = table.read(names["and_mask"]) != 0 if "and_mask" in names else None
    meta = {"medium": "vacuum", "flux_calibration": "absolute"}
    if "wdisp" in names:
        meta["resolution"] = _find_resolving_power(table.read(names["wdisp"]))
    draft = Draft(
        data["loglam"], data["flux"], data["ivar"], mask, AxisUnit(u.AA, 10.0),
        source.header.get("BUNIT") or "1e-17 erg/s/cm2/A", "ivar", True, source.header, meta=meta,
    )  # fmt: skip
    return build_spectra(draft, source, options)


_MWM = ("BOSS/APO", "BOSS/LCO", "APOGEE/APO", "APOGEE/LCO")


def _is_mwm(source):
    first = source.raw[1]
    names = {name.lower() for name in first.names}
    of_arms = first.cards.get("EXTNAME", "").strip().upper() in _MWM
    return of_arms and ("V_ASTRA" in source.raw[0].cards or {"flux", "ivar"} <= names)


@register_format("SDSS-V mwm arms", sniff=_is_mwm)
def read_mwm(source, options):
    """
    Read the spectra of an SDSS-V mwmStar or mwmVisit file: BOSS and APOGEE, each from both observatories.

    Wavelengths are in vacuum, in the frame of the star (``meta['rest_frame']``). specutils reads the first of them.
    Written by its loader and the published layout; no real file was met.
    """
    spectra = []
    for hdu in source.hdulist[1:]:
        names = {name.lower(): name for name in hdu.columns.names} if hdu.name in _MWM else {}
        if not {"flux", "ivar"} <= set(names) or not len(hdu.data):
            continue
        data, header = hdu.data, hdu.header
        flux, ivar = np.atleast_2d(data[names["flux"]]), np.atleast_2d(data[names["ivar"]])
        if "wavelength" in names:
            wave, unit = np.atleast_2d(data[names["wavelength"]])[0], AxisUnit(u.AA)
        else:
            wave, unit = header["CRVAL"] + header["CDELT"] * np.arange(flux.shape[1]), AxisUnit(u.AA, 10.0)
        mask = np.atleast_2d(data[names["pixel_flags"]]) != 0 if "pixel_flags" in names else None
        rows = [None if part is None else part[0] if len(flux) == 1 else part for part in (flux, ivar, mask)]
        draft = Draft(
            wave, *rows, unit, "1e-17 erg/s/cm2/A", "ivar", True, source.header, hdu.name,
            {"medium": "vacuum", "rest_frame": True, "extension": hdu.name},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    if not spectra:
        raise source.refuse("is an SDSS-V file whose tables are empty", "fetch it again")
    return spectra
