# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The posterior of the components of a library, given pixels that were shown.

The coefficients are Gaussian, so that it is a closed form (Tipping & Bishop 1999, J. R. Stat. Soc. B 61, 611).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.ndimage import gaussian_filter1d

__all__ = ["FLOOR", "PARTS", "Evidence", "Guess", "Task"]

#: variance of ln(flux) that no spectrum is free of: errors of calibration, weak lines
FLOOR = 1e-4
#: evidence over which the flux is smoothed for the scale that it is a logarithm of, and least of that over the median
SMOOTH, LEAST = 8, 0.05
#: cosines over an e-folding of wavelength that errors of calibration are made of, and the size of the first of them
N_SMOOTH, CALIBRATION = 12, 0.1
#: residual beyond which evidence counts linearly, in standard deviations
HUBER = 3.0
#: largest logarithm of a flux over the scale
LARGEST = 4.0
#: pixels beside a gap whose mean ties an inference to what is shown: least, most, and signal-to-noise ratio of the mean
EDGE, MOST_EDGE, EDGE_SNR = 8, 48, 25.0
#: most by which the tie changes the flux, as a factor
MOST_TIE = 3.0
#: groups of evidence that others are inferred from: every other block, and either half of the range
PARTS = ((1, 3), (0, 2), (0, 1), (2, 3))


@dataclass(frozen=True)
class Evidence:
    """What tokens say of the pixels that they were made of, a few neighbouring pixels together.

    Attributes
    ----------
    x, half, sigma : ndarray, shape (n,)
        ln(wavelength) as observed, increasing; half width; standard deviation of the line spread function.
    flux, variance : ndarray, shape (n,)
        Over the scale of the spectrum.
    pixels : ndarray of int, shape (n,)
        How many there are in each.
    block : ndarray of int, shape (n,)
        Number of the pair of patches.
    """

    x: np.ndarray
    half: np.ndarray
    sigma: np.ndarray
    flux: np.ndarray
    variance: np.ndarray
    pixels: np.ndarray
    block: np.ndarray

    def __post_init__(self):
        size = np.median(np.abs(self.flux))
        level = np.maximum(gaussian_filter1d(self.flux, SMOOTH, mode="nearest"), max(LEAST * size, 1e-9))
        floored = np.maximum(self.flux, LEAST * level)
        snr = np.median(np.abs(self.flux) / np.sqrt(self.variance * self.pixels))
        edge = int(np.clip((EDGE_SNR / max(snr, 1e-3)) ** 2, EDGE, MOST_EDGE) / np.median(self.pixels))
        for name, value in {
            "ln_flux": np.log(floored), "ln_variance": self.variance / np.maximum(floored, level) ** 2,
            "weight": 1 / (self.variance + FLOOR * level**2), "edge": max(edge, 2),
        }.items():  # fmt: skip
            object.__setattr__(self, name, value)

    def smooth_terms(self, x):
        """A constant and cosines over what is shown, (n, S), for coefficients of unit variance; constant beyond it."""
        low, span = self.x[0], max(self.x[-1] - self.x[0], 1e-6)
        order = np.arange(1, max(2, round(N_SMOOTH * min(span, 1.0))))
        place = np.clip((x - low) / span, 0, 1)[:, None]
        return np.concatenate(
            [np.ones((len(x), 1)), np.cos(np.pi * order * place) * CALIBRATION / (1 + (order / 3) ** 2)], axis=1
        )


class _Anchors:
    """Means of the evidence that is shown, on either side of any place.

    Parameters
    ----------
    evidence : `Evidence`
    shown : bool ndarray, shape (n,)
        Of it.
    model : ndarray, shape (n,)
        What a family says of all of it.
    """

    def __init__(self, evidence, shown, model):
        weight, flux, model = evidence.weight[shown], evidence.flux[shown], model[shown]
        self.x, self.edge = evidence.x[shown], evidence.edge
        sums = np.stack([weight, weight * self.x, weight * flux, weight * flux * model, weight * model**2], axis=1)
        self.sums = np.concatenate([np.zeros((1, 5)), np.cumsum(sums, axis=0)])  # (n + 1, 5)

    def find(self, x):
        """A straight line and its variance, ratio of flux to model and its variance, and the distance: (n,) each.

        The distance is that from both sides of a gap, harmonic, or from the one there is.
        """
        n, place = len(self.x), np.searchsorted(self.x, x)
        here = self.sums[place]
        left = here - self.sums[np.maximum(place - self.edge, 0)]
        right = self.sums[np.minimum(place + self.edge, n)] - here
        # at the ends the one side there is
        inside = (place > 0) & (place < n)
        left, right = np.where((place > 0)[:, None], left, right), np.where((place < n)[:, None], right, left)
        where = left[:, 1] / left[:, 0], right[:, 1] / right[:, 0]
        gap = where[1] - where[0]
        part = np.where(gap > 0, np.clip((x - where[0]) / np.where(gap > 0, gap, 1), 0, 1), 0.5)

        def between(values, weights):
            low, high = left[:, values] / left[:, weights], right[:, values] / right[:, weights]
            return low, high

        line = _mix_sides(part, *between(2, 0))
        noise = _mix_sides(part, 1 / left[:, 0], 1 / right[:, 0])
        low, high = between(3, 4)
        near = np.abs(x - self.x[np.maximum(place - 1, 0)]), np.abs(self.x[np.minimum(place, n - 1)] - x)
        distance = np.where(inside, near[0] * near[1] / np.maximum(near[0] + near[1], 1e-9), np.where(place > 0, *near))
        return line, noise, part, (low, high), (1 / left[:, 4], 1 / right[:, 4]), distance


def _mix_sides(part, left, right):
    return left + part * (right - left)


class _Fit:
    """Posterior of the coefficients of a family at a redshift, given some of the evidence."""

    def __init__(self, task, shown, normal, target):
        self.task = task
        lower = np.linalg.cholesky(normal + np.eye(len(normal)))
        self.root = solve_triangular(lower, np.eye(len(normal)), lower=True)  # of the covariance
        self.coefficients = self.root.T @ (self.root @ target)
        model = _exponential(task.mean + task.basis @ self.coefficients)
        self.anchors, self.spread = _Anchors(task.evidence, shown, model), task.spread

    def guess(self, x, mean, basis, left, inside):
        """What family and straight line say of pixels sampled from the library: a `Guess`."""
        straight, noise, part, ratios, variances, distance = self.anchors.find(x)
        # tied to what is shown on either side; what noise makes of that is not followed
        ties = (
            np.log(np.clip(ratio, 1 / MOST_TIE, MOST_TIE)) * (self.spread / (self.spread + variance))
            for ratio, variance in zip(ratios, variances, strict=True)
        )
        flux = _exponential(mean + basis @ self.coefficients) * np.exp(_mix_sides(part, *ties))
        scatter = basis @ self.root.T
        return Guess(
            flux, flux**2 * (np.einsum("nk,nk->n", scatter, scatter) + left), straight, noise, distance, inside
        )  # fmt: skip


def _exponential(values):
    return np.exp(np.clip(values, -LARGEST, LARGEST))


class Task:
    """A family at a redshift, laid on the evidence."""

    def __init__(self, table, shift, evidence):
        self.table, self.shift, self.evidence = table, shift, evidence
        self.mean, self.basis, self.left, self.inside, step = self.sample(evidence.x, evidence.half, evidence.sigma)
        # evidence that shares a bin shares what the components leave of it
        crowd = np.maximum(1, step / (2 * evidence.half))
        self.weight = self.inside / (self.left * crowd + evidence.ln_variance + FLOOR)
        self.rest = evidence.ln_flux - self.mean
        self.spread = FLOOR

    def sample(self, x, half, sigma):
        """Mean (n,), basis (n, K), variance left of a pixel (n,), whether within the bins, and width of these."""
        values, inside, step = self.table.sample(x - self.shift, half, sigma)
        basis = np.concatenate([values[:, 1:-1], self.evidence.smooth_terms(x)], axis=1)
        return values[:, 0], basis, values[:, -1] * np.minimum(1, step / (2 * half)), inside, step

    def solve(self, groups):
        """Fits to all evidence, and to that of some groups: one for each of ``PARTS``.

        Parameters
        ----------
        groups : ndarray of int, shape (n,)
            Each piece of evidence is in one of four.
        """
        weight = self.weight
        for last in (False, True):
            parts = []
            for number in range(4):
                chosen = groups == number
                scaled = self.basis[chosen] * weight[chosen, None]
                parts.append((scaled.T @ self.basis[chosen], scaled.T @ self.rest[chosen]))
            if not last:
                normal, target = (sum(part[k] for part in parts) for k in (0, 1))
                rest = self.rest - self.basis @ np.linalg.solve(normal + np.eye(len(normal)), target)
                self.spread = max(FLOOR, float(np.average(rest**2, weights=weight + 1e-12)))
                pull = np.abs(rest) * np.sqrt(weight)
                weight = weight * np.minimum(1, HUBER / np.maximum(pull, HUBER))
        return [
            _Fit(self, np.isin(groups, part), *(sum(parts[number][k] for number in part) for k in (0, 1)))
            for part in ((0, 1, 2, 3), *PARTS)
        ]


@dataclass(frozen=True)
class Guess:
    """Flux and variance of family and straight line at some pixels, and how far these are from what was shown."""

    flux: np.ndarray
    variance: np.ndarray
    straight: np.ndarray
    noise: np.ndarray
    distance: np.ndarray
    inside: np.ndarray
