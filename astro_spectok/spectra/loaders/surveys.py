# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for PFS, WEAVE and Euclid by their published layouts."""

import numpy as np
from astropy.io import fits

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._header_axis import read_header_axis

__all__ = ["read_euclid_sir", "read_pfs", "read_weave"]


def _is_pfs(source):
    return {"FLUX", "COVAR", "MASK"} <= set(source.first_names())


@register_format("Subaru PFS", sniff=_is_pfs)
def read_pfs(source, options):
    """
    Read PFS files (pfsArm, pfsMerged, pfsSingle, pfsObject, pfsCoadd): flux, mask, diagonal of the covariance.

    Wavelengths are in vacuum nanometres. Of real files one pfsArm was met; the others follow the data model.
    """
    hdus = {hdu.name: hdu for hdu in source.hdulist}
    flux = np.atleast_2d(hdus["FLUX"].data)
    covar = np.asarray(hdus["COVAR"].data)
    variance = np.atleast_2d(covar[..., 0, :])
    mask = np.atleast_2d(hdus["MASK"].data)
    if "WAVELENGTH" in hdus:
        waves, unit = np.atleast_2d(hdus["WAVELENGTH"].data), hdus["WAVELENGTH"].header.get("BUNIT")
    else:
        axis = read_header_axis(hdus["FLUX"].header, flux.shape[1])
        if axis is None:
            raise source.refuse("is a PFS file without wavelengths", "give one with the extension WAVELENGTH")
        waves, unit = axis.wave[None], axis.unit
    low = float(np.nanmin(waves))
    if unit is None and 300 < low < 2000:
        unit = "nm"
    bunit = hdus["FLUX"].header.get("BUNIT") or (None if "CONFIG" in hdus else "nJy")
    bad = _pfs_mask(hdus["MASK"].header)
    spectra = []
    for row in range(len(flux)):
        draft = Draft(
            waves[min(row, len(waves) - 1)], flux[row], variance[row], (mask[row].astype(np.int64) & bad) != 0, unit,
            bunit, "var", True, source.header, meta={"medium": "vacuum"} | ({"row": row} if len(flux) > 1 else {}),
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra


def _pfs_mask(header):
    """The bits that make a pixel bad: all but those that only inform."""
    bits = {key[3:]: int(value) for key, value in header.items() if key.startswith("MP_") and str(value).isdigit()}
    harmless = {"DETECTED", "DETECTED_NEGATIVE", "REFLINE", "FIBERTRACE", "OVERLAP_FIBERTRACE", "IPC", "CROSSTALK"}
    named = sum(1 << bit for name, bit in bits.items() if name not in harmless)
    return named or 0x7FFFFFFF


def _is_weave(source):
    names = set(source.first_names())
    return "FIBTABLE" in names and any({f"{arm}_DATA", f"{arm}_IVAR"} <= names for arm in ("BLUE", "RED", "GREEN"))


@register_format("WEAVE L1", sniff=_is_weave)
def read_weave(source, options):
    """
    Read the targets of a WEAVE L1 file (sky-subtracted, times the sensitivity function where it is there).

    Written by the published layout; no real file was met.
    """
    hdus = {hdu.name: hdu for hdu in source.hdulist}
    arm = next(arm for arm in ("BLUE", "RED", "GREEN") if f"{arm}_DATA" in hdus)
    data, ivar = np.asarray(hdus[f"{arm}_DATA"].data), np.asarray(hdus[f"{arm}_IVAR"].data)
    axis = read_header_axis(hdus[f"{arm}_DATA"].header, data.shape[1]) or read_header_axis(source.header, data.shape[1])
    if axis is None:
        raise source.refuse("is a WEAVE file without wavelengths", "fetch it again")
    table = hdus["FIBTABLE"].data
    sensitivity = hdus.get(f"{arm}_SENSFUNC")
    factor = 1.0 if sensitivity is None else np.asarray(sensitivity.data, float)
    keep = range(len(data))
    if "TARGUSE" in table.names and len(table) == len(data):
        keep = [row for row in keep if str(table["TARGUSE"][row]).strip() in ("T", "C")]
    spectra = []
    for row in keep:
        own = factor[row] if np.ndim(factor) == 2 else factor
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(np.asarray(own) != 0, ivar[row] / np.square(own), 0.0)
        name = str(table["TARGNAME"][row]).strip() if "TARGNAME" in table.names and len(table) == len(data) else ""
        draft = Draft(
            axis.wave, data[row] * own, weight, None, axis.unit or "Angstrom",
            "erg/s/cm2/A" if sensitivity is not None else "ct", "ivar", True, source.header, name,
            {"medium": axis.medium or "air", "arm": arm.lower()},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra


def _is_euclid(source):
    return any({"WAVELENGTH", "SIGNAL", "VAR"} <= {name.upper() for name in raw.names} for raw in source.raw[1:3])


@register_format("Euclid SIR", sniff=_is_euclid)
def read_euclid_sir(source, options):
    """
    Read the combined spectra of a Euclid SIR file, one for each extension with WAVELENGTH, SIGNAL and VAR.

    Pixels whose MASK is odd, or 64 and more, are bad, as the archive's own notes say. Written by the published layout;
    no real file was met.
    """
    spectra = []
    for hdu in source.hdulist[1:]:
        if not isinstance(hdu, fits.BinTableHDU):
            continue
        names = {name.upper(): name for name in hdu.columns.names}
        if not {"WAVELENGTH", "SIGNAL", "VAR"} <= set(names):
            continue
        data = hdu.data
        scale = float(hdu.header.get("FSCALE", source.header.get("FSCALE", 1.0)) or 1.0)
        mask = None
        if "MASK" in names:
            bits = np.asarray(data[names["MASK"]]).astype(np.int64)
            mask = (bits % 2 == 1) | (bits >= 64)
        units = {name.upper(): unit for name, unit in zip(hdu.columns.names, hdu.columns.units, strict=True)}
        draft = Draft(
            data[names["WAVELENGTH"]], np.asarray(data[names["SIGNAL"]], float) * scale,
            np.asarray(data[names["VAR"]], float) * scale**2, mask, units.get("WAVELENGTH") or "Angstrom",
            units.get("SIGNAL") or "erg/s/cm2/A", "var", True, source.header,
            hdu.name.split("_")[0], {"medium": "vacuum"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra
