# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""When a redshift is to be distrusted: the rules behind each bit of ``zwarn``."""

import numpy as np

from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.redshift.reliance import is_unlike
from astro_spectok.redshift.signal import has_little_coverage, has_negative_continuum, lacks_signal
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.spectra import InputFlag
from astro_spectok.utils.spectypes import STAR

__all__ = [
    "combine_flags",
    "conclude_flags",
    "convert_flags",
    "find_flags",
    "find_red_end",
    "is_sky_like",
    "lacks_features",
    "measure_outside",
    "sum_around",
]

#: bits about the input that by themselves do not make a redshift unreliable
REMARKS = RedshiftFlag.ERRORS_ESTIMATED | RedshiftFlag.MEDIUM_UNKNOWN
#: width in ln(wavelength) of pixels above which widths of lines do not tell quasars and stars from galaxies, and the
#: probability of a class, by class, that is enough there: by their probabilities, of 100 such quasars 99 are some
UNRESOLVED, CERTAIN = 1.6e-3, {"QSO": 0.97, "STAR": 0.8}


def convert_flags(flags):
    """Flags of an input as `RedshiftFlag`.

    Parameters
    ----------
    flags : int
        Bits of `~astro_spectok.spectra.InputFlag`.

    Returns
    -------
    RedshiftFlag
    """
    flags, out = InputFlag(int(flags)), RedshiftFlag.NONE
    if flags & InputFlag.TOO_FEW_PIXELS:
        out |= RedshiftFlag.TOO_FEW_PIXELS
    elif flags.unusable:
        out |= RedshiftFlag.NO_DATA
    if flags & InputFlag.OUTSIDE_TRAINED_RANGE:
        out |= RedshiftFlag.OUTSIDE_TRAINED_RANGE
    if flags & (InputFlag.UNCERTAINTY_ESTIMATED | InputFlag.UNCERTAINTY_RAISED):
        out |= RedshiftFlag.ERRORS_ESTIMATED
    if flags & InputFlag.MEDIUM_ASSUMED:
        out |= RedshiftFlag.MEDIUM_UNKNOWN
    return out


def combine_flags(noticed, flags, rules, *, outside=1.0):
    """``zwarn`` from remarks about an input and flags of its redshift.

    Remarks (`RedshiftFlag.ERRORS_ESTIMATED`, `RedshiftFlag.MEDIUM_UNKNOWN`) are set beside other flags only, so that 0
    means the same for files with and without errors. `RedshiftFlag.OUTSIDE_TRAINED_RANGE` is a remark, too, where most
    of the spectrum is inside.

    Parameters
    ----------
    noticed, flags : RedshiftFlag
    rules : `~astro_spectok.redshift.rules.RedshiftRules`
    outside : float, optional
        Share of the good pixels that lie outside the trained wavelengths, as of `measure_outside`.

    Returns
    -------
    RedshiftFlag
    """
    zwarn = noticed | flags
    remarks = REMARKS if outside > rules.extrapolated else REMARKS | RedshiftFlag.OUTSIDE_TRAINED_RANGE
    return zwarn if zwarn & ~remarks else RedshiftFlag.NONE


def conclude_flags(noticed, flags, rules, batch, i, trained_range):
    """``zwarn`` of one spectrum of a batch: flags of the spectrum itself are added.

    Parameters
    ----------
    noticed, flags, rules
        As for `combine_flags`.
    batch : `~astro_spectok.spectra.SpectrumBatch`
    i : int
        Position in the batch.
    trained_range : (float, float) or None
        As for `measure_outside`.

    Returns
    -------
    RedshiftFlag
    """
    flux, ivar = batch.flux[batch.pixels(i)], batch.ivar[batch.pixels(i)]
    wavelength = batch.wavelength[batch.grid(i)]
    if has_negative_continuum(flux, ivar):
        flags |= RedshiftFlag.NEGATIVE_CONTINUUM
    if lacks_signal(flux, ivar):
        flags |= RedshiftFlag.SKY_LIKE
    if has_little_coverage(wavelength, ivar):
        flags |= RedshiftFlag.LITTLE_COVERAGE
    outside = measure_outside(wavelength, ivar, trained_range)
    return combine_flags(noticed, flags, rules, outside=outside)


def measure_outside(wavelength, ivar, trained_range):
    """Share of the good pixels that lie outside the trained wavelengths.

    Parameters
    ----------
    wavelength, ivar : ndarray, shape (n,)
        Vacuum wavelength; pixels with an inverse variance of 0 are not counted.
    trained_range : (float, float) or None
        Of wavelength; nothing is outside if it is not known.

    Returns
    -------
    float
        0 without a good pixel.
    """
    good = np.asarray(ivar) > 0
    if trained_range is None or not good.any():
        return 0.0
    seen, (low, high) = np.asarray(wavelength)[good], trained_range
    return float(np.mean((seen < low) | (seen > high)))


def is_sky_like(information, rules):
    """Whether the information (nat), before a user's prior, is too little for a detection."""
    return information < rules.least_information


def find_flags(posterior, peaks, information, calibration, evidence=np.nan, *, red_end=np.nan, snr=0.0, shown=None):
    """Flags of the posterior.

    Parameters
    ----------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
    peaks : list of `~astro_spectok.redshift.peaks.Peak`
        Of that posterior, best first; the others are what it is compared with.
    information : float
        In nat, before a user's prior.
    calibration : `~astro_spectok.redshift.Calibration`
        With its rules, and the probability from which a solution of a class is relied on.
    evidence : float, optional
        In nat, of features in the spectrum (`~astro_spectok.redshift.solutions.find_solutions`); NaN if not known.
    red_end : float, optional
        Vacuum wavelength of the last good pixel, as of `find_red_end`; NaN if not known.
    snr : float, optional
        Median signal-to-noise ratio per pixel.
    shown : `~astro_spectok.redshift.reliance.Shown`, optional
        Evidence for another kind of object; no flag is set without.

    Returns
    -------
    RedshiftFlag
    """
    grid, best, out, rules = posterior.grid, peaks[0], RedshiftFlag.NONE, calibration.rules
    for peak in peaks[1:]:
        # the same redshift in another class confirms the redshift
        apart = abs(np.log1p(peak.z) - np.log1p(best.z)) > WINDOW
        if apart and peak.probability > rules.comparable * best.probability:
            out |= RedshiftFlag.TWO_PEAKS
    probability = sum_around(posterior, best, rules)
    if probability < calibration.find_confident(best.spectype):
        out |= RedshiftFlag.LOW_CONFIDENCE
    # widths of lines that are not seen do not tell the classes apart
    unresolved = shown is not None and shown.pixel > UNRESOLVED
    if unresolved and posterior.class_probability[best.spectype] < CERTAIN.get(best.spectype, 0.0):
        out |= RedshiftFlag.LOW_CONFIDENCE
    # evidence from templates for features is more direct than that of the network
    uninformative = np.isnan(evidence) and is_sky_like(information, rules)
    uninformative |= information < rules.class_information.get(best.spectype, 0.0)
    pixel, correlation = (np.inf, 1.0) if shown is None else (shown.pixel, shown.correlation)
    if uninformative or lacks_features(evidence, best.spectype, probability, rules, snr, pixel, correlation):
        out |= RedshiftFlag.SKY_LIKE
    if shown is not None and is_unlike(best.spectype, best.z, best.probability, information, shown, rules, probability):
        out |= RedshiftFlag.UNLIKE_CLASS
    size = dict(zip(grid.classes, grid.size, strict=True))[best.spectype]
    if min(best.lag, size - 1 - best.lag) * grid.step < rules.edge:
        out |= RedshiftFlag.AT_EDGE
    if red_end < rules.rest_red_end.get(best.spectype, 0.0) * (1 + best.z):  # False for NaN
        out |= RedshiftFlag.AT_EDGE
    return out


def lacks_features(evidence, spectype, probability, rules, snr=0.0, pixel=np.inf, correlation=1.0):
    """Whether templates explain a spectrum no better than a continuum does, or than they explain correlated noise.

    For a certain star they need not, if they do not contradict, unless its ``pixel`` in ln(wavelength) is narrow enough
    for lines; of other stars more evidence is required the brighter they are. What templates leave and neighbouring
    pixels share (``correlation`` above 1) makes so many times as much evidence worthless.
    """
    if np.isnan(evidence):
        return spectype == STAR and snr < rules.faintest_star
    excess = correlation - 1 if correlation > rules.correlated.get("least", np.inf) else 0.0
    if excess and evidence < rules.correlated.get(spectype, 0.0) * excess:
        return True
    if spectype != STAR:
        return evidence < rules.least_evidence
    if evidence < 0 and pixel < rules.resolved["pixel"] and probability < rules.resolved["sure"]:
        return True
    if probability > rules.sure:
        return evidence < rules.stellar_evidence
    return evidence < rules.least_evidence + rules.waves * min(max(snr, 0.0), rules.brightest) ** 2


def find_red_end(wavelength, ivar):
    """Wavelength of the reddest pixel with a positive inverse variance; NaN if there is none."""
    good = np.asarray(ivar) > 0
    return float(np.max(np.asarray(wavelength)[good])) if good.any() else np.nan


def sum_around(posterior, peak, rules):
    """Probability of the class of a peak and a redshift in its vicinity."""
    reach = round(rules.vicinity / posterior.grid.step)
    return float(posterior.probability[peak.spectype][max(peak.lag - reach, 0) : peak.lag + reach + 1].sum())
