# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One redshift of several spectra of an object: the product of their posteriors."""

from dataclasses import replace

import numpy as np

from astro_spectok.interface.inputs import measure_facts
from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.solutions import sharpen_peak
from astro_spectok.redshift.zwarn import RedshiftFlag

__all__ = [
    "CORRUPT",
    "RULED_OUT",
    "SURE",
    "average_redshift",
    "find_contradictions",
    "join_posteriors",
    "multiply_posteriors",
    "sharpen_series",
]

#: share of a spectrum's posterior that is the prior: it may be corrupt, and must not rule out what all others say
CORRUPT = 0.02
#: probability from which a spectrum alone contradicts the others, and most of what it gives their answer
SURE, RULED_OUT = 0.95, 1e-3
#: nat of information below which a spectrum has no say on its own
INFORMED = 4.0


def multiply_posteriors(posteriors):
    """The posterior of a constant class and redshift, of several independent ones under a flat prior.

    Each may be of a corrupt spectrum, which says nothing.

    Parameters
    ----------
    posteriors : list of `~astro_spectok.redshift.RedshiftPosterior`
        On one grid.

    Returns
    -------
    `~astro_spectok.redshift.RedshiftPosterior`
    """
    grid = posteriors[0].grid
    total = {name: np.zeros(size) for name, size in zip(grid.classes, grid.size, strict=True)}
    for one in posteriors:
        for name, log_p in one.log_probability.items():
            prior = 1 / (len(log_p) * len(grid.classes))
            total[name] += np.log((1 - CORRUPT) * np.exp(log_p) / prior + CORRUPT)
    for values in total.values():
        values -= np.log(len(values) * len(grid.classes))
    return RedshiftPosterior(grid, total)


def find_contradictions(posteriors, best):
    """Which posteriors are sure of something else than a solution: bool ndarray.

    Parameters
    ----------
    posteriors : list of `~astro_spectok.redshift.RedshiftPosterior`
    best : `~astro_spectok.redshift.Peak`
    """
    out = []
    for one in posteriors:
        near = np.abs(one.grid.ln1pz[best.spectype] - np.log1p(best.z)) <= 2 * WINDOW
        own = one.find_peaks(1)[0]
        out.append(
            own.probability > SURE
            and float(one.probability[best.spectype][near].sum()) < RULED_OUT
            and one.information > INFORMED
        )
    return np.array(out)


def average_redshift(peak, calibration, batch, index):
    """ln(1 + z) by the templates of all spectra, or None where fewer than two are refined."""
    found = [sharpen_peak(peak, calibration, batch, i) for i in index]
    found = [one for one in found if one.refined and abs(one.ln1pz - np.log1p(peak.z)) < WINDOW]
    if len(found) < 2:
        return None
    weights = np.array([one.width**-2 for one in found])
    values = np.array([one.ln1pz for one in found])
    return float(np.average(values, weights=weights))


def join_posteriors(prepared, found):
    """The joint posterior of a series, the place of its best spectrum, and what is remarked of the others.

    Parameters
    ----------
    prepared : `~astro_spectok.redshift.measure.Prepared`
    found : dict of int to (RedshiftPosterior, float, dict)
        By place, posteriors, information and types of stars.

    Returns
    -------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
    place : int
        Of the spectrum with the highest signal-to-noise ratio.
    types : dict of str to float
    flags : RedshiftFlag
    """
    posteriors = [one[0] for one in found.values()]
    joint = multiply_posteriors(posteriors)
    best = joint.find_peaks(1)[0]
    snr = {i: float(measure_facts(prepared.batch, i)[0]) for i in found}
    place = max(snr, key=lambda i: np.nan_to_num(snr[i], nan=-np.inf))
    flags = RedshiftFlag.EPOCHS_DISAGREE if find_contradictions(posteriors, best).any() else RedshiftFlag.NONE
    names = found[place][2]
    weights = np.array([max(snr[i], 0.0) ** 2 for i in found]) + 1e-9
    types = {
        name: float(np.average([one[2].get(name, 0.0) for one in found.values()], weights=weights)) for name in names
    }
    return joint, place, types, flags


def sharpen_series(solved, calibration, prepared, found, raw):
    """Solutions of a series whose best has the mean redshift by the templates of all its spectra.

    Its error stays that of the joint posterior with the best spectrum: what templates leave of one is left of all.
    """
    ln1pz = average_redshift(raw, calibration, prepared.batch, found)
    return solved if ln1pz is None else [replace(solved[0], z=float(np.expm1(ln1pz))), *solved[1:]]
