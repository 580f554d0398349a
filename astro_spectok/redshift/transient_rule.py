# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether a spectrum is that of a transient rather than of a galaxy, quasar or star: one rule for both estimators."""

from dataclasses import replace

import numpy as np
from scipy.special import expit, logsumexp

from astro_spectok.heads.small_numbers import TRANSIENT_RULES
from astro_spectok.heads.transient_fit import TemplateSums, scan_templates, view_spectrum
from astro_spectok.heads.transient_net import find_candidates
from astro_spectok.redshift.reliance import describe_answer, expand_features

__all__ = ["EVERY", "TransientRule", "describe_transient", "find_transient_rule", "judge_transient"]

#: of the redshifts of a library every so manieth is tried: features are thousands of km/s wide
EVERY = 3
#: gain below which there is none
LEAST_GAIN = 1.0
#: redshifts that networks judge beside that of the answer, and limit of what they say
JUDGED, MOST = 3, 12.0


def describe_transient(view, scan, ln1pz):
    """What a scan says of a spectrum beside the answer of the redshift head.

    Parameters
    ----------
    view : `~astro_spectok.heads.transient_fit.View`
    scan : `~astro_spectok.heads.transient_fit.Scan`
    ln1pz : float
        Of that answer.

    Returns
    -------
    ndarray, shape (6,)
        Logarithm of the gain by the best template; share of the structure that it explains; that by galaxies at its
        redshift, and at that of the answer; logarithm of the structure per bin; strength of the template.
    """
    whole = max(float(view.weight @ view.ratio**2), 1e-9)
    shift, one = np.unravel_index(np.argmax(scan.gain + scan.host[:, None]), scan.gain.shape)
    gain = max(float(scan.gain[shift, one]), 0.0)
    there = scan.host[np.argmin(np.abs(scan.ln1pz - ln1pz))]
    return np.array([
        np.log(LEAST_GAIN + gain), 2 * gain / whole, 2 * scan.host[shift] / whole, 2 * there / whole,
        np.log(whole / np.count_nonzero(view.weight)), scan.strength[shift, one],
    ])  # fmt: skip


def describe_judgement(head, view, scan, ln1pz, only=None):
    """What the networks of a head say at the best redshifts of a scan and at that of the answer.

    Parameters
    ----------
    head : `~astro_spectok.heads.TransientHead`
    view : `~astro_spectok.heads.transient_fit.View`
    scan : `~astro_spectok.heads.transient_fit.Scan`
    ln1pz : float
        Of the answer; the nearest of those that are looked for is judged.
    only : int, optional
        Number of the network that is asked.

    Returns
    -------
    ndarray, shape (4,), or (0,) for a head without networks
        ln of the odds of a transient against none: the most of the best redshifts, and at the answer; ln of the
        probability of all types over that of another redshift, likewise.
    """
    total = (scan.gain + scan.host[:, None]).max(axis=1)
    places = np.append(find_candidates(total, scan.ln1pz, JUDGED), np.argmin(np.abs(scan.ln1pz - ln1pz)))
    judged = head.judge(view, np.rint(scan.ln1pz[places] / head.config.step).astype(np.int64), only)
    if judged is None:
        return np.empty(0)
    types = logsumexp(judged.log_types, axis=1)
    values = [judged.log_odds[:-1].max(), judged.log_odds[-1], types[:-1].max(), types[-1]]
    return np.clip(values, -MOST, MOST)


class TransientRule:
    """A logistic rule over what templates and networks say and the features of the answer of the redshift head.

    Parameters
    ----------
    head : `~astro_spectok.heads.TransientHead`
        Whose rules hold by class of the answer ``constant``, ``centre``, ``scale`` and ``weights``; ``flagged``, the
        probability of a transient from which an answer is; ``few``, the templates that are compared; and ``certain``,
        the evidence of the lines of a galaxy, as of `~astro_spectok.redshift.fit.Refined`, from which a transient in it
        makes its redshift no less certain.
    """

    def __init__(self, head):
        self.head = head
        library, few = head.get_library(), np.asarray(head.rules["few"], np.int64)
        parts = {name: getattr(library, name)[few] for name in ("templates", "kind", "group", "phase")}
        self.sums = TemplateSums(replace(library, **parts))
        self.classes, self.flagged = head.rules["classes"], head.rules["flagged"]
        self.certain = head.rules.get("certain", TRANSIENT_RULES["certain"])

    def describe(self, ln_wavelength, flux, ivar, answer, ln1pz, *, left_out=None, only=None):
        """Features, (n,), of a spectrum and an answer; None where there is too little to compare.

        Parameters
        ----------
        ln_wavelength, flux, ivar : ndarray, shape (n,)
        answer : ndarray
            As of `~astro_spectok.redshift.reliance.describe_answer`.
        ln1pz : float
        left_out : int, optional
            Number of an object whose templates are not used, for tests on its own spectra.
        only : int, optional
            Number of the one network that is asked, for the same.
        """
        library = self.sums.library
        view = view_spectrum(ln_wavelength, flux, ivar, library.config)
        if view is None:
            return None
        scan = scan_templates(view, self.sums, every=EVERY)
        if left_out is not None:
            scan = replace(scan, gain=np.where(library.group == left_out, 0.0, scan.gain))
        judged = describe_judgement(self.head, view, scan, ln1pz, only)
        return np.concatenate([answer, describe_transient(view, scan, ln1pz), judged])

    def is_certain(self, spectype, evidence):
        """Whether an answer holds whatever else is seen in the spectrum: a galaxy by its lines; False for NaN."""
        return bool(spectype == "GALAXY" and evidence >= self.certain)

    def find_probability(self, spectype, features):
        """Probability of a transient, before which a transient and a right answer are as probable: float."""
        rule = self.classes.get(spectype)
        if rule is None or features is None:
            return 0.0
        expanded = expand_features(features, rule["centre"], rule["scale"])
        return float(expit(rule["constant"] + expanded[: len(rule["weights"])] @ np.asarray(rule["weights"])))


def find_transient_rule(runner):
    """The `TransientRule` of the weights of a runner; None where they have no transient head, or one without rules."""
    name = runner.find_head("transient")
    head = None if name is None else runner.network.heads[name]
    return head.keep("rule", TransientRule) if head is not None and head.rules.get("few") else None


def judge_transient(rule, spectrum, solved, information, shown, around):
    """Probability of a transient of one spectrum with its best solution.

    Parameters
    ----------
    rule : `TransientRule`
    spectrum : (ndarray, ndarray, ndarray)
        ln(wavelength), flux and inverse variance.
    solved : `~astro_spectok.redshift.peaks.Peak`
    information, shown, around
        As for `~astro_spectok.redshift.reliance.describe_answer`.

    Returns
    -------
    float
    """
    answer = describe_answer(solved.z, solved.probability, around, information, shown)
    return rule.find_probability(solved.spectype, rule.describe(*spectrum, answer, np.log1p(solved.z)))
