# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for Spextool: IRTF SpeX and others, with all orders and apertures."""

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format

__all__ = ["read_spextool"]


def _is_spextool(source):
    first = source.raw[0]
    has_units = any(key in first.cards for key in ("XUNITS", "LAMBUNIT"))
    return has_units and "ORDERS" in first.cards and len(first.shape) in (2, 3) and first.shape[-2] in (3, 4)


@register_format("Spextool", sniff=_is_spextool)
def read_spextool(source, options):
    """
    Read Spextool files (SpeX SXD, LXD, prism, TripleSpec, iSHELL): planes of wavelength, flux, error and flags.

    Each order of each aperture is a spectrum, with ``meta['order']`` and ``meta['aperture']``; a merged file holds one.
    WAVETYPE gives the medium, where it is there. Written by the published layout; of real files only one written as
    text was met.
    """
    header, data = source.header, source.hdulist[0].data
    data = data[None] if data.ndim == 2 else data
    orders = [int(float(word)) for word in str(header.get("ORDERS", "")).replace(" ", "").split(",") if word.strip()]
    apertures = int(header.get("NAPS", 1) or 1)
    medium = str(header.get("WAVETYPE", "")).strip().lower()
    spectra = []
    for number, plane in enumerate(data):
        meta = {"aperture": number % apertures + 1}
        if number // apertures < len(orders):
            meta["order"] = orders[number // apertures]
        if medium in ("vacuum", "air"):
            meta["medium"] = medium
        flags = plane[3] if len(plane) > 3 else None
        draft = Draft(
            plane[0], plane[1], plane[2], None if flags is None else flags != 0,
            header.get("XUNITS", header.get("LAMBUNIT")), header.get("YUNITS", header.get("FLUXUNIT")), "err",
            header=header, meta=meta,
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra
