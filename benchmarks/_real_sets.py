# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which rows of which test sets are scored, and what a network measures on them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _test_sets import SETS
from _types import read_types

from astro_spectok.redshift.peaks import find_peaks
from astro_spectok.redshift.spectral_type import choose_type
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import to_batch
from astro_spectok.training.calibrate_redshift import list_redshifts
from astro_spectok.training.observed import to_inputs

__all__ = ["CLASSES", "SURVEYS", "Survey", "measure_set", "measure_spectra"]

CLASSES = ("GALAXY", "QSO", "STAR")
LIGHT_SPEED = 299792.458
#: spectra measured at once: bounds the memory that posteriors take
CHUNK = 128


@dataclass(frozen=True)
class Survey:
    """One test set and the rows of it that are scored.

    Attributes
    ----------
    name : str
        Of the set; `SETS` knows its medium.
    select : callable
        Columns to a bool array (n,).
    wide : bool
        Resolution allows no redshift better than 0.01.
    """

    name: str
    select: Callable = lambda columns: np.ones(len(columns["cls"]), bool)
    wide: bool = False


SURVEYS = (
    Survey("lamost_real", lambda c: np.isin(c["cls"], CLASSES) & (c["z"] > -1)),
    Survey("sdss_boss_real", lambda c: (c["zwarn"] == 0) & (c["snr"] > 2)),
    Survey("sdss_more_real", lambda c: (c["zwarn"] == 0) & (c["snr"] > 2)),
    Survey("rodot_qso_real", lambda c: c["zwarn"] == 0),
    Survey("desi_andes_real", lambda c: c["deltachi2"] > 25),
    Survey("desi_real"),
    Survey("sixdf_real", lambda c: np.isin(c["zwarn"], (3, 4))),
    Survey("vandels_real", lambda c: np.isin(c["zwarn"], (3, 4)), wide=True),
    Survey("sim_redrock"),
    Survey("miles_real_stars"),
    Survey("splat_spex_real", wide=True),
    Survey("ozdes_sn_real"),
    Survey("sdss_sky_real"),
)


def measure_set(runner, survey, path, *, limit=None):
    """Read a set, measure the rows that are scored, and put the answers beside the truth.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    survey : `Survey`
    path : path-like
    limit : int, optional
        Most spectra, taken at random.

    Returns
    -------
    table : dict of str to ndarray, shape (n,) or (n, ...)
        Truth ('' or NaN where unknown): ``class_true``, ``z_true``, ``snr``, ``object``, ``row`` (in the set),
        ``rv_true`` and ``type_true`` (of a star); the answers of `measure_spectra`.
    spectra : list of (wavelength, flux, ivar)
        Of those rows, as `~astro_spectok.simulate.public_sets.load_set` gives them.
    """
    spectra, columns = load_set(path)
    rows = np.flatnonzero(survey.select(columns))
    if limit is not None:
        rows = np.sort(np.random.default_rng(7).permutation(rows)[:limit])
    spectra = [spectra[i] for i in rows]
    answers = measure_spectra(runner, spectra, SETS[survey.name])
    table = read_truth(columns, len(spectra), rows) | answers
    table["snr"] = np.where(np.isfinite(table["snr"]), table["snr"], table.pop("measured_snr"))
    table["wide"] = np.full(len(rows), survey.wide)
    usable = np.array([bool(x) for x in table["class"]], bool)
    kept = np.flatnonzero(usable)
    return {key: x[kept] for key, x in table.items()}, [spectra[i] for i in kept]


def read_truth(columns, n, rows):
    """What is known of the chosen rows; see `measure_set`."""

    def take(*names):
        return next((columns[name][rows].astype(float) for name in names if name in columns), np.full(n, np.nan))

    classes = columns["cls"][rows].astype("U6")
    z = take("z_true", "z")
    if "z" not in columns and "rv" in columns:
        z = take("rv") / LIGHT_SPEED
    snr = take("sn", "snr")
    truth = {
        "class_true": np.where(np.isin(classes, CLASSES), classes, ""),
        "z_true": z,
        # LAMOST writes -9999 for unknown values
        "snr": np.where(snr > -100, snr, np.nan),
        "object": columns["object"][rows] if "object" in columns else rows.astype(str),
        "row": rows,
    }
    truth["rv_true"], truth["type_true"] = take("rv"), read_types(columns, rows)
    return truth


def measure_spectra(runner, spectra, medium):
    """Class, redshift, type and embedding of each spectrum.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    spectra : list of (wavelength, flux, ivar)
        Angstrom in ``medium``; ivar 0 is bad, and 1 throughout means that no errors are known.
    medium : {'vacuum', 'air'}

    Returns
    -------
    dict of str to ndarray, shape (n,) or (n, E)
        ``class`` ('' where a spectrum cannot be used), ``z``, ``z_err``, ``p_best``, ``z_2``, ``p_2``, ``embedding``,
        ``measured_snr`` (median of flux over error), ``rv`` and ``rv_err`` in km/s; ``type`` ('' but for stars) and
        ``p_type``, its probability.
    """
    n = len(spectra)
    numbers = ["z", "z_err", "p_best", "z_2", "p_2", "measured_snr", "rv", "rv_err", "p_type"]
    table = {name: np.full(n, np.nan) for name in numbers}
    table |= {"class": np.full(n, "", "U6"), "type": np.full(n, "", "U2")}
    redshift, types = (runner.find_head(kind) for kind in ("redshift", "spectral_type"))
    ln1pz = {name: np.log1p(z) for name, z in list_redshifts(runner).items()}
    embeddings = {}
    for start in range(0, n, CHUNK):
        batch = to_batch(to_inputs(spectra[start : start + CHUNK]), medium=medium, on_error="flag")
        heads = [name for name in (redshift, types) if name is not None]
        for i, measured in runner.measure(batch, heads, embedding=True, progress=False):
            row = start + i
            found = _read_measured(measured.heads[redshift], ln1pz, measured.heads.get(types, {}))
            for key, value in found.items():
                table[key][row] = value
            flux, ivar = batch.flux[batch.pixels(i)], batch.ivar[batch.pixels(i)]
            table["measured_snr"][row] = np.median((flux * np.sqrt(ivar))[ivar > 0])
            embeddings[row] = measured.embedding
    size = len(next(iter(embeddings.values()))) if embeddings else 0
    table["embedding"] = np.full((n, size), np.nan)
    for row, vector in embeddings.items():
        table["embedding"][row] = vector
    return table


def _read_measured(log_probability, ln1pz, types):
    """Figures of one spectrum, by column."""
    best, *more = find_peaks(log_probability, ln1pz)
    out = {"class": best.spectype, "z": best.z, "z_err": best.z_err, "p_best": best.probability}
    out["type"], out["p_type"] = choose_type(best.spectype, types)
    out |= {"rv": LIGHT_SPEED * best.z, "rv_err": LIGHT_SPEED * best.z_err}
    if more:
        out |= {"z_2": more[0].z, "p_2": more[0].probability}
    return out
