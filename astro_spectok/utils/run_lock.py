# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One run in one directory: the second is refused, and what a kill leaves behind is no obstacle."""

import contextlib
import errno
import os
import socket
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be replaced, locks by itself
    fcntl = None  # type: ignore[assignment]

__all__ = ["FULL", "LOCK", "lock_run"]

#: what a disk without room says, or one on which the user may have no more
FULL = (errno.ENOSPC, errno.EDQUOT)
#: name of the file that is locked while a run is at work
LOCK = "run.lock"


@contextlib.contextmanager
def lock_run(out, wanted=True):
    """A context in which no other run can work in a directory, which is made if need be.

    Parameters
    ----------
    out : path-like
    wanted : bool, optional
        False locks nothing: of the processes of one run the first one does.

    Raises
    ------
    BlockingIOError
        Another run is at work in it.
    OSError
        It cannot be made or written to.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.utils.run_lock import lock_run
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> with lock_run(out):
    ...     try:
    ...         with lock_run(out):
    ...             pass
    ...     except BlockingIOError as error:
    ...         print("another run is at work" in str(error))
    True
    """
    if not wanted or fcntl is None:
        yield
        return
    out = Path(out)
    made = not out.exists()
    path = out / LOCK
    try:
        out.mkdir(parents=True, exist_ok=True)
        number = _open_locked(path, out)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise
        msg = f"out: {out} cannot be written to: {error.strerror}; give another folder"
        raise type(error)(error.errno, msg) from error
    try:
        os.ftruncate(number, 0)
        os.write(number, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(number)
        if made:
            with contextlib.suppress(OSError):
                out.rmdir()  # where nothing was written into it


def _open_locked(path, out):
    """Open and lock the file; again if it was removed in between by the run that had it."""
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(number, 200).decode(errors="replace") or "an unknown process"
            os.close(number)
            msg = f"out: {out}: another run is at work in it, {holder}; wait for it, or give another directory"
            raise BlockingIOError(msg) from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(number), os.stat(path)):
                return number
        os.close(number)
