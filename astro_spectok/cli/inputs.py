# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The files that a command line names, and the one that it writes."""

import os

from astro_spectok.utils.paths import expand_paths

__all__ = ["expand_paths", "refuse_own_output"]


def refuse_own_output(paths, out):
    """Refuse an output that is itself among the files to read.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
    out : str or path-like
        The table that is to be written.

    Raises
    ------
    ValueError
        The output is one of the files that are to be read, by whatever name.
    """
    if not os.path.exists(out):
        return
    for path in paths:
        if path.exists() and os.path.samefile(path, out):
            msg = f"out must be none of the files that are read, got {out}, which is {path}; give another name"
            raise ValueError(msg)
