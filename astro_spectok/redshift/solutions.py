# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From a posterior and its spectrum to solutions: refined redshifts with errors that mean what they say."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from astro_spectok.interface.inputs import measure_facts
from astro_spectok.redshift.calibration import clip_pixel
from astro_spectok.redshift.error_features import describe_peak, describe_pixels
from astro_spectok.redshift.fit import PIXELS, refine_redshift
from astro_spectok.redshift.flags import find_red_end
from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.redshift.reliance import Shown
from astro_spectok.utils.spectypes import STAR

__all__ = [
    "NEAR",
    "Sharpened",
    "describe_kind",
    "describe_spectrum",
    "find_solutions",
    "move_interval",
    "sharpen_peak",
    "suppose_resolution",
    "take_resolution",
    "take_spectrum",
    "widen_solutions",
]


#: least standard deviation in ln(1 + z) with which templates of another class are fitted around a redshift
NEAR = 2e-4


class Sharpened(NamedTuple):
    """A peak after refinement with rest-frame templates.

    Attributes
    ----------
    ln1pz, width : float
        ln(1 + z) and its standard deviation, without what the training added.
    evidence : float
        Of features in the spectrum, as of `~astro_spectok.redshift.fit.Refined`; NaN if not known.
    network_width : float
        Width of the network's own peak, deconvolved from the width of the training targets.
    tension : float
        By how many standard deviations network and templates differ; 0 where templates have no part.
    refined : bool
        Whether they have.
    structure, unexplained, correlation : float
        As of `~astro_spectok.redshift.fit.Refined`; NaN, and 1, if not known.
    coefficients : ndarray or None
    left : tuple of ndarray, or None
        As of `~astro_spectok.redshift.fit.Refined`.
    """

    ln1pz: float
    width: float
    evidence: float
    network_width: float
    tension: float
    refined: bool
    structure: float = np.nan
    unexplained: float = np.nan
    correlation: float = 1.0
    coefficients: np.ndarray | None = None
    left: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


def find_solutions(posterior, calibration, batch, i, count, *, facts=None, red_end=None):
    """The most probable solutions, the best of them refined with rest-frame templates.

    The redshift by templates and that of the posterior are averaged by their inverse variances. The error has a scale
    and a floor from the calibration.

    Parameters
    ----------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
    calibration : `~astro_spectok.redshift.Calibration`
        The one that the posterior was recalibrated with.
    batch : `~astro_spectok.spectra.SpectrumBatch`
    i : int
        Which of its spectra.
    count : int
        How many solutions at most.
    facts : tuple, optional
        Of the spectrum, as of `~astro_spectok.interface.inputs.measure_facts`, where they are at hand.
    red_end : float, optional
        As of `~astro_spectok.redshift.flags.find_red_end`, likewise.

    Returns
    -------
    solutions : list of `~astro_spectok.redshift.Peak`
        With errors calibrated.
    raw : list of `~astro_spectok.redshift.Peak`
        The same as they are in the posterior.
    sharp : `Sharpened`
        The best one, with what the templates say of the features.
    """
    raw = posterior.find_peaks(count)
    solutions, best, seen = [], None, {}
    if batch is not None:
        if red_end is None:
            red_end = find_red_end(batch.wavelength[batch.grid(i)], batch.ivar[batch.pixels(i)])
        seen = describe_spectrum(batch, i, facts)
    for number, peak in enumerate(raw):
        sharp = sharpen_peak(peak, calibration, batch if number == 0 else None, i)
        best = sharp if best is None else best
        share = peak.probability / posterior.class_probability[peak.spectype]
        width = calibration.correct_width(
            peak.spectype, sharp.width, peak.z, red_end=red_end, refined=sharp.refined,
            features=seen | describe_peak(share, sharp.network_width, sharp.tension),
        )  # fmt: skip
        solutions.append(replace(peak, z=float(np.expm1(sharp.ln1pz)), z_err=float(np.exp(sharp.ln1pz) * width)))
    return solutions, raw, best


def describe_spectrum(batch, i, facts=None):
    """The features of `~astro_spectok.redshift.error_features.describe_pixels` of one spectrum of a batch."""
    snr, count, *_ = measure_facts(batch, i) if facts is None else facts
    return describe_pixels(clip_pixel(batch.find_step(i)), count, snr)


def describe_kind(sharp, batch, i, rules, *, types=None, spectype=None, snr=None):
    """The `~astro_spectok.redshift.reliance.Shown` of one spectrum of a batch and its best solution.

    Parameters
    ----------
    sharp : `Sharpened`
    batch : `~astro_spectok.spectra.SpectrumBatch`
    i : int
    rules : `~astro_spectok.redshift.rules.RedshiftRules`
    types : dict of str to float, optional
        Probability of each stellar type, if it is a star.
    spectype : str, optional
        Class of the solution.
    snr : float, optional
        Median signal-to-noise ratio per pixel, where it is at hand.

    Returns
    -------
    `~astro_spectok.redshift.reliance.Shown`
    """
    wavelength = batch.wavelength[batch.grid(i)]
    pixel, seen = clip_pixel(batch.find_step(i)), wavelength[batch.ivar[batch.pixels(i)] > 0]
    rest = seen[[0, -1]] * np.exp(-sharp.ln1pz) if len(seen) else (np.nan, np.nan)
    likely = max(types.values()) if types else 1.0
    snr = float(measure_facts(batch, i)[0] if snr is None else snr)
    rival, fast = np.nan, bool(np.expm1(sharp.ln1pz) > rules.receding["velocity"])
    if spectype == STAR and fast:
        width = max(sharp.width, NEAR)
        spectrum, resolution = take_spectrum(batch, i), suppose_resolution(batch, i)
        fit = refine_redshift(*spectrum, "GALAXY", sharp.ln1pz, width, resolution=resolution)
        rival = np.nan if fit is None else fit.evidence
    return Shown(
        snr, pixel, sharp.structure, sharp.unexplained, likely, sharp.evidence, sharp.tension, rival, sharp.correlation,
        fast, sharp.coefficients if spectype == STAR else None, tuple(rest),
    )  # fmt: skip


def sharpen_peak(peak, calibration, batch=None, i=0):
    """The `Sharpened` of a peak: refined with templates, if a spectrum is given and there are some for it."""
    ln1pz, rules = float(np.log1p(peak.z)), calibration.rules
    network_width = width = calibration.deconvolve_width(peak.spectype, peak.z_err / (1 + peak.z))
    if batch is None:
        return Sharpened(ln1pz, width, np.nan, network_width, 0.0, False)
    fit = refine_redshift(
        *take_spectrum(batch, i), peak.spectype, ln1pz, width, resolution=suppose_resolution(batch, i)
    )  # fmt: skip
    if fit is None or fit.evidence < rules.least_evidence:
        shown = (np.nan, np.nan, np.nan, 1.0, None, None) if fit is None else fit[2:]
        return Sharpened(ln1pz, width, shown[0], network_width, 0.0, False, *shown[1:])
    width = max(width, rules.least_width * calibration.target_sigma)
    tension = abs(fit.ln1pz - ln1pz) / float(np.hypot(width, fit.width))
    weights = np.array([width**-2, 1 / (fit.width**2 + rules.disagreement.get(peak.spectype, 0.0) ** 2)])
    ln1pz = float(np.average([ln1pz, fit.ln1pz], weights=weights))
    width = float(weights.sum() ** -0.5)
    return Sharpened(ln1pz, width, fit.evidence, network_width, tension, True, *fit[3:])


def take_spectrum(batch, i):
    """ln(wavelength), flux and inverse variance of one spectrum of a batch, (n,) each."""
    pixels = batch.pixels(i)
    return np.log(batch.wavelength[batch.grid(i)]), batch.flux[pixels], batch.ivar[pixels]


def take_resolution(batch, i):
    """Median resolving power of one spectrum of a batch; None where it is unknown."""
    if batch.resolution is None:
        return None
    known = batch.resolution[batch.grid(i)]
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else None


def suppose_resolution(batch, i):
    """The same, or that of an instrument with 2.5 pixels to the resolution element where it is unknown."""
    known = take_resolution(batch, i)
    return 1 / (PIXELS * batch.find_step(i)) if known is None else known


def move_interval(interval, raw, best, step):
    """An interval of redshifts of the posterior as one around the best solution: both sides shrink as its error did.

    A side that reaches out of the peak, beyond 1000 km/s, stays where it is.

    Parameters
    ----------
    interval : (float, float)
        That holds ``raw.z``, or is meant to.
    raw, best : `~astro_spectok.redshift.Peak`
        The best solution in the posterior, and what was made of it.
    step : float
        Width of the bins of the posterior in ln(1 + z), over which their probability was spread.

    Returns
    -------
    (float, float)
    """
    shrink = best.z_err / (1 + best.z) / np.hypot(raw.z_err / (1 + raw.z), step / np.sqrt(12))
    out = []
    for end, sign in zip(interval, (-1, 1), strict=True):
        arm = max(sign * (np.log1p(end) - np.log1p(raw.z)), 0.0)
        out.append(float((1 + best.z) * np.exp(sign * arm * shrink) - 1) if arm <= WINDOW else float(end))
    return tuple(out)


def widen_solutions(solutions, interval, shift):
    """Solutions, and an interval around the best, with an error in ln(1 + z) added in quadrature.

    Parameters
    ----------
    solutions : list of `~astro_spectok.redshift.peaks.Peak`
        The best first.
    interval : (float, float)
    shift : float
        0 changes nothing.

    Returns
    -------
    solutions : list of `~astro_spectok.redshift.peaks.Peak`
    interval : (float, float)
    """
    if not shift:
        return solutions, interval
    best = solutions[0].z
    ends = (float(best + np.copysign(np.hypot(end - best, (1 + best) * shift), end - best)) for end in interval)
    return [replace(x, z_err=float(np.hypot(x.z_err, (1 + x.z) * shift))) for x in solutions], tuple(ends)
