# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Velocities of stored stars: their shifts against model stars, found by correlation."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

__all__ = ["REFERENCE_TYPES", "ZeroPoints", "find_telluric", "measure_zero_points"]

#: the types of the reference stars, in the order in which they are tried
REFERENCE_TYPES = ("B", "A", "F", "G", "K", "M", "WD")
#: ln(wavelength / Angstrom) where shifts are measured: even steps of 30 km/s, finer ones are interpolated
_STEP = 1e-4
_LN = np.arange(np.log(3600.0), np.log(9200.0), _STEP)
#: well inside the grid, whose edges would pull shifts to 0; two, so that a spectrum whose ends disagree is found out
_WINDOWS = ((3850.0, 5300.0), (5300.0, 8900.0))
#: telluric bands stay where they are when the star moves
_TELLURIC = ((6860.0, 6970.0), (7160.0, 7340.0), (7580.0, 7720.0), (8130.0, 8350.0), (8930.0, 9850.0))
_MOST_LAG = 12
#: boxes of this many bins, three times, make the continuum
_CONTINUUM = 301
_STARS_OF_A_TYPE = 8


@dataclass
class ZeroPoints:
    """Shifts of n stars.

    Attributes
    ----------
    shift : ndarray of float64, shape (n,)
        By how much ln(wavelength) is too large; 0 where it was not measured.
    measured : ndarray of bool, shape (n,)
        Whether the lines of some reference star were recognised.
    consistent : ndarray of bool, shape (n,)
        False where the blue and the red half were measured and disagree by more than 30 km/s.
    sptype : list of str, length n
        The type of the reference that fits best, one of `REFERENCE_TYPES`.
    """

    shift: np.ndarray
    measured: np.ndarray
    consistent: np.ndarray
    sptype: list


def measure_zero_points(ln_wavelengths, fluxes, goods, bases, *, quality=0.7, most_spread=6e-5):
    """Measure the shifts of stars against the model stars of redrock.

    Bad pixels are left out. Without any overlap with 3850-8900 Angstrom a star counts as not measured.

    Parameters
    ----------
    ln_wavelengths : list of ndarray of float64
        Vacuum, increasing; one for each star.
    fluxes, goods : list of ndarray
        Flux per wavelength, and whether a pixel is good.
    bases : dict of ndarray
        ``wave``, ``basis_X`` and ``coeff_X`` as the set ``redrock_bases`` holds them.
    quality : float, optional
        Lowest correlation coefficient at which lines count as recognised.
    most_spread : float, optional
        Most that the five best references may disagree, in ln(wavelength).

    Returns
    -------
    ZeroPoints
    """
    references, types = _make_references(bases)
    rows = [_flatten(*star) for star in zip(ln_wavelengths, fluxes, goods, strict=True)]
    flat = np.array([row[0] for row in rows], np.float32).reshape(-1, len(_LN))
    good = np.array([row[1] for row in rows], np.float32).reshape(-1, len(_LN))
    shifts, weights, whole = [], [], np.zeros((len(flat), len(references)))
    for low, high in _WINDOWS:
        inside = (np.log(low) <= _LN) & (np.log(high) > _LN)
        score = _correlate(flat[:, inside], good[:, inside], references, inside)
        shift, best, spread = _find_peak(score)
        known = (best > quality) & (spread < most_spread)
        shifts.append(shift)
        weights.append(np.where(known, best**4, 0.0))
        whole += score.max(0) * inside.sum()
    shifts, weights = np.array(shifts), np.array(weights)
    total = weights.sum(0)
    measured = total > 0
    shift = np.where(measured, (shifts * weights).sum(0) / np.where(measured, total, 1), 0.0)
    disagree = (weights > 0).all(0) & (np.abs(shifts[0] - shifts[1]) > 1e-4)
    return ZeroPoints(shift, measured, ~disagree, [types[i] for i in whole.argmax(1)])


def find_telluric(wavelength):
    """Mask of strong telluric absorption, of the shape of ``wavelength`` (Angstrom, below 1 micron)."""
    return np.any([(wavelength > low) & (wavelength < high) for low, high in _TELLURIC], axis=0)


def _make_references(bases):
    """Flattened reference stars, float32 (R, M), and their types."""
    generator = np.random.default_rng(0)
    out, types = [], []
    ln_wavelength = np.log(bases["wave"])
    everywhere = np.ones(len(ln_wavelength), bool)
    for sptype in REFERENCE_TYPES:
        coefficients = bases[f"coeff_{sptype}"]
        chosen = generator.choice(len(coefficients), min(_STARS_OF_A_TYPE, len(coefficients)), replace=False)
        for flux in coefficients[chosen] @ bases[f"basis_{sptype}"]:
            # three boxes of 5 bins: about the resolution of the stars to be measured
            out.append(_flatten(ln_wavelength, flux, everywhere, smoothing=5)[0])
            types.append(sptype)
    return np.array(out, np.float32), types


def _flatten(ln_wavelength, flux, good, *, smoothing=1):
    """Flux over continuum, less one, on the grid of this module, 0 in bad bins; and which bins are good."""
    if not good.any():
        return np.zeros(len(_LN)), np.zeros(len(_LN), bool)
    usable = np.interp(_LN, ln_wavelength, good.astype(float), left=0, right=0) > 0.99
    values = np.interp(_LN, ln_wavelength, np.where(good, flux, 0.0))
    for _ in range(3 if smoothing > 1 else 0):
        values = uniform_filter1d(values, smoothing)
    usable &= ~find_telluric(np.exp(_LN))
    share = np.maximum(_smooth(usable.astype(float)), 1e-3)
    continuum = _smooth(values * usable) / share
    flat = np.where(usable, values / np.maximum(continuum, 1e-6 * np.abs(continuum).max() + 1e-30) - 1, 0)
    flat = np.where(usable, flat - _smooth(flat) / share, 0)
    return np.clip(flat, -1, 1), usable


def _smooth(values):
    for _ in range(3):
        values = uniform_filter1d(values, _CONTINUUM, mode="nearest")
    return values


def _correlate(flat, good, references, inside):
    """Correlation coefficients, shape (lags, n, R); the lag is by how much a star is to the red."""
    square = (references[:, inside] ** 2).sum(1)
    norm = np.sqrt(np.maximum((flat**2).sum(1)[:, None] * (good @ (references[:, inside] ** 2).T), 1e-12))
    enough = (good.mean(1) > 0.3)[:, None]
    scores = []
    for lag in range(-_MOST_LAG, _MOST_LAG + 1):
        window = np.roll(references, lag, axis=1)[:, inside]
        # lines that enter or leave the window change the norm, too
        change = np.sqrt((window**2).sum(1) / square)
        scores.append(np.where(enough, flat @ window.T / (norm * change), 0))
    return np.array(scores)


def _find_peak(score):
    """Shift, correlation coefficient and spread over the five best references, each of shape (n,)."""
    stars = np.arange(score.shape[1])[:, None]
    best = np.argsort(-score.max(0), axis=1)[:, :5]
    curve = score[:, stars, best]  # (lags, n, 5)
    top = np.clip(curve.argmax(0), 1, len(score) - 2)
    left, middle, right = (np.take_along_axis(curve, (top + step)[None], 0)[0] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    fraction = np.where(bend < 0, np.clip(0.5 * (left - right) / np.minimum(bend, -1e-12), -1, 1), 0)
    shift = (top - _MOST_LAG + fraction) * _STEP
    return np.median(shift, 1), curve.max(0)[:, 0], np.ptp(shift, axis=1)
