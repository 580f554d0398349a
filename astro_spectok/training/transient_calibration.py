# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibration of types, redshifts and phases of transients, on spectra of objects that are left out of the library."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from astro_spectok.heads.transient_fit import scan_templates, view_spectrum
from astro_spectok.heads.transient_net import COUNT, find_candidates
from astro_spectok.training.redshift_reliance import fit_logistic
from astro_spectok.training.transient_mixtures import draw_mixtures
from astro_spectok.transients.candidates import LIMITS, bin_host, divide_shifts
from astro_spectok.transients.posterior import (
    GROUPS,
    TransientCalibration,
    describe_host,
    join_objects,
    join_types,
    make_posterior,
    measure_precision,
)

__all__ = ["Case", "Compared", "calibrate_transients", "draw_cases", "fit_types", "share_types"]

#: what is tried: temperatures without and with nothing but noise, softness, share of redshifts of hosts
TEMPERATURES, NOISY, SOFTNESS, LINES = (6.0, 9.0, 14.0), (1.0, 2.0), 0.1, (0.2, 0.5)
#: inverse variance of the offsets of types and of the logarithm of the sharpness
RIDGE = 2.0
#: share of the spectra that are as they were observed, but for a redshift
AS_OBSERVED, NEAREST = 0.4, 0.12
#: a redshift is right within this; phases within are of use
RIGHT, PHASES = 0.01, (-20.0, 40.0)
#: powers of the shares of templates that phases are averaged with, and weights of phases by networks
POWERS, WEIGHTS = (1.0, 1.5, 2.5, 4.0), (0.0, 0.3, 1.0, 3.0)
#: error of a phase in days beyond which it counts no more
FAR = 15.0
#: share of the light from which a host is seen
SEEN = 0.15
#: how far from the most probable ln(1 + z) the best shifts of objects are averaged: about what ejecta differ by
Z_REACH = 0.03
#: least errors of ln(1 + z), and of phases in days
LEAST_ERROR = 0.0003, 1.0
#: power of the number of objects by which types share what their group has; what all types of no group have together,
#: over what a group has: surveys find a few of them among a hundred
THIN, RARE = 0.5, 1 / 3


class Case(NamedTuple):
    """One spectrum with its truth: pixels, number of the spectrum that it is of, redshift, share of the host."""

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    row: int
    z: float
    share: float


class Compared(NamedTuple):
    """A spectrum compared with a library without its own object.

    Attributes
    ----------
    best : ndarray of float32, shape (S, objects)
        Half of the fall of chi squared by each object at each shift; minus infinity for its own.
    chi : float
        Chi squared of no model.
    number : int
        Of bins.
    kind : int
        The true type.
    z : float
        The true redshift.
    precision : float
        Share of the errors that is not noise.
    redshifts : RedshiftPosterior or None
    places : ndarray of int, shape (K,)
        Shifts that networks have judged.
    log_types : ndarray, shape (K, types)
        What they say; 0 of a head without.
    """

    best: np.ndarray
    chi: float
    number: int
    kind: int
    z: float
    precision: float = 1.0
    redshifts: Any = None
    places: np.ndarray = np.empty(0, np.int64)
    log_types: np.ndarray = np.empty((0, 0))


def draw_cases(spectra, hosts, config, n, rng):
    """Observations of the spectra of a library: some of them as they are, the others in hosts and with noise.

    Parameters
    ----------
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
        Those of the library, in its order.
    hosts : ndarray, shape (m, N)
    config : `~astro_spectok.heads.TransientConfig`
    n : int
    rng : `numpy.random.Generator`

    Returns
    -------
    list of Case
    """
    number = round(AS_OBSERVED * n)
    objects = {}
    for row, one in enumerate(spectra):
        objects.setdefault(one.kind, {}).setdefault(one.object, []).append(row)
    kinds, out = sorted(objects), []
    for _ in range(number):
        own = objects[kinds[rng.integers(len(kinds))]]
        rows = own[sorted(own)[rng.integers(len(own))]]
        row, z = int(rows[rng.integers(len(rows))]), float(rng.uniform(0, NEAREST))
        one = spectra[row]
        out.append(Case(np.exp(one.ln_wavelength + np.log1p(z)), one.flux, one.ivar, row, z, 0.0))
    ln_host = np.log(config.low) + config.step * (np.arange(config.bins) + 0.5)
    return out + [Case(*one) for one in draw_mixtures(spectra, hosts, ln_host, n - number, rng)]


def share_types(library):
    """Share of each type before a spectrum is seen, (types,): of its group by the root of its number of objects.

    All that are in no group have a third of what a group has.
    """
    types = library.config.types
    count = np.array([len(np.unique(library.group[library.kind == k])) for k in range(len(types))], float) ** THIN
    group = np.array([next((k for k, own in enumerate(GROUPS) if name in own), len(GROUPS)) for name in types])
    total = np.bincount(group, count, len(GROUPS) + 1)
    share = count / total[group] * np.where(group == len(GROUPS), RARE, 1.0)
    return share / share.sum()


def calibrate_transients(head, spectra, cases, *, redshifts=None, only=None, report=None):
    """The `~astro_spectok.transients.posterior.TransientCalibration` of a library, and figures of how it was fitted.

    Parameters
    ----------
    head : `~astro_spectok.heads.TransientHead`
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
        Those of the library, in its order.
    cases : list of Case
    redshifts : list of RedshiftPosterior or None, optional
        Of each case.
    only : ndarray of int, shape (objects,), optional
        Number of the network that has not seen each object.
    report : callable, optional

    Returns
    -------
    calibration : `~astro_spectok.transients.posterior.TransientCalibration`
    figures : dict
    """
    library, kept = head.get_library(), []
    redshifts = [None] * len(cases) if redshifts is None else redshifts
    plain = TransientCalibration(noisy_temperature=NOISY[-1], softness=SOFTNESS, lines=LINES[-1])
    for number, (one, found) in enumerate(zip(cases, redshifts, strict=True)):
        compared = _compare(one, head, found, only, plain)
        if compared is not None:
            kept.append(compared)
        if report and (number + 1) % 200 == 0:
            report(f"compared: {number + 1} of {len(cases)} spectra")
    _, kinds = join_objects(np.zeros((1, len(library.kind))), library)
    first, number = library.config.lags
    ln1pz = library.config.step * (first + np.arange(number))
    calibration, figures = fit_types(kept, kinds, library.config.types, ln1pz, share_types(library))
    if report:
        report(f"types: {figures}")
    return _fit_errors(head, spectra, cases, redshifts, only, calibration), figures


def _compare(one, head, redshifts, only, calibration):
    """The `Compared` of a case; None of too little."""
    found, library = _scan(one, head), head.get_library()
    if found is None:
        return None
    view, scan = found
    own = library.group[one.row]
    best, kinds = join_objects(np.where(library.group == own, -np.inf, scan.gain + scan.host[:, None]), library)
    chi, number = float(view.weight @ view.ratio**2), int(np.count_nonzero(view.weight))
    out = Compared(
        best.astype(np.float32), chi, number, library.kind[one.row], one.z, measure_precision(view), redshifts
    )
    if not head.networks:
        return out
    log_p = logsumexp(_make_prior(out, kinds, len(library.config.types), scan.ln1pz, calibration), axis=1)
    places = find_candidates(log_p, scan.ln1pz)
    network = None if only is None else int(only[own])
    judged = head.judge(view, np.rint(scan.ln1pz[places] / head.config.step).astype(np.int64), network)
    return out._replace(places=places, log_types=judged.log_types)


def _make_prior(one, kinds, number, ln1pz, calibration):
    """ln of the probability of shift and type by templates and the lines of a host, (S, types)."""
    total = one.chi + calibration.softness * one.number
    left = np.maximum((total - 2 * one.best) / total, 1e-3)
    scores = -0.5 * one.number * np.log(left) / calibration.find_temperature(one.precision)
    out = join_types(np.where(np.isfinite(one.best), scores, -np.inf), kinds, number)
    if one.redshifts is not None:
        out = out + bin_host(one.redshifts, ln1pz, calibration.lines)[:, None]
    return out - logsumexp(out)


def fit_types(kept, kinds, types, ln1pz, prior=None):
    """Temperature and the probabilities of types that make the true type and redshift most probable.

    Parameters
    ----------
    kept : list of Compared
    kinds : ndarray of int, shape (objects,)
    types : tuple of str
    ln1pz : ndarray, shape (S,)
    prior : ndarray, shape (types,), optional
        Share of each type; alike if not given.

    Returns
    -------
    calibration : `~astro_spectok.transients.posterior.TransientCalibration`
    figures : dict
        Mean of -ln of the probability of the true type and redshift, and shares that are right.
    """
    truth = np.array([one.kind for one in kept])
    count = np.bincount(truth, minlength=len(types))
    prior = np.ones(len(types)) if prior is None else prior
    share = (prior / np.maximum(count, 1))[truth]
    share = share / share.sum()
    lines = LINES if any(one.redshifts is not None for one in kept) else (0.0,)
    found = None
    for temperature in TEMPERATURES:
        for noisy in NOISY:
            for part in lines:
                tried = TransientCalibration(temperature, noisy, SOFTNESS, lines=part)
                made = _fit_judged(kept, kinds, types, ln1pz, truth, share, tried)
                if found is None or made[0] < found[0]:
                    found = made
    _, calibration, figures = found
    return calibration, figures | {"n": len(kept)}


def _fit_judged(kept, kinds, types, ln1pz, truth, share, tried):
    """Loss, calibration and figures with given temperatures."""
    size = COUNT + 1
    by_shift = np.full((len(kept), size, len(types)), -np.inf)
    said = np.full(by_shift.shape, tried.unjudged)
    target, inside = np.zeros((2, *by_shift.shape[:2]), bool)
    for k, one in enumerate(kept):
        log_p = _make_prior(one, kinds, len(types), ln1pz, tried)
        places = one.places if len(one.places) else find_candidates(logsumexp(log_p, axis=1), ln1pz, size - 1)
        by_shift[k, : len(places) + 1] = divide_shifts(log_p, ln1pz, places)
        if len(one.log_types):
            said[k, : len(places)] = np.clip(one.log_types, *LIMITS)
        near = np.abs(np.append(ln1pz[places], np.inf) - np.log1p(one.z)) <= RIGHT
        near[-1] = not near.any()
        target[k, : len(near)] = near
        inside[k, : len(places)] = near[:-1]
    there, judged = np.isfinite(by_shift), any(len(one.log_types) for one in kept)
    by_shift = np.maximum(np.where(there, by_shift, 0.0), -50.0)
    precision = np.array([one.precision for one in kept])[:, None, None]
    parts = said * precision, said * (1 - precision)
    rows, ridge = np.arange(len(kept)), RIDGE / len(kept)

    def spread(x):
        values = np.where(there, np.exp(x[0]) * by_shift + x[3:], -np.inf)
        if judged:
            values = values + x[1] * parts[0] + x[2] * parts[1]
        return values - logsumexp(values, axis=(1, 2), keepdims=True)

    def measure_loss(x):
        log_p = spread(x)
        p = np.exp(log_p)
        own = np.where(target, log_p[rows, :, truth], -np.inf)  # (n, K + 1)
        right = logsumexp(own, axis=1)
        known = right > -30
        weight = np.where(known, share, 0.0)
        p[rows, :, truth] -= np.exp(own - np.where(known, right, 0.0)[:, None])
        p *= weight[:, None, None]
        slope = [np.exp(x[0]) * (p * by_shift).sum(), *((p * part).sum() if judged else 0.0 for part in parts)]
        loss = -float(weight @ np.where(known, right, 0.0))
        return loss + ridge * (x @ x), np.concatenate([slope, p.sum(axis=(0, 1))]) + 2 * ridge * x

    x = minimize(measure_loss, np.zeros(3 + len(types)), jac=True, method="L-BFGS-B").x
    log_p = spread(x)
    figures = {
        "loss": round(float(measure_loss(x)[0]), 4),
        "right_type": round(float(share @ (logsumexp(log_p, axis=1).argmax(1) == truth)), 4),
        "right_z": round(float(share @ inside[rows, logsumexp(log_p, axis=2).argmax(1)]), 4),
    }  # fmt: skip
    offsets = {name: round(float(value), 4) for name, value in zip(types, x[3:], strict=True)}
    made = replace(
        tried, sharpness=round(float(np.exp(x[0])), 4), offset=offsets,
        judged=tuple(round(float(value), 4) for value in x[1:3]) if judged else (0.0, 0.0),
    )  # fmt: skip
    return figures["loss"], made, figures


def _scan(one, head):
    view = view_spectrum(np.log(one.wavelength), one.flux, one.ivar, head.config)
    return None if view is None else (view, scan_templates(view, head.get_sums()))


def answer_left_out(head, cases, redshifts, only, calibration):
    """The case, scan and posterior of each that can be compared, without its object, one after the other."""
    library = head.get_library()
    for one, known in zip(cases, redshifts, strict=True):
        found = _scan(one, head)
        if found is None:
            continue
        view, scan = found
        own = int(library.group[one.row])

        def judge(shifts, view=view, own=own):
            return head.judge(view, shifts, None if only is None else int(only[own]))

        yield one, scan, make_posterior(view, scan, library, calibration, left_out=own, judge=judge, redshifts=known)


def _fit_errors(head, spectra, cases, redshifts, only, calibration):
    """The calibration with errors of redshifts and phases, and the probability of a host."""
    library = head.get_library()
    shifts, widths, phases, spreads, ia, features, seen = ([] for _ in range(7))
    plain = replace(calibration, z_floor=0.0, z_reach=Z_REACH, phase_floor=0.0)
    weights = WEIGHTS if head.networks else WEIGHTS[:1]
    ways = [(power, weight) for power in POWERS for weight in weights]
    for one, scan, posterior in answer_left_out(head, cases, redshifts, only, plain):
        ln1pz, width, _ = posterior.find_redshift()
        features.append(describe_host(scan, ln1pz)), seen.append(one.share > SEEN)
        off = abs(np.expm1(ln1pz) - one.z)
        if off < Z_REACH:  # by the right peak, also where ejecta are far faster than those of others
            shifts.append(ln1pz - np.log1p(one.z)), widths.append(width)
        if off > RIGHT:
            continue
        known = spectra[one.row]
        if PHASES[0] <= known.phase <= PHASES[1]:
            tried = [replace(plain, phase_power=power, judged_phase=weight) for power, weight in ways]
            tried = [replace(posterior, calibration=way).find_phase(known.kind, library, ln1pz) for way in tried]
            phases.append([phase.mean - known.phase for phase in tried])
            spreads.append([phase.sigma for phase in tried]), ia.append(known.kind == "Ia")
    z = _fit_scale(shifts, widths, calibration.z_floor, LEAST_ERROR[0])
    phases, spreads = np.reshape(phases, (-1, len(ways))), np.reshape(spreads, (-1, len(ways)))
    # the mean of what is not far off: not led by the few that are; phases of type Ia are the best known
    ia = np.array(ia, bool)
    chosen = phases[ia]
    best = int(np.argmin(np.nanmean(np.minimum(np.abs(chosen), FAR), axis=0))) if len(chosen) else 0
    days, other = (
        _fit_scale(phases[own, best], spreads[own, best], calibration.phase_floor, LEAST_ERROR[1]) for own in (ia, ~ia)
    )
    host = fit_logistic(np.array(features), np.array(seen), np.ones(len(seen)))
    return replace(
        calibration, z_floor=z[0], z_scale=z[1], z_reach=Z_REACH, phase_floor=days[0], phase_scale=days[1],
        other_phase=other, phase_power=ways[best][0], judged_phase=ways[best][1],
        host=tuple(round(float(x), 4) for x in host),
    )  # fmt: skip


def _fit_scale(errors, widths, floor, least):
    """Floor and factor of widths under which errors, less outliers, are most probable; as they are for a handful."""
    errors, widths = np.asarray(errors, float), np.asarray(widths, float)
    good = np.isfinite(errors) & np.isfinite(widths)
    errors, widths = errors[good], widths[good]
    if len(errors) < 20:
        return max(floor, least), 1.0

    def measure_loss(x):
        sigma = np.hypot(least + np.exp(x[0]), np.exp(x[1]) * widths)
        # heavier tails than a Gaussian's: one bad spectrum is not to set the errors of all
        return float(np.mean(np.log(sigma) + 2.5 * np.log1p((errors / sigma) ** 2 / 4)))

    found = minimize(measure_loss, [np.log(floor), 0.0], method="Nelder-Mead").x
    return round(float(least + np.exp(found[0])), 5), round(float(np.exp(np.clip(found[1], -2, 1.5))), 4)
