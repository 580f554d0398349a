# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra at rest on the bins of a library: what its components are made of."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.instruments import Instrument
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import convert_to_vacuum

__all__ = ["LEAST", "SETS", "lay_out", "read_rows", "simulate_rows"]

#: pixels over which the flux is smoothed for the scale that it is a logarithm of, and the least of it over the median
SMOOTH, LEAST = 15, 0.05
#: widest gap that is bridged, in bins; least share of the bins that a spectrum must cover
GAP, LEAST_COVERED = 8, 0.08
#: pixels that are needed
LEAST_PIXELS = 50
#: objects that are simulated at once
AT_ONCE = 20
#: real spectra at rest, and templates, by family: name of the set, and whether its wavelengths are in air
SETS = {
    "stars": {
        "miles_real_stars": True, "cflib_real_stars": True, "jacoby_real_stars": True, "stelib_real_stars": True,
        "pyhammer_sdss_stars": False, "kurucz_sdss_stds": False, "pickles_stars": False, "calspec_real_stars": False,
    },
    "ultracool": {"splat_spex_real": False, "btsettl_ultracool": False},
    "galaxies": {},
    "quasars": {"redrock_archetypes": False},
    "supernovae": {
        "sn_superfit_real": False, "snid_sesne_real": False, "deepsip_snia_real": False, "osc_pre1990_real": False,
    },
}  # fmt: skip


def lay_out(ln_wavelength, flux, good, edges):
    """Means of ln(flux) in bins, of any zero point.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (N,)
        At rest, vacuum, increasing.
    flux : ndarray, shape (N,)
    good : bool ndarray, shape (N,)
    edges : ndarray, shape (G + 1,)
        ln(wavelength) between the bins.

    Returns
    -------
    ndarray of float32, shape (G,), or None
        NaN where nothing is known; None of a spectrum of too little.
    """
    good = good & np.isfinite(flux)
    if np.count_nonzero(good) < LEAST_PIXELS:
        return None
    x, flux = ln_wavelength[good], flux[good].astype(float)
    usual = np.median(np.abs(flux))
    if not usual > 0:
        return None
    level = np.maximum(gaussian_filter1d(flux, SMOOTH), LEAST * usual)
    values = np.log(np.maximum(flux, LEAST * level) / usual)
    centre, step, size = (edges[1:] + edges[:-1]) / 2, np.diff(edges), len(edges) - 1
    place = np.searchsorted(edges, x, side="right") - 1
    inside = (place >= 0) & (place < size)
    count = np.bincount(place[inside], minlength=size)
    total = np.bincount(place[inside], weights=values[inside], minlength=size)
    row = np.where(count > 0, total / np.maximum(count, 1), np.interp(centre, x, values))
    right = np.clip(np.searchsorted(x, centre), 1, len(x) - 1)
    unknown = (centre < x[0]) | (centre > x[-1]) | (x[right] - x[right - 1] > GAP * step)
    row[(count == 0) & unknown] = np.nan
    return row.astype(np.float32) if np.count_nonzero(np.isfinite(row)) > LEAST_COVERED * size else None


def read_rows(path, edges, *, in_air=False, leave_out=None):
    """Rows of a set of spectra.

    Parameters
    ----------
    path : path-like
    edges : ndarray, shape (G + 1,)
    in_air : bool, optional
        Whether its wavelengths are.
    leave_out : callable, optional
        Is given the columns of the set; says which rows are left out.

    Returns
    -------
    list of ndarray, shape (G,)
        As of `lay_out`.
    """
    spectra, columns = load_set(path)
    z = columns.get("z", np.zeros(len(spectra)))
    kept = np.ones(len(spectra), bool) if leave_out is None else ~leave_out(columns)
    if "cls" in columns and path.stem == "redrock_archetypes":
        kept &= columns["cls"] == "QSO"
    rows = []
    for (wavelength, flux, ivar), shift in zip(
        (spectra[i] for i in np.flatnonzero(kept)), np.nan_to_num(z[kept]), strict=True
    ):
        wavelength = np.asarray(wavelength, float)
        x = np.log(convert_to_vacuum(wavelength) if in_air else wavelength) - np.log1p(shift)
        rising = np.append(True, np.diff(x) > 0)
        rows.append(lay_out(x[rising], flux[rising], (ivar > 0)[rising], edges))
    return [row for row in rows if row is not None]


def simulate_rows(data, family, number, edges, seed):
    """Rows of simulated objects without noise, each with the intergalactic absorption of its redshift.

    Parameters
    ----------
    data : path-like or None
        Directory of the public template sets.
    family : str
        Of `~astro_spectok.simulate.Survey`.
    number : int
    edges : ndarray, shape (G + 1,)
    seed : int

    Returns
    -------
    list of ndarray, shape (G,)
    """
    if not number:
        return []
    made, random, rows = Survey(data, families=(family,)).families[family], Randomness([seed, len(family)]), []
    centre, step = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    place = np.linspace(0, 1, len(step), dtype=np.float32)
    while len(rows) < number:
        objects = made.draw(min(AT_ONCE, number), random)
        # bins as pixels of an instrument that sees them where the redshift has them
        seen = [
            Instrument("rest", np.exp(edges[:-1]) * (1 + z), np.exp(edges[1:]) * (1 + z),
                       (0.5 / step).astype(np.float32), np.zeros(len(step), np.int64), place, ground=False)
            for z in objects.z.tolist()
        ]  # fmt: skip
        for flux in observe(objects, seen, 1e5, random, clean=True).truth.numpy():
            rows.append(lay_out(centre, flux, np.isfinite(flux), edges))
        rows = [row for row in rows if row is not None]
    return rows[:number]
