# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How far a run is, how fast, and how long it will take: on standard error and in a log file."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from astro_spectok.engine.progress import INTERVAL, PATIENCE, is_notebook

__all__ = ["LOG", "Log", "Progress", "word_time"]

LOG = "survey.log"
#: seconds between two signs of progress where a line is written over
REFRESH = 0.5


def word_time(seconds):
    """A time as people say it.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> from astro_spectok.survey.progress import word_time
    >>> word_time(42), word_time(750), word_time(3 * 3600), word_time(12 * 86400)
    ('42 s', '12 min', '3.0 h', '12 d')
    """
    for limit, unit, text in ((120, 1, "{:.0f} s"), (7200, 60, "{:.0f} min"), (172800, 3600, "{:.1f} h")):
        if seconds < limit:
            return text.format(seconds / unit)
    return f"{seconds / 86400:.0f} d"


class Log:
    """A file of lines with the time (UTC) before each, which runs one after the other go on with.

    Parameters
    ----------
    path : path-like
    """

    def __init__(self, path):
        self._path = Path(path)

    def write(self, text):
        """Append a line."""
        with open(self._path, "a", encoding="utf-8", errors="replace") as stream:
            stream.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")


class Progress:
    """Counts spectra and shows on standard error how far the run is.

    Parameters
    ----------
    label : str
        Names the work.
    done, total : int
        Spectra that an earlier run measured, and all there may be.
    progress : bool, optional
        As for `~astro_spectok.engine.progress.show_progress`.
    """

    def __init__(self, label, done, total, progress=None):
        self.label, self.before, self.done, self.total = label, done, done, total
        self.start = self._shown = time.monotonic()
        self._ahead = 0
        terminal = sys.stderr.isatty() or is_notebook()
        self._wanted = terminal if progress is None else progress
        self._patience = PATIENCE if progress is None else 0.0
        self._over, self._interval = terminal, REFRESH if terminal else INTERVAL
        self._width = 0

    def tick(self, n):
        """Spectra of a partition that is not done yet."""
        self._ahead += n
        self._show()

    def finish(self, rows, expected):
        """A partition is done: it has ``rows`` spectra, where ``expected`` ones had been."""
        self.done, self._ahead = self.done + rows, 0
        self.total += rows - expected
        self._show()

    def describe(self):
        """How far, how fast, how long: str."""
        now, done = time.monotonic(), self.done + self._ahead
        rate = (done - self.before) / max(now - self.start, 1e-9)
        share = 100 * done / max(self.total, done, 1)
        text = f"{self.label}: {done:,} of about {max(self.total, done):,} spectra ({share:.0f} %)"
        if done == self.before:
            return text
        return f"{text}, {rate:.3g}/s, {word_time(max(self.total - done, 0) / rate)} left"

    def _show(self, last=False):
        now = time.monotonic()
        if not self._wanted or now - self.start < self._patience or (now - self._shown < self._interval and not last):
            return
        self._shown, text = now, self.describe()
        if self._over:
            sys.stderr.write("\r" + text.ljust(self._width) + ("\n" if last else ""))
            self._width = len(text)
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def close(self):
        """Show the last state."""
        self._show(last=True)
