# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A progress bar for work that takes long enough to wonder."""

import sys
import time

from astropy.utils.console import ProgressBar

__all__ = ["show_progress"]

#: seconds without a bar, when none was asked for
PATIENCE = 2.0


def show_progress(items, label, progress=None):
    """Iterate over ``items`` and draw a bar on standard error.

    Parameters
    ----------
    items : sequence
    label : str
        Not drawn by Astropy's bar; names the work in the first line.
    progress : bool, optional
        None draws one on a terminal only, and only once the work has taken some seconds.
    """
    wanted = sys.stderr.isatty() if progress is None else progress
    if not wanted:
        yield from items
        return
    bar, start = None, time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if bar is None and (progress or time.monotonic() - start > PATIENCE):
            sys.stderr.write(f"{label}:\n")
            bar = ProgressBar(len(items), file=sys.stderr).__enter__()
        if bar is not None:
            bar.update(done)
    if bar is not None:
        bar.__exit__(None, None, None)
