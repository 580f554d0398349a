# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of tables, data frames and dictionaries become the tuple of arrays that they stand for."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance, NDUncertainty, StdDevUncertainty, VarianceUncertainty
from astropy.table import Column, Row, Table
from astropy.utils.masked import Masked

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.column_names import pick_roles
from astro_spectok.spectra.problems import make_error
from astro_spectok.spectra.unit_words import parse_axis_unit

__all__ = ["has_columns", "take_columns", "unwrap"]

#: kinds of uncertainty, by the role of a column; one is taken, in this order
_KINDS = {"err": StdDevUncertainty, "var": VarianceUncertainty, "ivar": InverseVariance}


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
        roles = pick_roles(names, guess=False)
        flux = obj[roles["flux"][0]] if "flux" in roles else None
        # a dictionary of spectra in any of the other forms may have such a key
        return "flux" in roles and not (hasattr(flux, "spectral_axis") or isinstance(flux, tuple | Mapping | str))
    return True


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
    roles = pick_roles(names, guess=False)
    if "flux" not in roles or "wave" not in roles:
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
    return _take_axis(obj, *roles["wave"]), flux, uncertainty, mask


def _take_axis(obj, name, role):
    """The spectral axis as a Quantity."""
    axis = _take(obj, name)
    if role.base is not None:
        return np.power(role.base, np.asarray(axis, dtype=np.float64)) * u.AA
    if isinstance(axis, u.Quantity):
        return axis
    unit = None if role.assumed else parse_axis_unit(role.unit)
    if unit is None:
        raise make_error(
            InputFlag.BAD_UNITS,
            u.UnitsError,
            f"column {name!r} must have a unit, as numbers alone do not say Angstrom or nm; got none. Give one "
            f"({name} * u.AA), or put it into the name ('{name}_nm')",
        )
    return axis * unit.unit


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
