# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of tables of results: redshifts, stellar parameters, embeddings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from astro_spectok.plotting.style import COLOURS, DATA, MARKERS, MODEL, QUIET, RANKED, list_styles, make_axes

__all__ = ["plot_embeddings", "plot_table"]

#: how objects without a class are named
NONE = "not measured"
#: points up to this number are named in pictures of embeddings
MOST_NAMED = 40
#: bins of a histogram of redshifts
BINS = 30


def plot_table(table: Table, axes: Any = None) -> np.ndarray:
    """Plot a table of results at a glance.

    Tables of `~astro_spectok.estimators.RedshiftEstimator` give three parts: how many objects of each class there are,
    their redshifts (stars left out), and the probability of the best solution over the signal-to-noise ratio. Those of
    `~astro_spectok.estimators.StellarParameterEstimator` give the Kiel diagram, with [Fe/H] as colour; those of
    `~astro_spectok.embed_table` a map of the embeddings (`plot_embeddings`). What is flagged (``zwarn`` or ``warn`` is
    not 0) is drawn hollow; rows that are NaN are left out but for the count.

    Parameters
    ----------
    table : `~astropy.table.QTable` or `~astropy.table.Table`
        As an estimator made it, or read from a file again.
    axes : `~matplotlib.axes.Axes` or sequence of these, optional
        As many as there are parts.

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        The table has not the columns of any of these, or ``axes`` are of another number.

    Examples
    --------
    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.plotting import plot_table
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> spectra = simulate_spectra(4, seed=3, families=["galaxies"], instruments=["sdss"])
    >>> axes = plot_table(RedshiftEstimator(device="cpu").estimate(spectra))
    >>> [one.get_xlabel() for one in axes]
    ['Objects', 'Redshift', 'Signal-to-noise ratio per pixel']
    """
    for wanted, plot in KINDS:
        if set(wanted) <= set(table.colnames):
            return plot(_flatten(table, wanted[0]), axes)
    known = "; or ".join(", ".join(wanted) for wanted, _ in KINDS)
    msg = f"table must have the columns of one of the tables that estimators make: {known}; got {table.colnames}"
    raise ValueError(msg)


def _flatten(table, name):
    """A table of maps as one with a row for each spaxel; any other as it is."""
    shape = np.shape(table[name])
    if table[name].dtype.kind == "f" and name == "embedding":
        shape = shape[:-1]
    if len(shape) < 2:
        return table
    columns = {name: table[name].reshape(-1, *np.shape(table[name])[len(shape) :]) for name in table.colnames}
    return type(table)(columns, meta=table.meta)


def _take(table, name):
    """A column of plain numbers or text; what is masked is NaN or ''."""
    values = table[name]
    if hasattr(values, "filled"):
        values = values.filled("" if values.dtype.kind in "US" else 0 if values.dtype.kind in "iu" else np.nan)
    return np.asarray(getattr(values, "value", values))


def _read_classes(table):
    """The class of each row, and whether it is flagged."""
    spectype = np.array([str(name).strip() or NONE for name in _take(table, "spectype")], dtype=object)
    return spectype, _take(table, "zwarn") != 0


def _list_classes(spectype):
    """Classes that there are, the usual ones first, and those not measured last."""
    usual = list(list_styles(["GALAXY", "QSO", "STAR"]))
    found = set(spectype)
    others = sorted(found - set(usual) - {NONE})
    return [name for name in usual + others if name in found] + [NONE] * (NONE in found)


def _plot_redshifts(table, axes):
    axes = make_axes(1, 3, axes=axes, size=(10.5, 3.6), width_ratios=(1, 1.4, 1.4))
    spectype, flagged = _read_classes(table)
    _count_classes(axes[0], spectype, flagged)
    z = _take(table, "z").astype(float)
    shown = np.isfinite(z) & (spectype != "STAR")
    highest = max(float(np.log1p(z[shown]).max(initial=0.0)), 0.05)
    edges = np.expm1(np.linspace(0, 1.02 * highest, BINS + 1))
    names = [name for name in _list_classes(spectype[shown]) if name != NONE]
    styles = list_styles(names)
    if names:
        _, _, patches = axes[1].hist(
            [z[shown & (spectype == name)] for name in names], bins=edges, stacked=True,
            color=[styles[name][0] for name in names], label=names, edgecolor="white", lw=0.3,
        )  # fmt: skip
        for name, bars in zip(names, patches if len(names) > 1 else [patches], strict=True):
            for bar in bars:
                bar.set_hatch(styles[name][3])
        above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "ncols": len(names)}
        axes[1].legend(frameon=False, fontsize="small", handlelength=1.2, columnspacing=1.0, **above)
    axes[1].set_xlabel("Redshift")
    axes[1].set_ylabel("Objects")
    axes[1].yaxis.get_major_locator().set_params(integer=True)
    _plot_confidence(axes[2], table, spectype, flagged)
    return axes


def _count_classes(axes, spectype, flagged):
    """Bars: how many objects of each class, those without a flag filled."""
    names = _list_classes(spectype)
    styles = list_styles([name for name in names if name != NONE]) | {NONE: (QUIET, "-", "o", "")}
    for place, name in enumerate(names):
        colour = styles[name][0]
        clean, flawed = (np.count_nonzero((spectype == name) & which) for which in (~flagged, flagged))
        axes.barh(place, clean, color=colour)
        axes.barh(place, flawed, left=clean, facecolor="white", edgecolor=colour, lw=1.0)
        axes.annotate(f"{clean} + {flawed}" if flawed else f"{clean}", (clean + flawed, place), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize="small")  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.4)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("Objects")
    axes.set_title("hollow: flagged", fontsize="small")


def _plot_confidence(axes, table, spectype, flagged):
    """Probability of the best solution over the signal-to-noise ratio."""
    snr, p_best = (_take(table, name).astype(float) for name in ("snr", "p_best"))
    snr = np.maximum(snr, 0.1)
    names = [name for name in _list_classes(spectype) if name != NONE]
    for name, (colour, _, marker, _) in list_styles(names).items():
        for which, face in ((~flagged, colour), (flagged, "none")):
            one = (spectype == name) & which & np.isfinite(snr)
            axes.scatter(snr[one], p_best[one], s=22, marker=marker, facecolor=face, edgecolor=colour, lw=1.0,
                         label=name if face == colour else None)  # fmt: skip
    axes.set_xscale("log")
    # where there is room for more than the powers of ten; all are written as people do
    low, high = axes.get_xlim()
    axes.xaxis.get_major_locator().set_params(subs=(1, 2, 5) if high < 40 * low else (1,))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlabel("Signal-to-noise ratio per pixel")
    axes.set_ylabel("Probability of the best solution")
    axes.set_title("hollow: flagged", fontsize="small")
    if names:
        axes.legend(frameon=False, fontsize="small", loc="lower right")


def _plot_stars(table, axes):
    from astropy import units as u

    from astro_spectok.plotting.stellar import plot_kiel

    (one,) = axes = make_axes(axes=axes, size=(6.5, 5))
    flagged = _take(table, "warn") != 0
    teff = _to_number(table["teff"], u.K)
    logg = _to_number(table["logg"], u.dex(u.cm / u.s**2))
    fe_h = _to_number(table["fe_h"], u.dex)
    errors = {name: _to_number(table[f"{name}_err"], unit) for name, unit in (("teff", u.K), ("logg", u.dex))}
    known = np.isfinite(teff) & np.isfinite(logg)
    one.errorbar(teff[known], logg[known], xerr=errors["teff"][known], yerr=errors["logg"][known], fmt="none",
                 ecolor=QUIET, lw=0.8, zorder=1)  # fmt: skip
    clean, flawed = known & ~flagged, known & flagged
    points = one.scatter(
        teff[clean], logg[clean], c=fe_h[clean], cmap=RANKED, vmin=-2, vmax=0.5, s=26, zorder=3,
        label=f"{np.count_nonzero(clean)} not flagged",
    )  # fmt: skip
    one.scatter(
        teff[flawed], logg[flawed], facecolor="white", edgecolor=DATA, s=22, zorder=2,
        label=f"{np.count_nonzero(flawed)} flagged",
    )  # fmt: skip
    one.figure.colorbar(points, ax=one, label="[Fe/H] [dex]", pad=0.01, extend="both")
    plot_kiel(one)
    one.legend(frameon=False, fontsize="small", loc="upper left")
    return axes


def _to_number(column, unit):
    """Values of a column in a unit, whether or not it is a quantity; what is masked is NaN."""
    from astropy import units as u

    if hasattr(column, "filled"):
        column = column.filled(np.nan)
    kind = u.Dex if isinstance(unit, u.DexUnit) else u.Quantity
    return np.asarray(kind(column).to_value(unit) if getattr(column, "unit", None) else column, dtype=float)


def _plot_vectors(table, axes):
    snr = _take(table, "snr").astype(float) if "snr" in table.colnames else None
    names = _take(table, "name") if "name" in table.colnames else None
    return np.array([plot_embeddings(_take(table, "embedding"), axes, names=names, snr=snr)], dtype=object)


#: share of the width and the height of all points that a name takes
NAME_ROOM = 0.04


def plot_embeddings(
    vectors: np.ndarray, axes: Any = None, *, names: Sequence[str] | None = None, snr: np.ndarray | None = None
) -> Any:
    """Plot a map of embeddings: the two directions in which they differ most.

    The vectors are scaled to length 1, since their angle distinguishes objects, and projected on the first two
    principal components; the labels of the axes give the share of the variance that each holds. Neighbours on the map
    need not be neighbours in space. Vectors that are NaN are left out.

    Parameters
    ----------
    vectors : ndarray, shape (n, E)
        As `~astro_spectok.embed` gives them.
    axes : `~matplotlib.axes.Axes`, optional
    names : sequence of str, optional
        Written beside the points, if they are 40 or fewer; points of one name have one colour and marker. Their number
        in the order of the input if not given.
    snr : ndarray, shape (n,), optional
        Signal-to-noise ratios, as colour.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        ``vectors`` are not of two dimensions, or fewer than three of them are known.

    References
    ----------
    Jolliffe & Cadima 2016, Phil. Trans. R. Soc. A 374, 20150202, on principal components.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.plotting import plot_embeddings
    >>> vectors = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0.5, 0.5]])
    >>> plot_embeddings(vectors).get_xlabel()
    'First component (86 % of the variance)'
    """
    vectors = np.asarray(vectors, float)
    if vectors.ndim != 2:
        msg = f"vectors must have the shape (n, E), one row for each spectrum; got {vectors.shape}"
        raise ValueError(msg)
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    if len(known) < 3:
        msg = f"vectors must hold three or more that are known, for a map to be of use; got {len(known)}"
        raise ValueError(msg)
    (axes,) = make_axes(axes=axes, size=(6, 5))
    unit = vectors[known] / np.maximum(np.linalg.norm(vectors[known], axis=1), 1e-30)[:, None]
    unit = unit - unit.mean(axis=0)
    u, s, vt = np.linalg.svd(unit, full_matrices=False)
    signs = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])  # else they depend on the machine
    places, shares = (u * s * signs)[:, :2], s**2 / max((s**2).sum(), 1e-30)
    names = [str(k) for k in (range(len(vectors)) if names is None else names)]
    _plot_points(axes, places, np.array(names, dtype=object)[known], None if snr is None else np.asarray(snr)[known])
    axes.set_aspect("equal", adjustable="datalim")
    for set_label, rank, share in zip((axes.set_xlabel, axes.set_ylabel), ("First", "Second"), shares, strict=False):
        set_label(f"{rank} component ({100 * share:.0f} % of the variance)")
    return axes


def _plot_points(axes, places, names, snr):
    """Points with their names; those of one name have one colour and marker, and share it."""
    distinct = list(dict.fromkeys(names))
    if snr is not None:
        from matplotlib.colors import LogNorm

        colour, norm = np.clip(snr.astype(float), 1, 100), LogNorm(1, 100)
        points = axes.scatter(*places.T, s=26, c=colour, cmap=RANKED, norm=norm, edgecolor=DATA, lw=0.4)
        axes.figure.colorbar(points, ax=axes, label="Signal-to-noise ratio per pixel", pad=0.01)
    elif len(distinct) == len(names):
        axes.scatter(*places.T, s=26, color=MODEL)
    else:
        for k, name in enumerate(distinct):
            colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
            axes.scatter(*places[names == name].T, s=34, color=colour, marker=marker, edgecolor="white", lw=0.5)
    if len(distinct) <= MOST_NAMED:
        written = []
        for name in distinct:
            own = places[names == name]
            own = own[np.argsort(-own[:, 0])]
            # beside the point farthest to the right, unless another name stands there
            free = [point for point in own if all(_are_apart(point, other, places) for other in written)]
            written.append((free or list(own))[0])
            axes.annotate(name, written[-1], xytext=(5, 3), textcoords="offset points", fontsize="small")


def _are_apart(one, other, places):
    """Whether names beside two points do not overlap."""
    return bool((np.abs(one - other) > NAME_ROOM * np.ptp(places, axis=0)).any())


#: columns that identify a kind of table, and the function that plots it; the first match counts
KINDS = (
    (("z", "spectype", "p_best", "snr", "zwarn"), _plot_redshifts),
    (("teff", "teff_err", "logg", "logg_err", "fe_h", "warn"), _plot_stars),
    (("embedding",), _plot_vectors),
)
