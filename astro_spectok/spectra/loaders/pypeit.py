# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for PypeIt: spec1d files with their objects and orders, and co-added ones."""

import re

import numpy as np
from astropy.io import fits

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format

__all__ = ["read_pypeit", "read_pypeit_coadd"]

_OBJECT = re.compile(r"^(?:SPAT|OBJ)\d+", re.IGNORECASE)
_UNIT = "1e-17 erg/s/cm2/A"
#: what is taken first: optimal before boxcar, calibrated before counts
_FLUXES = (("OPT", "FLAM"), ("BOX", "FLAM"), ("OPT", "COUNTS"), ("BOX", "COUNTS"))


def _objects(source):
    return [hdu for hdu in source.hdulist if isinstance(hdu, fits.BinTableHDU) and _OBJECT.match(hdu.name)]


def _is_pypeit(source):
    first = source.raw[1]
    is_object = _OBJECT.match(first.cards.get("EXTNAME", "").strip())
    return is_object and not _is_coadd(source) and _pick(first.names) is not None


def _pick(names):
    """(extraction, quantity) of the best spectrum among columns, or None."""
    names = set(names)
    return next(
        ((kind, what) for kind, what in _FLUXES if {f"{kind}_WAVE", f"{kind}_{what}"} <= names), None
    )  # fmt: skip


def _is_air(source):
    return (
        str(source.header.get("REFFRAME", "")).lower() == "observed"
        and "AIR" in str(source.header.get("WAVEREF", "")).upper()
    )


@register_format("PypeIt spec1d", sniff=_is_pypeit)
def read_pypeit(source, options):
    """
    Read all objects and orders of a PypeIt spec1d file.

    Optimal extraction goes before boxcar, calibrated flux (1e-17 erg/s/cm2/A) before counts. Wavelengths are in vacuum;
    pixels that the mask rejects, or without a wavelength, are bad. ``meta['object']`` identifies orders of one object.
    """
    spectra = []
    for hdu in _objects(source):
        found = _pick(hdu.columns.names)
        if found is None:
            continue
        kind, what = found
        names, data = hdu.columns.names, hdu.data
        error_kind = next((end for end in ("IVAR", "SIG") if f"{kind}_{what}_{end}" in names), None)
        error = None if error_kind is None else data[f"{kind}_{what}_{error_kind}"]
        mask = ~np.asarray(data[f"{kind}_MASK"], bool) if f"{kind}_MASK" in names else None
        order = re.search(r"ORDER(\d+)", hdu.name)
        meta = {"medium": "air" if _is_air(source) else "vacuum", "object": hdu.name.split("-")[0], "extraction": kind}
        if order:
            meta["order"] = int(order[1])
        target = source.header.get("TARGET")
        name = f"{target or ''} {hdu.name}".strip() if len(_objects(source)) > 1 or not target else str(target)
        draft = Draft(
            data[f"{kind}_WAVE"], data[f"{kind}_{what}"], error, mask, "Angstrom", _UNIT if what == "FLAM" else "ct",
            {"IVAR": "ivar", "SIG": "err"}.get(error_kind, "err"), True, source.header, name, meta,
        )  # fmt: skip
        if np.count_nonzero(np.asarray(draft.wave) > 0) > 1:
            spectra += build_spectra(draft, source, options)
    if not spectra:
        raise source.refuse("is a PypeIt file without an extracted spectrum", "give a spec1d file")
    return spectra


def _is_coadd(source):
    return any(raw.cards.get("DMODCLS") == "OneSpec" for raw in source.raw[:2])


@register_format("PypeIt coadd", sniff=_is_coadd)
def read_pypeit_coadd(source, options):
    """Read a spectrum co-added by PypeIt (OneSpec): in vacuum, with a mask that is 1 where pixels are good."""
    hdu = next(hdu for hdu in source.hdulist if isinstance(hdu, fits.BinTableHDU))
    data, names = hdu.data, {name.lower(): name for name in hdu.columns.names}
    error_kind = next((kind for kind in ("ivar", "sigma") if kind in names), None)
    mask = None if "mask" not in names else ~np.asarray(data[names["mask"]], bool)
    fluxed = bool(hdu.header.get("FLUXED", source.header.get("FLUXED", True)))
    draft = Draft(
        data[names["wave"]], data[names["flux"]], None if error_kind is None else data[names[error_kind]], mask,
        "Angstrom", _UNIT if fluxed else "ct", "ivar" if error_kind == "ivar" else "err", True, source.header,
        str(source.header.get("TARGET", "")), {"medium": "vacuum"},
    )  # fmt: skip
    return build_spectra(draft, source, options)
