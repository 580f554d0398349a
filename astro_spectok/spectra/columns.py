# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of tables, data frames and dictionaries become the tuple of arrays that they stand for."""

import re
from collections.abc import Mapping
from numbers import Real

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance, NDUncertainty, StdDevUncertainty, VarianceUncertainty
from astropy.table import Column, Row, Table
from astropy.utils.masked import Masked

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.problems import make_error

__all__ = ["has_columns", "take_columns", "unwrap"]

#: what the columns of one spectrum are called, in capitals or not, the likelier name first
NAMES = {
    "axis": ("spectral_axis", "wavelength", "wave", "lambda", "lam", "wl", "frequency", "freq", "energy", "wavenumber"),
    "log": ("loglam", "log_lambda", "log_wave", "log_wavelength"),
    "flux": ("flux", "flam", "fnu", "f_lambda", "f_nu", "flux_density", "intensity", "counts"),
    "std": ("uncertainty", "error", "err", "flux_error", "flux_err", "e_flux", "sigma", "std", "noise"),
    "var": ("variance", "var", "flux_var"),
    "ivar": ("ivar", "inverse_variance", "invvar", "flux_ivar"),
    "mask": ("mask", "and_mask", "dq"),
}
_KINDS = {"std": StdDevUncertainty, "var": VarianceUncertainty, "ivar": InverseVariance}
#: a unit at the end of a name, as in ``wave_nm`` or ``wavelength (um)``
_UNIT_IN_NAME = re.compile(r"^(.*?)\s*[_\s(\[]\s*(aa|angstroms?|nm|um|microns?|mm|hz|ghz|thz|ev|kev)\s*[)\]]?$")
_UNITS = {"aa": "Angstrom", "angstroms": "Angstrom", "microns": "um", "micron": "um"}
_UNITS |= {"hz": "Hz", "ghz": "GHz", "thz": "THz", "ev": "eV", "kev": "keV"}


def unwrap(value):
    """Turn what holds an array into the array itself.

    Parameters
    ----------
    value
        A `~astropy.table.Column`, whose unit and mask are kept; a pandas Series or Index, in which what is missing
        becomes NaN; a list of numbers or of quantities; anything else is returned as it is.

    Returns
    -------
    object
        A Quantity or ndarray, with a mask where there was one.
    """
    if isinstance(value, Column):
        unit, mask = value.unit, getattr(value, "mask", None)
        data = np.asarray(value.data) if mask is None else np.ma.getdata(value.data)
        if data.dtype.kind == "O":
            data = _to_numbers(data)
        if mask is not None:
            data = Masked(data, mask=mask)
        return data if unit is None else data * u.Unit(unit)
    if type(value).__module__.partition(".")[0] == "pandas" and getattr(value, "ndim", 0) == 1:
        value = value.to_numpy()
    if isinstance(value, list) and value and all(isinstance(x, u.Quantity) for x in value):
        return u.Quantity(value)
    if isinstance(value, list) and value and all(isinstance(x, Real) for x in value):
        return np.asarray(value, dtype=np.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and not isinstance(value, u.Quantity):
        return _to_numbers(value)
    return value


def _to_numbers(values):
    """Objects as numbers, NaN for None and what pandas calls NA; as they are if they are something else."""
    try:
        missing = np.array([x is None or type(x).__name__ in ("NAType", "NaTType") for x in values.reshape(-1)], bool)
        filled = np.where(missing.reshape(values.shape), np.nan, values)
        return np.asarray(filled, dtype=np.float64)
    except (TypeError, ValueError):
        return values


def _column_names(obj):
    """Names of the columns of anything that has some by name, or None."""
    if isinstance(obj, Table | Row):
        return list(obj.colnames)
    if isinstance(obj, Mapping):
        return list(obj)
    if type(obj).__module__.partition(".")[0] == "pandas" and hasattr(obj, "columns"):
        return list(obj.columns)
    if isinstance(obj, np.ndarray | np.void) and obj.dtype.names:
        return list(obj.dtype.names)
    return None


def has_columns(obj):
    """Whether ``obj`` holds one or more spectra as columns by name: a table, a data frame, a dictionary of arrays.

    Parameters
    ----------
    obj
        Anything; a dictionary of spectra has no such columns.

    Returns
    -------
    bool
    """
    names = _column_names(obj)
    if names is None:
        return False
    if isinstance(obj, Mapping):
        roles = _find_roles(names)
        return "flux" in roles and not hasattr(obj[roles["flux"][0]], "spectral_axis")
    return True


def _find_roles(names):
    """For each role the name of its column, and the unit in the name: dict of str to (name, unit)."""
    plain = {}
    for name in names:
        text = str(name).strip().lower()
        found = _UNIT_IN_NAME.match(text)
        text, unit = (found[1], _UNITS.get(found[2], found[2])) if found else (text, None)
        plain.setdefault(text.replace(" ", "_"), (name, unit))
    return {
        role: next(plain[known] for known in choices if known in plain)
        for role, choices in NAMES.items()
        if any(known in plain for known in choices)
    }


def _take(obj, name):
    """One column as an array, with its unit where it has one."""
    value = obj[name]
    if isinstance(obj, Row) and not isinstance(value, u.Quantity) and obj.columns[name].unit is not None:
        return value * u.Unit(obj.columns[name].unit)
    return unwrap(value)


def take_columns(obj):
    """The tuple ``(spectral_axis, flux, uncertainty, mask)`` of columns by name.

    Parameters
    ----------
    obj
        What `has_columns` accepts: with a column of the spectral axis, which has a unit (or one in its name, as
        ``wave_nm``; ``loglam`` is the decimal logarithm of Angstrom), one of flux, and if there are an error (standard
        deviation), variance or inverse variance, and a mask that is not zero in bad pixels.

    Returns
    -------
    tuple
        Uncertainty and mask may be None.

    Raises
    ------
    TypeError
        A column is missing.
    `~astropy.units.UnitsError`
        The spectral axis has no unit.
    """
    names = _column_names(obj)
    roles = _find_roles(names)
    if "flux" not in roles or not {"axis", "log"} & set(roles):
        listed = ", ".join(map(str, names[:8])) + (", ..." if len(names) > 8 else "")
        raise make_error(
            InputFlag.BAD_INPUT,
            TypeError,
            "columns of a spectrum must be named 'wavelength' and 'flux', with 'error', 'variance' or 'ivar' where "
            f"known; got {listed or 'none'}. Rename them, or give (wavelength * u.AA, flux * u.Jy, error * u.Jy)",
        )
    flux = _take(obj, roles["flux"][0])
    uncertainty = next((_take_uncertainty(obj, roles[kind][0], kind) for kind in _KINDS if kind in roles), None)
    mask = _take(obj, roles["mask"][0]) if "mask" in roles else None
    return _take_axis(obj, roles), flux, uncertainty, mask


def _take_axis(obj, roles):
    """The spectral axis as a Quantity."""
    if "axis" not in roles:
        return np.power(10.0, np.asarray(_take(obj, roles["log"][0]), dtype=np.float64)) * u.AA
    name, unit = roles["axis"]
    axis = _take(obj, name)
    if isinstance(axis, u.Quantity):
        return axis
    if unit is None:
        raise make_error(
            InputFlag.BAD_UNITS,
            u.UnitsError,
            f"column {name!r} must have a unit, as numbers alone do not say Angstrom or nm; got none. Give one "
            f"({name} * u.AA), or put it into the name ('{name}_nm')",
        )
    return axis * u.Unit(unit)


def _take_uncertainty(obj, name, kind):
    """The uncertainty as an `~astropy.nddata.NDUncertainty` in its own unit or, without one, in that of the flux."""
    value = _take(obj, name)
    if isinstance(value, NDUncertainty):
        return value
    mask = getattr(value, "mask", None)
    unit = getattr(value, "unit", None)
    array = np.asarray(getattr(value, "unmasked", value))
    if mask is not None:
        array = np.where(mask, np.nan, array)
    return _KINDS[kind](array, unit=unit, copy=False)
