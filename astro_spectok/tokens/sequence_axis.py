# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens of sequences along other axes than that of wavelengths: where they lie, and what they decode to."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.utils.axis import LN_WAVELENGTH, Axis

__all__ = ["decode_sequence", "find_axis"]


def find_axis(tokens):
    """The axis that tokens lie along, which their metadata hold where it is none of wavelengths.

    Parameters
    ----------
    tokens : `~astro_spectok.SpectralTokens`

    Returns
    -------
    `~astro_spectok.network.Axis`
    """
    stored = tokens.meta.get("axis")
    return LN_WAVELENGTH if stored is None else Axis.from_dict(stored)


def decode_sequence(tokens, axis, wanted, resolution=None):
    """Values of a sequence, with their errors, at any places of its axis.

    Parameters
    ----------
    tokens : `~astro_spectok.SpectralTokens`
    axis : `~astro_spectok.network.Axis`
    wanted : `~astropy.units.Quantity`, shape (N,)
        In a unit of the axis, strictly monotonic; times count from the first point of the sequence where that was a
        `~astropy.time.Time`.
    resolution : None
        There is none.

    Returns
    -------
    `~astropy.table.QTable`
        Columns ``axis``, ``values`` and ``errors``, as all that takes sequences takes them.
    """
    if resolution is not None:
        msg = f"resolution must be left out along a {axis.describe()} axis, which has none; got {resolution!r}"
        raise ValueError(msg)
    if not isinstance(wanted, u.Quantity):
        msg = f"spectral_axis must be a Quantity in a unit as {axis.unit!r} is; got {type(wanted).__name__}"
        raise TypeError(msg)
    place = np.asarray(wanted.to_value(u.Unit(axis.unit)), float)
    order = slice(None, None, -1) if place.ndim == 1 and len(place) > 1 and place[-1] < place[0] else slice(None)
    if place.ndim != 1 or not len(place) or not np.isfinite(place).all() or not (np.diff(place[order]) > 0).all():
        msg = f"spectral_axis must be one-dimensional, finite and strictly monotonic; got {place.shape}; sort it"
        raise ValueError(msg)
    values, sigma = tokens.decoder.decode(
        tokens.values, tokens.geometry, ~tokens.mask, axis.to_coordinate(place[order])
    )
    unit = tokens.info.flux_unit
    columns = {"axis": u.Quantity(wanted, copy=True)}
    for name, found in (("values", values), ("errors", sigma)):
        columns[name] = u.Quantity(np.asarray(found, float)[order] * tokens.scale, unit)
    return QTable(columns, meta=dict(tokens.meta))
