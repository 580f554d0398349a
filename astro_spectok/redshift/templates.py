# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rest-frame templates of galaxies, quasars and stars, over their continuum, at any resolution."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from safetensors import safe_open
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

__all__ = [
    "BLUEST",
    "CONTINUUM",
    "RESOLUTION",
    "TEMPLATES",
    "RestTemplates",
    "interpolate_rows",
    "load_rest_templates",
    "read_templates",
]

#: made by the stage ``templates`` of ``spectok build``
TEMPLATES = Path(__file__).parents[1] / "data" / "rest_templates.safetensors"
#: width in ln(wavelength) of the Gaussian that smooths a spectrum to its continuum: broad lines are to stay
CONTINUUM = {"GALAXY": 0.015, "QSO": 0.05, "STAR": 0.015}
#: rest wavelength in Angstrom below which there is nothing to compare: no two quasars have the same forest
BLUEST = {"QSO": 1200.0}
#: resolving power of the templates as they are stored
RESOLUTION = 3000.0
#: resolving powers that they are smoothed to, lowest first; more would cost memory and gain nothing
LEVELS = (100.0, 200.0, 400.0, 800.0, 1500.0, RESOLUTION)
#: finer bins for each that is stored, for linear interpolation
FINER = 2


class RestTemplates:
    """A mean and components for each class, on a grid even in ln(vacuum wavelength / Angstrom).

    Parameters
    ----------
    arrays : dict of str to ndarray, shape (bins, 1 + K)
        For each class the mean and K components, scaled to coefficients of variance 1.
    ln_start, step : float
        First bin and width of the bins as given.
    resolution : float, optional
        Resolving power as they are given.
    levels : sequence of float, optional
        Resolving powers that they are smoothed to.
    """

    def __init__(self, arrays, ln_start, step, *, resolution=RESOLUTION, levels=LEVELS):
        self.resolution, self.levels = resolution, tuple(levels)
        self._arrays = arrays
        self._stored_step = step
        self._levels = {}
        self.ln_start, self.step = ln_start, step / FINER

    @property
    def classes(self):
        """The classes there are."""
        return tuple(self._arrays)

    def at_resolution(self, spectype, resolution):
        """Templates of a class as an instrument of about that resolving power sees them.

        Parameters
        ----------
        spectype : str
        resolution : float

        Returns
        -------
        ndarray of float32, shape (bins, 1 + K)
            On bins of ``step``, the first at ``ln_start``; made once and then kept.
        """
        level = self._choose_level(resolution)
        key = spectype, level
        if key not in self._levels:
            self._levels[key] = self._make(spectype, level)
        return self._levels[key]

    def pad_at_resolution(self, spectype, resolution):
        """The same with columns of zeros up to a multiple of eight: processors work with so many numbers at once.

        Parameters
        ----------
        spectype, resolution
            As for `at_resolution`.

        Returns
        -------
        ndarray of float32, shape (bins, C)
        """
        level = self._choose_level(resolution)
        key = spectype, level, "padded"
        if key not in self._levels:
            values = self.at_resolution(spectype, level)
            self._levels[key] = np.pad(values, ((0, 0), (0, -values.shape[1] % 8)))
        return self._levels[key]

    def _choose_level(self, resolution):
        return min(self.levels, key=lambda one: abs(np.log(one / resolution)))

    def _make(self, spectype, level):
        """Smoothed and on finer bins."""
        values = self._arrays[spectype].astype(np.float32)
        more = np.sqrt(max(level**-2 - self.resolution**-2, 0.0)) * gaussian_fwhm_to_sigma
        if more > 0:
            values = gaussian_filter1d(values, more / self._stored_step, axis=0, mode="nearest")
        bins = np.arange(len(values))
        finer = np.arange(FINER * (len(values) - 1) + 1) / FINER
        return np.ascontiguousarray(CubicSpline(bins, values, axis=0)(finer), np.float32)


@lru_cache(maxsize=1)
def load_rest_templates():
    """The packaged `RestTemplates`, read once."""
    return read_templates(TEMPLATES)


def read_templates(path, **options):
    """Read a file of templates.

    Parameters
    ----------
    path : path-like
    **options
        As for `RestTemplates`; the resolving power is that in the file, if it gives one.

    Returns
    -------
    RestTemplates
    """
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["about"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a handle, not a dict
    options |= {"resolution": about["resolution"]} if "resolution" in about else {}
    return RestTemplates(arrays, about["ln_start"], about["step"], **options)


def interpolate_rows(grid, at):
    """Rows of a grid (bins, K), or values (bins,), at fractional places (n,) between its first and last."""
    index = at.astype(np.int64)
    part = (at - index).astype(grid.dtype).reshape(-1, *[1] * (grid.ndim - 1))
    # `take` is faster than an index, and what is large is not copied
    left, out = grid.take(index, axis=0), grid.take(index + 1, axis=0)
    out -= left
    out *= part
    out += left
    return out
