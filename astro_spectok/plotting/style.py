# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Style of all pictures: colours, lines and markers, new axes, and axes that know their units."""

import numpy as np

from astro_spectok.utils.optional import import_optional

__all__ = [
    "COLOURS", "DATA", "LINES", "MARKERS", "MODEL", "QUIET", "RANKED", "list_styles", "make_axes", "name_spectral",
    "place_legend", "set_flux_limits", "set_unit", "show_unit",
]  # fmt: skip

#: Okabe and Ito's colours, distinguishable to the colour-blind and in print
DATA, MODEL, QUIET = "0.45", "#0072B2", "0.75"
#: the same, and markers and lines, for categories; the numbers of colours and markers have no common divisor
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "0.1")
MARKERS, LINES = ("o", "s", "^", "D", "v", "P", "X", "<"), ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
#: ordered values: distinguishable to all, and in print by their lightness
RANKED = "viridis"
#: by class: colour, line, marker and hatching; what has no colour in print has a form
CLASS_STYLES = {
    "GALAXY": ("#D55E00", "-", "o", ""),
    "QSO": ("#009E73", "--", "s", "///"),
    "STAR": ("#CC79A7", "-.", "^", "..."),
}
#: for classes of other names, in their order
OTHER_STYLES = (("#E69F00", ":", "D", "xxx"), ("#56B4E9", (0, (5, 1, 1, 1, 1, 1)), "v", "\\\\\\"))
#: corners for a legend, the preferred first, and how much of the axes it takes there, in width and height
CORNERS = {"upper right": (1, 1), "upper left": (0, 1), "lower right": (1, 0), "lower left": (0, 0)}
LEGEND = (0.34, 0.27)
#: what the unit of a spectral axis measures, as Astropy calls it, and what we call it
SPECTRAL_NAMES = {
    "length": "Wavelength", "frequency": "Frequency", "energy": "Energy", "wavenumber": "Wavenumber",
    "speed": "Velocity",
}  # fmt: skip


def list_styles(names):
    """Colour, line style, marker and hatching of each class: dict of str to tuple."""
    others = [name for name in names if name not in CLASS_STYLES]
    return {
        name: CLASS_STYLES.get(name) or OTHER_STYLES[others.index(name) % len(OTHER_STYLES)] for name in names
    }  # fmt: skip


def make_axes(rows=1, columns=1, *, axes=None, size=(8, 4), **kwargs):
    """New axes in a figure of their own, or those that are given.

    Parameters
    ----------
    rows, columns : int
    axes : `~matplotlib.axes.Axes` or sequence of these, optional
        Taken instead of new ones.
    size : (float, float)
        Of the figure, in inches.
    **kwargs
        For `matplotlib.pyplot.subplots`.

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`, shape (rows * columns,)

    Raises
    ------
    ImportError
        There is no matplotlib.
    ValueError
        Another number of axes is given.
    """
    if axes is None:
        plt = import_optional("matplotlib.pyplot", "plots need matplotlib", "plot")
        return plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **kwargs)[1].ravel()
    axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
    if len(axes) != rows * columns:
        msg = f"axes must be {rows * columns}, one for each part of the picture; got {len(axes)}"
        raise ValueError(msg)
    return axes


def show_unit(unit):
    """A unit for a label, in brackets; nothing for none."""
    text = unit.to_string("latex_inline")
    return f" [{text}]" if text not in ("", "$\\mathrm{}$") else ""


def set_unit(axis, unit):
    """Let an axis know its unit, so that quantities in any unit like it can be drawn on it.

    Parameters
    ----------
    axis : `~matplotlib.axis.Axis`
    unit : `~astropy.units.UnitBase`

    Raises
    ------
    ValueError
        Something in another unit was drawn on the axis before.
    """
    from astropy.visualization import quantity_support

    if axis.units is not None:
        if axis.units != unit:
            msg = f"axes must be new or have the unit {unit}, what is drawn is in; got axes in {axis.units}"
            raise ValueError(msg)
        return
    label = axis.get_label_text()
    limits = [(axes, axes.dataLim.frozen()) for axes in axis.axes.figure.axes]
    with quantity_support():
        axis.update_units(1 * unit)
    axis.set_label_text(label)
    for axes, known in limits:  # matplotlib takes them anew when units change, and forgets all but lines
        axes.dataLim.set(known)


def name_spectral(axes, unit):
    """Name the horizontal axis by what its unit measures.

    Parameters
    ----------
    axes : sequence of `~matplotlib.axes.Axes`
        That share it; the last one shows the name.
    unit : `~astropy.units.UnitBase`
    """
    for one in axes:
        set_unit(one.xaxis, unit)
    kind = str(unit.physical_type).split("/")[0]
    axes[-1].set_xlabel(f"{SPECTRAL_NAMES.get(kind, 'Spectral axis')}{show_unit(unit)}")


def set_flux_limits(axes, flux):
    """Show all of the flux but single wild pixels."""
    flux = flux[np.isfinite(flux)]
    if len(flux):
        low, high = np.percentile(flux, [0.2, 99.8])
        margin = 0.12 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)


def place_legend(axes):
    """Put a legend into the corner where it hides least of what is drawn; call it when the limits are set.

    Matplotlib's own choice is slow where lines have thousands of points, and says so in a warning.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
    """
    axes.get_xlim(), axes.get_ylim()  # until they are asked for, they are not made to fit
    to_axes = axes.transData - axes.transAxes
    # those of two points mark lines and levels
    drawn = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) > 2]
    x, y = to_axes.transform(np.concatenate([np.zeros((0, 2)), *drawn])).T
    (width, height), hidden = LEGEND, {}
    for name, (right, up) in CORNERS.items():
        beside = x > 1 - width if right else x < width
        hidden[name] = np.count_nonzero(beside & (np.abs(y - up) < height))
    axes.legend(loc=min(hidden, key=hidden.get), framealpha=0.8, edgecolor="none", fontsize="small")
