# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From which probabilities on answers on transients are sure, by spectra of objects that are left out."""

from collections import Counter

import numpy as np

from astro_spectok.redshift.reliance import FEATURES
from astro_spectok.training.calibrate_redshift import NARROW
from astro_spectok.training.transient_calibration import PHASES, RIGHT
from astro_spectok.transients.measure import THIN, choose_type
from astro_spectok.transients.posterior import group_probabilities

__all__ = ["find_certain", "find_threshold", "fit_thresholds"]

#: share of sure answers that is to be right: of groups of types, redshifts, and phases, which are within so many days.
#: Of a few hundred spectra none is to have a wrong redshift, so that 0.99 of others have a right one
RIGHT_TYPE, RIGHT_Z, RIGHT_PHASE, CLOSE = 0.95, 0.999, 0.9, 10.0
#: objects whose redshift is in doubt: the features of SN 1987L lie 2000 to 4000 km/s to the blue of those of all others
DOUBTFUL = ("1987l",)
#: share of what is no transient that may surely seem one
CLAIMED = 0.003
#: share of redshifts by lines of such evidence that is to be right, of galaxies that transients are in
RIGHT_HOST = 0.99
#: limits of each threshold
LIMITS = {
    "certain": (50.0, 500.0),
    "group": (0.5, 0.95),
    "redshift": (0.5, 0.995),
    "transient": (0.5, 0.99),
    "phase": (5.0, 30.0),
}


def find_threshold(values, right, wanted):
    """The lowest value such that of all from it on the wanted share is right; the highest where there is none.

    Examples
    --------
    >>> from astro_spectok.training.transient_thresholds import find_threshold
    >>> find_threshold([0.3, 0.5, 0.7, 0.9], [False, False, True, True], 0.9)
    0.7
    """
    values, right = np.asarray(values, float), np.asarray(right, float)
    if not len(values):
        return np.inf
    order = np.argsort(-values, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share >= wanted)
    return float(values[order][enough[-1]]) if len(enough) else float(values.max())


def find_certain(table, z):
    """Evidence of the lines of a galaxy from which a transient in it makes its redshift no less certain: float.

    Parameters
    ----------
    table : dict of str to ndarray, shape (n,)
        Answers to transients, as of `~astro_spectok.training.calibrate_redshift.answer`.
    z : sequence of float
        True redshifts.
    """
    place = FEATURES.index("evidence")
    own = (table["cls"] == "GALAXY") & (table["zwarn"] == 0)
    evidence = [float(np.expm1(one[place])) for one, galaxy in zip(table["features"], own, strict=True) if galaxy]
    right = np.abs(table["z"] - np.asarray(z, float))[own] < NARROW * (1 + np.asarray(z, float)[own])
    return round(float(np.clip(find_threshold(evidence, right, RIGHT_HOST), *LIMITS["certain"])), 1)


def fit_thresholds(answered, library, spectra, kept):
    """Thresholds of flags by what they are of: dict of str to float.

    That of redshifts is for answers whose group of types is sure: ``warn`` is 0 where both are. Types of fewer than
    `~astro_spectok.transients.measure.THIN` objects do not count: without one of them the library hardly knows what it
    is, and they have a flag of their own.

    Parameters
    ----------
    answered : iterable of (Case, Scan, TransientPosterior)
        As of `~astro_spectok.training.transient_calibration.answer_left_out`.
    library : `~astro_spectok.heads.transient.TransientLibrary`
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
    kept : ndarray
        Probabilities of a transient, of what is none.
    """
    p_group, right, p_z, near, sigma, close = ([] for _ in range(6))
    kinds = {one.object: one.kind for one in spectra}
    objects = Counter(kinds.values())
    for one, _, posterior in answered:
        probability = posterior.type_probability
        (kind, _), truth = choose_type(probability), spectra[one.row]
        if objects[truth.kind] < THIN or truth.object in DOUBTFUL:
            continue
        ln1pz, _, share = posterior.find_redshift()
        p, group = group_probabilities(probability)[0]
        p_group.append(p), right.append(truth.kind in group)
        p_z.append(share), near.append(abs(np.expm1(ln1pz) - one.z) < RIGHT)
        if near[-1] and kind == truth.kind and PHASES[0] <= truth.phase <= PHASES[1]:
            phase = posterior.find_phase(kind, library, ln1pz)
            sigma.append(-phase.sigma), close.append(abs(phase.mean - truth.phase) < CLOSE)
    group = find_threshold(p_group, right, RIGHT_TYPE)
    known = np.array(p_group) >= group
    found = {
        "group": group, "redshift": find_threshold(np.array(p_z)[known], np.array(near)[known], RIGHT_Z),
        "transient": float(np.quantile(kept, 1 - CLAIMED)) if len(kept) else 1.0,
        "phase": -find_threshold(sigma, close, RIGHT_PHASE),
    }  # fmt: skip
    return {name: round(float(np.clip(value, *LIMITS[name])), 3) for name, value in found.items()}
