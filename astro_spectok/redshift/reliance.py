# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How like right answers an answer is, and whether its object is of another kind than the classes: fitted rules."""

from typing import NamedTuple

import numpy as np

from astro_spectok.utils.spectypes import STAR

__all__ = [
    "FEATURES",
    "Shown",
    "can_be_composite",
    "describe_answer",
    "describe_star",
    "expand_features",
    "is_composite",
    "is_dubious",
    "is_galaxy_like",
    "is_unlike",
]

#: what an answer is judged by
FEATURES = (
    "around", "probability", "information", "snr", "evidence", "tension", "structure", "share", "unexplained", "pixel",
    "type", "ln1pz",
)  # fmt: skip
#: probability of being wrong below which answers are no longer distinguished; range of S/N that is
SUREST, SNR = 1e-4, (0.3, 300.0)
#: amplitude over the continuum below which structure is not, and standard deviations of tension that are counted
LEAST_STRUCTURE, MOST_TENSION = 0.02, 4.0
#: vacuum wavelengths at rest in Angstrom of which it matters whether they are seen: of the break and the Balmer lines,
#: of most bands of cool stars, and of the calcium triplet
WINDOWS = ((3800.0, 4400.0), (5600.0, 6800.0), (8300.0, 8800.0))
#: standard deviations of a feature from its mean beyond which it is as at that: nothing is extrapolated
FARTHEST = 3.0
#: velocity over the speed of light up to which a galaxy or quasar may as well be a star: most stars are slower
STELLAR_VELOCITY = 0.001


def describe_answer(z, probability, around, information, shown):
    """Features of an answer.

    Parameters
    ----------
    z, probability : float
        Of the best solution.
    around : float
        Probability of its class and a redshift in its vicinity, as of `~astro_spectok.redshift.flags.sum_around`.
    information : float
        In nat, of class and redshift, before a user's prior.
    shown : `~astro_spectok.redshift.reliance.Shown`

    Returns
    -------
    ndarray, shape (features,)
        In the order of `FEATURES`: -ln of the probability of being wrong, the logarithms of S/N, evidence, structure
        and what is unexplained of it; all else as it is.

    Examples
    --------
    >>> from astro_spectok.redshift.reliance import FEATURES, Shown, describe_answer
    >>> values = describe_answer(0.1, 0.99, 0.999, 8.0, Shown(snr=10, pixel=2e-4, structure=0.2, unexplained=0.1))
    >>> print({name: round(float(value), 2) for name, value in zip(FEATURES, values)}["share"])
    0.5
    """
    evidence = shown.evidence if np.isfinite(shown.evidence) else 0.0
    structure, unexplained = np.nan_to_num([shown.structure, shown.unexplained])
    return np.array([
        -np.log(np.clip(1 - around, SUREST, 1 - SUREST)), -np.log(np.clip(1 - probability, SUREST, 1 - SUREST)),
        information, np.log10(np.clip(np.nan_to_num(shown.snr), *SNR)), np.sign(evidence) * np.log1p(abs(evidence)),
        min(shown.tension, MOST_TENSION), np.log10(structure + LEAST_STRUCTURE),
        unexplained / structure if structure > LEAST_STRUCTURE else 0.0, np.log10(unexplained + LEAST_STRUCTURE),
        np.log10(max(shown.pixel, 1e-9)), shown.type_probability, np.log1p(max(z, 0.0)),
    ])  # fmt: skip


def expand_features(features, centre, scale):
    """Features in standard deviations from the mean, and their products.

    Parameters
    ----------
    features : ndarray, shape (..., features)
    centre, scale : array_like, shape (features,)

    Returns
    -------
    ndarray, shape (..., features (features + 3) / 2)
    """
    scaled = np.clip((features - np.asarray(centre)) / np.asarray(scale), -FARTHEST, FARTHEST)
    first, second = np.triu_indices(scaled.shape[-1])
    return np.concatenate([scaled, scaled[..., first] * scaled[..., second]], axis=-1)


def is_dubious(spectype, features, reliable):
    """Whether right answers are seldom like this one.

    Parameters
    ----------
    spectype : str
    features : ndarray, shape (features,)
        As of `describe_answer`.
    reliable : dict of str to dict
        By class: ``offset``, a number; ``centre`` and ``scale`` of the features, and ``weights`` of what
        `expand_features` makes of them, lists, those of the products left out where they were not fitted. Offset and
        weighted sum together are negative for what is dubious.

    Returns
    -------
    bool
        False for a class without weights.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.reliance import FEATURES, is_dubious
    >>> n = len(FEATURES)
    >>> rule = {"offset": -1.0, "centre": [0.0] * n, "scale": [1.0] * n, "weights": [0.0] * (n * (n + 3) // 2)}
    >>> is_dubious("STAR", np.zeros(n), {"STAR": rule}), is_dubious("QSO", np.zeros(n), {"STAR": rule})
    (True, False)
    """
    rule = reliable.get(spectype)
    if not rule:
        return False
    expanded = expand_features(features, rule["centre"], rule["scale"])
    return bool(rule["offset"] + expanded[: len(rule["weights"])] @ rule["weights"] < 0)


class Shown(NamedTuple):
    """Evidence of a spectrum on the kind of its object.

    Attributes
    ----------
    snr : float
        Median signal-to-noise ratio per pixel.
    pixel : float
        Width of a pixel in ln(wavelength).
    structure, unexplained : float
        As of `~astro_spectok.redshift.fit.Refined`; NaN where templates were not compared.
    type_probability : float
        Of the most probable type, if it is a star; 1 for weights without a type head.
    evidence, tension : float
        As of `~astro_spectok.redshift.solutions.Sharpened`.
    rival : float
        Of a fast star: evidence of the templates of galaxies at its redshift; NaN where there are none, and for all
        else.
    correlation : float
        As of `~astro_spectok.redshift.fit.Refined`; 1 where templates were not compared.
    fast : bool
        Whether it recedes so fast that a star is compared as ``receding`` says, and not as ``composite`` does.
    coefficients : ndarray or None
        As of `~astro_spectok.redshift.fit.Refined`.
    span : (float, float)
        First and last wavelength with a good pixel, at rest, in vacuum Angstrom; NaN where it is not known.
    """

    snr: float = 0.0
    pixel: float = 0.0
    structure: float = np.nan
    unexplained: float = np.nan
    type_probability: float = 1.0
    evidence: float = np.nan
    tension: float = 0.0
    rival: float = np.nan
    correlation: float = 1.0
    fast: bool = False
    coefficients: np.ndarray | None = None
    span: tuple[float, float] = (np.nan, np.nan)


def is_galaxy_like(shown, receding):
    """Whether templates of galaxies explain a fast star about as well as those of stars do.

    Parameters
    ----------
    shown : `Shown`
    receding : dict of str to float
        As of `~astro_spectok.redshift.rules.RedshiftRules`.

    Returns
    -------
    bool
        False where they were not compared.
    """
    needed = np.clip(receding["share"] * shown.evidence, receding["least"], receding["most"])
    return bool(shown.rival - shown.evidence > -needed)


def describe_star(shown):
    """Features by which a single star is told from the light of many.

    Parameters
    ----------
    shown : `Shown`

    Returns
    -------
    ndarray, shape (1 + K + 4 + windows,), or None
        Coefficients of the templates of stars; logarithms of S/N, of the evidence, of structure, and of what is
        unexplained of it; the share of each of the `WINDOWS` that the spectrum spans. None where templates were not
        compared.
    """
    if shown.coefficients is None:
        return None
    structure, unexplained = np.nan_to_num([shown.structure, shown.unexplained])
    spanned = [_measure_overlap(shown.span, *window) for window in WINDOWS]
    return np.concatenate([shown.coefficients, [
        np.log10(np.clip(np.nan_to_num(shown.snr), *SNR)), np.log10(max(shown.evidence, 1.0)),
        np.log10(structure + LEAST_STRUCTURE), np.log10(unexplained + LEAST_STRUCTURE),
    ], spanned])  # fmt: skip


def _measure_overlap(span, low, high):
    """Share of a window between two wavelengths; 0 where these are not known."""
    return max(min(span[1], high) - max(span[0], low), 0.0) / (high - low) if np.isfinite(span).all() else 0.0


def can_be_composite(shown, composite):
    """Whether the rule of `is_composite` has a say: bright enough, and its window is spanned."""
    return bool(
        composite and shown.coefficients is not None and shown.snr >= composite["snr"]
        and _measure_overlap(shown.span, *composite["window"]) == 1
    )  # fmt: skip


def is_composite(shown, composite):
    """Whether a star looks like the light of many stars: that of a galaxy or a cluster at rest.

    Templates of stars are components of spectra of single stars, and explain a sum of stars as well. Coefficients of
    single stars lie near a surface of few dimensions, with temperature, gravity and metallicity; those of a population
    lie inside.

    Parameters
    ----------
    shown : `Shown`
    composite : dict
        Rule of the numbers of `describe_star`, as of `is_dubious`, with the least S/N per pixel (``snr``) and the
        wavelengths at rest that must be spanned (``window``, Angstrom); empty where there is none.

    Returns
    -------
    bool
        False where templates were not compared, or are not those of the rule, or too little is seen.
    """
    if not can_be_composite(shown, composite):
        return False
    features = describe_star(shown)
    if len(features) != len(composite["centre"]):
        return False
    expanded = expand_features(features, composite["centre"], composite["scale"])
    return bool(composite["offset"] + expanded[: len(composite["weights"])] @ composite["weights"] < 0)


def is_unlike(spectype, z, probability, information, shown, rules, around=None):
    """Whether an object is of another kind than those of its class, or has the velocity of a star without being one.

    Templates explain most of the features of a spectrum of their class, if not all; a bright quasar has a sharp
    redshift, and a bright star a type. Supernovae and spectra of two objects fail in one of these. A star at the
    velocity of a near galaxy is one by its lines alone: templates of galaxies must not explain it as well. Beyond that,
    a fitted rule compares answers with right ones.

    Parameters
    ----------
    spectype : str
    z, probability : float
        Of the best solution.
    information : float
        In nat, of class and redshift, before a user's prior.
    shown : `Shown`
    rules : `~astro_spectok.redshift.rules.RedshiftRules`
    around : float, optional
        Probability of the class and a redshift in the vicinity; that of the best solution if not given.

    Returns
    -------
    bool

    Examples
    --------
    >>> from astro_spectok.redshift.reliance import Shown, is_unlike
    >>> from astro_spectok.redshift.rules import RedshiftRules
    >>> shown, rules = Shown(snr=20, pixel=3e-4, structure=0.3, unexplained=0.2), RedshiftRules.begin()
    >>> is_unlike("QSO", 2.8, 0.85, 6.9, shown, rules)
    True
    >>> is_unlike("QSO", 2.8, 0.999, 8.5, shown, rules)
    False
    """
    if spectype != STAR and abs(z) < STELLAR_VELOCITY:
        return True
    if spectype == STAR and (
        is_galaxy_like(shown, rules.receding) if shown.fast else is_composite(shown, rules.composite)
    ):
        return True
    features = describe_answer(z, probability, probability if around is None else around, information, shown)
    if is_dubious(spectype, features, rules.reliable):
        return True
    strange = shown.unexplained > rules.unexplained  # False for NaN
    share = shown.unexplained / shown.structure if strange else 0.0
    limits = rules.unlike["QSO" if spectype == "QSO" else STAR if spectype == STAR else "GALAXY"]
    if spectype == STAR:
        known = information >= limits["information"] or shown.type_probability >= limits["type"]
        return bool(share > limits["share"] and not known)
    if spectype == "QSO" and shown.pixel > limits["pixel"]:
        return False
    if not shown.snr > limits["bright"]:
        return False
    left = share > limits["share"] and probability < limits["sure"]
    return bool(left or (spectype == "QSO" and information < limits["information"]))
