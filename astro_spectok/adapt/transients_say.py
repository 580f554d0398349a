# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the head for transients says of spectra, where tokens and templates allow for one."""

import numpy as np

from astro_spectok.heads.transient_fit import scan_templates, view_spectrum
from astro_spectok.interface.containment import Containment
from astro_spectok.redshift.transient_rule import TransientRule
from astro_spectok.transients.posterior import TransientCalibration, make_posterior, measure_precision
from astro_spectok.utils.spectypes import STAR

__all__ = ["ask_transients"]

#: probability of one solution of tokens, or of what does not move, above which it is what they say, and that of a star.
#: Of supernovae of the training sets one in seventeen is above these, of stars and brown dwarfs nearly all
SURE, SURE_STAR = 0.95, 0.8
#: redshift within which nothing moves
AT_REST = 0.005
#: share of the errors that is not noise below which features are not seen: a signal of 5 times the noise in 750 km/s
LEAST_PRECISION = 0.2
#: what a transient is taken to explain: ln of half the fall of chi squared; and the least before networks are asked
USUAL_GAIN, LEAST_GAIN = 4.0, 2.0
#: ln of the odds of a transient, by networks and by that, from which it is asked what it may be, and from which it is
#: nothing else. Of the same supernovae, their own objects unknown to the head, 0.80 and 0.73 are above these; of stars
#: and brown dwarfs hardly any, of simulated galaxies and quasars of S/N 1 to 10 through any instrument 0.07 and 0.02
POSSIBLE, CERTAIN = 1.0, 3.0
#: of the redshifts of the library every so manieth is tried first
EVERY = 6


def ask_transients(batch, solutions, head, ln_doppler):
    """Numbers of each spectrum that may be of a transient: its type, phase and redshift; and errors that are stated.

    A hundred milliseconds each with an unknown redshift, ten with a known one. Spectra that tokens are sure of cost
    nothing, others that are no transients five milliseconds, noisy ones one.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
        All of its spectra usable.
    solutions : sequence of tuple
        For each spectrum, as of `~astro_spectok.engine.EncodedSpectrum`.
    head : `~astro_spectok.heads.TransientHead`
    ln_doppler : ndarray of float64, shape (n,)
        ln(1 + z), NaN where it is not known.

    Returns
    -------
    numbers, errors : ndarray of float64, shape (n, k)
        NaN of all others.
    certain : ndarray of bool, shape (n,)
        Whether it is a transient and nothing else.
    """
    numbers, errors = (np.full((len(batch), head.numbers_size), np.nan) for _ in range(2))
    certain = np.zeros(len(batch), bool)
    contained = Containment(batch, np.zeros(len(batch), np.int64), single=False)
    for i, (own, known) in enumerate(zip(solutions, ln_doppler, strict=True)):
        if _is_known(own):
            continue
        with contained.member(i):
            found = _find_transient(batch, i, head, known if np.isfinite(known) else None)
            if found is not None:
                numbers[i], errors[i] = head.give_numbers(found), head.give_errors(found)
                certain[i] = found["odds"] > CERTAIN
    return numbers, errors, certain


def _is_known(solutions):
    """Whether tokens say what it is: a star, something that does not move, or whatever else they are sure of."""
    total = max(sum(p for *_, p in solutions), 1e-9)
    star = sum(p for name, _, p in solutions if name == STAR) / total
    at_rest = sum(p for name, x, p in solutions if name == STAR or abs(x) < AT_REST) / total
    return star > SURE_STAR or at_rest > SURE or max((p for *_, p in solutions), default=0.0) > SURE


def _find_transient(batch, i, head, known):
    """What a head finds of a spectrum, as `TransientHead.give_numbers` takes it; None where it is no transient."""
    low, high = head.config.redshifts
    if known is not None and not low < np.expm1(known) < high:
        return None
    part = batch.pixels(i)
    view = view_spectrum(batch.coordinate(i), batch.flux[part], batch.ivar[part], head.config)
    if view is None or measure_precision(view) < LEAST_PRECISION:
        return None
    odds = _judge(view, head, known)
    if odds < POSSIBLE:
        return None
    scan = scan_templates(view, head.get_sums(), near=known)
    library, calibration = head.get_library(), TransientCalibration.from_head(head)
    posterior = make_posterior(view, scan, library, calibration, judge=lambda shifts: head.judge(view, shifts))
    ln1pz, ln1pz_err, _ = posterior.find_redshift()
    probability = posterior.type_probability
    phases = [(p, posterior.find_phase(kind, library, ln1pz)) for kind, p in probability.items()]
    phase, phase_err = _average_phases([(p, x.mean, x.sigma) for p, x in phases if np.isfinite(x.mean)])
    return {
        "odds": odds, "types": np.array(list(probability.values())), "ln1pz": ln1pz, "ln1pz_err": ln1pz_err,
        "phase": phase, "phase_err": phase_err,
    }  # fmt: skip


def _average_phases(known):
    """Mean over types, and its standard deviation, of (probability, phase, error); NaN where no type has a phase."""
    if not any(p > 0 for p, *_ in known):
        return np.nan, np.nan
    p, mean, spread = np.array(known).T
    phase = np.average(mean, weights=p)
    return phase, np.sqrt(np.average(spread**2 + (mean - phase) ** 2, weights=p))


def _judge(view, head, known):
    """ln of the odds of a transient against none, at a known redshift or at that of the best of some templates."""
    scan = scan_templates(view, head.keep("rule", TransientRule).sums, every=EVERY, near=known)
    gain, total = np.log1p(scan.gain.max()), (scan.gain + scan.host[:, None]).max(axis=1)
    if gain < LEAST_GAIN:
        return -np.inf
    best = int(np.argmax(total))
    odds = head.judge(view, [round(scan.ln1pz[best] / head.config.step)]).log_odds[0]
    return float(odds + gain - USUAL_GAIN)
