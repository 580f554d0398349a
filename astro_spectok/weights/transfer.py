# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One file over the network, bounded by the size that it is to have and by time, whatever the other side sends."""

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import ContentTooShortError, URLError
from urllib.request import Request, urlopen

from astropy.utils.console import ProgressBar
from astropy.utils.data import conf as data_conf

__all__ = ["TooLongError", "transfer_file"]

#: bytes at a time
BLOCK = 2**16
#: bytes per second below which a source is given up, after the seconds that any transfer may take
SLOWEST, GRACE = 20_000, 120.0


class TooLongError(OSError):
    """More bytes came, or were announced, than the file has."""


def transfer_file(source, size, *, timeout, progress=False):
    """Download a file to a temporary place.

    Parameters
    ----------
    source : str
        URL.
    size : int
        Bytes that it is to have: no more are ever taken.
    timeout : float
        Seconds without any answer after which the source is given up. All together may take 120 seconds, or what the
        size needs at 20 kB/s.
    progress : bool, optional
        Whether to show a bar, on a terminal.

    Returns
    -------
    `~pathlib.Path`
        The file, which may be shorter than it is to be; it is the caller's to remove.

    Raises
    ------
    TooLongError
        The file is longer than it is to be.
    OSError, http.client.HTTPException
        It cannot be had.
    """
    if not data_conf.allow_internet and not source.startswith("file:"):
        msg = f"{source} may not be downloaded: astropy.utils.data.conf.allow_internet is False"
        raise URLError(msg)
    request = Request(source, headers={"User-Agent": data_conf.default_http_user_agent})
    number, name = tempfile.mkstemp(prefix="astro_spectok-")
    path = Path(name)
    try:
        with os.fdopen(number, "wb") as out, urlopen(request, timeout=timeout) as stream:
            _copy(stream, out, size, progress=progress and sys.stderr.isatty())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _copy(stream, out, size, *, progress):
    """Copy a stream of at most ``size`` bytes."""
    announced = stream.headers.get("Content-Length")
    announced = int(announced) if announced and announced.isdigit() else None
    if announced is not None and announced > size:
        msg = f"another file: {announced} bytes instead of {size}"
        raise TooLongError(msg)
    longest = max(GRACE, size / SLOWEST)
    # what one read waits for must be one answer, not a block full of them
    read = getattr(stream, "read1", stream.read)
    start, received = time.monotonic(), 0
    with ProgressBar(size, file=sys.stderr) if progress else contextlib.nullcontext() as bar:
        while block := read(BLOCK):
            received += len(block)
            if received > size:
                msg = f"another file: more than {size} bytes"
                raise TooLongError(msg)
            out.write(block)
            if time.monotonic() - start > longest:
                msg = f"too slow: {received} of {size} bytes after {longest:.0f} s"
                raise TimeoutError(msg)
            if bar is not None:
                bar.update(received)
    if announced is not None and received < announced:
        msg = f"{received} of {announced} bytes"
        raise ContentTooShortError(msg, None)
