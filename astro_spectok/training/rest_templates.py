# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rest-frame templates that redshifts are refined with, made of simulated objects without noise."""

import json

import numpy as np
import torch
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.templates import BLUEST, CONTINUUM, RESOLUTION
from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.instruments import Instrument
from astro_spectok.simulate.observe import observe

__all__ = [
    "FAMILIES",
    "draw_rows",
    "find_components",
    "make_instrument",
    "make_templates",
    "measure_left",
    "scale_components",
    "smooth",
]

FAMILIES = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
RANGE, STEP = (950.0, 24000.0), 1e-4
COMPONENTS = {"GALAXY": 14, "QSO": 14, "STAR": 10}
#: root mean square over the continuum beyond which a spectrum is scaled down: emission lines would be all that counts
LOUD = 0.25
#: least good bins of a spectrum that is used
LEAST = 4000
#: rounds in which what is not known of a spectrum is filled in from the components of all
ROUNDS = 4


def make_templates(data, path, numbers, seed, *, report=None):
    """Write the templates of all classes: what `astro_spectok.redshift.fit` fits.

    For each class objects are drawn, at rest and sharp, and divided by their continuum; their mean and principal
    components are the templates.

    Parameters
    ----------
    data : path-like or None
        Directory of the public template sets.
    path : path-like
        Of the file, as `~astro_spectok.redshift.templates.read_templates` reads it.
    numbers : dict of str to int
        Objects of each class out of `FAMILIES`.
    seed : int
    report : callable, optional
        Is given a text for each class.

    Returns
    -------
    dict of str to float
        Root mean square of what the components leave, over the continuum, by class.
    """
    tensors, left = {}, {}
    for name, n in numbers.items():
        rows, known = draw_rows(data, name, n, seed)
        mean, basis, variance = find_components(rows, known, min(COMPONENTS[name], n - 1))
        tensors[name] = scale_components(mean, basis, variance)
        left[name] = measure_left(rows, known, mean, basis)
        if report:
            report(f"{name}: {len(rows)} objects; the components leave {left[name]:.4f} of the continuum")
    about = {"ln_start": float(np.log(RANGE[0])), "step": STEP, "resolution": RESOLUTION, "n": numbers, "seed": seed}
    save_file(tensors, path, metadata={"about": json.dumps(about)})
    return left


def make_instrument(limits=RANGE, step=STEP, resolution=RESOLUTION):
    """Even pixels in ln(wavelength) over a whole range, in space, all as sharp."""
    n = round(np.log(limits[1] / limits[0]) / step)
    edges = limits[0] * np.exp(step * (np.arange(n + 1) - 0.5))
    place = np.linspace(0, 1, n, dtype=np.float32)
    sharp = np.full(n, resolution, np.float32)
    return Instrument("rest", edges[:-1], edges[1:], sharp, np.zeros(n, np.int64), place, ground=False)


def draw_rows(data, name, n, seed):
    """Flux over continuum, less 1, of objects of one class at rest, and where it is known: (n, bins) each."""
    survey = Survey(data, families=(FAMILIES[name],))
    random, instrument = Randomness([seed, list(FAMILIES).index(name)]), make_instrument()
    rows, known = [], []
    while len(rows) < n:
        objects = survey.families[FAMILIES[name]].draw(min(40, n), random)
        objects.z = torch.zeros_like(objects.z)
        truth = observe(objects, [instrument] * len(objects), 1e5, random, clean=True).truth.numpy()
        for flux in truth:
            good = np.isfinite(flux)
            if np.count_nonzero(good) < LEAST:
                continue
            level = smooth(np.where(good, flux, 0), good, CONTINUUM[name] / STEP)
            good &= (level > 0.02 * np.median(level[good])) & (instrument.wavelength > BLUEST.get(name, 0.0))
            row = np.where(good, flux / np.where(good, level, 1) - 1, 0)
            row /= max(1.0, np.sqrt(np.mean(row[good] ** 2)) / LOUD)
            rows.append(row.astype(np.float32))
            known.append(good)
    return np.array(rows[:n]), np.array(known[:n])


def smooth(flux, good, width):
    """Gaussian smoothing of what is known."""
    weight = good.astype(np.float32)
    blurred = [gaussian_filter1d(x, width, mode="constant", truncate=3) for x in (flux * weight, weight)]
    return blurred[0] / np.maximum(blurred[1], 1e-6)


def find_components(rows, known, count):
    """Mean (bins,), ``count`` components (K, bins) and the variance of their coefficients (K,)."""
    mean = (rows * known).sum(0) / np.maximum(known.sum(0), 1)
    filled = np.where(known, rows, mean)
    for _ in range(ROUNDS):
        centred = filled - mean
        values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        basis = (vectors.T @ centred / np.sqrt(values)[:, None]).astype(np.float32)
        filled = np.where(known, rows, mean + (centred @ basis.T) @ basis)
    return mean, basis, values / len(rows)


def scale_components(mean, basis, variance):
    """Mean and components, float16 (bins, 1 + K), scaled to coefficients of variance 1: half precision does for all."""
    return np.ascontiguousarray(np.vstack([mean, basis * np.sqrt(variance)[:, None]]).T.astype(np.float16))


def measure_left(rows, known, mean, basis):
    """Root mean square of what the components leave of rows where they are known."""
    return float(np.sqrt(np.mean((rows - mean - (rows - mean) @ basis.T @ basis)[known] ** 2)))
