# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Standard error of a command: own warnings as they are, those of other packages once and short."""

import contextlib
import warnings

from astro_spectok.cli.options import write_line

__all__ = ["show_warnings"]

#: letters of a warning of another package that are shown without --verbose
SHORT = 120


@contextlib.contextmanager
def show_warnings(stream, *, quiet=False, verbose=False):
    """Show warnings as single lines while a command runs.

    Parameters
    ----------
    stream : file
        Where to.
    quiet : bool
        Show none.
    verbose : bool
        Show those of other packages whole, and each of them.
    """
    from astro_spectok.exceptions import SpectokWarning

    seen = {}

    def show(message, category, filename, lineno, file=None, line=None):
        if quiet:
            return
        text = " ".join(str(message).split())
        if issubclass(category, SpectokWarning):
            write_line(f"spectok: warning: {text}", stream=stream)
        elif verbose:
            write_line(f"spectok: {category.__name__}: {text} ({filename}, line {lineno})", stream=stream)
        else:
            # the same complaint about another file is the same complaint
            kind = (category, filename, lineno)
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] == 1:
                short = text if len(text) <= SHORT else text[: SHORT - 4] + " ..."
                write_line(f"spectok: {category.__name__}: {short}", stream=stream)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=SpectokWarning)
        if verbose:
            warnings.simplefilter("always")
        warnings.showwarning = show
        yield
    repeated = sum(seen.values()) - len(seen)
    if repeated:
        write_line(f"spectok: {repeated} more warnings like these; --verbose shows them", stream=stream)
