# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibration of types, redshifts and phases of transients, on spectra of objects that are left out of the library."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from astro_spectok.heads.transient_fit import scan_templates, view_spectrum
from astro_spectok.training.redshift_reliance import fit_logistic
from astro_spectok.training.transient_mixtures import draw_mixtures
from astro_spectok.transients.posterior import (
    TransientCalibration,
    describe_host,
    join_objects,
    join_types,
    make_posterior,
)

__all__ = ["Case", "calibrate_transients", "draw_cases", "fit_types"]

#: what is tried
TEMPERATURES, SOFTNESS = (2.0, 3.0, 4.5, 6.5, 9.0), (0.1, 0.3)
#: inverse variance of the offsets of types and of the logarithm of the sharpness
RIDGE = 2.0
#: share of the spectra that are as they were observed, but for a redshift
AS_OBSERVED, NEAREST = 0.5, 0.12
#: a redshift is right within this; phases within are of use
RIGHT, PHASES = 0.01, (-20.0, 40.0)
#: powers of the shares of templates that phases are averaged with
POWERS = (1.0, 1.5, 2.5, 4.0)
#: share of the light from which a host is seen; limits of floors
SEEN, FLOOR = 0.15, (0.001, 0.006)


class Case(NamedTuple):
    """One spectrum with its truth: pixels, number of the spectrum that it is of, redshift, share of the host."""

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    row: int
    z: float
    share: float


def draw_cases(spectra, hosts, config, n, rng):
    """Observations of the spectra of a library: half of them as they are, the others in hosts and with noise.

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


def calibrate_transients(head, spectra, cases, *, report=None):
    """The `~astro_spectok.transients.posterior.TransientCalibration` of a library, and figures of how it was fitted.

    Parameters
    ----------
    head : `~astro_spectok.heads.TransientHead`
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
        Those of the library, in its order.
    cases : list of Case
    report : callable, optional

    Returns
    -------
    calibration : `~astro_spectok.transients.posterior.TransientCalibration`
    figures : dict
    """
    library, kept = head.get_library(), []
    for number, one in enumerate(cases):
        found = _scan(one, head)
        if found is not None:
            view, scan = found
            total = np.where(library.group == library.group[one.row], -np.inf, scan.gain + scan.host[:, None])
            best, kinds = join_objects(total, library)
            whole = float(view.weight @ view.ratio**2), np.count_nonzero(view.weight)
            kept.append((best.astype(np.float32), *whole, library.kind[one.row], one.z))
        if report and (number + 1) % 200 == 0:
            report(f"compared: {number + 1} of {len(cases)} spectra")
    calibration, figures = fit_types(kept, kinds, library.config.types, scan.ln1pz)
    if report:
        report(f"types: {figures}")
    return _fit_errors(head, spectra, cases, calibration), figures


def fit_types(kept, kinds, types, ln1pz):
    """Temperature, softness and the probabilities of types that make the truth most probable.

    Parameters
    ----------
    kept : list of (ndarray, float, int, int, float)
        Of each spectrum: half of the fall of chi squared by each object at each shift (S, objects), minus infinity for
        its own; chi squared of no model; number of bins; number of the true type; redshift.
    kinds : ndarray of int, shape (objects,)
    types : tuple of str
    ln1pz : ndarray, shape (S,)

    Returns
    -------
    calibration : `~astro_spectok.transients.posterior.TransientCalibration`
    figures : dict
        Mean of -ln of the probability of the true type and of the true redshift, and shares that are right.
    """
    truth = np.array([one[3] for one in kept])
    count = np.bincount(truth, minlength=len(types))
    share = 1 / count[truth] / np.count_nonzero(count)  # types count the same
    found = None
    for softness in SOFTNESS:
        for temperature in TEMPERATURES:
            whole, right, near = [], [], []
            for best, chi, number, _, z in kept:
                total = chi + softness * number
                scores = -0.5 * number * np.log(np.maximum((total - 2 * best) / total, 1e-3)) / temperature
                log_p = join_types(np.where(np.isfinite(best), scores, -np.inf), kinds, len(types))
                whole.append(logsumexp(log_p, axis=0))
                p = logsumexp(log_p, axis=1)
                reach = np.abs(ln1pz - np.log1p(z)) <= RIGHT / (1 + z)
                near.append(logsumexp(p[reach]) if reach.any() else -30.0)
                right.append(abs(np.expm1(ln1pz[np.argmax(p)]) - z) < RIGHT)
            sharpness, offset, loss = _fit_shares(np.array(whole), truth, share)
            score = loss - float(share @ np.maximum(near, np.log(1e-3)))
            if found is None or score < found[0]:
                wanted = sharpness * np.array(whole) + offset
                figures = {
                    "loss_type": round(float(loss), 4), "loss_z": round(float(score - loss), 4), "n": len(kept),
                    "right_type": round(float(share @ (wanted.argmax(1) == truth)), 4),
                    "right_z": round(float(share @ np.array(right)), 4),
                }  # fmt: skip
                offsets = {name: round(float(x), 4) for name, x in zip(types, offset, strict=True)}
                made = TransientCalibration(temperature, softness, round(float(sharpness), 4), offsets)
                found = score, made, figures
    return found[1], found[2]


def _fit_shares(whole, truth, share):
    """Sharpness, offsets (types,) and mean -ln of the probability of the true type, from logarithms (n, types)."""
    whole = np.maximum(whole, -50.0)
    rows = np.arange(len(truth))

    def measure_loss(x):
        values = np.exp(x[0]) * whole + x[1:]
        log_p = values - logsumexp(values, axis=1, keepdims=True)
        p = np.exp(log_p)
        p[rows, truth] -= 1
        slope = share @ p
        gradient = np.append(np.exp(x[0]) * (share @ (p * whole).sum(1)), slope)
        return -float(share @ log_p[rows, truth]) + RIDGE / len(truth) * (x @ x), gradient + 2 * RIDGE / len(truth) * x

    x = minimize(measure_loss, np.zeros(1 + whole.shape[1]), jac=True, method="L-BFGS-B").x
    return np.exp(x[0]), x[1:], measure_loss(x)[0]


def _scan(one, head):
    view = view_spectrum(np.log(one.wavelength), one.flux, one.ivar, head.config)
    return None if view is None else (view, scan_templates(view, head.get_sums()))


def _fit_errors(head, spectra, cases, calibration):
    """The calibration with errors of redshifts and phases, and the probability of a host."""
    library = head.get_library()
    shifts, widths, phases, spreads, features, seen = [], [], [], [], [], []
    plain = replace(calibration, z_floor=0.0, phase_floor=0.0)
    for one in cases:
        found = _scan(one, head)
        if found is None:
            continue
        view, scan = found
        posterior = make_posterior(view, scan, library, plain, left_out=library.group[one.row])
        ln1pz, width, _ = posterior.find_redshift()
        features.append(describe_host(scan, ln1pz)), seen.append(one.share > SEEN)
        if abs(np.expm1(ln1pz) - one.z) > RIGHT:
            continue
        shifts.append(ln1pz - np.log1p(one.z)), widths.append(width)
        known = spectra[one.row]
        if known.kind == "Ia" and PHASES[0] <= known.phase <= PHASES[1]:
            tried = [replace(posterior, calibration=replace(plain, phase_power=power)) for power in POWERS]
            tried = [one_power.find_phase("Ia", library, ln1pz) for one_power in tried]
            phases.append([phase.mean - known.phase for phase in tried])
            spreads.append([phase.sigma for phase in tried])
    z = _fit_scale(shifts, widths, calibration.z_floor)
    phases, spreads = np.reshape(phases, (-1, len(POWERS))), np.reshape(spreads, (-1, len(POWERS)))
    # the median is not led by the few that are far off
    best = int(np.argmin(np.median(np.abs(phases), axis=0))) if len(phases) else 0
    days = _fit_scale(phases[:, best], spreads[:, best], calibration.phase_floor)
    host = fit_logistic(np.array(features), np.array(seen), np.ones(len(seen)))
    return replace(
        calibration, z_floor=z[0], z_scale=z[1], phase_floor=days[0], phase_scale=days[1],
        phase_power=POWERS[best],
        host=tuple(round(float(x), 4) for x in host),
    )  # fmt: skip


def _fit_scale(errors, widths, floor):
    """Floor and factor of widths under which errors, less outliers, are most probable; as they are for a handful."""
    errors, widths = np.asarray(errors, float), np.asarray(widths, float)
    good = np.isfinite(errors) & np.isfinite(widths)
    errors, widths = errors[good], widths[good]
    if len(errors) < 20:
        return floor, 1.0

    def measure_loss(x):
        sigma = np.hypot(np.exp(x[0]), np.exp(x[1]) * widths)
        # heavier tails than a Gaussian's: one bad spectrum is not to set the errors of all
        return float(np.mean(np.log(sigma) + 2.5 * np.log1p((errors / sigma) ** 2 / 4)))

    found = minimize(measure_loss, [np.log(floor), 0.0], method="Nelder-Mead").x
    return round(float(np.exp(found[0])), 5), round(float(np.exp(np.clip(found[1], -2, 1.5))), 4)
