# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of the input that are kept beside the results: which row of which file, and the names of objects there."""

import numpy as np

__all__ = ["ID_NAMES", "MISSING", "find_id", "find_kept", "make_column", "name_kind"]

#: names by which surveys call the number or name of an object; the first one there is the ``id``
ID_NAMES = (
    "object_id", "TARGETID", "targetid", "source_id", "sobject_id", "SPECOBJID", "specobjid", "obsid", "gaia_id", "id",
)  # fmt: skip
#: kept too, where they are: positions, and the order that HATS catalogues are in
OTHER_NAMES = ("ra", "dec", "RA", "DEC", "TARGET_RA", "TARGET_DEC", "healpix", "_healpix_29")
#: where an input lacks a column that another one has
MISSING = {"int": -1, "float": np.nan, "text": ""}
DTYPES = {"int": np.int64, "float": np.float64, "text": object}


def name_kind(dtype):
    """'int', 'float' or 'text' for a `numpy.dtype`; None for what cannot be kept.

    Parameters
    ----------
    dtype : `numpy.dtype`

    Returns
    -------
    str or None
    """
    return {"i": "int", "u": "int", "b": "int", "f": "float", "S": "text", "U": "text", "O": "text", "T": "text"}.get(
        np.dtype(dtype).kind
    )


def find_kept(available, wanted=None):
    """The columns to keep, of those that an input has.

    Parameters
    ----------
    available : dict of str to str
        Names to kinds.
    wanted : sequence of str, optional
        What the user asks for; numbers and names of objects and positions if not given.

    Returns
    -------
    dict of str to str
        Names to kinds.
    """
    names = (*ID_NAMES, *OTHER_NAMES) if wanted is None else wanted
    return {name: available[name] for name in names if available.get(name)}


def find_id(available):
    """The column that names objects, or None.

    Parameters
    ----------
    available : collection of str

    Returns
    -------
    str or None
    """
    return next((name for name in ID_NAMES if name in available), None)


def make_column(values, kind, n):
    """Values as a column of a kind; where there are none, what stands for missing ones.

    Parameters
    ----------
    values : array_like of shape (n,), or None
    kind : {'int', 'float', 'text'}
    n : int

    Returns
    -------
    ndarray of shape (n,)
    """
    if values is None:
        return np.full(n, MISSING[kind], DTYPES[kind])
    values = np.ma.filled(values, MISSING[kind]) if np.ma.isMaskedArray(values) else np.asarray(values)
    if kind == "text":
        return np.array([_make_text(value) for value in values.tolist()], dtype=object)
    if kind == "int" and values.dtype.kind == "f":
        values = np.where(np.isfinite(values), values, MISSING["int"])
    return values.astype(DTYPES[kind])


def _make_text(value):
    """Text of a value, of bytes too, without the blanks that FITS pads with."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)
    return text.strip()
