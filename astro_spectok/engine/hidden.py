# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pixels that were not shown, inferred from tokens with the library of the weights, and handed over to those shown."""

import math

import numpy as np

from astro_spectok.heads.library_fit import infer_family, scan_redshift
from astro_spectok.heads.library_posterior import Evidence
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["fill_hidden"]

#: pixels of FWHM that an instrument of unknown resolution is taken to have
USUAL_FWHM = 2.5
#: width of a pair of evidence that is fine enough for any library
FINE = 3e-4
#: distance from the centre of the last good pixel, in pixels, at which the library begins to take part, and over which
#: it takes over
FIRST, OVER = 0.5, 1.0
#: solutions less probable than this are not tried
LEAST_PROBABILITY = 0.01
#: probability, before its spectrum is looked at, of a family that no class stands for; what is tried of its redshifts
RARE, RARE_SHIFTS = 0.05, np.arange(0, 0.25, 0.0025)
#: probability of a redshift above which none of those is looked for
SURE = 0.9
#: blocks that count as independent when solutions are compared, at most
MOST_BLOCKS = 30
#: patches that are inferred together when a library is tried
BLOCK = 2
#: pixels that are inferred at once
AT_ONCE = 8192
#: fewest pieces of evidence
LEAST_EVIDENCE = 24


def fill_hidden(library, pixels, shown, solutions, request, answer):
    """Flux and its error with what was not shown inferred from the library.

    Parameters
    ----------
    library : `~astro_spectok.heads.library.LibraryHead`
    pixels : (ndarray, ndarray, ndarray)
        ln(wavelength) (T, P) of the slots of the tokens, their width (T,) and their flux (T, P) as tokens have it.
    shown : `~astro_spectok.engine.ShownPixels`
    solutions : sequence of (str, float, float)
        Class, ln(1 + z) and probability of the redshifts that the tokens allow.
    request : (ndarray, ndarray, ndarray or None)
        ln(wavelength) (N,), increasing; half widths (N,); resolving power wanted (N,).
    answer : (ndarray, ndarray)
        Flux and error (N,) of the network, over the scale of the spectrum.

    Returns
    -------
    flux, sigma : ndarray of float32, shape (N,)
        The answer itself at pixels that were shown.
    """
    position, width, _ = pixels
    x, half, resolution = request
    part = _find_part(position, width, shown.good, x)
    wanted = part > 0
    if not wanted.any() or np.count_nonzero(shown.good) < LEAST_EVIDENCE:
        return answer
    evidence = _gather_evidence(*pixels, shown)
    if len(evidence.x) < LEAST_EVIDENCE:
        return answer
    found = _try_solutions(library, solutions, evidence)
    if not found:
        return answer
    sigma = _request_sigma(evidence, x[wanted], None if resolution is None else resolution[wanted])
    flux, variance = _mix(found, x[wanted], half[wanted], sigma)
    flux_net, sigma_net = (np.asarray(a, float)[wanted] for a in answer)
    part = part[wanted]
    mean = (1 - part) * flux_net + part * flux
    total = (1 - part) * sigma_net**2 + part * variance + part * (1 - part) * (flux_net - flux) ** 2
    out = [np.array(a, np.float32) for a in answer]
    out[0][wanted], out[1][wanted] = mean, np.sqrt(total)
    return tuple(out)


def _find_part(position, width, good, x):
    """Share of the library at ``x``: from 0 at good pixels to 1 some pixels from the last."""
    places = position[good]
    order = np.argsort(places, kind="stable")
    places, widths = places[order], np.repeat(width, good.sum(1))[order]
    right = np.clip(np.searchsorted(places, x), 0, len(places) - 1)
    left = np.maximum(right - 1, 0)
    distance = np.minimum(np.abs(x - places[left]) / widths[left], np.abs(x - places[right]) / widths[right])
    return np.clip((distance - FIRST) / OVER, 0, 1)


def _gather_evidence(position, width, flux, shown):
    """`Evidence` of tokens."""
    patch = position.shape[1]
    fine = FINE / max(float(np.median(width)), 1e-9)
    number = max((m for m in range(1, patch + 1) if patch % m == 0 and m <= max(2, fine)), default=1)
    good = shown.good.reshape(len(width), -1, number)
    count = good.sum(2)
    there = count > 0
    x, mean = (
        (np.where(good, value.reshape(good.shape), 0).sum(2) / np.maximum(count, 1))[there]
        for value in (position, flux)
    )
    wide = np.broadcast_to(width[:, None], count.shape)[there]
    resolution = np.broadcast_to(shown.resolution[:, None], count.shape)[there]
    sigma = np.where(np.isfinite(resolution), 1 / np.where(resolution > 0, resolution, np.inf), USUAL_FWHM * wide)
    noise = np.broadcast_to(shown.noise[:, None], count.shape)[there]
    number_of = np.broadcast_to((np.cumsum(shown.good.any(1)) - 1)[:, None] // BLOCK, count.shape)[there]
    order = np.argsort(x, kind="stable")
    variance = noise.astype(float) ** 2 / count[there]
    values = x, wide * count[there] / 2, sigma / FWHM_PER_SIGMA, mean.astype(float), variance, count[there], number_of
    return Evidence(*(value[order] for value in values))


def _request_sigma(evidence, x, resolution):
    """Line spread function (N,) that is asked for: where nothing is said, that of the spectrum."""
    own = np.interp(x, evidence.x, evidence.sigma)
    if resolution is None:
        return own
    return np.where(np.isfinite(resolution), 1 / (FWHM_PER_SIGMA * np.where(resolution > 0, resolution, 1)), own)


def _try_solutions(library, solutions, evidence):
    """Inferences with the families that solutions allow, and their probabilities."""
    found, families = [], library.list_families()
    sure = max((p for *_, p in solutions), default=0.0) > SURE
    if not solutions:  # weights that find no redshifts
        solutions = [(cls, 0.0, 1.0) for cls in dict.fromkeys(family.cls for family in families) if cls]
    for family in families:
        table = library.get_table(family)
        if family.cls:
            shifts = [(shift, p) for cls, shift, p in solutions if cls == family.cls and p >= LEAST_PROBABILITY]
        elif sure:
            continue
        else:
            shift = scan_redshift(table, evidence, RARE_SHIFTS)
            shifts = [] if shift is None else [(shift, RARE)]
        for shift, probability in shifts:
            inference = infer_family(table, shift, evidence)
            if inference is not None:
                found.append((inference, probability))
    if not found:
        return []
    blocks = min(found[0][0].blocks, MOST_BLOCKS)
    score = np.array([math.log(p) - 0.5 * blocks * math.log(max(one.near.loss, 1e-6)) for one, p in found])
    share = np.exp(score - score.max())
    share /= share.sum()
    return [(one, float(p)) for (one, _), p in zip(found, share, strict=True) if p >= LEAST_PROBABILITY]


def _mix(found, x, half, sigma):
    """Mean and variance over solutions."""
    if len(x) > AT_ONCE:
        parts = [
            _mix(found, *(values[i : i + AT_ONCE] for values in (x, half, sigma))) for i in range(0, len(x), AT_ONCE)
        ]
        return tuple(map(np.concatenate, zip(*parts, strict=True)))
    total = sum(p for _, p in found)
    answers = [(*one.predict(x, half, sigma), p / total) for one, p in found]
    mean = sum(p * flux for flux, _, p in answers)
    return mean, sum(p * (variance + (flux - mean) ** 2) for flux, variance, p in answers)
