# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What both fitting processes share: spectra in a file, and a clock that counts CPU time; NumPy and nothing else."""

import itertools
import json
import resource

import numpy as np

__all__ = ["count_cpu_seconds", "load_spectra", "read_answers", "save_spectra", "write_answers"]

COLUMNS = ("wave", "flux", "ivar", "lsf")


def save_spectra(path, spectra):
    """Write spectra to a file.

    Parameters
    ----------
    path : path-like
    spectra : list of tuple of ndarray, shape (n,)
        Vacuum wavelength in Angstrom, flux, ivar (0: bad pixel), and standard deviation of the line-spread function in
        pixels, which does not include the width of the pixel.
    """
    columns = zip(COLUMNS, zip(*spectra, strict=True), strict=True)
    offsets = np.concatenate([[0], np.cumsum([len(s[0]) for s in spectra])])
    np.savez(path, offsets=offsets, **{name: np.concatenate(parts).astype(float) for name, parts in columns})


def load_spectra(path):
    """Read what `save_spectra` wrote, as it was given, in float64."""
    with np.load(path) as data:
        offsets, columns = data["offsets"], [data[name] for name in COLUMNS]
    pixels = [slice(a, b) for a, b in itertools.pairwise(offsets)]
    return [tuple(x[p] for x in columns) for p in pixels]


def write_answers(path, columns, facts):
    """Write one answer per spectrum (columns ``spectype, z, z_err``) and how long it took, as JSON-like facts."""
    np.savez(path, facts=json.dumps(facts), **columns)


def read_answers(path):
    """Read what `write_answers` wrote: columns, facts."""
    with np.load(path) as data:
        columns = {key: data[key] for key in data.files}
    facts = json.loads(str(columns.pop("facts")))
    return columns, facts


def count_cpu_seconds():
    """User and system time of this process and of its children that have ended, in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
