# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The blaze of an echelle grating, found where neighbouring orders show the same wavelengths, and taken out."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.interpolate import BSpline

__all__ = ["remove_blaze"]

#: fewest orders, and widest in ln(wavelength): arms of a spectrograph are fewer and wider
FEWEST, WIDEST = 4, 0.2
#: bins of an order, and of an overlap, fewest pixels of one, and least S/N of its mean
BINS, SHARED, PIXELS, SIGNAL = 24, 6, 3, 3.0
#: powers of the phase, from -1 to 1, that the logarithm of the blaze is made of
POWERS = np.arange(1, 7)
#: typical sizes of these terms, and of what single orders differ by, as logarithms of flux
TERM, OFFSET = 3.0, 0.05
#: orders for each knot of what the object looks like
ORDERS_PER_KNOT = 2.5
#: least error of a bin, standard deviations from which it counts less, and rounds
FLOOR, ODD, ROUNDS = 0.02, 1.5, 8
#: fewest bins of overlaps, share of them that have to be nearer to one another after it, and share of their mean
#: difference that the blaze has to explain; median of the differences below which there is none
FEWEST_STEPS, BETTER, EXPLAINED, LEVEL = 12, 0.75, 0.5, 0.05
#: a blaze is not followed below this share of its peak
LOWEST = 0.02


def remove_blaze(orders):
    """Divide the orders of an echelle spectrum by their blaze, where they still have it.

    The blaze of a grating is the same for all orders as a function of m (1 - w / wavelength), of an order m with its
    middle at w, which is inverse to m: of 1 / w - 1 / wavelength (Schroeder 2000, Astronomical Optics, section 13.3).
    Its logarithm is a polynomial in that, with a small offset for each order. It is fitted together with a spline for
    the object, smoother than orders are wide, and taken out where it brings neighbouring orders together in their
    overlaps.

    Parameters
    ----------
    orders : list of `~astro_spectok.spectra.rows.Rows`
        By increasing wavelength.

    Returns
    -------
    list of `~astro_spectok.spectra.rows.Rows`
        The same where there are fewer than four, where they are wide as arms are, do not overlap, or agree as they are.
    """
    if len(orders) < FEWEST or any(_is_wide(order) for order in orders):
        return orders
    shapes = [_fit_blaze(orders, row) for row in range(len(orders[0].flux))]
    if not any(shape is not None for shape in shapes):
        return orders
    return [_divide(order, [None if one is None else one[k] for one in shapes]) for k, order in enumerate(orders)]


def _is_wide(order):
    return len(order.wavelength) < PIXELS or np.log(order.wavelength[-1] / order.wavelength[0]) > WIDEST


def _find_place(order, wavelength):
    """Phase of the grating at wavelengths in an order, up to a factor: 0 at its middle, its number over a constant."""
    middle = 0.5 * (order.wavelength[0] + order.wavelength[-1])
    return 1 / middle - 1 / wavelength


def _find_farthest(orders):
    """Greatest distance from the middle of any order, as `_find_place` has it."""
    return max(np.abs(_find_place(order, order.wavelength[[0, -1]])).max() for order in orders)


def _average(order, row, edges):
    """Mean flux and its error in some bins, NaN where too little is seen."""
    good, n = order.ivar[row] > 0, len(edges) - 1
    bins = np.digitize(order.wavelength[good], edges) - 1
    inside = (bins >= 0) & (bins < n)
    count = np.bincount(bins[inside], minlength=n)
    flux = order.scale[row] * order.flux[row][good][inside].astype(float)
    variance = order.scale[row] ** 2 / order.ivar[row][good][inside].astype(float)
    mean = np.bincount(bins[inside], flux, n) / np.maximum(count, 1)
    error = np.sqrt(np.bincount(bins[inside], variance, n)) / np.maximum(count, 1)
    clear = (count >= PIXELS) & (mean > SIGNAL * error)
    return np.where(clear, mean, np.nan), np.where(clear, error, np.nan)


def _measure_bins(orders, row):
    """Order, middle, logarithm of flux and its error of the bins of all orders."""
    out = []
    for k, order in enumerate(orders):
        edges = np.linspace(order.wavelength[0], order.wavelength[-1], BINS + 1)
        mean, error = _average(order, row, edges)
        seen = np.isfinite(mean)
        middle = 0.5 * (edges[1:] + edges[:-1])
        out.append([np.full(seen.sum(), k), middle[seen], np.log(mean[seen]), np.hypot(FLOOR, (error / mean)[seen])])
    return [np.concatenate(part) for part in zip(*out, strict=True)]


def _measure_steps(orders, row):
    """Logarithms of the ratios of neighbouring orders, one order number, wavelength and ratio for each bin."""
    out = [np.zeros((3, 0))]
    for k, (left, right) in enumerate(pairwise(orders)):
        low, high = right.wavelength[0], left.wavelength[-1]
        if high > low:
            edges = np.linspace(low, high, SHARED + 1)
            ratio = np.log(_average(left, row, edges)[0] / _average(right, row, edges)[0])
            seen = np.isfinite(ratio)
            out.append(np.array([np.full(seen.sum(), k), 0.5 * (edges[1:] + edges[:-1])[seen], ratio[seen]]))
    return np.concatenate(out, axis=1)


def _fit_blaze(orders, row):
    """The blaze of each order, one at its middle, list of (m,) arrays; None without one."""
    first, shared, ratio = _measure_steps(orders, row)
    if len(ratio) < FEWEST_STEPS or np.median(np.abs(ratio)) < LEVEL:
        return None
    number, middle, log_flux, error = _measure_bins(orders, row)
    farthest = _find_farthest(orders)
    place = np.array([_find_place(orders[k], x) for k, x in zip(number, middle, strict=True)]) / farthest
    # the object: smoother than orders are wide
    ends, knots = np.log([middle.min(), middle.max()]), max(2, round(len(orders) / ORDERS_PER_KNOT))
    knots = np.r_[[ends[0]] * 3, np.linspace(*ends, knots), [ends[1]] * 3]
    smooth = BSpline.design_matrix(np.clip(np.log(middle), *ends), knots, 3).toarray()
    design = np.concatenate([place[:, None] ** POWERS, number[:, None] == np.arange(len(orders)), smooth], axis=1)
    size = np.r_[np.full(len(POWERS), TERM), np.full(len(orders), OFFSET), np.full(smooth.shape[1], np.inf)]
    centre = np.median(log_flux)
    weight = error**-2
    for _ in range(ROUNDS):
        left = design.T * weight
        solved = np.linalg.solve(
            left @ design + np.diag(size**-2.0) + 1e-9 * np.eye(len(size)), left @ (log_flux - centre)
        )
        off = (log_flux - centre - design @ solved) / error
        # lines and bad bins count less
        weight = error**-2 / np.maximum(1, np.abs(off) / ODD)
    terms, offsets = solved[: len(POWERS)], solved[len(POWERS) :][: len(orders)]

    def follow(k, wavelength):
        return (_find_place(orders[k], wavelength) / farthest)[..., None] ** POWERS @ terms + offsets[k]

    first = first.astype(int)
    found = np.array([follow(k, x) - follow(k + 1, x) for k, x in zip(first, shared, strict=True)])
    better = np.abs(ratio - found) < np.abs(ratio)
    if np.mean(better) < BETTER or np.sum(np.abs(ratio - found)) > (1 - EXPLAINED) * np.sum(np.abs(ratio)):
        return None
    shapes = [np.exp(follow(k, order.wavelength)) for k, order in enumerate(orders)]
    return [np.maximum(shape, LOWEST * shape.max()) for shape in shapes]


def _divide(order, shapes):
    """An order with each row over its blaze."""
    flux, ivar = order.flux.copy(), order.ivar.copy()
    for row, shape in enumerate(shapes):
        if shape is not None:
            flux[row] = flux[row] / shape
            ivar[row] = ivar[row] * shape**2
    return replace(order, flux=flux, ivar=ivar)
