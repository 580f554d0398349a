# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which of the spectra of a file one is: its order, arm, band, aperture or extension."""

from numbers import Integral

from astropy.io.fits import VerifyError

__all__ = ["PARTS", "find_part"]

#: keys of what readers note, those that are the finest first
PARTS = ("order", "arm", "band", "aperture")
#: longest name of an extension that is taken
_LONGEST = 40


def find_part(meta):
    """Which part of its file a spectrum is, by what its reader noted or by the name of its extension.

    Parameters
    ----------
    meta : dict
        Of the spectrum, perhaps with its ``header``.

    Returns
    -------
    str
        '' where nothing tells.

    Examples
    --------
    >>> from astro_spectok.spectra.parts import find_part
    >>> find_part({"order": 93, "aperture": 1}), find_part({"header": {"EXTNAME": "BLUE"}}), find_part({})
    ('order 93, aperture 1', 'BLUE', '')
    """
    if not isinstance(meta, dict):
        return ""
    known = {key: meta.get(key) for key in PARTS}
    words = [
        f"{key} {value}" for key, value in known.items() if isinstance(value, str | Integral) and f"{value}".strip()
    ]
    words = words or ([f"row {meta['row']}"] if isinstance(meta.get("row"), Integral) else [])
    if words:
        return _tidy(", ".join(words))
    header = meta.get("header")
    try:
        name = meta.get("extension") or (header.get("EXTNAME") if hasattr(header, "get") else None)
    except VerifyError:  # a card that breaks the rules of FITS
        name = None
    return _tidy(f"{name}") if isinstance(name, str | Integral) else ""


def _tidy(text):
    """What tables of all formats can hold."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:_LONGEST]
