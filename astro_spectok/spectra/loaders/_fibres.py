# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which object each row of an image is of, and which rows are of none: fibres on the sky, and those not in use."""

import re

import numpy as np
from astropy.io import fits

__all__ = ["list_objects"]

#: columns of names and of kinds, those that are preferred first, as letters and digits alone
_NAMES = (
    "TARGNAME",
    "TARGETNAME",
    "TARGET",
    "OBJECT",
    "OBJNAME",
    "OBJECTNAME",
    "NAME",
    "OBJECTID",
    "OBJID",
    "TARGETID",
)
_KINDS = ("OBJTYPE", "OBJECTTYPE", "TARGETTYPE", "TARGTYPE", "FIBERTYPE", "FIBRETYPE", "HOLETYPE", "SPECTYPE", "TYPE")
#: the whole of a kind or of a name, perhaps with a number
_NO_OBJECT = re.compile(
    r"(?:blank|empty|random)?[ _-]*(sky|unused|unassigned|unallocated|broken|dead|parked)"
    r"(?:[ _-]*fib(?:er|re)s?)?[ _#-]*\d*",
    re.IGNORECASE,
)
_COORDINATES = re.compile(r"[+-]?\d+(?:[:.]\d+)+")


def _read_column(table, wanted):
    """Texts or whole numbers of the first column of some name, as text, or None."""
    known = {re.sub(r"[^A-Z0-9]", "", name.upper()): name for name in table.columns.names[::-1]}
    for name in wanted:
        values = np.asarray(table.data[known[name]]) if name in known else None
        if values is not None and values.ndim == 1 and values.dtype.kind in "SUiu":
            return [str(one).strip() for one in values.tolist()]
    return None


def _read_apertures(header, apertures):
    """Names of IRAF's apertures, without the coordinates behind them, or None."""
    said = [str(header.get(f"APID{number}", "") or "").split() for number in range(1, apertures + 1)]
    names = [" ".join(word for word in words if not _COORDINATES.fullmatch(word)) for words in said]
    return names if any(names) else None


def list_objects(source, header, rows):
    """What the rows of an image are of.

    Parameters
    ----------
    source : Source
    header : mapping
        Of the image, with IRAF's names of apertures perhaps.
    rows : int

    Returns
    -------
    names : list of str or None
        'sky' and the like for fibres of no object.
    keep : list of int
        The rows that are of an object; all of them where none is.
    left_out : str
        In words what the others are, '' if there are none.
    """
    names, kinds = _read_apertures(header, rows), None
    for hdu in source.hdulist if names is None else ():
        if isinstance(hdu, fits.BinTableHDU) and hdu.header.get("NAXIS2") == rows:
            names, kinds = (_read_column(hdu, wanted) for wanted in (_NAMES, _KINDS))
            if names is not None or kinds is not None:
                break
    none = {}
    for said in (names, kinds):
        for row, word in enumerate(said or ()):
            if found := _NO_OBJECT.fullmatch(word):
                none[row] = found[1].lower()
    if none:
        names = [none.get(row, name) for row, name in enumerate(names or [""] * rows)]
    keep = [row for row in range(rows) if row not in none]
    if not keep or not none:
        return names, list(range(rows)), ""
    counts = {word: list(none.values()).count(word) for word in sorted(set(none.values()))}
    return names, keep, f"{', '.join(f'{count} {word}' for word, count in counts.items())} of {rows} fibres"
