# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Batches of simulated observations of transients, and of what is none, on the bins of a library.

All is done at once for a batch and on bins: real transients are mixed with each other and with hosts, redshifted, cut
to the range of an instrument, with errors of calibration and noise, and divided by their continuum as
`~astro_spectok.heads.transient_fit.view_spectrum` does it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from astro_spectok.heads.transient_fit import CONTRAST, FAINT, MISFIT
from astro_spectok.training.library_rows import SETS, lay_out, read_rows, simulate_rows

__all__ = ["Batch", "Pool", "draw_batch", "make_pool", "make_smoother"]

#: shares of a batch: transients at their redshift, at another, and what is none
PARTS = (0.5, 0.15, 0.35)
#: of what is none: galaxies, quasars, stars, nothing but a continuum
NONE = (0.4, 0.25, 0.25, 0.1)
#: redshifts; errors of them in ln(1 + z); least distance of wrong ones
FARTHEST, Z_ERROR, WRONG = 0.9, 0.0015, 0.015
#: share with a host, and most of the light that it has
HOSTED, MOST = 0.7, 0.9
#: S/N of a bin, even in the logarithm
SNR = (1.5, 100.0)
#: first and last Angstrom of an instrument are drawn from these ranges
BLUE, RED = (3200.0, 4300.0), (7000.0, 10300.0)
#: share of transients that are mixed with another object of the type, with a phase no farther in days
MIXED, ALIKE = 0.4, 8.0
#: smooth errors of calibration: standard deviation, and half waves; slope of dust and of the continuum
CALIBRATION, HALF_WAVES, SLOPE = 0.1, 5, 0.7
#: power of the number of objects of a type with which it is drawn
THIN = 0.5
#: fewest bins that must be seen
LEAST = 80


@dataclass(frozen=True)
class Pool:
    """What is drawn from: flux at rest on the bins, NaN where it is not known.

    Attributes
    ----------
    transients : ndarray of float32, shape (T, N)
    kind, group : ndarray of int, shape (T,)
    phase : ndarray, shape (T,)
        NaN where unknown.
    others : tuple of ndarray, shape (n, N)
        Galaxies, quasars, stars.
    """

    transients: np.ndarray
    kind: np.ndarray
    group: np.ndarray
    phase: np.ndarray
    others: tuple


class Batch(NamedTuple):
    """Contrast and weight at the redshift that is tried, (B, N) each; number of the answer, and phase, (B,) each.

    The answer is the number of the type; after all types come a transient at another redshift, and none.
    """

    ratio: torch.Tensor
    weight: torch.Tensor
    answer: torch.Tensor
    phase: torch.Tensor


def make_pool(spectra, library, data, galaxies, numbers, seed):
    """The `Pool` of a library and of simulated and real galaxies, quasars and stars.

    Parameters
    ----------
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
        Those of the library, in its order.
    library : `~astro_spectok.heads.transient.TransientLibrary`
    data : path-like
        Directory of the public sets.
    galaxies : ndarray, shape (n, N)
        Flux of simulated ones.
    numbers : (int, int)
        Quasars and stars that are simulated.
    seed : int
    """
    config = library.config
    edges = np.log(config.low) + config.step * np.arange(config.bins + 1)
    rows = [lay_out(one.ln_wavelength, one.flux, one.ivar > 0, edges) for one in spectra]
    known = np.array([row is not None for row in rows])
    rows = np.exp(np.array([row for row in rows if row is not None], np.float32))
    quasars, stars = (
        simulate_rows(data, family, number, edges, seed)
        for family, number in zip(("quasars", "stars"), numbers, strict=True)
    )
    for family, out in (("quasars", quasars), ("stars", stars), ("ultracool", stars)):
        for name, in_air in SETS[family].items():
            path = Path(data) / f"{name}.npz"
            if path.is_file():
                out += read_rows(path, edges, in_air=in_air)
    others = tuple(np.asarray(part, np.float32) for part in (galaxies, np.exp(quasars), np.exp(stars)))
    return Pool(rows, library.kind[known], library.group[known], library.phase[known], others)


def _draw_transients(pool, used, n, rng):
    """Rows of spectra (n,) and rows that they are mixed with (n,): the same where they are not."""
    kinds = np.unique(pool.kind[used])
    objects = [np.unique(pool.group[used & (pool.kind == kind)]) for kind in kinds]
    share = np.array([len(own) for own in objects]) ** THIN
    places = rng.choice(len(kinds), n, p=share / share.sum())
    rows, partners = np.empty((2, n), np.int64)
    for k, place in enumerate(places):
        own = used & (pool.group == objects[place][rng.integers(len(objects[place]))])
        row = partner = rng.choice(np.flatnonzero(own))
        if rng.random() < MIXED and np.isfinite(pool.phase[row]):
            near = used & (pool.kind == kinds[place]) & (np.abs(pool.phase - pool.phase[row]) < ALIKE)
            partner = rng.choice(np.flatnonzero(near))
        rows[k], partners[k] = row, partner
    return rows, partners


def _scale(flux):
    """Rows over the mean of what is known of them."""
    return flux / np.maximum(_average(flux, np.isfinite(flux)), 1e-12)[:, None]


def draw_batch(pool, used, n, rng, smooth, config):
    """A `Batch`.

    Parameters
    ----------
    pool : Pool
    used : bool ndarray, shape (T,)
        Transients that are drawn from.
    n : int
    rng : `numpy.random.Generator`
    smooth : tensor, shape (N, N)
        Running mean of the continuum, not normalised: as of `make_smoother`.
    config : `~astro_spectok.heads.transient.TransientConfig`
    """
    right, wrong, _ = counts = np.round(np.array(PARTS) * n).astype(int)
    counts[2] = n - right - wrong
    number, bins = right + wrong, config.bins
    types = len(config.types)
    rows, partners = _draw_transients(pool, used, number, rng)
    flux, other = (_scale(pool.transients[own]) for own in (rows, partners))
    part = rng.uniform(0, 0.5, (number, 1)).astype(np.float32)
    flux = np.where(np.isfinite(other), (1 - part) * flux + part * other, flux)
    ln1pz = np.log1p(rng.uniform(0.002, FARTHEST, n) * rng.uniform(0.1, 1, n))
    galaxies = pool.others[0]
    host = _scale(galaxies[rng.integers(len(galaxies), size=number)])
    share = np.where(rng.random(number) < HOSTED, rng.uniform(0, MOST, number), 0.0)[:, None]
    inside = _find_window(ln1pz, config, rng)
    flux = np.concatenate([flux, np.zeros((counts[2], bins))]).astype(np.float32)
    # shares are those of the light in the mean over what is seen
    seen = np.isfinite(flux[:number]) & inside[:number]
    level, own = (np.maximum(_average(values, seen), 1e-6)[:, None] for values in (flux[:number], np.nan_to_num(host)))
    flux[:number] = (1 - share) * flux[:number] / level + share * np.nan_to_num(host, nan=0.0) / own
    answer = np.concatenate([pool.kind[rows], np.full(counts[2], types + 1)])
    answer[right:number] = types
    phase = np.where(np.arange(n) < right, np.concatenate([pool.phase[rows], np.full(counts[2], np.nan)]), np.nan)
    where = ln1pz + rng.normal(0, Z_ERROR, n)
    far = np.arange(n) >= right
    where[far] = np.log1p(rng.uniform(-0.003, 1.0, far.sum()))
    close = far & (np.arange(n) < number) & (np.abs(where - ln1pz) < WRONG)
    where[close] += WRONG * rng.choice([-2, 2], close.sum())
    _draw_others(flux[number:], ln1pz[number:], where[number:], pool.others, rng)
    inside[number:] = _find_window(ln1pz[number:], config, rng)
    ratio, weight = _observe(flux, inside, rng, smooth)
    shift = np.round((where - ln1pz) / config.step).astype(np.int64)
    ratio, weight = _move(ratio, shift), _move(weight, shift)
    enough = (weight > 0).sum(1) >= LEAST
    answer = torch.as_tensor(answer)
    answer[~enough] = -1
    return Batch(ratio, weight, answer, torch.as_tensor(phase, dtype=torch.float32))


def _draw_others(flux, ln1pz, where, others, rng):
    """Fill in what is no transient, with its redshifts and those it is tried at."""
    family = rng.choice(4, len(flux), p=NONE)
    for k, own in enumerate(others):
        rows = family == k
        flux[rows] = own[rng.integers(len(own), size=rows.sum())]
    flux[family == 3] = 1.0
    n = len(flux)
    ln1pz[family == 1] = np.log1p(rng.uniform(0.05, 3.5, n))[family == 1]
    ln1pz[family >= 2] = 0.0
    # a galaxy's own redshift is what templates of hosts find
    at_home = (rng.random(n) < 0.6) & (family != 1)
    where[at_home] = (ln1pz + rng.normal(0, Z_ERROR, n))[at_home]


def _find_window(ln1pz, config, rng):
    """Which bins at rest an instrument sees at redshifts: bool (n, N)."""
    centre = np.log(config.low) + config.step * (np.arange(config.bins) + 0.5)
    low, high = (np.log(rng.uniform(*limits, len(ln1pz)))[:, None] for limits in (BLUE, RED))
    seen = centre + ln1pz[:, None]
    inside = (seen > low) & (seen < high)
    # narrow ones, and gaps between arms
    cut = rng.random(len(ln1pz)) < 0.3
    middle = rng.uniform(np.log(4500), np.log(8000), len(ln1pz))[:, None]
    half = np.where(rng.random(len(ln1pz)) < 0.5, 0.01, 0.03)[:, None]
    return inside & ~((np.abs(seen - middle) < half) & cut[:, None])


def _average(values, seen):
    """Mean of what is seen of each row, (n,)."""
    return np.where(seen, values, 0.0).sum(1) / np.maximum(seen.sum(1), 1)


def _observe(flux, inside, rng, smooth):
    """Contrast and weight of rows, tensors (B, N)."""
    n, bins = flux.shape
    seen = np.isfinite(flux) & inside
    place = np.linspace(0, np.pi, bins, dtype=np.float32)
    waves = np.arange(1, HALF_WAVES + 1)[:, None]
    curve = (CALIBRATION * rng.normal(0, 1, (n, HALF_WAVES)) / np.sqrt(waves.T)) @ np.cos(waves * place)
    curve += rng.normal(0, SLOPE, (n, 1)) * (place - np.pi / 2) / 2
    flux = np.where(seen, np.nan_to_num(flux) * np.exp(curve), 0.0)
    flux = flux / np.maximum(_average(flux, seen), 1e-6)[:, None]
    snr = np.exp(rng.uniform(*np.log(SNR), (n, 1)))
    # more at one end, as detectors have it, and residuals of the sky in the red
    shape = np.exp(rng.normal(0, 0.5, (n, 1)) * (place - np.pi / 2))
    sigma = np.sqrt(np.clip(flux, 0.1, None)) * shape / snr
    noise = rng.standard_normal((n, bins), np.float32)
    rough = 1 + (rng.random((n, 1)) < 0.2) * (rng.random((n, bins)) < 0.03) * 4.0
    # errors as they are stated are not always right
    stated = sigma * np.exp(rng.normal(0, 0.2, (n, 1)))
    mean = torch.as_tensor(flux + sigma * rough * noise, dtype=torch.float32)
    there = torch.as_tensor(seen, dtype=torch.float32)
    share = there @ smooth
    level = ((mean * there) @ smooth) / torch.clamp(share, min=1e-6)
    good = (there > 0) & (level > FAINT)
    level = torch.where(good, level, torch.ones(()))
    ratio = torch.where(good, torch.clamp(mean / level - 1, *CONTRAST), torch.zeros(()))
    variance = torch.as_tensor(stated, dtype=torch.float32) ** 2
    weight = torch.where(good, 1 / (variance / level**2 + MISFIT**2), torch.zeros(()))
    return ratio, weight


def _move(rows, shift):
    """Rows with each moved to the blue by so many bins; zero where nothing comes from."""
    bins = rows.shape[1]
    place = torch.arange(bins) + torch.as_tensor(shift)[:, None]
    inside = (place >= 0) & (place < bins)
    return torch.where(inside, rows.gather(1, place.clamp(0, bins - 1)), torch.zeros(()))


def make_smoother(config):
    """The Gaussian of the continuum between all bins, as a tensor (N, N)."""
    width = config.continuum / config.step
    away = np.abs(np.arange(config.bins)[:, None] - np.arange(config.bins))
    return torch.as_tensor(
        np.where(away <= round(3 * width), np.exp(-0.5 * (away / width) ** 2), 0.0), dtype=torch.float32
    )
