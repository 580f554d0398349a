# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for DEIMOS spec1d files of the DEEP2 pipeline: two detectors, joined."""

import numpy as np

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format

__all__ = ["read_deep2"]

#: extractions in the order in which they are taken: the pipeline's own choice for redshifts first
_EXTRACTIONS = ("Bxspf", "Horne", "Boxcar", "Bxspf-NL", "Horne-NL")


def _is_deep2(source):
    names = {name.upper() for name in source.first_names(3)}
    wanted = {f"{kind}-{arm}".upper() for kind in _EXTRACTIONS for arm in "BR"}
    return bool(wanted & names) and "LAMBDA" in source.raw[1].names


@register_format("DEEP2 spec1d", sniff=_is_deep2, takes=("hdu",))
def read_deep2(source, options):
    """
    Read a DEEP2 spec1d file: the blue and the red detector, which hold one spectrum, joined unless ``join`` is False.

    Wavelengths are in air, flux in counts; ``hdu`` names another extraction than that of the pipeline, as ``'Horne'``.
    """
    present = {hdu.name.upper(): hdu for hdu in source.hdulist[1:]}
    wanted = [str(options.hdu)] if options.hdu is not None else _EXTRACTIONS
    kind = next((kind for kind in wanted if any(f"{kind}-{arm}".upper() in present for arm in "BR")), None)
    if kind is None:
        raise source.refuse(f"has no extraction {wanted[0]}, only {', '.join(present)}", "name another with hdu")
    spectra = []
    for arm in "BR":
        hdu = present.get(f"{kind}-{arm}".upper())
        if hdu is None:
            continue
        row = hdu.data[0]
        draft = Draft(
            row["LAMBDA"], row["SPEC"], row["IVAR"], None, "Angstrom", "ct", "ivar", True, hdu.header,
            str(hdu.header.get("OBJNO", "")).strip(), {"medium": "air", "arm": arm, "joinable": True},
        )  # fmt: skip
        if np.any(np.asarray(row["IVAR"]) > 0):
            spectra += build_spectra(draft, source, options)
    return spectra
