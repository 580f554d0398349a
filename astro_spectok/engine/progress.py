# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Progress of work that takes long enough to wonder: a bar on a terminal, one line in a notebook, lines in a log."""

import sys
import time

from astropy.utils.console import ProgressBar

__all__ = ["INTERVAL", "PATIENCE", "is_notebook", "show_progress"]

#: seconds without a sign of progress, when none was asked for
PATIENCE = 2.0
#: seconds between two lines of a log
INTERVAL = 30.0


def show_progress(items, label, progress=None):
    """Iterate over ``items`` and show on standard error how far it is.

    Parameters
    ----------
    items : sequence
    label : str
        Names the work.
    progress : bool, optional
        None shows it on a terminal and in a notebook only, and only once the work has taken some seconds; True shows
        it everywhere: where there is no terminal, as in a log, by a line every half minute and one at the end.
    """
    notebook = is_notebook()
    wanted = sys.stderr.isatty() or notebook if progress is None else progress
    if not wanted or not len(items):
        yield from items
        return
    show = None
    start = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if show is None and (progress or time.monotonic() - start > PATIENCE):
            make = _Bar if sys.stderr.isatty() else _Line if notebook else _Log
            show = make(label, len(items), start)
        if show is not None:
            show.update(done)
    if show is not None:
        show.close()


def is_notebook():
    """Whether a notebook runs this: without importing IPython, which is there already if so."""
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class _Bar:
    """Astropy's bar, below the name of the work."""

    def __init__(self, label, total, start):
        sys.stderr.write(f"{label}:\n")
        self.bar = ProgressBar(total, file=sys.stderr).__enter__()

    def update(self, done):
        self.bar.update(done)

    def close(self):
        self.bar.__exit__(None, None, None)


class _Log:
    """A line now and then, and one at the end."""

    interval, end, begin = INTERVAL, "\n", ""

    def __init__(self, label, total, start):
        self.label, self.total, self.start = label, total, start
        self.shown = start

    def update(self, done):
        now = time.monotonic()
        if done == self.total or now - self.shown >= self.interval:
            self.shown = now
            share, passed = 100 * done / self.total, now - self.start
            text = f"{self.label}: {done} of {self.total} ({share:.0f} %), {passed:.0f} s"
            sys.stderr.write(f"{self.begin}{text}{self.end}")
            sys.stderr.flush()

    def close(self):
        pass


class _Line(_Log):
    """One line that is written over, as a cell of a notebook shows it."""

    interval, end, begin = 0.5, "", "\r"

    def close(self):
        sys.stderr.write("\n")
