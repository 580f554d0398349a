# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fetching a set of weights from its mirrors into Astropy's download cache; nothing unverified ever enters it."""

import logging
from http.client import HTTPException
from pathlib import Path
from urllib.error import ContentTooShortError, HTTPError, URLError

from astropy.utils.data import clear_download_cache, download_file, import_file_to_cache, is_url

from astro_spectok.config import conf
from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.weights.integrity import file_version, find_fault
from astro_spectok.weights.transfer import TooLongError, transfer_file

__all__ = ["cache_url", "fetch_weights", "find_cached", "list_sources"]

log = logging.getLogger(__name__)

_PKGNAME = "astro_spectok"

#: files that were downloaded but could not be put into the cache, by digest; gone when the process ends
_TEMPORARY: dict[str, Path] = {}


def cache_url(entry):
    """Return the key of an entry in the download cache: its digest, so that versions and mirrors never mix."""
    return f"file:///astro_spectok/weights/{entry.sha256}/{entry.file}"


def list_sources(entry):
    """List where to download an entry from: first ``conf.weights_mirrors``, then its own URLs.

    Raises
    ------
    ValueError
        A mirror is no URL.
    """
    mirrors = conf.weights_mirrors
    if not_urls := [base for base in mirrors if not is_url(base)]:
        msg = f"`conf.weights_mirrors` must hold base URLs such as https://... or file:///..., got {not_urls[0]!r}"
        raise ValueError(msg)
    return list(dict.fromkeys([*(f"{base.rstrip('/')}/{entry.file}" for base in mirrors), *entry.urls]))


def find_cached(entry):
    """Return the verified file of an entry in the download cache, or None.

    A file that is not what the registry promises is removed from the cache.

    Parameters
    ----------
    entry : WeightsEntry
        The set.

    Returns
    -------
    path : `~pathlib.Path` or None
        The verified file.
    fault : str or None
        What was wrong with a file that has been removed.
    """
    fault = None
    for _ in range(2):
        try:
            # without sources this only looks into the cache
            path = Path(download_file(cache_url(entry), cache=True, sources=[], pkgname=_PKGNAME))
            version = file_version(path)
            fault = find_fault(path, entry)
            if fault is None:
                return path, None
            # another process may have put a good file in its place since: then look again
            if file_version(path) == version:
                log.warning("%s in the cache is %s; it is removed", entry.file, fault)
                clear_download_cache(cache_url(entry), pkgname=_PKGNAME)
                return None, fault
        except (KeyError, OSError):
            # not there, gone this moment, or not readable by this user
            break
    return _TEMPORARY.get(entry.sha256), fault


def fetch_weights(entry, *, progress=True):
    """Download a set of weights into the cache, from the first source that serves the right file.

    No more bytes are taken than the registry says, and no source may take longer than that size needs at 20 kB/s (two
    minutes at least). The file is downloaded to a temporary place, verified there and then moved into the cache in
    one step, so that an interruption or a second process never leaves or sees a partial file.

    Parameters
    ----------
    entry : WeightsEntry
        The set.
    progress : bool, optional
        Whether to show a progress bar; never shown but on a terminal.

    Returns
    -------
    `~pathlib.Path`
        The verified file.

    Raises
    ------
    WeightsIntegrityError
        Some source served a file that is truncated or altered, and no other a good one.
    WeightsError
        No source could be reached.
    """
    failures, corrupt = {}, False
    for source in list_sources(entry):
        try:
            path = transfer_file(source, entry.size, timeout=conf.download_timeout, progress=progress)
        # a connection that breaks raises any of these; urllib wraps only some of them in URLError
        except (OSError, HTTPException, ValueError) as error:
            corrupt |= isinstance(error, ContentTooShortError | TooLongError)
            failures[source] = _word_failure(error)
            if isinstance(error, HTTPError):
                error.close()  # it holds the connection
        else:
            if (fault := find_fault(path, entry)) is None:
                return _keep_download(path, entry)
            corrupt = True
            failures[source] = fault
            path.unlink(missing_ok=True)
        log.warning("%s was not obtained from %s: %s", entry.file, source, failures[source])
    raise _build_error(entry, failures, corrupt)


def _word_failure(error):
    """Say in words why a download failed."""
    reason = " ".join(str(error.reason if isinstance(error, URLError) else error).split()) or type(error).__name__
    return f"interrupted or truncated: {reason}" if isinstance(error, ContentTooShortError) else reason


def _keep_download(path, entry):
    """Move a verified file into the cache, or use it where it is when the cache takes none."""
    try:
        # replace=False: where another process was first, its file stays, as somebody may be reading it
        kept = Path(import_file_to_cache(cache_url(entry), str(path), pkgname=_PKGNAME, replace=False))
        if find_fault(kept, entry) is None:
            path.unlink(missing_ok=True)
            return kept
        reason = "a damaged file there cannot be replaced"
    except OSError as error:
        reason = error
    log.warning("%s cannot be kept in the cache (%s): the next session downloads it again", entry.file, reason)
    _TEMPORARY[entry.sha256] = path
    return path


def _build_error(entry, failures, corrupt):
    """Build the error that lists all sources with their failures, and the remedies."""
    tried = "".join(f"\n  {source}: {failure}" for source, failure in failures.items()) or "\n  (no source is known)"
    msg = (
        f"The weights {entry.name!r} could not be downloaded. Tried:{tried}\n"
        "Run it again if the network was interrupted; or name another mirror in astro_spectok.conf.weights_mirrors or "
        f"with 'spectok weights download {entry.name} --mirror URL'; or fetch {entry.file} by other means and pass "
        "its path as `weights`."
    )
    return (WeightsIntegrityError if corrupt else WeightsError)(msg)
