# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""When stellar parameters are to be distrusted or withheld: the rules behind each bit of their ``warn``."""

import numpy as np

from astro_spectok.redshift.flags import convert_flags, is_sky_like, lacks_features
from astro_spectok.redshift.reliance import is_unlike
from astro_spectok.redshift.signal import has_little_coverage, lacks_signal
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.stellar.warn import StellarFlag
from astro_spectok.utils.spectypes import STAR

__all__ = [
    "LEAST_PIXELS",
    "combine_stellar_flags",
    "convert_stellar_flags",
    "find_coverage_flags",
    "find_label_flags",
    "find_signal_flags",
    "find_star_flags",
    "is_refused",
    "is_withheld",
]

#: bits about the input that by themselves do not make parameters unreliable
REMARKS = StellarFlag.ERRORS_ESTIMATED | StellarFlag.MEDIUM_UNKNOWN
#: bits that `convert_flags` sets of an input; they have the same value in both enumerations
SHARED = (
    RedshiftFlag.TOO_FEW_PIXELS
    | RedshiftFlag.NO_DATA
    | RedshiftFlag.OUTSIDE_TRAINED_RANGE
    | RedshiftFlag.ERRORS_ESTIMATED
    | RedshiftFlag.MEDIUM_UNKNOWN
)
#: good pixels within the trained wavelengths below which nothing is given
LEAST_PIXELS = 32
#: samples that the share of the labels outside the hull is measured with
SAMPLES = 256
#: how far apart on the sequence types are no neighbours; those off the sequence stand where they are mistaken for stars
#: on it
APART = 3
PLACES = {name: place for place, name in enumerate("OBAFGKMLT")} | {"WD": 1, "CV": 1, "C": 5}
#: K, between which stars of a type lie, giants and subdwarfs included (after Pecaut & Mamajek 2013, ApJS 208, 9, with a
#: margin of a tenth)
TEMPERATURES = {
    "O": (26000, 70000), "B": (8800, 36000), "A": (6600, 11500), "F": (5400, 8100), "G": (4400, 6700),
    "K": (3400, 5900), "M": (2000, 4400), "L": (1100, 2500), "T": (300, 1500),
}  # fmt: skip


def convert_stellar_flags(flags):
    """Flags of an input, bits of `~astro_spectok.spectra.InputFlag`, as `StellarFlag`."""
    return StellarFlag(int(convert_flags(flags) & SHARED))


def combine_stellar_flags(noticed, flags):
    """``warn`` from remarks about an input and flags of its parameters.

    Remarks (`StellarFlag.ERRORS_ESTIMATED`, `StellarFlag.MEDIUM_UNKNOWN`) are set beside other flags only.
    """
    warn = noticed | flags
    return warn if warn & ~REMARKS else StellarFlag.NONE


def find_star_flags(
    p_star, types, covered, information, evidence, rules, redshift_rules, *, snr=0.0, shown=None, assume_star=False
):
    """Flags of class and type.

    Parameters
    ----------
    p_star : float
        Probability of a star.
    types : dict of str to float
        Probability of each type, if it is a star; empty for weights without a type head.
    covered : sequence of str
        The types that parameters were trained for.
    information, evidence : float
        In nat, as of `~astro_spectok.redshift.flags.find_flags`.
    rules : `~astro_spectok.stellar.rules.StellarRules`
    redshift_rules : `~astro_spectok.redshift.rules.RedshiftRules`
    snr : float, optional
        Median signal-to-noise ratio per pixel.
    shown : `~astro_spectok.redshift.reliance.Shown`, optional
        Evidence for another kind of object; no flag is set without.
    assume_star : bool
        Whether it is known to be a star.

    Returns
    -------
    StellarFlag
    """
    out = StellarFlag.NONE
    if p_star < rules.flagged and not assume_star:
        out |= StellarFlag.NOT_A_STAR
    if shown is not None and not assume_star and is_unlike(STAR, 0.0, p_star, information, shown, redshift_rules):
        out |= StellarFlag.NOT_A_STAR
    uninformative = np.isnan(evidence) and is_sky_like(information, redshift_rules)
    pixel = np.inf if shown is None else shown.pixel
    if uninformative or lacks_features(evidence, STAR, p_star, redshift_rules, snr, pixel):
        out |= StellarFlag.SKY_LIKE
    if _sum_uncovered(types, covered) > rules.suspect:
        out |= StellarFlag.TYPE_NOT_COVERED
    return out


def find_signal_flags(wavelength, flux, ivar):
    """Flags of the spectrum itself: no light, or too little coverage.

    Parameters
    ----------
    wavelength, flux, ivar : ndarray, shape (n,)
        Pixels with an inverse variance of 0 are not counted.

    Returns
    -------
    StellarFlag
    """
    out = StellarFlag.NONE
    if lacks_signal(flux, ivar):
        out |= StellarFlag.SKY_LIKE
    if has_little_coverage(wavelength, ivar):
        out |= StellarFlag.LITTLE_COVERAGE
    return out


def is_withheld(p_star, types, covered, rules, *, assume_star=False):
    """Whether no parameters are given: arguments as of `find_star_flags`."""
    refused = is_refused(p_star, rules, assume_star=assume_star)
    return refused or _sum_uncovered(types, covered) > rules.certain


def is_refused(p_star, rules, *, assume_star=False):
    """Whether a spectrum is rejected as that of a star."""
    return p_star < rules.refused and not assume_star


def find_coverage_flags(n_inside, n_good, snr, resolution, limits, rules, *, filled=False):
    """Flags of the range, the noise and the resolution of a spectrum.

    Parameters
    ----------
    n_inside, n_good : int
        Good pixels within the wavelengths that labels were trained on, and all good pixels.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    resolution : float or None
        Resolving power; None where unknown.
    limits : (float, float)
        Lowest and highest resolving power that was trained on.
    rules : `~astro_spectok.stellar.rules.StellarRules`
    filled : bool, optional
        Whether the pixels fill most of one of the ranges that labels were trained on, whatever lies outside them.

    Returns
    -------
    StellarFlag
    """
    out = StellarFlag.NONE
    if n_inside < LEAST_PIXELS or not (filled or n_inside >= rules.least_share * n_good):
        out |= StellarFlag.OUT_OF_WAVELENGTH_RANGE
    if not snr >= rules.least_snr:
        out |= StellarFlag.LOW_SNR
    if resolution is not None and not limits[0] <= resolution <= limits[1]:
        out |= StellarFlag.EXTRAPOLATED
    return out


def find_label_flags(labels, hull, types, rules, second=None):
    """Flags of the labels themselves.

    Parameters
    ----------
    labels : `~astro_spectok.stellar.labels.StellarLabels`
    hull : `~astro_spectok.stellar.hull.StellarHull`
    types : dict of str to float
        As of `find_star_flags`.
    rules : `~astro_spectok.stellar.rules.StellarRules`
    second : `~astro_spectok.stellar.binaries.SecondStar`, optional
        None if there is none.

    Returns
    -------
    StellarFlag
    """
    out, values = StellarFlag.NONE, labels.values()
    if not hull.contains(np.log10(values["teff"]), values["logg"], values["fe_h"]):
        out |= StellarFlag.OUT_OF_HULL
    else:
        drawn = labels.sample(SAMPLES, np.random.default_rng(0))
        inside = hull.contains(np.log10(drawn["teff"]), drawn["logg"], drawn["fe_h"])
        if np.mean(inside) < 1 - rules.tail:
            out |= StellarFlag.EXTRAPOLATED
    found = second is not None and second.gain > rules.least_gain and second.share > rules.least_line_share
    if has_two_types(types, rules) or found:
        out |= StellarFlag.BLEND_LIKE
    if types and not has_possible_type(values["teff"], types, rules):
        out |= StellarFlag.TYPE_DISAGREES
    return out


def has_two_types(types, rules):
    """Whether two types that are no neighbours on the sequence are both probable."""
    places = [PLACES[name] for name, p in types.items() if p > rules.shared_type and name in PLACES]
    return bool(places) and max(places) - min(places) >= APART


def has_possible_type(teff, types, rules):
    """Whether a temperature (K) is one of a type with a probability worth the name; any will do off the sequence."""
    likely = [TEMPERATURES.get(name, (0, np.inf)) for name, p in types.items() if p > rules.possible]
    return any(low <= teff <= high for low, high in likely)


def _sum_uncovered(types, covered):
    """Probability of the types without parameters."""
    return sum(p for name, p in types.items() if name not in covered)
