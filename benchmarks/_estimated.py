# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers of the public estimator beside the truth, for test sets, simulated spectra, and spectra of nothing."""

import itertools
import warnings

import numpy as np
from _catalogue_errors import find_catalogue_errors
from _real_sets import CLASSES, read_truth
from _test_sets import SETS

from astro_spectok.exceptions import FlaggedSpectraWarning, WavelengthRangeWarning
from astro_spectok.redshift import RedshiftPosterior
from astro_spectok.simulate import Survey
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.training.observed import WIDE_RESOLUTION, to_inputs, to_spectra
from astro_spectok.training.redshift_evidence import find_pit

__all__ = ["draw_nothing", "estimate_set", "estimate_simulated", "estimate_spectra"]

#: spectra that are given to the estimator at once: bounds the memory that posteriors take
CHUNK = 256
#: objects drawn at once: each part of a draw is of one set of templates, and a draw of any size has few parts
DRAWN = 200
#: SDSS's pixels: ln(Angstrom) of the first, step, number
PIXELS = np.log(3800.0), 2.3026e-4, 3850
#: signal-to-noise ratios of featureless continua
CONTINUUM_SNR = (2.0, 30.0)


class _At:
    """A redshift, as `find_pit` wants it."""

    def __init__(self, z):
        self.z = z


def estimate_spectra(estimator, spectra, medium, z_true=None, z_true_err=None):
    """What the estimator answers.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.RedshiftEstimator`
    spectra : list of (wavelength, flux, ivar)
        Angstrom in ``medium``; ivar 0 is bad, and 1 throughout means that no errors are known.
    medium : {'vacuum', 'air'}
    z_true, z_true_err : ndarray, shape (n,), optional
        NaN where unknown; and standard errors, 0 if not given.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``class`` ('' where a spectrum cannot be used), ``z``, ``z_err``, ``p_best``, ``zwarn``, ``measured_snr``, and
        ``pit``, the probability of a redshift below ``z_true``, NaN where that is not known; ``pit_beside``, the same
        with ``z_true_err`` beside ``z_err``.
    """
    table = {"class": [], "z": [], "z_err": [], "p_best": [], "zwarn": [], "snr": [], "pit": [], "pit_beside": []}
    for start in range(0, len(spectra), CHUNK):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FlaggedSpectraWarning)
            warnings.simplefilter("ignore", WavelengthRangeWarning)
            inputs = to_inputs(spectra[start : start + CHUNK])
            found = estimator.estimate(inputs, medium=medium, progress=False, posterior=True)
        table["class"] += [str(name) for name in found["spectype"]]
        for key in ("z", "z_err", "p_best", "zwarn", "snr"):
            table[key].append(np.asarray(found[key]))
        truth = np.full(len(found), np.nan) if z_true is None else z_true[start : start + CHUNK]
        beside = np.zeros(len(found)) if z_true_err is None else z_true_err[start : start + CHUNK]
        for row, z, z_err in zip(found, truth, beside, strict=True):
            table["pit"].append(_find_pit(row, found.meta, z))
            table["pit_beside"].append(_find_pit(row, found.meta, z, z_err) if z_err > 0 else table["pit"][-1])
    out = {key: np.concatenate(table[key]) for key in ("z", "z_err", "p_best", "zwarn")}
    out |= {"measured_snr": np.concatenate(table["snr"])} | {k: np.array(table[k]) for k in ("pit", "pit_beside")}
    return out | {"class": np.array(table["class"], "U6")}


def _find_pit(row, meta, z_true, z_true_err=0.0):
    """`find_pit` of one row of the table; NaN where nothing was measured or is known."""
    if not (row["spectype"] and np.isfinite(z_true)):
        return np.nan
    return find_pit(
        RedshiftPosterior.expand(row, meta), _At(float(row["z"])), float(np.hypot(row["z_err"], z_true_err)), z_true
    )


def estimate_set(estimator, survey, path, *, limit=None):
    """Answers and truth of the rows of a test set that are scored.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.RedshiftEstimator`
    survey : `~_real_sets.Survey`
    path : path-like
    limit : int, optional
        Most spectra, taken at random.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        As of `estimate_spectra`, with ``class_true``, ``z_true``, ``snr``, ``object``, ``row``, ``wide``; of spectra
        that can be used.
    """
    spectra, columns = load_set(path)
    rows = np.flatnonzero(survey.select(columns))
    if limit is not None:
        rows = np.sort(np.random.default_rng(7).permutation(rows)[:limit])
    table = read_truth(columns, len(rows), rows)
    errors = find_catalogue_errors(survey.name, columns, rows)
    table |= estimate_spectra(estimator, [spectra[i] for i in rows], SETS[survey.name], table["z_true"], errors)
    table["snr"] = np.where(np.isfinite(table["snr"]), table["snr"], table["measured_snr"])
    table["wide"] = np.full(len(rows), survey.wide)
    usable = table["class"] != ""
    return {key: x[usable] for key, x in table.items()}


def estimate_simulated(estimator, templates, n, seed, families=None):
    """The same for ``n`` simulated spectra, with ``family`` in place of ``object`` and ``row``.

    They are of every kind, unless ``families`` of `~astro_spectok.simulate.Survey` are given. ``z_true`` is NaN and
    ``class_true`` '' where there is none to be found.
    """
    survey, tables = Survey(templates, families=families), []
    draws = (
        survey.draw(min(DRAWN, n - start), [*np.atleast_1d(seed).tolist(), number])
        for number, start in enumerate(range(0, n, DRAWN))
    )
    for group in itertools.chain.from_iterable(draws):
        objects = group.objects
        z = objects.z.masked_fill(~objects.measurable, np.nan).numpy()
        table = estimate_spectra(estimator, to_spectra(group.observations[0]), "vacuum", z)
        wide = [bool(np.median(one.resolution) <= WIDE_RESOLUTION) for one in group.instruments[0]]
        table |= {
            "class_true": np.array([CLASSES[k] if k >= 0 else "" for k in objects.cls.tolist()], "U6"),
            "z_true": z, "snr": group.snr[0].numpy(), "wide": np.array(wide),
            "family": np.full(len(z), group.family),
        }  # fmt: skip
        tables.append(table)
    table = {key: np.concatenate([one[key] for one in tables]) for key in tables[0]}
    usable = table["class"] != ""
    return {key: x[usable] for key, x in table.items()}


def draw_nothing(n, seed):
    """Spectra in which nothing is to be found, on SDSS's pixels: white noise, and power laws with white noise.

    Parameters
    ----------
    n : int
        Of each kind.
    seed : int

    Returns
    -------
    dict of str to list of (wavelength, flux, ivar)
    """
    rng = np.random.default_rng(seed)
    x = PIXELS[0] + PIXELS[1] * np.arange(PIXELS[2])
    noise, continua = [], []
    for _ in range(n):
        noise.append((np.exp(x), rng.normal(0, 1, len(x)), np.full(len(x), 1.0001)))
        snr = np.exp(rng.uniform(*np.log(CONTINUUM_SNR)))
        flux = np.exp(rng.normal(-1, 1) * (x - x.mean()))
        sigma = np.median(flux) / snr
        continua.append((np.exp(x), flux + rng.normal(0, sigma, len(x)), np.full(len(x), sigma**-2)))
    return {"white noise": noise, "power laws": continua}
