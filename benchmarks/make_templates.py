# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Learn the rest-frame templates that redshifts are refined with, from simulated objects without noise.

    python benchmarks/make_templates.py --data DIR [-n N] [--classes GALAXY,QSO,STAR] [--out FILE]

``--data`` is the directory of the public template sets. For each class ``N`` objects are drawn, at rest and sharp, and
divided by their continuum. Their mean and principal components are what `astro_spectok.redshift.fit` fits;
they go to ``astro_spectok/data/rest_templates.safetensors``, where classes that are not made anew are kept.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.templates import BLUEST, CONTINUUM, RESOLUTION, TEMPLATES
from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.instruments import Instrument
from astro_spectok.simulate.observe import observe

#: far from the seeds of training, of the calibration and of the benchmarks
SEED = 7702
FAMILIES = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
RANGE, STEP = (950.0, 24000.0), 1e-4
COMPONENTS = {"GALAXY": 14, "QSO": 14, "STAR": 10}
#: root mean square over the continuum beyond which a spectrum is scaled down: emission lines would be all that counts
LOUD = 0.25
#: least good bins of a spectrum that is used
LEAST = 4000
#: rounds in which what is not known of a spectrum is filled in from the components of all
ROUNDS = 4


def make_instrument():
    """Pixels of `STEP` over the whole range, in space."""
    n = round(np.log(RANGE[1] / RANGE[0]) / STEP)
    edges = RANGE[0] * np.exp(STEP * (np.arange(n + 1) - 0.5))
    place = np.linspace(0, 1, n, dtype=np.float32)
    sharp = np.full(n, RESOLUTION, np.float32)
    return Instrument("rest", edges[:-1], edges[1:], sharp, np.zeros(n, np.int64), place, ground=False)


def draw_rows(data, name, n):
    """Flux over continuum, less 1, of objects of one class at rest, and where it is known: (n, bins) each."""
    survey = Survey(data, families=(FAMILIES[name],))
    random, instrument = Randomness([SEED, list(FAMILIES).index(name)]), make_instrument()
    rows, known = [], []
    while len(rows) < n:
        objects = survey.families[FAMILIES[name]].draw(40, random)
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


def main(argv=None):
    """Draw, decompose, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="directory of the public template sets")
    parser.add_argument("-n", type=int, default=1200, help="objects of each class")
    parser.add_argument("--classes", default=",".join(FAMILIES), help="to make anew (default: all)")
    parser.add_argument("--out", type=Path, default=TEMPLATES)
    options = parser.parse_args(argv)
    tensors, numbers = {}, {}
    if options.out.is_file():
        with safe_open(options.out, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a handle, not a dict
            numbers = json.loads(file.metadata()["about"])["n"]
    for name in options.classes.split(","):
        rows, known = draw_rows(options.data, name, options.n)
        mean, basis, variance = find_components(rows, known, COMPONENTS[name])
        # scaled to coefficients of variance 1, so that half precision does for all
        scaled = np.vstack([mean, basis * np.sqrt(variance)[:, None]])
        tensors[name] = np.ascontiguousarray(scaled.T.astype(np.float16))  # (bins, 1 + K)
        numbers[name] = options.n
        print(f"{name}: {len(rows)} objects", flush=True)
    about = {"ln_start": float(np.log(RANGE[0])), "step": STEP, "resolution": RESOLUTION, "n": numbers, "seed": SEED}
    save_file(tensors, options.out, metadata={"about": json.dumps(about)})
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
