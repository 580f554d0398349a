# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""When a redshift is to be distrusted: the thresholds behind each bit of ``zwarn``."""

import numpy as np

from astro_spectok.redshift.calibration import CONFIDENT
from astro_spectok.redshift.kinds import is_unlike
from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.redshift.signal import has_little_coverage, has_negative_continuum, lacks_signal
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.spectra import InputFlag
from astro_spectok.utils.spectypes import STAR

__all__ = [
    "LEAST_EVIDENCE",
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

#: what is noticed about an input without being a reason to doubt its redshift
REMARKS = RedshiftFlag.ERRORS_ESTIMATED | RedshiftFlag.MEDIUM_UNKNOWN
#: share of the good pixels up to which those outside what the weights were trained on are a remark as well: what is
#: inside tells the redshift
EXTRAPOLATED = 0.3
#: distance in ln(1 + z) within which it is counted: what is broad, as a quasar at low resolution, is not doubtful
VICINITY = 0.01
#: how probable another redshift is, over the best, from which they are comparable
COMPARABLE = 0.2
#: distance in ln(1 + z) from the end of the range within which the true peak may lie beyond it
EDGE = 3e-4
#: rest wavelength in Angstrom that the red end of a spectrum must reach beyond, by class: a galaxy of which nothing is
#: seen but the forest and Lyman alpha may as well be a quasar at another redshift
REST_RED_END = {"GALAXY": 1300.0}
#: nat that a spectrum must tell about class and redshift together; to know one of three classes for sure is 1.1
LEAST_INFORMATION = 1.0
#: nat by which rest-frame templates must explain a spectrum better than a continuum without features does
LEAST_EVIDENCE = 6.0
#: the same for a star whose probability is higher than the second number: hot ones, and those seen at low resolution,
#: are told by their continua
STELLAR_EVIDENCE, SURE = -5.0, 0.96
#: nat that are asked for beyond that of any other star, for each unit of its squared S/N up to the second number: what
#: is wrong with a flux calibration looks like weak features, the more so the brighter a featureless spectrum is
WAVES, BRIGHTEST = 0.1, 60.0
#: median signal-to-noise ratio per pixel below which a star without a continuum to compare with is as good as none
FAINTEST_STAR = 2.0


def convert_flags(flags):
    """What was noticed about an input, as `RedshiftFlag`.

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


def combine_flags(noticed, doubts, *, outside=1.0):
    """``zwarn`` from what was noticed about an input and what gives reason to doubt its redshift.

    A remark (`RedshiftFlag.ERRORS_ESTIMATED`, `RedshiftFlag.MEDIUM_UNKNOWN`) says in what light to see a doubt; by
    itself it is none, so that 0 means the same for files with and without errors.
    `RedshiftFlag.OUTSIDE_TRAINED_RANGE` is one, too, where most of the spectrum is inside.

    Parameters
    ----------
    noticed, doubts : RedshiftFlag
    outside : float, optional
        Share of the good pixels that lie outside what the weights were trained on, as of `measure_outside`.

    Returns
    -------
    RedshiftFlag
    """
    zwarn = noticed | doubts
    remarks = REMARKS if outside > EXTRAPOLATED else REMARKS | RedshiftFlag.OUTSIDE_TRAINED_RANGE
    return zwarn if zwarn & ~remarks else RedshiftFlag.NONE


def conclude_flags(noticed, doubts, batch, i, trained_range):
    """``zwarn`` of one spectrum of a batch: what the spectrum itself gives reason to doubt is added.

    Parameters
    ----------
    noticed, doubts : RedshiftFlag
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
        doubts |= RedshiftFlag.NEGATIVE_CONTINUUM
    if lacks_signal(flux, ivar):
        doubts |= RedshiftFlag.SKY_LIKE
    if has_little_coverage(wavelength, ivar):
        doubts |= RedshiftFlag.LITTLE_COVERAGE
    outside = measure_outside(wavelength, ivar, trained_range)
    return combine_flags(noticed, doubts, outside=outside)


def measure_outside(wavelength, ivar, trained_range):
    """Share of the good pixels that lie outside what weights were trained on.

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


def is_sky_like(information):
    """Whether so much information (nat), before a user's prior, is too little to have seen anything."""
    return information < LEAST_INFORMATION


def find_flags(
    posterior, peaks, information, evidence=np.nan, *, red_end=np.nan, confident=CONFIDENT, snr=0.0, shown=None
):
    """What the posterior itself gives reason to doubt.

    Parameters
    ----------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
    peaks : list of `~astro_spectok.redshift.peaks.Peak`
        Of that posterior, best first; the others are what it is compared with.
    information : float
        In nat, before a user's prior.
    evidence : float, optional
        In nat, of features in the spectrum (`~astro_spectok.redshift.solutions.find_solutions`); NaN if not known.
    red_end : float, optional
        Vacuum wavelength of the last good pixel, as of `find_red_end`; NaN if not known.
    confident : float, optional
        Probability of the best solution from which it is relied on, as of
        `~astro_spectok.redshift.Calibration.find_confident`.
    snr : float, optional
        Median signal-to-noise ratio per pixel.
    shown : `~astro_spectok.redshift.kinds.Shown`, optional
        What the spectrum shows of another kind of object; nothing is concluded without.

    Returns
    -------
    RedshiftFlag
    """
    grid, best, out = posterior.grid, peaks[0], RedshiftFlag.NONE
    for peak in peaks[1:]:
        # the same redshift in another class is no doubt about the redshift
        apart = abs(np.log1p(peak.z) - np.log1p(best.z)) > WINDOW
        if apart and peak.probability > COMPARABLE * best.probability:
            out |= RedshiftFlag.TWO_PEAKS
    probability = sum_around(posterior, best)
    if probability < confident:
        out |= RedshiftFlag.LOW_CONFIDENCE
    # what the templates say of features is more to the point than what the network does
    if (np.isnan(evidence) and is_sky_like(information)) or lacks_features(evidence, best.spectype, probability, snr):
        out |= RedshiftFlag.SKY_LIKE
    if shown is not None and is_unlike(best.spectype, best.z, probability, information, shown):
        out |= RedshiftFlag.UNLIKE_CLASS
    size = dict(zip(grid.classes, grid.size, strict=True))[best.spectype]
    if min(best.lag, size - 1 - best.lag) * grid.step < EDGE:
        out |= RedshiftFlag.AT_EDGE
    if red_end < REST_RED_END.get(best.spectype, 0.0) * (1 + best.z):  # False for NaN
        out |= RedshiftFlag.AT_EDGE
    return out


def lacks_features(evidence, spectype, probability, snr=0.0):
    """Whether templates explain a spectrum no better than a continuum does.

    Of what is surely a star they need not, if they do not contradict; of other stars more is asked the brighter they
    are.
    """
    if np.isnan(evidence):
        return spectype == STAR and snr < FAINTEST_STAR
    if spectype != STAR:
        return evidence < LEAST_EVIDENCE
    if probability > SURE:
        return evidence < STELLAR_EVIDENCE
    return evidence < LEAST_EVIDENCE + WAVES * min(max(snr, 0.0), BRIGHTEST) ** 2


def find_red_end(wavelength, ivar):
    """Wavelength of the reddest pixel with a positive inverse variance; NaN if there is none."""
    good = np.asarray(ivar) > 0
    return float(np.max(np.asarray(wavelength)[good])) if good.any() else np.nan


def sum_around(posterior, peak):
    """Probability of the class of a peak and a redshift in its vicinity."""
    reach = round(VICINITY / posterior.grid.step)
    return float(posterior.probability[peak.spectype][max(peak.lag - reach, 0) : peak.lag + reach + 1].sum())
