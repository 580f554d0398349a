# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of what was measured in a cube."""

import json
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astro_spectok.plotting.style import QUIET, RANKED, make_axes, show_unit

__all__ = ["plot_map"]

#: of values of both signs, as velocities: white is zero
DIVERGING = "RdBu_r"
#: axes of the sky by the beginning of their CTYPE
SKY_NAMES = {
    "RA": "Right ascension", "DEC": "Declination", "GLON": "Galactic longitude", "GLAT": "Galactic latitude",
}  # fmt: skip
#: percentiles of the values between which colours change
SHOWN = (1, 99)


def plot_map(table: Table, name: str, axes: Any = None, *, where: Any = None, limits: Any = None) -> Any:
    """Plot a map of a column of the table that an estimator made from a cube.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Its columns have the shape of the cube, (y, x).
    name : str
        Of a column of numbers, such as ``'z'``, ``'rv'`` or ``'teff'``.
    axes : `~matplotlib.axes.Axes`, optional
        If not given, those of a new figure, with the coordinates of the sky where ``table.meta['wcs']`` has them.
    where : ndarray of bool, shape (y, x), optional
        Spaxels that are shown; if not given, those without a flag (``zwarn`` or ``warn`` is 0).
    limits : (float, float), optional
        Values between which colours change; by default they leave out the most extreme per cent on either side, and
        are even around 0 for values of both signs.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        The table has no such column, or its columns are no maps.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from astro_spectok.plotting import plot_map
    >>> table = QTable({"z": np.array([[0.02, 0.021], [0.019, 0.4]]), "zwarn": np.array([[0, 0], [0, 4]])})
    >>> image = plot_map(table, "z").images[0].get_array()
    >>> image.shape, int(image.mask.sum())
    ((2, 2), 1)
    """
    if name not in table.colnames:
        msg = f"name must be a column of the table, one of {', '.join(table.colnames)}; got {name!r}"
        raise ValueError(msg)
    column = table[name]
    values = np.ma.filled(getattr(column, "value", column), np.nan) if column.dtype.kind == "f" else np.asarray(column)
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        msg = f"table must have maps of numbers, as an estimator makes them of a cube; {name} has {values.shape}"
        raise ValueError(msg)
    warn = next((table[flag] for flag in ("zwarn", "warn") if flag in table.colnames), None)
    shown = np.isfinite(values)
    if where is not None:
        shown &= np.asarray(where, bool)
    elif warn is not None:
        shown &= np.asarray(warn) == 0
    sky = _read_sky(table)
    (axes,) = make_axes(axes=axes, size=(5.6, 4.6), subplot_kw={} if sky is None else {"projection": sky})
    low, high = limits if limits is not None else _find_limits(values[shown])
    both = limits is None and low < 0 < high
    image = axes.imshow(
        np.ma.array(values, mask=~shown), origin="lower", interpolation="nearest", vmin=low, vmax=high,
        cmap=DIVERGING if both else RANKED,
    )  # fmt: skip
    axes.set_facecolor(QUIET)
    unit = getattr(column, "unit", None)
    label = f"{name}{'' if unit is None else show_unit(u.Unit(unit))}"
    # as high as the map, whose spaxels are square
    axes.figure.colorbar(image, cax=axes.inset_axes((1.04, 0, 0.05, 1)), label=label)
    if sky is None:
        axes.set(xlabel="x", ylabel="y")
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
        return axes
    for axis, kind in zip(axes.coords, sky.wcs.ctype, strict=True):
        axis.set_axislabel(SKY_NAMES.get(kind.partition("-")[0], kind))
        axis.set_ticks(number=4)
        axis.set_ticklabel(exclude_overlapping=True)
    return axes


def _read_sky(table):
    """The celestial WCS of a table of maps, None where there is none."""
    cards = table.meta.get("wcs")
    return WCS(fits.Header(json.loads(cards))) if cards else None


def _find_limits(values):
    """Percentiles of values, even around 0 where both signs are among them."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values, SHOWN)
    return (-max(-low, high), max(-low, high)) if low < 0 < high else (low, high)
