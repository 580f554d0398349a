# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From prepared spectra to types, phases and redshifts of transients, and their flags."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from astro_spectok.exceptions import WeightsError
from astro_spectok.heads.small_numbers import TRANSIENT_RULES
from astro_spectok.heads.transient_fit import scan_templates, view_spectrum
from astro_spectok.interface.containment import require_finite
from astro_spectok.interface.heads import require_head
from astro_spectok.interface.inputs import measure_medium_error
from astro_spectok.redshift.flags import convert_flags, sum_around
from astro_spectok.redshift.signal import lacks_signal
from astro_spectok.redshift.solutions import describe_kind, find_solutions, take_spectrum
from astro_spectok.redshift.transient_rule import find_transient_rule, judge_transient
from astro_spectok.transients.posterior import (
    Phase,
    TransientCalibration,
    TransientPosterior,
    describe_host,
    find_group,
    group_probabilities,
    make_posterior,
)
from astro_spectok.transients.warn import TransientFlag

__all__ = [
    "Found",
    "Match",
    "choose_type",
    "combine_flags",
    "find_flags",
    "find_transient",
    "find_transient_head",
    "join_probabilities",
]

#: objects below which a type is thin
THIN = 6
#: classes of what is no transient
NO_TRANSIENT = ("GALAXY", "QSO", "STAR")
#: bits of `~astro_spectok.redshift.RedshiftFlag` of the input, and those of them that are remarks
SHARED = (
    TransientFlag.TOO_FEW_PIXELS
    | TransientFlag.NO_DATA
    | TransientFlag.OUTSIDE_TRAINED_RANGE
    | TransientFlag.ERRORS_ESTIMATED
    | TransientFlag.MEDIUM_UNKNOWN
)
REMARKS = (
    TransientFlag.OUTSIDE_TRAINED_RANGE
    | TransientFlag.ERRORS_ESTIMATED
    | TransientFlag.MEDIUM_UNKNOWN
    | TransientFlag.PHASE_UNSURE
)


class Match(NamedTuple):
    """A spectrum at rest beside the best template of its type.

    Attributes
    ----------
    wavelength : ndarray, shape (N,)
        Vacuum Angstrom, at rest.
    contrast, template : ndarray, shape (N,)
        Flux over its smooth continuum, less one: of the spectrum, NaN where nothing is seen, and of the template at the
        strength that fits beside the light of galaxies.
    phase : float
        Of the template, in days; NaN where it is not known.
    """

    wavelength: np.ndarray
    contrast: np.ndarray
    template: np.ndarray
    phase: float


class Found(NamedTuple):
    """Answer of one spectrum: as the attributes of `~astro_spectok.transients.TransientEstimate`, in plain numbers."""

    probabilities: dict
    phase: Phase
    z: float
    z_err: float
    p_z: float
    p_transient: float
    p_host: float
    snr: float
    flags: TransientFlag
    posterior: TransientPosterior | None
    match: Match | None = None


def find_transient_head(runner):
    """The transient head of the weights of a runner, and its rule.

    Raises
    ------
    WeightsError
        The weights have none, or one without rules.
    """
    name = require_head(runner, "transient", "types of transients", "give them one with `spectok build transients`")
    rule = find_transient_rule(runner)
    if rule is None:
        msg = (
            f"weights {runner.loaded.name!r} have a transient head without rules; make one with `spectok build "
            "transients`"
        )
        raise WeightsError(msg)
    return runner.network.heads[name], rule


def find_transient(prepared, i, measured, head, rule, *, assume_transient=False):
    """The `Found` of one usable spectrum, and what templates of its class leave of it.

    Parameters
    ----------
    prepared : `~astro_spectok.redshift.measure.Prepared`
    i : int
    measured : (RedshiftPosterior, float, dict)
        As of `~astro_spectok.redshift.measure.Prepared.measure`.
    head : `~astro_spectok.heads.TransientHead`
    rule : `~astro_spectok.redshift.transient_rule.TransientRule`
    assume_transient : bool, optional
        Whether it is known to be one.

    Returns
    -------
    found : Found
    left : tuple of ndarray, or None
        As of `~astro_spectok.redshift.fit.Refined`.
    """
    posterior, information, types = measured
    batch, spectrum = prepared.batch, take_spectrum(prepared.batch, i)
    peaks, raw, sharp = find_solutions(posterior, prepared.calibration, batch, i, 1)
    shown = describe_kind(sharp, batch, i, prepared.calibration.rules, types=types)
    around = sum_around(posterior, raw[0], prepared.calibration.rules)
    view = view_spectrum(*spectrum, head.config)
    if view is None:
        p_transient, made = 0.0, None
    else:
        p_transient = 1.0
        if not assume_transient:
            p_transient = judge_transient(rule, spectrum, raw[0], information, shown, around)
        made = TransientCalibration.from_head(head)
        scan = scan_templates(view, head.get_sums())
        made = make_posterior(
            view, scan, head.get_library(), made, judge=lambda shifts: head.judge(view, shifts), redshifts=posterior
        )
    probabilities = join_probabilities(p_transient, made, posterior.class_probability)
    (best, _), p_host, phase = choose_type(probabilities), np.nan, Phase(np.nan, np.nan)
    z, z_err, p_z, match = peaks[0].z, peaks[0].z_err, around, None
    if made is not None and best in made.types:
        ln1pz, width, p_z = made.find_redshift()
        width = float(np.hypot(width, measure_medium_error(batch, i)))
        z, z_err = float(np.expm1(ln1pz)), float(np.exp(ln1pz) * width)
        phase = made.find_phase(best, head.get_library(), ln1pz)
        if prepared.single:  # a table has no picture
            match = _match_template(view, scan, made, head.get_library(), best, ln1pz)
        constant, *slopes = made.calibration.host
        p_host = float(expit(constant + describe_host(scan, ln1pz) @ slopes))
    require_finite("type and redshift", z, z_err, p_z, p_transient, shown.snr)
    flags = find_flags(best, probabilities, p_z, p_transient, phase, head)
    if view is None:
        flags |= TransientFlag.LITTLE_COVERAGE
    if lacks_signal(*spectrum[1:]):
        flags |= TransientFlag.SKY_LIKE
    found = Found(probabilities, phase, z, z_err, p_z, p_transient, p_host, shown.snr, flags, made, match)
    return found, sharp.left


def _match_template(view, scan, posterior, library, kind, ln1pz):
    """The `Match` of a spectrum with the best template of a type at the shift that is nearest to a redshift."""
    config, shift = library.config, int(np.argmin(np.abs(scan.ln1pz - ln1pz)))
    own = np.flatnonzero(library.kind == posterior.types.index(kind))
    one = own[int(np.argmax(posterior.log_templates[shift, own]))]
    rows = library.rows[: library.templates.shape[1]]
    template = scan.strength[shift, one] * (library.templates[one] @ rows)
    place = view.first - round(float(scan.ln1pz[shift]) / config.step) + np.arange(len(view.ratio))
    there = (place >= 0) & (place < config.bins)
    place = place[there]
    contrast = np.where(view.weight[there] > 0, view.ratio[there], np.nan)
    wavelength = config.low * np.exp(config.step * (place + 0.5))
    return Match(wavelength, contrast, template[place], float(library.phase[one]))


def join_probabilities(p_transient, posterior, class_probability):
    """Probability of each type and of each class of what is no transient: dict of str to float."""
    out = {} if posterior is None else {name: p_transient * p for name, p in posterior.type_probability.items()}
    return out | {name: (1 - p_transient) * float(p) for name, p in class_probability.items()}


def choose_type(probabilities):
    """The answer and the next one: two names.

    First it is decided between transients and all else, then between groups of types, and then between those of the
    best group: types that are hard to keep apart do not lose to one that is not.

    Parameters
    ----------
    probabilities : dict of str to float
        As of `join_probabilities`.

    Examples
    --------
    >>> from astro_spectok.transients.measure import choose_type
    >>> choose_type({"Ia": 0.3, "Ib": 0.21, "Ic": 0.19, "GALAXY": 0.3})
    ('Ib', 'Ia')
    """
    types, classes = (
        {name: p for name, p in probabilities.items() if (name in NO_TRANSIENT) == other} for other in (False, True)
    )
    _, group = group_probabilities(max(types, classes, key=lambda part: sum(part.values())))[0]
    best = max(group, key=group.get)
    return best, max((name for name in probabilities if name != best), key=probabilities.get)


def find_flags(best, probabilities, p_z, p_transient, phase, head):
    """Flags of an answer: `TransientFlag`.

    Parameters
    ----------
    best : str
    probabilities : dict of str to float
    p_z, p_transient : float
    phase : Phase
    head : `~astro_spectok.heads.TransientHead`
        Knows from where on answers are sure, and how many objects of each type its library has.
    """
    out, objects = TransientFlag.NONE, head.domain.get("objects", {})
    sure = TRANSIENT_RULES["sure"] | head.rules.get("sure", {})
    if p_transient < sure["transient"]:
        out |= TransientFlag.NOT_A_TRANSIENT
    p, least = find_group(best, probabilities), sure.get("group")
    if least is None:  # heads that were fitted before groups were decided on
        p, least = probabilities[best], sure["type"]
    if p < least:
        out |= TransientFlag.TYPE_UNSURE
    if p_z < sure["redshift"]:
        out |= TransientFlag.LOW_CONFIDENCE
    if phase.sigma > sure["phase"]:  # False for NaN
        out |= TransientFlag.PHASE_UNSURE
    if best in objects and objects[best] < THIN:
        out |= TransientFlag.THIN_TYPE
    return out


def combine_flags(noticed, flags):
    """``warn`` from the flags of an input, bits of `~astro_spectok.spectra.InputFlag`, and those of its answer."""
    warn = TransientFlag(int(convert_flags(noticed)) & int(SHARED)) | flags
    return warn if warn & ~REMARKS else TransientFlag.NONE
