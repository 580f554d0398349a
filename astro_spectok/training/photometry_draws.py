# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Photometry as surveys have it, of spectra without noise: filters, depth, zero points, what is missing."""

import numpy as np
import torch

from astro_spectok.align.filters import BANDS, find_filter, list_filters
from astro_spectok.heads.photometry_tower import Photometry
from astro_spectok.simulate import CLASSES
from astro_spectok.training.photometry_pairs import LN_WAVELENGTH, continue_stars

__all__ = ["SETS", "FilterFluxes", "draw_photometry", "measure_filters"]

#: what is trained on: sets that surveys have, by their chances; the rest are random
SETS = {
    **{name: (0.11, filters) for name, filters in BANDS.items()},
    "legacy north": (0.03, ("BASS-g", "BASS-r", "MzLS-z", "wise2010-W1", "wise2010-W2")),
    "panstarrs": (0.06, tuple(f"panstarrs-{b}" for b in "grizy")),
    "lsst": (0.06, tuple(f"lsst2023-{b}" for b in "ugrizy")),
    "lsst euclid": (0.03, (*(f"lsst2023-{b}" for b in "ugrizy"), "Euclid-Y", "Euclid-J", "Euclid-H")),
    "hsc": (0.03, tuple(f"hsc2017-{b}" for b in "grizy")),
    "gaia": (0.02, ("gaiadr3-BP", "gaiadr3-G", "gaiadr3-RP")),
    "bessell": (0.02, tuple(f"bessell-{b}" for b in "UBVRI")),
    "everything": (0.05, (*BANDS["ugrizJHK"], "wise2010-W1", "wise2010-W2", "galex-nuv")),
}
#: filters of a random set, at least and at most
RANDOM = (2, 12)
#: signal-to-noise ratio of the middle band, log-uniform; scatter of the depth of bands in ln; most that any band has
SNR, DEPTH, BEST = (2.0, 100.0), 0.6, 200.0
#: standard deviation of zero points in magnitudes, of ln(error), and chance that a band is missing, or a limit
ZERO_POINT, ERRORS, MISSING, LIMIT = 0.02, 0.1, 0.1, 0.1


class FilterFluxes:
    """Filters with their tokens, and fluxes of objects through them.

    Attributes
    ----------
    names : list of str
    flux : ndarray of float32, shape (n, F)
        Per unit frequency over the median of each object; NaN where the spectrum does not reach.
    tokens : ndarray of float32, shape (F, 2)
        ln of the pivot wavelength, and ln of the width.
    """

    def __init__(self, names, flux):
        filters = [find_filter(name) for name in names]
        self.names, self.flux = list(names), flux
        self.tokens = np.log([[one.effective, one.width] for one in filters]).astype(np.float32)

    def find(self, names):
        """Places of filters: ndarray of int."""
        return np.array([self.names.index(name) for name in names])


def measure_filters(truth, cls, names=None, seed=0):
    """Fluxes through filters.

    Parameters
    ----------
    truth : ndarray, shape (n, N)
        As of `~astro_spectok.training.photometry_pairs.draw_pairs`.
    cls : ndarray of int, shape (n,)
        Places in `~astro_spectok.simulate.CLASSES`.
    names : sequence of str, optional
        Of the filters; all that come with the package if not given.
    seed : int, optional

    Returns
    -------
    FilterFluxes
    """
    names = list_filters() if names is None else list(names)
    truth, star = np.array(truth, np.float32), cls == CLASSES.index("STAR")
    if star.any():
        truth[star] = continue_stars(truth[star], seed)
    weights = np.array([find_filter(name).weigh(LN_WAVELENGTH) for name in names], np.float32)  # (F, N)
    covered = np.array([find_filter(name).covers(LN_WAVELENGTH) for name in names])
    known = np.isfinite(truth)
    flux = np.where(known, truth, 0) @ weights.T
    seen = known.astype(np.float32) @ weights.T / weights.sum(1)
    flux = np.where((seen > 0.98) & covered, flux / np.maximum(seen, 1e-6), np.nan)
    middle = np.ma.median(np.ma.masked_invalid(flux), axis=1).filled(1)[:, None]
    return FilterFluxes(names, (flux / np.where(middle > 0, middle, 1)).astype(np.float32))


def draw_photometry(fluxes, rows, rng, *, names=None, snr=SNR, clean=False):
    """Photometry of some objects.

    Parameters
    ----------
    fluxes : FilterFluxes
    rows : ndarray of int, shape (B,)
    rng : `numpy.random.Generator`
    names : sequence of str, optional
        Filters of all of them; if not given, of each object those of a set that is drawn, some missing.
    snr : (float, float), optional
        Range of the signal-to-noise ratio in the middle band.
    clean : bool, optional
        Without zero points, wrong errors, or limits.

    Returns
    -------
    `~astro_spectok.heads.photometry_tower.Photometry`
    """
    place, mask = _choose_bands(fluxes, len(rows), rng, names)
    flux = fluxes.flux[rows[:, None], place]
    mask &= np.isfinite(flux)
    flux = np.where(mask, flux, 0)
    shape = flux.shape
    middle = np.ma.median(np.ma.masked_array(flux, ~mask | (flux <= 0)), axis=1).filled(1)[:, None]
    ratio = np.exp(rng.uniform(*np.log(snr), (len(rows), 1)))
    depth = np.exp(DEPTH * rng.normal(size=shape)) if not clean else 1
    error = np.sqrt((middle / ratio * depth) ** 2 + (flux / BEST) ** 2)
    off = 1 if clean else 10 ** (0.4 * ZERO_POINT * rng.normal(size=shape))
    seen = flux * off + error * rng.normal(size=shape)
    if not clean:
        error = error * np.exp(ERRORS * rng.normal(size=shape))
        seen = np.where((seen < 3 * error) & (rng.random(shape) < LIMIT), 0, seen)
    scale = np.exp(rng.normal(size=(len(rows), 1)))
    tokens = fluxes.tokens[place]
    arrays = seen * scale, np.where(mask, error, 1) * scale, tokens[..., 0], tokens[..., 1]
    return Photometry(*(torch.from_numpy(x.astype(np.float32)) for x in arrays), torch.from_numpy(mask))


def _choose_bands(fluxes, n, rng, names):
    """Places of filters (n, F) and which of them count (n, F)."""
    if names is not None:
        place = np.broadcast_to(fluxes.find(names), (n, len(names))).copy()
        return place, np.ones_like(place, bool)
    most = max(RANDOM[1], *(len(filters) for _, filters in SETS.values()))
    place, mask = np.zeros((n, most), int), np.zeros((n, most), bool)
    chances = np.array([chance for chance, _ in SETS.values()])
    known = [fluxes.find(filters) for _, filters in SETS.values()]
    choice = rng.choice(len(known) + 1, size=n, p=[*chances, 1 - chances.sum()])
    for i, number in enumerate(choice):
        if number < len(known):
            bands = known[number]
        else:
            bands = rng.choice(len(fluxes.names), rng.integers(RANDOM[0], RANDOM[1] + 1), replace=False)
        place[i, : len(bands)], mask[i, : len(bands)] = bands, True
    missing = (rng.random(mask.shape) < MISSING) & mask
    few = (mask & ~missing).sum(1) < 2
    mask &= ~missing | few[:, None]
    return place, mask
