# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One type, redshift and course of phases of several spectra of a transient."""

from dataclasses import replace

import numpy as np
from scipy.special import expit, logit, logsumexp

from astro_spectok.heads.transient_net import REACH
from astro_spectok.redshift.series import CORRUPT, RULED_OUT, SURE, multiply_posteriors
from astro_spectok.transients.measure import Found, choose_type, find_flags, join_probabilities
from astro_spectok.transients.posterior import Phase
from astro_spectok.transients.warn import TransientFlag

__all__ = ["find_course", "join_found", "multiply_types"]

#: phases that are tried, days; width in days that templates are smeared by; nat by which dates may cost
TRIED, SMEARED, STRAINED = np.arange(-40.0, 400.0, 0.5), 4.0, 4.0
#: limits of the probability of a transient of one spectrum
LIMITS = (1e-4, 1 - 1e-4)


def multiply_types(posteriors):
    """The posterior of one type and redshift, of several independent ones: a `TransientPosterior`.

    Its templates are those of the first.
    """
    first = posteriors[0]
    size, total, objects = first.log_probability.size, np.zeros_like(first.log_probability), first.log_objects
    for one in posteriors:
        total = total + np.log((1 - CORRUPT) * np.exp(one.log_probability) * size + CORRUPT)
    if objects is not None:
        objects = np.sum([one.log_objects for one in posteriors], axis=0)
    return replace(first, log_probability=total - logsumexp(total), log_objects=objects)


def find_course(posteriors, days, kind, library, ln1pz):
    """Phase of the first of several spectra, by all of them and the days between.

    Parameters
    ----------
    posteriors : list of `~astro_spectok.transients.posterior.TransientPosterior`
    days : ndarray, shape (n,)
        Since the first, as observed: at rest they are shorter by 1 + z.
    kind : str
    library : `~astro_spectok.heads.transient.TransientLibrary`
    ln1pz : float

    Returns
    -------
    phase : Phase
        Of the first.
    strained : bool
        Whether the spectra by themselves have phases that the dates do not allow.
    """
    own = (library.kind == posteriors[0].types.index(kind)) & np.isfinite(library.phase)
    if not own.any():
        return Phase(np.nan, np.nan), False
    total, best = np.zeros(len(TRIED)), 0.0
    for one, day in zip(posteriors, np.asarray(days) / np.exp(ln1pz), strict=True):
        near = np.abs(one.ln1pz - ln1pz) <= REACH
        log_weight = one.calibration.phase_power * logsumexp(one.log_templates[near][:, own], axis=0)
        log_weight = log_weight - logsumexp(log_weight)
        total += _smear_phases(TRIED + day, log_weight, library.phase[own])
        # its own phase, which the first may have no phase for
        best += _smear_phases(TRIED, log_weight, library.phase[own]).max()
    p = np.exp(total - total.max())
    p /= p.sum()
    mean = float(p @ TRIED)
    sigma = float(np.sqrt(p @ (TRIED - mean) ** 2))
    floor = posteriors[0].calibration.phase_floor
    return Phase(mean, float(np.hypot(sigma, floor / np.sqrt(len(posteriors))))), bool(
        best - total.max() > STRAINED * max(len(posteriors) - 1, 1)
    )


def _smear_phases(tried, log_weight, phases):
    """ln of how probable phases are by weighted templates, or of those of a corrupt spectrum: ndarray (tried,)."""
    log_p = logsumexp(log_weight - 0.5 * ((tried[:, None] - phases) / SMEARED) ** 2, axis=1)
    return np.logaddexp(log_p, np.log(CORRUPT / len(TRIED)))


def join_found(found, classes, days, head):
    """One answer of a series from those of its spectra.

    Parameters
    ----------
    found : list of `~astro_spectok.transients.measure.Found`
    classes : list of `~astro_spectok.redshift.RedshiftPosterior`
        Of class and redshift, of the same spectra.
    days : ndarray, shape (n,), or None
        Since the first, as observed; None where times are not known.
    head : `~astro_spectok.heads.TransientHead`

    Returns
    -------
    Found
        The phase is that of the first spectrum, or NaN where times are not known and there are several.
    """
    known = [one for one in found if one.posterior is not None]
    brightest = max(found, key=lambda one: np.nan_to_num(one.snr, nan=-1.0))
    if not known or len(found) == 1:
        return brightest
    weights = np.array([max(one.snr, 0.1) ** 2 for one in found])
    odds = [float(logit(np.clip(one.p_transient, *LIMITS))) for one in found]
    p_transient = float(expit(np.average(odds, weights=weights)))
    joint, library = multiply_types([one.posterior for one in known]), head.get_library()
    cosmic = multiply_posteriors(classes)
    probabilities = join_probabilities(p_transient, joint, cosmic.class_probability)
    (best, _), flags = choose_type(probabilities), TransientFlag.NONE
    if best not in joint.types:
        if any(_contradicts(one, np.log1p(brightest.z)) for one in found):
            flags |= TransientFlag.EPOCHS_DISAGREE
        return brightest._replace(
            probabilities=probabilities, p_transient=p_transient, phase=Phase(np.nan, np.nan), p_host=np.nan,
            flags=flags | brightest.flags | find_flags(best, probabilities, 1.0, p_transient, brightest.phase, head),
        )  # fmt: skip
    ln1pz, width, p_z = joint.find_redshift()
    phase = Phase(np.nan, np.nan)
    if days is not None:
        used = [k for k, one in enumerate(found) if one.posterior is not None]
        phase, strained = find_course([one.posterior for one in known], np.asarray(days)[used], best, library, ln1pz)
        flags |= TransientFlag.DATES_DISAGREE if strained else TransientFlag.NONE
    if any(_contradicts(one, ln1pz) for one in found):
        flags |= TransientFlag.EPOCHS_DISAGREE
    flags |= find_flags(best, probabilities, p_z, p_transient, phase, head)
    hosts = [one.p_host for one in found if np.isfinite(one.p_host)]
    return Found(
        probabilities, phase, float(np.expm1(ln1pz)), float(np.exp(ln1pz) * width), p_z, p_transient,
        float(np.mean(hosts)) if hosts else np.nan, brightest.snr, flags, joint,
    )  # fmt: skip


def _contradicts(one, ln1pz):
    """Whether one spectrum is sure of another redshift, as a transient or as none."""
    if one.p_z <= SURE:
        return False
    if one.p_transient < 1 - SURE:
        return bool(abs(np.log1p(one.z) - ln1pz) > 2 * REACH)
    if one.p_transient <= SURE or one.posterior is None:
        return False
    near = np.abs(one.posterior.ln1pz - ln1pz) <= 2 * REACH
    return bool(np.exp(one.posterior.log_probability[near]).sum() < RULED_OUT)
