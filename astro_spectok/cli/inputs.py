# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The files that a command line names, and the one that it writes."""

import os
from pathlib import Path

from astro_spectok.utils.paths import expand_paths

__all__ = ["expand_paths", "refuse_own_output"]


def refuse_own_output(paths, out, names=()):
    """Refuse an output that is itself among the files to read.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
    out : str or path-like
        The table that is to be written.
    names : sequence of str, optional
        The arguments that named the files, of which ``@list`` is read too.

    Raises
    ------
    ValueError
        The output is one of the files that are to be read, by whatever name.
    """
    if not os.path.exists(out):
        return
    lists = [Path(name[1:]) for name in names if name.startswith("@")]
    for path in (*paths, *lists):
        if path.exists() and os.path.samefile(path, out):
            msg = f"out must be none of the files that are read, got {out}, which is {path}; give another name"
            raise ValueError(msg)
