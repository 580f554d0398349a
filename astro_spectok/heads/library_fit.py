# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the components of a library say of pixels that were not shown, and how far that can be trusted.

The coefficients are Gaussian, so that their posterior given the shown pixels is a closed form (Tipping & Bishop 1999,
J. R. Stat. Soc. B 61, 611). What it is worth for this very object is measured, not assumed: every other pair of patches
is inferred from the rest, and compared with a straight line there.
"""

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.linalg import solve_triangular
from scipy.ndimage import gaussian_filter1d

__all__ = ["Evidence", "Inference", "Trial", "infer_family", "scan_redshift"]

#: variance of ln(flux) that no spectrum is free of: errors of calibration, weak lines
FLOOR = 1e-4
#: evidence over which the flux is smoothed for the scale that it is a logarithm of, and least of that over the median
SMOOTH, LEAST = 8, 0.05
#: cosines over an e-folding of wavelength that errors of calibration are made of, and the size of the first of them
N_SMOOTH, CALIBRATION = 12, 0.1
#: share of the evidence that must lie within the bins of a family
LEAST_INSIDE = 0.4
#: residual beyond which evidence counts linearly, in standard deviations
HUBER = 3.0
#: largest logarithm of a flux over the scale
LARGEST = 4.0
#: pixels beside a gap whose mean ties an inference to what is shown: least, most, and signal-to-noise ratio of the mean
EDGE, MOST_EDGE, EDGE_SNR = 8, 48, 25.0
#: most by which the tie changes the flux, as a factor
MOST_TIE = 3.0
#: what is believed of a library before it is tried, as the share it has beside a straight line, and what that counts in
#: blocks
TRUST, TRUST_BLOCKS = 0.9, 4.0
#: by how much the variance may grow with the distance from what is shown, over that where it was tried; the least that
#: is left of that of a line close to it
MOST_GROWTH, LEAST_GROWTH = 4.0, 0.1
#: groups of evidence that others are inferred from: every other block, and either half of the range
PARTS = ((1, 3), (0, 2), (0, 1), (2, 3))
#: share of a normal distribution within one standard deviation
WITHIN = 0.683
#: limits of the factor that variances are corrected by
CORRECTION = (0.1, 100.0)
#: components that redshifts are looked for with, width of the bins there, and standard deviation that they leave
SCAN_COMPONENTS, SCAN_BIN, SCAN_LEFT = 12, 0.006, 0.05


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
        """What family and straight line say of pixels sampled from the library: a `_Guess`."""
        straight, noise, part, ratios, variances, distance = self.anchors.find(x)
        # tied to what is shown on either side; what noise makes of that is not followed
        ties = (
            np.log(np.clip(ratio, 1 / MOST_TIE, MOST_TIE)) * (self.spread / (self.spread + variance))
            for ratio, variance in zip(ratios, variances, strict=True)
        )
        flux = _exponential(mean + basis @ self.coefficients) * np.exp(_mix_sides(part, *ties))
        scatter = basis @ self.root.T
        return _Guess(
            flux, flux**2 * (np.einsum("nk,nk->n", scatter, scatter) + left), straight, noise, distance, inside
        )  # fmt: skip


def _exponential(values):
    return np.exp(np.clip(values, -LARGEST, LARGEST))


class _Task:
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
class Trial:
    """How a family did where it was tried, at some distance from what was shown.

    Attributes
    ----------
    distance : float
        In ln(wavelength), the mean.
    share : float
        Of the family beside the straight line.
    tied, line : float
        Variance that the family left beyond what it expects itself, over the square of the flux; and that of the line.
    correction : float
        Of the variance, so that as many deviations are within one standard deviation as should be.
    loss, line_loss : float
        Squared deviation over that of noise: of both together, of the line alone.
    """

    distance: float = 0.02
    share: float = 0.5
    tied: float = 0.05
    line: float = 0.05
    correction: float = 1.0
    loss: float = 1.0
    line_loss: float = 1.0

    def combine(self, seen):
        """Flux and variance of a `_Guess`."""
        growth = np.minimum(seen.distance / self.distance, MOST_GROWTH)
        return _combine(seen, self.share, self.tied * growth, self.line * np.maximum(growth, LEAST_GROWTH))


@dataclass(frozen=True)
class _Guess:
    """Flux and variance of family and straight line at some pixels, and how far these are from what was shown."""

    flux: np.ndarray
    variance: np.ndarray
    straight: np.ndarray
    noise: np.ndarray
    distance: np.ndarray
    inside: np.ndarray


def _combine(seen, share, tied, line):
    """Mean and variance of family and line, given the share of the family and what the variance of each grows by."""
    variance = seen.variance + tied * seen.flux**2 * np.where(seen.inside, 1, 4)
    mean = seen.straight + share * (seen.flux - seen.straight)
    return mean, share * variance + (1 - share) * (seen.noise + line)


@dataclass(frozen=True)
class Inference:
    """A family at a redshift, tried on the object itself.

    Attributes
    ----------
    near, far : `Trial`
        Within gaps, and far beyond what is shown.
    blocks : int
        How many were inferred from the others.
    """

    task: object
    fit: object
    near: Trial
    far: Trial
    blocks: int

    def predict(self, x, half, sigma):
        """Flux and its variance, over the scale of the spectrum, anywhere.

        Parameters
        ----------
        x, half, sigma : ndarray, shape (n,)
            As of `Evidence`.

        Returns
        -------
        flux, variance : ndarray, shape (n,)
        """
        mean, basis, left, inside, _ = self.task.sample(x, half, sigma)
        seen = self.fit.guess(x, mean, basis, left, inside)
        near, far = self.near, self.far
        reach = math.log(far.distance / near.distance)
        place = np.clip(np.log(np.maximum(seen.distance, 1e-9) / near.distance) / reach, 0, 1)
        # below the one distance and beyond the other variances go on as those of a random walk
        growth = np.minimum(seen.distance / near.distance, 1) * np.clip(seen.distance / far.distance, 1, MOST_GROWTH)

        def between(name):
            low, high = (math.log(getattr(trial, name)) for trial in (near, far))
            return np.exp(low + place * (high - low))

        share = near.share + place * (far.share - near.share)
        flux, variance = _combine(
            seen, share, between("tied") * growth, between("line") * np.maximum(growth, LEAST_GROWTH)
        )
        return flux, variance * between("correction")


def infer_family(table, shift, evidence):
    """Try a family at a redshift on an object.

    Parameters
    ----------
    table : `~astro_spectok.heads.library.FamilyTable`
    shift : float
        ln(1 + z).
    evidence : `Evidence`

    Returns
    -------
    Inference or None
        None where too little of the evidence lies within the bins.
    """
    task = _Task(table, shift, evidence)
    if task.inside.mean() < LEAST_INSIDE:
        return None
    groups = evidence.block % 2 + 2 * (evidence.x > np.median(evidence.x))
    whole, *fits = task.solve(groups)
    guesses = [_try(task, fit, np.isin(groups, part)) for fit, part in zip(fits, PARTS, strict=True)]
    blocks = len(np.unique(evidence.block))
    near = _judge(evidence, [one for one in guesses[:2] if one], blocks)
    far = _judge(evidence, [one for one in guesses[2:] if one], 2, worst=True)
    if far.distance < 2 * near.distance:
        far = replace(far, distance=2 * near.distance)
    return Inference(task, whole, near, far, blocks)


def _try(task, fit, shown):
    """What a fit to the evidence that is shown says of the other: which that is, and a `_Guess`; None for none."""
    other, evidence = ~shown, task.evidence
    if not other.any() or not shown.any():
        return None
    return other, fit.guess(
        evidence.x[other], task.mean[other], task.basis[other], task.left[other], task.inside[other]
    )


def _judge(evidence, tried, blocks, *, worst=False):
    """A `Trial` from what evidence has been inferred to be where it was not shown.

    Its errors are those of all, or, of few that are alike within, those of the worst; few count less for the share too.
    """
    if not tried:
        return Trial()
    seen, seen_variance, weight = (
        np.concatenate([values[other] for other, _ in tried])
        for values in (evidence.flux, evidence.variance, evidence.weight)
    )
    made = _Guess(*(np.concatenate([getattr(one, f.name) for _, one in tried]) for f in fields(_Guess)))
    off, difference = seen - made.straight, made.flux - made.straight
    information = max(float(np.sum(weight * difference**2)), 1e-12)
    best = float(np.sum(weight * difference * off)) / information
    # what is believed before counts less where family and line differ by more than is left of either
    left = float(np.sum(weight * (off - np.clip(best, 0, 1) * difference) ** 2))
    left = min(left, information)
    before = TRUST_BLOCKS * (math.sqrt(information * left) if worst else left) / blocks
    share = float(np.clip((TRUST * before + best * information) / (information + before), 0, 1))
    rest = off - share * difference
    excess = np.maximum((seen - made.flux) ** 2 - seen_variance - made.variance, 0) / np.maximum(made.flux**2, 1e-6)
    trial = Trial(
        max(float(np.mean(made.distance)), 1e-6),
        share,
        max(float(np.average(np.minimum(excess, 1), weights=weight * made.flux**2 + 1e-12)), FLOOR),
        max(float(np.average(off**2, weights=weight)), 1e-12),
        1.0,
        float(np.mean(weight * rest**2)),
        float(np.mean(weight * off**2)),
    )
    _, expected = trial.combine(made)
    pull = np.abs(rest) / np.sqrt(expected + seen_variance)
    parts = [pull]
    if worst:
        parts = np.split(pull, np.cumsum([np.count_nonzero(other) for other, _ in tried])[:-1])
    correction = max(float(np.quantile(part, WITHIN)) for part in parts) ** 2
    return replace(trial, correction=float(np.clip(correction, *CORRECTION)))


def scan_redshift(table, evidence, shifts):
    """ln(1 + z) at which a family explains the evidence best, with few components and wide bins; None for none.

    Parameters
    ----------
    table : `~astro_spectok.heads.library.FamilyTable`
    evidence : `Evidence`
    shifts : ndarray, shape (S,)
        Those that are tried.
    """
    number = np.floor((evidence.x - evidence.x[0]) / SCAN_BIN).astype(int)
    weight = 1 / (evidence.ln_variance + FLOOR)
    total = np.bincount(number, weight)
    there = total > 0
    x, y = (np.bincount(number, weight * value)[there] / total[there] for value in (evidence.x, evidence.ln_flux))
    half = np.full(len(x), SCAN_BIN / 2)
    columns = slice(0, 1 + SCAN_COMPONENTS)
    values, inside, _ = table.sample(x - shifts[:, None], half, half * 0, columns)  # (S, n, 1 + K)
    usable = inside.mean(1) >= LEAST_INSIDE
    if not usable.any():
        return None
    smooth = evidence.smooth_terms(x)[:, :6]
    basis = np.concatenate([values[..., 1:], np.broadcast_to(smooth, (len(shifts), *smooth.shape))], axis=-1)
    weight = inside / (SCAN_LEFT**2 + 1 / total[there])
    rest = y - values[..., 0]
    scaled = basis * weight[..., None]
    normal = np.swapaxes(scaled, 1, 2) @ basis + np.eye(basis.shape[-1])
    target = np.einsum("snk,sn->sk", scaled, rest)
    solved = np.linalg.solve(normal, target[..., None])[..., 0]
    left = np.sum(weight * rest**2, axis=1) - np.sum(target * solved, axis=1)
    score = -0.5 * (left + np.linalg.slogdet(normal)[1]) / np.maximum(inside.sum(1), 1)
    return float(shifts[np.argmax(np.where(usable, score, -np.inf))])
