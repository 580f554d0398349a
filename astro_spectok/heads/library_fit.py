# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the components of a library say of pixels that were not shown, and how far that can be trusted.

What the posterior of the components is worth for this very object is measured, not assumed: every other pair of patches
is inferred from the rest, and compared with a straight line there.
"""

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from astro_spectok.heads.library_posterior import FLOOR, PARTS, Guess, Task

__all__ = ["Inference", "Trial", "infer_family", "scan_redshift"]

#: share of the evidence that must lie within the bins of a family
LEAST_INSIDE = 0.4
#: what is believed of a library before it is tried, as the share it has beside a straight line, and what that counts in
#: blocks
TRUST, TRUST_BLOCKS = 0.9, 4.0
#: by how much the variance may grow with the distance from what is shown, over that where it was tried; the least that
#: is left of that of a line close to it
MOST_GROWTH, LEAST_GROWTH = 4.0, 0.1
#: distance in ln(wavelength) from what is shown at which the variance is twice what trials, which reach less far, let
#: expect: of real and simulated spectra that made no library, two thirds of the deviations are then within one error
BEYOND = 0.25
#: half width in ln(wavelength) over which emission lines are averaged away, and standard deviation of what is inferred
#: of one over its flux: trials that have fewer lines, or none, cannot tell how far these can be trusted
LINE_BIN, LINES = 0.01, 0.5
#: share of a normal distribution within one standard deviation
WITHIN = 0.683
#: limits of the factor that variances are corrected by
CORRECTION = (0.1, 100.0)
#: components that redshifts are looked for with, width of the bins there, and standard deviation that they leave
SCAN_COMPONENTS, SCAN_BIN, SCAN_LEFT = 12, 0.006, 0.05


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
        """Flux and variance of a `Guess`."""
        growth = np.minimum(seen.distance / self.distance, MOST_GROWTH)
        return _combine(seen, self.share, self.tied * growth, self.line * np.maximum(growth, LEAST_GROWTH))


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
        variance = variance * between("correction") * (1 + (seen.distance / BEYOND) ** 2)
        return flux, variance + (LINES * share * self._find_emission(x, half, sigma, seen.flux)) ** 2

    def _find_emission(self, x, half, sigma, flux):
        """What emission lines add to a flux that is inferred, (n,); stars are taken to have none."""
        if self.task.table.config.cls == "STAR":
            return np.zeros(len(x))
        mean, basis, left, inside, _ = self.task.sample(x, np.maximum(half, LINE_BIN), sigma)
        return np.maximum(flux - self.fit.guess(x, mean, basis, left, inside).flux, 0)


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
    task = Task(table, shift, evidence)
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
    """What a fit to the evidence that is shown says of the other: which that is, and a `Guess`; None for none."""
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
    made = Guess(*(np.concatenate([getattr(one, f.name) for _, one in tried]) for f in fields(Guess)))
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
