# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From the comparison with a library to probabilities of type and redshift together, and to a phase."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from astro_spectok.heads.transient_fit import MISFIT
from astro_spectok.heads.transient_net import DAYS, REACH, find_candidates
from astro_spectok.transients.candidates import add_judgement, bin_host, weigh_judgement

__all__ = [
    "GROUPS",
    "Phase",
    "TransientCalibration",
    "TransientPosterior",
    "describe_host",
    "find_group",
    "group_probabilities",
    "join_objects",
    "join_types",
    "make_posterior",
    "measure_precision",
    "score_templates",
]


#: groups of types that count the same before a spectrum is seen, and are decided between before types are
GROUPS = (("Ia", "Iax"), ("II", "IIn", "IIb"), ("Ib", "Ic", "Ic-BL", "Ibn"))
#: least spread of the phases of templates, in days, that one by networks is weighed against
LEAST_SPREAD = 2.0


@dataclass(frozen=True)
class TransientCalibration:
    """Numbers that make scores probabilities, fitted to observations of objects that the library does not hold.

    Attributes
    ----------
    temperature : float
        What scores are divided by where errors are those of templates alone.
    noisy_temperature : float
        The same where they are all noise, whose values do not hang together; 0 for no difference.
    softness : float
        Chi squared per bin that is left of the best template in any case.
    sharpness : float
        Power of the probabilities of type and redshift.
    offset : dict of str to float
        Of the logarithm of the probability of each type.
    z_floor, z_scale : float
        Least error in ln(1 + z), and factor of it.
    z_reach : float
        How far from the most probable ln(1 + z) the best shifts of objects are averaged; 0 for the mean of the peak.
    phase_floor, phase_scale : float
        The same in days.
    other_phase : (float, float)
        Floor and factor of types other than Ia, whose phases are known less well; 0 for no difference.
    phase_power : float
        Power of the shares of templates that a phase is averaged with.
    host : tuple of float
        Coefficients of the logistic probability that light of a host is seen: constant, of the logarithm of what
        galaxies explain, and of the strength of the transient.
    judged : (float, float)
        Weights of what networks say of types and redshifts, without noise and with nothing else.
    unjudged : float
        ln of what is assumed of redshifts that networks do not judge: about what they say of wrong ones.
    lines : float
        Share of transients whose redshift is taken to be that of a galaxy by the redshift head.
    judged_phase : float
        Weight of the phase by networks beside that by templates, each over its variance.
    """

    temperature: float = 4.0
    noisy_temperature: float = 0.0
    softness: float = 0.3
    sharpness: float = 1.0
    offset: dict = field(default_factory=dict)
    z_floor: float = 0.003
    z_scale: float = 1.0
    z_reach: float = 0.0
    phase_floor: float = 2.0
    phase_scale: float = 1.0
    other_phase: tuple = (0.0, 0.0)
    phase_power: float = 1.5
    host: tuple = (0.0, 0.5, -3.0)
    judged: tuple = (0.0, 0.0)
    unjudged: float = -3.0
    lines: float = 0.0
    judged_phase: float = 0.0

    @classmethod
    def from_head(cls, head):
        """The calibration that a head holds; the one it begins with where it holds none."""
        known = {name: head.calibration[name] for name in cls.__dataclass_fields__ if name in head.calibration}
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})

    def to_dict(self):
        """As JSON holds it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def find_temperature(self, precision):
        """What scores are divided by, from the share of the errors that is not noise."""
        noisy = self.noisy_temperature or self.temperature
        return 1 / (precision / self.temperature + (1 - precision) / noisy)


class Phase(NamedTuple):
    """Phase of a type and a redshift: mean and standard deviation in days at rest; NaN where it is not known."""

    mean: float
    sigma: float


@dataclass(frozen=True)
class TransientPosterior:
    """Probabilities of type and redshift.

    Attributes
    ----------
    types : tuple of str
    ln1pz : ndarray, shape (S,)
    log_probability : ndarray, shape (S, types)
        Of each bin; they add up to 1.
    log_templates : ndarray, shape (S, T)
        Scores of all templates, over the temperature.
    calibration : `TransientCalibration`
    places : ndarray of int, shape (K,)
        Bins that networks have judged; none of a head without.
    judged : `~astro_spectok.heads.transient_net.Judged`, optional
    log_objects : ndarray, shape (S, O), optional
        Scores of the best template of each object, with what lines of a host say; minus infinity of one left out.
    kinds : ndarray of int, shape (O,), optional
        Number of the type of each object.
    """

    types: tuple
    ln1pz: np.ndarray
    log_probability: np.ndarray
    log_templates: np.ndarray
    calibration: TransientCalibration
    places: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    judged: Any = None
    log_objects: Any = None
    kinds: Any = None

    @property
    def type_probability(self):
        """Probability of each type: dict of str to float."""
        return dict(zip(self.types, np.exp(logsumexp(self.log_probability, axis=0)).tolist(), strict=True))

    def find_redshift(self):
        """Best ln(1 + z), its standard deviation, and the probability of a redshift within `REACH` of it: floats."""
        p, made = np.exp(logsumexp(self.log_probability, axis=1)), self.calibration
        best = self.ln1pz[int(np.argmax(p))]
        near = np.abs(self.ln1pz - best) <= REACH
        mean, width = _average(self.ln1pz[near], p[near])
        if made.z_reach and self.log_objects is not None:
            mean, width = self._average_objects(best, mean, width)
        share = float(p[np.abs(self.ln1pz - mean) <= REACH].sum())
        return mean, float(np.hypot(made.z_floor, made.z_scale * width)), share

    def _average_objects(self, best, mean, width):
        """Mean and standard deviation of ln(1 + z) over the objects of the best group, each at its own best shift.

        Ejecta of one object are faster than those of another by up to 3000 km/s, so that no single one has the
        redshift; those that are given where no object of the group is left.
        """
        near = np.abs(self.ln1pz - best) <= self.calibration.z_reach
        _, group = group_probabilities(self.type_probability)[0]
        own = np.isin(self.kinds, [self.types.index(name) for name in group]) & np.isfinite(self.log_objects[0])
        if not own.any():
            return mean, width
        scores = self.log_objects[near][:, own]
        height = scores.max(axis=0)
        return _average(self.ln1pz[near][scores.argmax(axis=0)], np.exp(height - height.max()))

    def find_phase(self, kind, library, ln1pz):
        """The `Phase` of a type near a redshift, by its templates there and by networks."""
        near = np.abs(self.ln1pz - ln1pz) <= REACH
        own = (library.kind == self.types.index(kind)) & np.isfinite(library.phase)
        if not (near.any() and own.any()):
            return Phase(np.nan, np.nan)
        log_weight = self.calibration.phase_power * logsumexp(self.log_templates[near][:, own], axis=0)
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        # late templates are months apart, and one of them is not to lead the mean
        phase = np.arcsinh(library.phase[own] / DAYS)
        middle = float(weight @ phase)
        mean, spread = DAYS * np.sinh(middle), DAYS * np.cosh(middle) * np.sqrt(weight @ (phase - middle) ** 2)
        mean, spread = self._join_phases(float(mean), float(spread), ln1pz)
        made = self.calibration
        floor, scale = made.phase_floor, made.phase_scale
        if kind != "Ia" and made.other_phase[1]:
            floor, scale = made.other_phase
        return Phase(mean, float(np.hypot(floor, scale * spread)))

    def _join_phases(self, mean, spread, ln1pz):
        """Mean and standard deviation with what networks say at the nearest of the redshifts that they judged."""
        weight = self.calibration.judged_phase
        if self.judged is None or not weight:
            return mean, spread
        near = int(np.argmin(np.abs(self.ln1pz[self.places] - ln1pz)))
        if abs(self.ln1pz[self.places[near]] - ln1pz) > REACH:
            return mean, spread
        ours, theirs = 1 / (spread**2 + LEAST_SPREAD**2), weight / self.judged.sigma[near] ** 2
        return float((ours * mean + theirs * self.judged.phase[near]) / (ours + theirs)), float((ours + theirs) ** -0.5)


def _average(values, weights):
    """Weighted mean and standard deviation: floats."""
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def group_probabilities(probability):
    """Types by their group, and the probability of each group; a type that is in none is one by itself.

    Parameters
    ----------
    probability : dict of str to float

    Returns
    -------
    list of (float, dict of str to float)
        The probability of a group and those of its types, the most probable group first.

    Examples
    --------
    >>> from astro_spectok.transients.posterior import group_probabilities
    >>> group_probabilities({"Ia": 0.4, "Ib": 0.35, "Ic": 0.25})
    [(0.6, {'Ib': 0.35, 'Ic': 0.25}), (0.4, {'Ia': 0.4})]
    """
    groups = {}
    for name, p in probability.items():
        key = next((own for own in GROUPS if name in own), name)
        groups.setdefault(key, {})[name] = p
    return sorted(((sum(own.values()), own) for own in groups.values()), key=lambda one: -one[0])


def find_group(kind, probability):
    """Probability of the group that a type is in: float.

    Examples
    --------
    >>> from astro_spectok.transients.posterior import find_group
    >>> find_group("Ib", {"Ia": 0.4, "Ib": 0.35, "Ic": 0.25})
    0.6
    """
    return next(p for p, own in group_probabilities(probability) if kind in own)


def describe_host(scan, ln1pz):
    """What says whether light of a host is seen, near a redshift: ndarray (2,).

    Logarithm of what galaxies explain, and strength of the best template.
    """
    shift = int(np.argmin(np.abs(scan.ln1pz - ln1pz)))
    best = int(np.argmax(scan.gain[shift]))
    return np.array([np.log1p(max(float(scan.host[shift]), 0.0)), float(scan.strength[shift, best])])


def score_templates(view, scan, calibration):
    """Logarithm of the likelihood of each template at each shift, over the temperature: ndarray (S, T).

    The scale of what is left is unknown, as templates are never right to the noise: it is marginalised over.
    """
    number, temperature = np.count_nonzero(view.weight), calibration.find_temperature(measure_precision(view))
    whole = float(view.weight @ view.ratio**2) + calibration.softness * number
    left = whole - 2 * (scan.gain + scan.host[:, None])
    return -0.5 * number * np.log(np.maximum(left / whole, 1e-3)) / temperature


def measure_precision(view):
    """Share of the errors of a spectrum that is not noise, but what templates are wrong by: float."""
    return float(view.weight.sum() * MISFIT**2 / max(np.count_nonzero(view.weight), 1))


def make_posterior(view, scan, library, calibration, *, left_out=None, judge=None, redshifts=None):
    """The `TransientPosterior` of a spectrum.

    Objects of a type count the same, whatever the number of their spectra, and types as well.

    Parameters
    ----------
    view : `~astro_spectok.heads.transient_fit.View`
    scan : `~astro_spectok.heads.transient_fit.Scan`
    library : `~astro_spectok.heads.transient.TransientLibrary`
    calibration : `TransientCalibration`
    left_out : int, optional
        Number of an object whose templates are not used, for tests on its own spectra.
    judge : callable, optional
        Gives for shifts in bins what networks say of them, as `astro_spectok.heads.TransientHead.judge` does, or None.
    redshifts : `~astro_spectok.redshift.RedshiftPosterior`, optional
        What the lines of a host say.

    Returns
    -------
    TransientPosterior
    """
    scores = score_templates(view, scan, calibration)
    if left_out is not None:
        scores = np.where(library.group == left_out, -np.inf, scores)
    best, kinds = join_objects(scores, library)
    types = library.config.types
    out = join_types(best, kinds, len(types))
    if redshifts is not None:
        lines = bin_host(redshifts, scan.ln1pz, calibration.lines)[:, None]
        out, best = out + lines, best + lines
    out = out - logsumexp(out)
    places = find_candidates(logsumexp(out, axis=1), scan.ln1pz)
    judged = None if judge is None else judge(np.rint(scan.ln1pz[places] / library.config.step).astype(np.int64))
    offset = np.array([calibration.offset.get(name, 0.0) for name in types])
    out = calibration.sharpness * out + offset
    if judged is None:
        places = places[:0]
    else:
        weight = weigh_judgement(calibration, measure_precision(view))
        out = add_judgement(out, scan.ln1pz, places, judged.log_types, weight, calibration.unjudged)
    return TransientPosterior(types, scan.ln1pz, out - logsumexp(out), scores, calibration, places, judged, best, kinds)


def join_objects(scores, library):
    """The best of the templates of each object at each shift (S, objects), and the type of each object (objects,)."""
    order = np.argsort(library.group, kind="stable")
    _, starts = np.unique(library.group[order], return_index=True)
    return np.maximum.reduceat(scores[:, order], starts, axis=1), library.kind[order][starts]


def join_types(best, kinds, number):
    """Log of the probability of each shift and type, (S, types), from scores of objects over the temperature.

    An object whose scores are minus infinity is none.
    """
    there = np.isfinite(best).any(axis=0)
    out = np.full((len(best), number), -np.inf)
    for k in range(number):
        own = (kinds == k) & there
        if own.any():
            out[:, k] = logsumexp(best[:, own], axis=1) - np.log(np.count_nonzero(own))
    return out - logsumexp(out)
