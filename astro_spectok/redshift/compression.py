# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Posteriors in the rows of a table: the most probable bins, and what the others of each class add up to."""

import numpy as np

from astro_spectok.redshift.grid import RedshiftGrid

__all__ = ["ROW_SIZE", "compress_posterior", "describe_grid", "expand_posterior", "make_empty_rows"]

#: bins that are kept: 2 kB a row, twice the width of a quasar's peak at 30 km/s a bin
ROW_SIZE = 256


def describe_grid(grid):
    """Metadata that a table needs to expand its rows: plain numbers and text, as headers can hold."""
    return {
        "posterior_classes": " ".join(grid.classes),
        "posterior_step": float(grid.step),
        "posterior_first": " ".join(map(str, grid.first)),
        "posterior_size": " ".join(map(str, grid.size)),
    }


def read_grid(meta):
    """The inverse of `describe_grid`; FITS may have changed the case of names."""
    found = {str(key).lower(): value for key, value in meta.items()}
    try:
        return RedshiftGrid(
            tuple(found["posterior_classes"].split()),
            float(found["posterior_step"]),
            tuple(map(int, found["posterior_first"].split())),
            tuple(map(int, found["posterior_size"].split())),
        )
    except KeyError as error:
        msg = f"meta must be that of a table made with posterior=True; {error} is missing"
        raise ValueError(msg) from error


def compress_posterior(posterior, size=ROW_SIZE):
    """See `~astro_spectok.redshift.RedshiftPosterior.compress`."""
    if not size > 0:
        msg = f"size must be a positive number of bins; got {size!r}"
        raise ValueError(msg)
    p = np.concatenate(list(posterior.probability.values()))  # (all bins,)
    rows = {name: values[0] for name, values in make_empty_rows(1, posterior.grid, size).items()}
    kept = np.arange(len(p)) if len(p) <= size else np.sort(np.argpartition(p, len(p) - size)[len(p) - size :])
    rows["posterior_bin"][: len(kept)] = kept
    rows["posterior_p"][: len(kept)] = p[kept]
    p[kept] = 0
    rows["posterior_rest"][:] = [part.sum() for part in _split(p, posterior.grid)]
    rows["posterior_p"][len(kept) :] = 0
    return rows


def make_empty_rows(n, grid, size=ROW_SIZE):
    """Columns for n rows that hold no posterior yet: bins -1, the rest NaN."""
    return {
        "posterior_bin": np.full((n, size), -1, np.int32),
        "posterior_p": np.full((n, size), np.nan, np.float32),
        "posterior_rest": np.full((n, len(grid.classes)), np.nan, np.float32),
    }


def expand_posterior(row, meta):
    """Grid and log probabilities of a row; see `~astro_spectok.redshift.RedshiftPosterior.expand`."""
    grid = read_grid(meta)
    try:
        kept, p, rest = (np.ma.getdata(row[name]) for name in ("posterior_bin", "posterior_p", "posterior_rest"))
    except KeyError as error:
        msg = f"row must be that of a table made with posterior=True; {error} is missing"
        raise ValueError(msg) from error
    kept = np.asarray(kept, np.int64)
    p = np.asarray(p, np.float64)[kept >= 0]
    kept = kept[kept >= 0]
    if not len(kept):
        msg = "row must be that of a spectrum that was measured; this one holds no posterior, see its zwarn"
        raise ValueError(msg)
    everything = np.full(sum(grid.size), np.nan)
    everything[kept] = p
    out = {}
    for name, part, left in zip(grid.classes, _split(everything, grid), rest, strict=True):
        others = np.isnan(part)
        if others.any():
            part[others] = float(left) / np.count_nonzero(others)
        with np.errstate(divide="ignore"):
            out[name] = np.log(part)
    return grid, out


def _split(array, grid):
    """Views of the bins of each class."""
    return np.split(array, np.cumsum(grid.size)[:-1])
