# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real stars with labels, of MILES and CFLIB: the same star by two instruments, and all labels on one scale."""

import logging
import math
import zlib
from dataclasses import dataclass

import numpy as np

from astro_spectok.simulate.label_transfer import STEPS
from astro_spectok.simulate.objects import RestGrid
from astro_spectok.simulate.stellar_sets import read_stars

__all__ = ["LIBRARIES", "StarLibrary", "choose_left_out", "read_library"]

log = logging.getLogger(__name__)

#: the first has to be there, and gives the scale of the labels
LIBRARIES = ("miles_real_stars", "cflib_real_stars")
#: what MILES covers, and how far CFLIB and others carry on: with the Ca II triplet
STEP = 1e-4
START, RED_START, STOP = 3552.0, 7380.0, 8930.0
#: fewest stars in both libraries that bring the labels of one to the scale of the other; residual, in steps, beyond
#: which a star counts less, and rounds
_LEAST_SHARED, _ODD, _ROUNDS = 40, 0.5, 8
#: typical labels, and what the fit of scales is allowed, in steps over a typical label
_TYPICAL, _RIDGE = np.array([3.73, 3.2, -0.3]), 1e-2
_LEAST_FLUX = 2e-3
#: share of the stars that validation leaves out
LEFT_OUT = 0.2


@dataclass
class StarLibrary:
    """n stars at rest on one grid.

    Attributes
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    log_flux : float64 ndarray, shape (n, N)
        Natural logarithm of flux, NaN where unknown.
    labels : float64 ndarray, shape (n, 3)
        log10(Teff), logg and [Fe/H], NaN where unknown.
    member : int ndarray, shape (n,)
        Number of the library that a star is from.
    names : list of str
        Of the stars, so that those in both libraries are found.
    """

    grid: RestGrid
    log_flux: np.ndarray
    labels: np.ndarray
    member: np.ndarray
    names: list

    def take(self, rows):
        """Some of the stars: rows as an index or a mask."""
        rows = np.arange(len(self.names))[rows]
        return StarLibrary(
            self.grid, self.log_flux[rows], self.labels[rows], self.member[rows], [self.names[i] for i in rows]
        )


def read_library(store):
    """The stars of MILES and, where they are there, of CFLIB, with labels on the scale of MILES.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`

    Returns
    -------
    StarLibrary
        Stars of MILES first.
    """
    return store.make(_read, "cpu")


def _read(store, device):
    grid = RestGrid(math.log(START), STEP, round(math.log(STOP / START) / STEP))
    there = [name for name in LIBRARIES if store.has(name)]
    stars = read_stars(store, there, grid)
    flux = stars.flux.numpy()
    log_flux = np.log(np.where(flux > _LEAST_FLUX, flux, np.nan).astype(float))
    labels, member = stars.labels[:, :3].double().numpy(), stars.member.numpy()
    made = StarLibrary(grid, log_flux, labels, member, stars.names)
    if len(there) > 1:
        made.labels = bring_to_scale(made)
    return made


def bring_to_scale(library):
    """Labels of CFLIB on the scale of MILES.

    Labels of MILES are collected from the literature, those of CFLIB are all from spectra alike (Wu et al. 2011) and
    agree three times as well with what other spectra say. By what stars in both libraries differ, which is fitted as
    linear in the labels and quadratic in the temperature, with iterated weights so that errors of single labels do not
    lead it astray, labels of CFLIB are moved; stars in both libraries get these, the rest of MILES keeps its own.

    Parameters
    ----------
    library : StarLibrary

    Returns
    -------
    float64 ndarray, shape (n, 3)
    """
    labels, first = library.labels.copy(), library.member == 0
    other = {name: row for name, row in zip(library.names, labels, strict=True) if name and np.isfinite(row).all()}
    other = {name: other[name] for name in {n for n, m in zip(library.names, library.member, strict=True) if m == 1}
             if name in other}  # fmt: skip
    rows = np.array([i for i in np.flatnonzero(first) if library.names[i] in other], int)
    if len(rows) < _LEAST_SHARED:
        return labels
    wanted = np.array([other[library.names[i]] for i in rows])
    design, weight = _make_design(labels), np.ones((len(rows), 3))
    known = np.isfinite(labels[rows]).all(1)
    x, y = design[rows[known]], ((wanted - labels[rows]) / STEPS)[known]
    weight = weight[known]
    for _ in range(_ROUNDS):
        solved = np.stack([
            np.linalg.solve(x.T @ (w[:, None] * x) + _RIDGE * len(x) * np.diag([0, 1, 1, 1, 1]), x.T @ (w * z))
            for w, z in zip(weight.T, y.T, strict=True)
        ], 1)  # fmt: skip
        weight = 1 / np.maximum(1, np.abs(y - x @ solved) / _ODD)
    offset = np.median(STEPS * (x @ solved), axis=0)
    log.info("labels of CFLIB moved by %.4f, %.2f and %.2f dex in the median, %d stars shared", *-offset, len(rows))
    labels[rows] = wanted
    moved = np.append(rows, np.flatnonzero(~first))
    labels[moved] -= STEPS * np.nan_to_num(_make_design(labels[moved]) @ solved)
    return labels


def _make_design(labels):
    """Terms (n, 5) that differences of scales are linear in; NaN counts as typical."""
    x = np.nan_to_num((labels - _TYPICAL) / np.array([0.1, 1.0, 0.5]))
    return np.column_stack([np.ones(len(x)), x[:, 0], x[:, 0] ** 2, x[:, 1], x[:, 2]])


def choose_left_out(names, member=None):
    """Mask of the stars that are left out for validation: a star in two libraries is left out of both.

    Parameters
    ----------
    names : sequence of str
    member : ndarray of int, optional
        Number of the library that a star is from. Where it is given only stars that the first has not are left out:
        what a network that was trained on the first has not seen.

    Returns
    -------
    bool ndarray, shape (n,)

    Examples
    --------
    >>> from astro_spectok.simulate.stellar_library import choose_left_out
    >>> choose_left_out(["HD4628", "HD10307", "HD4628"]).tolist()
    [False, True, False]
    """
    left = np.array([zlib.crc32(name.encode()) % 1000 < 1000 * LEFT_OUT for name in names], bool)
    if member is None:
        return left
    first = {name for name, number in zip(names, member, strict=True) if number == 0}
    return left & (np.asarray(member) != 0) & np.array([name not in first for name in names], bool)
