# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Radial velocities of stars from sharp spectra of the H band, where the rest-frame templates are not sharp enough."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from astro_spectok.redshift.fit import (
    MISFIT,
    assume_resolution,
    divide_continuum,
    make_prior,
    refine_redshift,
)
from astro_spectok.redshift.templates import CONTINUUM, interpolate_rows, read_templates
from astro_spectok.utils.spectypes import STAR

__all__ = ["INFRARED_TEMPLATES", "load_infrared_templates", "refine_infrared_velocity"]

#: made by the stage ``templates`` of ``spectok build``
INFRARED_TEMPLATES = Path(__file__).parents[1] / "data" / "infrared_templates.safetensors"
#: resolving powers that they are smoothed to; below the lowest the other templates do as well
LEVELS = (4000.0, 6000.0, 9000.0, 14000.0, 22500.0)
#: fewest good pixels within the templates
LEAST = 500
#: step of the first search in ln(1 + z), 4 km/s; how far it goes, in widths and beyond them
STEP, WIDTHS, BEYOND = 1.33e-5, 3.0, 1e-4
#: least fall of chi squared over that without lines
LEAST_GAIN = 50.0


@lru_cache(maxsize=1)
def load_infrared_templates():
    """The packaged templates of the H band, `~astro_spectok.redshift.templates.RestTemplates`, read once."""
    return read_templates(INFRARED_TEMPLATES, levels=LEVELS)


def refine_infrared_velocity(ln_wavelength, flux, ivar, ln1pz, width, rules, *, resolution=None, templates=None):
    """Radial velocity of a star from its lines in the H band, near one that is known to some tens of km/s.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (n,)
        Increasing; vacuum, ln of Angstrom.
    flux, ivar : ndarray, shape (n,)
        Per unit wavelength, in any unit; pixels with ``ivar`` 0 are left out.
    ln1pz, width : float
        ln(1 + rv / c) and its standard deviation.
    rules : `~astro_spectok.stellar.rules.StellarRules`
        What errors are multiplied by, and the least.
    resolution : float, optional
        Resolving power; 2.5 pixels to the resolution element if not given.
    templates : `~astro_spectok.redshift.templates.RestTemplates`, optional
        Those of the package if not given.

    Returns
    -------
    (float, float) or None
        ln(1 + rv / c) and its standard deviation; None if fewer than 500 good pixels lie within the templates, the
        resolving power is below 4000, or no lines are seen.
    """
    spacing = np.median(np.diff(ln_wavelength))
    resolution = assume_resolution(ln_wavelength) if resolution is None else resolution
    templates = load_infrared_templates() if templates is None else templates
    if resolution < LEVELS[0] or spacing > 1 / LEVELS[0]:
        return None
    last = templates.ln_start + templates.step * (len(templates.at_resolution(STAR, resolution)) - 3)
    reach = WIDTHS * width + BEYOND
    within = (ln_wavelength - ln1pz > templates.ln_start + reach) & (ln_wavelength - ln1pz < last - reach)
    if np.count_nonzero(within & (ivar > 0)) < LEAST:
        return None
    part = slice(*(np.flatnonzero(within)[[0, -1]] + [0, 1]))
    spectrum = ln_wavelength[part], flux[part], ivar[part]
    shift, gain = _search(templates, resolution, *spectrum, ln1pz, reach)
    if gain < LEAST_GAIN:
        return None
    found = refine_redshift(*spectrum, STAR, shift, STEP, resolution=resolution, templates=templates)
    if found is None:
        return None
    return found.ln1pz, float(np.hypot(rules.velocity_scale * found.width, rules.velocity_floor))


def _search(templates, resolution, ln_wavelength, flux, ivar, ln1pz, reach):
    """The shift with the lowest chi squared in steps of 4 km/s, and how much lower that is than without lines."""
    ratio, weight = divide_continuum(ln_wavelength, flux, ivar, CONTINUUM[STAR])
    good = weight > 0
    weight = weight[good] / (1 + weight[good] * MISFIT**2)
    root = np.sqrt(weight).astype(np.float32)
    data, x = (ratio[good] * root).astype(np.float32), ln_wavelength[good]
    grid = templates.at_resolution(STAR, resolution)
    prior, expected = make_prior(grid.shape[1])
    shifts = ln1pz + np.arange(-reach, reach + STEP / 2, STEP)
    gains = []
    for shift in shifts:
        model = interpolate_rows(grid, (x - shift - templates.ln_start) / templates.step) * root[:, None]
        normal = (model.T @ model).astype(np.float64) + np.diag(prior)
        pull = (model.T @ data).astype(np.float64) + prior * expected
        gains.append(pull @ np.linalg.solve(normal, pull) - prior[0])
    best = int(np.argmax(gains))
    return float(shifts[best]), float(gains[best])
