# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Every form in which spectra may be given, as a list of what each holds, with what reads it."""

from collections.abc import Iterator, Mapping, ValuesView
from dataclasses import replace
from functools import partial
from numbers import Real

import numpy as np
from astropy import units as u
from astropy.time import Time, TimeDelta
from specutils import Spectrum, SpectrumCollection

from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.columns import has_columns, take_columns, unwrap
from astro_spectok.spectra.desi_targets import align_arms, count_rows, find_arms, take_rows
from astro_spectok.spectra.problems import Unread, make_error
from astro_spectok.spectra.raw import read_arrays, read_collection, read_spectrum

__all__ = ["is_single", "list_items"]

_ACCEPTED = (
    "a Spectrum, SpectrumList, SpectrumCollection or list of spectra, a tuple of arrays (spectral_axis, flux) with "
    "units, a table with columns wavelength and flux, or the name of a file"
)
#: where tokens are defined, which this room does not know
_TOKENS = "astro_spectok.tokens"


def _is_arrays(obj):
    """Whether ``obj`` is a tuple (or list) of arrays, the first with a unit, rather than one of spectra."""
    return isinstance(obj, tuple | list) and len(obj) in (2, 3, 4) and isinstance(unwrap(obj[0]), u.Quantity)


def _as_arrays(obj):
    """A tuple of arrays where ``obj`` is one or has columns of that meaning, or else None."""
    if has_columns(obj):
        return take_columns(obj)
    return tuple(map(unwrap, obj)) if _is_arrays(obj) else None


def _read_desi(arms, rows):
    """The arms of DESI's targets, with ``rows`` as of `~astro_spectok.spectra.desi_targets.align_arms`."""
    raws = [take_rows(read_spectrum(arm), places) for arm, places in zip(arms, rows, strict=True)]
    names = [next(filter(None, several), "") for several in zip(*(raw.names for raw in raws), strict=True)]
    return [replace(raw, names=tuple(names)) for raw in raws]


def _refuse(what):
    raise make_error(InputFlag.BAD_INPUT, TypeError, f"must be a spectrum; got {what}. Accepted: {_ACCEPTED}")


def _list_one(item):
    """The (rows, reader) pairs of anything that is not a list."""
    if isinstance(item, Spectrum):
        return [(count_rows(item), lambda: [read_spectrum(item)])]
    if isinstance(item, SpectrumCollection):
        # a default argument would hide nothing here: partial binds the row
        return [(1, partial(lambda row: [read_collection(item, row)], row)) for row in range(int(np.prod(item.shape)))]
    if isinstance(item, Unread):
        return [(1, item.read)]
    arrays = _as_arrays(item)
    if arrays is not None:
        if arrays[0].ndim == 2:
            return [(1, partial(lambda row: [read_arrays(arrays, row)], row)) for row in range(len(arrays[0]))]
        return [(len(arrays[1]) if np.ndim(arrays[1]) == 2 else 1, lambda: [read_arrays(arrays)])]
    return [(1, partial(_refuse, type(item).__name__))]


def _raise(error):
    raise error


def _list_safely(item):
    """As `_list_one`; one that cannot even be listed is one row whose reader raises."""
    try:
        return _list_one(item)
    except Exception as error:
        return [(1, partial(_raise, error))]


def _advise(obj):
    """Remedy, as the end of a message, for things that are often given instead of a spectrum."""
    if isinstance(obj, list | np.ndarray | Real) or type(obj).__module__.startswith("pandas"):
        return ". Flux needs its wavelengths: (wavelength * u.AA, flux * u.Jy), each with its own unit"
    return ""


def _is_bare(item):
    """Whether an item of a list is a list or series of numbers without a unit."""
    item = unwrap(item)
    return isinstance(item, np.ndarray) and not isinstance(item, u.Quantity)


def _check_form(obj):
    """Refuse what is no spectrum and no list of which anything could be one."""
    first = obj[0] if isinstance(obj, list | tuple) and len(obj) else obj
    if type(first).__module__.startswith(_TOKENS):
        msg = (
            "obj must be spectra; got tokens. Their vector is tokens.embedding, and redshifts that they allow are "
            "tokens.solutions; tokens.decode(axis) makes a Spectrum, and only StellarParameterEstimator reads tokens"
        )
        raise make_error(InputFlag.BAD_INPUT, TypeError, msg)
    if not isinstance(obj, list | tuple):
        what = f"{type(obj).__module__}.{type(obj).__name__}"
        raise make_error(InputFlag.BAD_INPUT, TypeError, f"obj must be {_ACCEPTED}; got {what}{_advise(obj)}")
    if len(obj) and isinstance(obj[0], Time | TimeDelta):
        msg = "spectral_axis must be convertible to wavelength; got times, which need weights of a time axis"
        raise make_error(InputFlag.BAD_UNITS, u.UnitsError, msg)
    if len(obj) and all(isinstance(item, np.ndarray | Real) or _is_bare(item) for item in obj):
        kinds = ", ".join(dict.fromkeys(type(item).__name__ for item in obj))
        raise make_error(
            InputFlag.BAD_INPUT,
            TypeError,
            f"obj must be {_ACCEPTED}; got a {type(obj).__name__} of {kinds}{_advise(obj[0])}",
        )


def list_items(obj):
    """List what ``obj`` holds, without reading it.

    Parameters
    ----------
    obj
        Any of the forms that `~astro_spectok.spectra.to_batch` accepts.

    Returns
    -------
    list of tuple (n_rows, position, reader)
        ``reader()`` returns a list of `RawSpectra`: one, or the arms of the same n_rows targets,
        or raises. ``position`` is the place in the list, None if ``obj`` is no list.

    Raises
    ------
    TypeError
        If ``obj`` itself is not one of the forms, or is a list of nothing but numbers or arrays.
    """
    if isinstance(obj, Spectrum | SpectrumCollection) or _is_arrays(obj) or has_columns(obj):
        return [(n, None, reader) for n, reader in _list_one(obj)]
    obj = _flatten(obj)
    _check_form(obj)
    items, i = [], 0
    while i < len(obj):
        arms = find_arms(obj, i)
        if len(arms) > 1:
            rows = align_arms(arms)
            items.append((rows.shape[1], i, partial(_read_desi, arms, rows)))
            i += len(arms)
            continue
        items.extend((n, i, reader) for n, reader in _list_safely(obj[i]))
        i += 1
    return items


def _flatten(obj):
    """Spectra in generators and other iterators, dictionaries, series of objects and nested lists, as one list."""
    holds_objects = getattr(getattr(obj, "dtype", None), "kind", "") == "O" and np.ndim(obj) == 1
    if isinstance(obj, Mapping) and len(obj) and not has_columns(obj):
        obj = list(obj.values())
    elif holds_objects or isinstance(obj, Iterator | ValuesView):
        obj = list(obj)
    if not isinstance(obj, list | tuple):
        return obj
    if not any(_is_nested(item) for item in obj):
        return obj
    return [part for item in obj for part in (item if _is_nested(item) else [item])]


def _is_nested(item):
    """Whether an item of a list is itself a list of spectra."""
    held = isinstance(item, list | tuple) and not _is_arrays(item)
    return held and any(isinstance(part, Spectrum | SpectrumCollection) for part in item)


def is_single(obj):
    """Return whether ``obj`` is exactly one spectrum, whose results are scalars rather than rows.

    Parameters
    ----------
    obj
        Anything. A `~specutils.Spectrum` with one-dimensional flux is single, and so are a tuple
        ``(spectral_axis, flux[, uncertainty[, mask]])`` and a table or dict of columns, unless their flux has a row for
        each of several spectra; a list of spectra never is.

    Returns
    -------
    bool
    """
    if isinstance(obj, Spectrum):
        return obj.data.ndim == 1
    try:
        arrays = _as_arrays(obj)
    except (KeyError, TypeError, ValueError):
        return True
    return arrays is not None and not _is_stack(*arrays[:2])


def _is_stack(axis, flux):
    """Whether arrays hold several spectra; what fits no form is an error of one rather than many flagged rows."""
    return np.ndim(flux) == 2 and np.shape(flux)[-1:] == np.shape(axis)[-1:]
