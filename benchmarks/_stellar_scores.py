# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers of ``StellarParameterEstimator`` beside the truth, and figures of merit."""

import warnings

import numpy as np
from astropy.stats import mad_std

from astro_spectok import tokenize
from astro_spectok.exceptions import FlaggedSpectraWarning, WavelengthRangeWarning
from astro_spectok.training.observed import to_inputs

__all__ = ["estimate_stars", "score_flags", "score_parameters"]

#: spectra that are given to the estimator at once
CHUNK = 256
#: in K and dex: where a star lies that is called a dwarf of type F, G or early K
DWARF_TEFF, DWARF_LOGG = (4500.0, 7500.0), 3.5
NUMBERS = ("teff", "logg", "fe_h", "alpha_fe", "rv", "vbroad")


def estimate_stars(estimator, spectra, medium="vacuum", resolution=None, *, tokens=False):
    """What the estimator answers.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.StellarParameterEstimator`
    spectra : list of (wavelength, flux, ivar)
        Angstrom in ``medium``; ivar 0 is bad, and 1 throughout means that no errors are known.
    medium : {'vacuum', 'air'}
    resolution : float, optional
    tokens : bool, optional
        Whether it is given the tokens of the spectra in their place.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Columns of the estimator's table without units.
    """
    tables = []
    for start in range(0, len(spectra), CHUNK):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FlaggedSpectraWarning)
            warnings.simplefilter("ignore", WavelengthRangeWarning)
            inputs = to_inputs(spectra[start : start + CHUNK])
            known = {"medium": medium, "resolution": resolution}
            if tokens:
                weights = {"weights": estimator.weights, "device": estimator.device}
                inputs, known = tokenize(inputs, progress=False, **weights, **known), {}
            tables.append(estimator.estimate(inputs, progress=False, **known))
    names = [name + end for name in NUMBERS for end in ("", "_err")]
    out = {}
    for name in (*names, "p_star", "stellar_type", "snr", "warn"):
        columns = [getattr(table[name], "value", table[name]) for table in tables]
        out[name] = np.concatenate([np.asarray(column) for column in columns]) if columns else np.zeros(0)
    return out


def score_parameters(found, truth, names, **row):
    """Scatter, offset and pull of each parameter, over the stars for which it is known and was given.

    Parameters
    ----------
    found : dict
        As of `estimate_stars`.
    truth : dict of str to ndarray, shape (n,)
    names : sequence of str
    **row
        Goes into each row.

    Returns
    -------
    list of dict
        ``label, n, given`` (share of the known that were given), ``scatter`` (1.48 times the median absolute deviation
        from the median), ``offset`` (median of found less true) and ``pull`` (the same width of (found - true) / error
        around its median); None where there are fewer than three.
    """
    out = []
    for name in names:
        known = np.isfinite(truth[name])
        used = known & np.isfinite(found[name])
        difference, error = (found[name] - truth[name])[used], found[f"{name}_err"][used]
        entry = {"label": name, "n": int(used.sum()), "given": float(used.sum() / known.sum()) if known.any() else None}
        figures = dict.fromkeys(("scatter", "offset", "pull", "error"))
        if len(difference) > 2:
            figures["scatter"], figures["offset"] = float(mad_std(difference)), float(np.median(difference))
            figures["pull"] = float(mad_std(difference / error)) if (error > 0).all() else None
            figures["error"] = float(np.median(error))
        out.append(row | entry | figures)
    return out


def score_flags(found, types, **row):
    """How often each type is flagged, and how often called an ordinary dwarf without a flag.

    Parameters
    ----------
    found : dict
        As of `estimate_stars`.
    types : ndarray of str, shape (n,)
        True ones; '' does not count.
    **row
        Goes into each row.

    Returns
    -------
    list of dict
        ``type, n, flagged, withheld`` (no parameters given), ``dwarf``: shares; the last is that of stars with ``warn``
        0, a temperature of 4500 to 7500 K and a gravity above 3.5, but for those taken for white dwarfs.
    """
    clear = (found["warn"] == 0) & np.isfinite(found["teff"])
    dwarf = clear & (found["teff"] > DWARF_TEFF[0]) & (found["teff"] < DWARF_TEFF[1]) & (found["logg"] > DWARF_LOGG)
    dwarf &= found["stellar_type"] != "WD"
    out = []
    for name in sorted(set(types.tolist()) - {""}):
        own = types == name
        out.append(row | {
            "type": name, "n": int(own.sum()), "flagged": float(np.mean(found["warn"][own] != 0)),
            "withheld": float(np.mean(~np.isfinite(found["teff"][own]))), "dwarf": float(np.mean(dwarf[own])),
        })  # fmt: skip
    return out
