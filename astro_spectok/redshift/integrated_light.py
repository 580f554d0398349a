# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Light of many stars at rest, as of a galaxy or a cluster, told from that of one star by its lines."""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open

from astro_spectok.redshift.fit import divide_continuum
from astro_spectok.redshift.templates import CONTINUUM
from astro_spectok.utils.medians import find_median

__all__ = [
    "BINS", "INTEGRATED_LIGHT", "LineRow", "MixtureRule", "bin_lines", "is_integrated_light", "load_mixture_rule",
    "read_mixture_rule",
]  # fmt: skip

#: made by the stage ``templates`` of ``spectok build``
INTEGRATED_LIGHT = Path(__file__).parents[1] / "data" / "integrated_light.safetensors"
#: ln(vacuum Angstrom at rest) where bins begin, their width, and their number: from 3700 to 7300 Angstrom
BINS = (float(np.log(3700.0)), 5e-4, 1359)
#: widest pixel in ln(wavelength), least S/N per pixel, and Angstrom at rest that must be seen for there to be a say
WIDEST, LEAST_SNR, WINDOW = 6e-4, 5.0, (4400.0, 5600.0)
#: Angstrom at rest of which it matters how much is seen: of the break and the Balmer lines, and of bands of cool stars
SIDES = ((3800.0, 4400.0), (5600.0, 6800.0))
#: how far components are from any spectrum, over the continuum in a bin
MISFIT = 0.01
#: standard deviations of a feature beyond which it counts no more; scatter of the logarithm of S/N that counts as one
FARTHEST, SNR_SCATTER = 4.0, 0.35
#: velocity over the speed of light, 7.5 km/s, up to which a spectrum may have been stored at rest, as templates are
AT_REST = 2.5e-5


class LineRow(NamedTuple):
    """The lines of a spectrum at rest, on the `BINS`.

    Attributes
    ----------
    ratio, weight : ndarray, shape (bins,)
        Flux over its continuum, less 1, and its inverse variance; both 0 where nothing was seen.
    """

    ratio: np.ndarray
    weight: np.ndarray


class MixtureRule(NamedTuple):
    """What tells light of many stars from that of one: components of lines, and a rule over their coefficients.

    Attributes
    ----------
    mean : ndarray, shape (bins,)
    components : ndarray, shape (K, bins)
        Of the lines of single stars and of populations, scaled to coefficients of variance 1 among stars.
    spread : ndarray, shape (K,)
        Standard deviation of the coefficients of both together.
    support : ndarray, shape (n, K + 3)
        Features of spectra that the rule compares with.
    dual : ndarray, shape (n,)
        Their weights, positive for populations.
    gamma, offset : float
        Of the Gaussian kernel, and what is added to the sum: positive for light of many stars.
    at_rest : float
        What is added besides for spectra at rest: of the stars on the sky few are, of stored populations nearly all.
    """

    mean: np.ndarray
    components: np.ndarray
    spread: np.ndarray
    support: np.ndarray
    dual: np.ndarray
    gamma: float
    offset: float
    at_rest: float = 0.0

    def describe(self, row):
        """Features of a `LineRow`, (K + 3,): coefficients, the S/N of a bin, and how much of the `SIDES` is seen."""
        return describe_row(row, self.mean, self.components, self.spread)

    def decide(self, features):
        """The sum of the rule, (n,), of features (n, K + 3)."""
        apart = np.sum(features**2, axis=1)[:, None] + np.sum(self.support**2, axis=1) - 2 * features @ self.support.T
        return np.exp(-self.gamma * np.maximum(apart, 0.0)) @ self.dual + self.offset


def describe_row(row, mean, components, spread):
    """The features of `MixtureRule.describe` by components that are not yet part of a rule."""
    seen = row.weight > 0
    weight = np.where(seen, row.weight / (1 + row.weight * MISFIT**2), 0.0)
    scaled = components * weight
    matrix = scaled @ components.T + np.diag(spread**-2)
    coefficients = np.linalg.solve(matrix, scaled @ (row.ratio - mean))
    snr = np.sqrt(find_median(row.weight[seen])) if seen.any() else 0.0
    return np.concatenate([
        np.clip(coefficients, -FARTHEST, FARTHEST), [np.log10(max(snr, 1.0)) / SNR_SCATTER],
        [float(np.mean(seen[_find_bins(*side)])) for side in SIDES],
    ])  # fmt: skip


@lru_cache(maxsize=8)
def _find_bins(low, high):
    """The bins between two wavelengths (Angstrom), as a slice."""
    start, step, _ = BINS
    return slice(round((np.log(low) - start) / step), round((np.log(high) - start) / step))


def bin_lines(ln_wavelength, flux, ivar, ln1pz):
    """The `LineRow` of a spectrum; None where it does not show what the rule must see.

    Parameters
    ----------
    ln_wavelength, flux, ivar : ndarray, shape (n,)
        As for `~astro_spectok.redshift.fit.refine_redshift`.
    ln1pz : float
        ln(1 + z) of the star.

    Returns
    -------
    LineRow or None
    """
    good = ivar > 0
    if not good.any() or find_median(np.diff(ln_wavelength)) > WIDEST:
        return None
    seen = ln_wavelength[good] - ln1pz
    if seen[0] > np.log(WINDOW[0]) or seen[-1] < np.log(WINDOW[1]):
        return None
    if not find_median(flux[good] * np.sqrt(ivar[good])) >= LEAST_SNR:
        return None
    ratio, weight = divide_continuum(ln_wavelength, flux, ivar, CONTINUUM["STAR"])
    start, step, count = BINS
    place = np.floor((ln_wavelength - ln1pz - start) / step).astype(np.int64)
    used = (place >= 0) & (place < count) & (weight > 0)
    total = np.bincount(place[used], weight[used], count)
    mean = np.bincount(place[used], weight[used] * ratio[used], count) / np.where(total > 0, total, 1.0)
    return LineRow(mean, total)


@lru_cache(maxsize=1)
def load_mixture_rule():
    """The packaged `MixtureRule`, read once."""
    return read_mixture_rule(INTEGRATED_LIGHT)


def read_mixture_rule(path):
    """Read the file that `~astro_spectok.training.integrated_light.make_integrated_light` writes: `MixtureRule`."""
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["about"])
        arrays = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118 - a handle
    components = arrays["components"] * arrays["component_scale"][:, None]
    support = arrays["support"] * arrays["support_scale"]
    numbers = about["gamma"], about["offset"], about.get("at_rest", 0.0)
    return MixtureRule(arrays["mean"], components, arrays["spread"], support, arrays["dual"], *numbers)


def is_integrated_light(ln_wavelength, flux, ivar, ln1pz):
    """Whether a spectrum at the velocity of a star has the lines of many stars together.

    Parameters
    ----------
    ln_wavelength, flux, ivar, ln1pz
        As for `bin_lines`.

    Returns
    -------
    bool
        False where too little is seen to tell.
    """
    row = bin_lines(ln_wavelength, flux, ivar, ln1pz)
    if row is None:
        return False
    rule = load_mixture_rule()
    decided = float(rule.decide(rule.describe(row)[None])[0])
    return decided + (rule.at_rest if abs(ln1pz) < AT_REST else 0.0) > 0
