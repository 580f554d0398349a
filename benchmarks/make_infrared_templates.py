# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Make the templates of the H band that radial velocities of stars are refined with, out of simulated ones.

    python benchmarks/make_infrared_templates.py --data DIR [-n N] [--out FILE]

``--data`` is the directory of the public template sets. Stars of the emulator of APOGEE spectra, half of them as they
are and half rotating, are laid at rest, divided by their continuum, and decomposed into a mean and components.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from make_templates import find_components, smooth
from safetensors.numpy import save_file

from astro_spectok.redshift.templates import CONTINUUM
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.instruments import Instrument
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.stellar.infrared_velocity import INFRARED_TEMPLATES
from astro_spectok.utils.spectypes import STAR

SEED = 7703
#: vacuum Angstrom; bins of 6 km/s, a little more than two to the resolution element
RANGE, STEP, RESOLUTION = (15165.0, 16940.0), 2e-5, 22500.0
COMPONENTS = 8
#: kept of a row where it is known
LEAST = 0.6


def draw_rows(data, n):
    """Flux over continuum, less 1, and where it is known: (n, bins) each."""
    bins = round(np.log(RANGE[1] / RANGE[0]) / STEP)
    edges = RANGE[0] * np.exp(STEP * (np.arange(bins + 1) - 0.5))
    place = np.linspace(0, 1, bins, dtype=np.float32)
    sharp = np.full(bins, RESOLUTION, np.float32)
    instrument = Instrument("rest", edges[:-1], edges[1:], sharp, np.zeros(bins, np.int64), place, ground=False)
    random, family = Randomness(SEED), TemplateStore(data).make(ApogeeStars, "cpu")
    rows, known = [], []
    while len(rows) < n:
        objects = family.draw(40, random)
        still = torch.arange(len(objects)) % 2 == 0
        objects = replace(objects, z=torch.zeros_like(objects.z), rotation=objects.rotation.masked_fill(still, 0.0))
        for flux in observe(objects, [instrument] * len(objects), 1e5, random, clean=True).truth.numpy():
            good = np.isfinite(flux) & (flux > 0)
            if np.mean(good) > LEAST:
                level = smooth(np.where(good, flux, 0), good, CONTINUUM[STAR] / STEP)
                rows.append(np.where(good, flux / np.where(good, level, 1) - 1, 0).astype(np.float32))
                known.append(good)
    return np.array(rows[:n]), np.array(known[:n])


def main(argv=None):
    """Draw, decompose, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="directory of the public template sets")
    parser.add_argument("-n", type=int, default=600, help="stars")
    parser.add_argument("--out", type=Path, default=INFRARED_TEMPLATES)
    options = parser.parse_args(argv)
    rows, known = draw_rows(options.data, options.n)
    mean, basis, variance = find_components(rows, known, COMPONENTS)
    # scaled to coefficients of variance 1, so that half precision does for all
    scaled = np.vstack([mean, basis * np.sqrt(variance)[:, None]])
    left = np.sqrt(np.mean((rows - mean - (rows - mean) @ basis.T @ basis)[known] ** 2))
    about = {"ln_start": float(np.log(RANGE[0])), "step": STEP, "resolution": RESOLUTION, "n": options.n, "seed": SEED}
    save_file({STAR: np.ascontiguousarray(scaled.T.astype(np.float16))}, options.out, {"about": json.dumps(about)})
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB; the components leave {left:.4f} of the continuum")


if __name__ == "__main__":
    main()
