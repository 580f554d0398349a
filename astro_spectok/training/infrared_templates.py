# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Templates of the H band that radial velocities of stars are refined with, made of simulated stars."""

import json
from dataclasses import replace

import numpy as np
import torch
from safetensors.numpy import save_file

from astro_spectok.redshift.templates import CONTINUUM
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training.rest_templates import (
    find_components,
    make_instrument,
    measure_left,
    scale_components,
    smooth,
)
from astro_spectok.utils.spectypes import STAR

__all__ = ["make_infrared_templates"]

#: vacuum Angstrom; bins of 6 km/s, a little more than two to the resolution element
RANGE, STEP, RESOLUTION = (15165.0, 16940.0), 2e-5, 22500.0
COMPONENTS = 8
#: kept of a row where it is known
LEAST = 0.6


def make_infrared_templates(data, path, n, seed, *, report=None):
    """Write the templates of the H band, as `~astro_spectok.redshift.templates.read_templates` reads them.

    Stars of the emulator of APOGEE spectra, half of them as they are and half rotating, are laid at rest, divided by
    their continuum, and decomposed into a mean and components.

    Parameters
    ----------
    data : path-like
        Directory of the public template sets, with ``apogee_emulator_binspec``.
    path : path-like
    n, seed : int
        Stars that are drawn, and the seed that they are drawn from.
    report : callable, optional
        Is given a text when it is done.

    Returns
    -------
    float
        Root mean square of what the components leave, over the continuum.
    """
    rows, known = _draw_rows(data, n, seed)
    mean, basis, variance = find_components(rows, known, min(COMPONENTS, n - 1))
    left = measure_left(rows, known, mean, basis)
    about = {"ln_start": float(np.log(RANGE[0])), "step": STEP, "resolution": RESOLUTION, "n": n, "seed": seed}
    save_file({STAR: scale_components(mean, basis, variance)}, path, {"about": json.dumps(about)})
    if report:
        report(f"H band: {len(rows)} stars; the components leave {left:.4f} of the continuum")
    return left


def _draw_rows(data, n, seed):
    """Flux over continuum, less 1, and where it is known: (n, bins) each."""
    instrument = make_instrument(RANGE, STEP, RESOLUTION)
    random, family = Randomness(seed), TemplateStore(data).make(ApogeeStars, "cpu")
    rows, known = [], []
    while len(rows) < n:
        objects = family.draw(min(40, n), random)
        still = torch.arange(len(objects)) % 2 == 0
        objects = replace(objects, z=torch.zeros_like(objects.z), rotation=objects.rotation.masked_fill(still, 0.0))
        for flux in observe(objects, [instrument] * len(objects), 1e5, random, clean=True).truth.numpy():
            good = np.isfinite(flux) & (flux > 0)
            if np.mean(good) > LEAST:
                level = smooth(np.where(good, flux, 0), good, CONTINUUM[STAR] / STEP)
                rows.append(np.where(good, flux / np.where(good, level, 1) - 1, 0).astype(np.float32))
                known.append(good)
    return np.array(rows[:n]), np.array(known[:n])
