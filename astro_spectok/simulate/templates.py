# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The public template sets: where they are read, and how they are laid on rest-frame grids."""

from pathlib import Path

import numpy as np
import torch

__all__ = ["TemplateStore", "average_between", "lay_on_grid"]


class TemplateStore:
    """Template files in a directory, read when asked for.

    Parameters
    ----------
    directory : path-like or None
        None: there are none, and everything is made of analytic templates.
    """

    def __init__(self, directory=None):
        self.directory = None if directory is None else Path(directory)
        self._made = {}

    @classmethod
    def of(cls, data):
        """The store of a directory, or ``data`` itself where that is one."""
        return data if isinstance(data, cls) else cls(data)

    def make(self, family, device):
        """A family of these templates on a device, ``family(self, device)``: made once and shared."""
        key = family, str(device)
        if key not in self._made:
            self._made[key] = family(self, device)
        return self._made[key]

    def has(self, *names):
        """Whether all these sets are there."""
        return self.directory is not None and all((self.directory / f"{name}.npz").is_file() for name in names)

    def read(self, name):
        """The arrays of a set, by name; `FileNotFoundError` where it is absent."""
        if not self.has(name):
            msg = f"data: no {name}.npz in {self.directory}; see the documentation on training for where to get it"
            raise FileNotFoundError(msg)
        with np.load(self.directory / f"{name}.npz") as data:
            return {key: data[key] for key in data.files}


def average_between(edges, values, new_edges, *, outside=np.nan):
    """Means over new pixels of values that are constant within old ones.

    Parameters
    ----------
    edges : ndarray, shape (M + 1,)
        Increasing.
    values : ndarray, shape (M,)
    new_edges : ndarray, shape (N + 1,)
    outside : float or None, optional
        The integral beyond the edges; None: that of the edge, as of values 0.

    Returns
    -------
    ndarray, shape (N,)
    """
    integral = np.concatenate([[0.0], np.cumsum(values * np.diff(edges))])
    return np.diff(np.interp(new_edges, edges, integral, left=outside, right=outside)) / np.diff(new_edges)


def lay_on_grid(ln_wavelength, flux, grid):
    """Means over the bins of a rest-frame grid.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (M,)
        Increasing, vacuum.
    flux : ndarray, shape (M,) or (n, M)
    grid : `~astro_spectok.simulate.objects.RestGrid`

    Returns
    -------
    float32 tensor, shape (N,) or (n, N)
        NaN outside the range of ``ln_wavelength``.
    """
    x = np.asarray(ln_wavelength, float)
    middle = (x[1:] + x[:-1]) / 2
    edges = np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])
    new = grid.ln_start + grid.ln_step * (np.arange(grid.size + 1) - 0.5)
    rows = np.atleast_2d(np.asarray(flux))
    out = np.empty((len(rows), grid.size), np.float32)
    inside = (new[:-1] >= edges[0] - grid.ln_step) & (new[1:] <= edges[-1] + grid.ln_step)
    for row, values in zip(out, rows, strict=True):
        row[:] = np.where(inside, average_between(edges, np.asarray(values, float), new, outside=None), np.nan)
    return torch.from_numpy(out if np.ndim(flux) == 2 else out[0])
