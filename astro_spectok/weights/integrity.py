# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Digests of files, computed once per process and version of a file."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from astro_spectok.exceptions import WeightsIntegrityError

__all__ = ["compute_sha256", "file_version", "find_fault", "verify_file"]


def file_version(path):
    """Return a fingerprint that distinguishes versions of a file without reading it."""
    status = os.stat(path)
    # the change time cannot be set back by a user, the modification time can
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def compute_sha256(path):
    """Return the SHA-256 digest of a file; a file that did not change is read only once per process.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return _hash_file(Path(path).resolve(), file_version(path))


@lru_cache(maxsize=64)
def _hash_file(path, version):
    """Hash the file; ``version`` only makes the cache forget files that changed."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_fault(path, entry):
    """Say in words how a file differs from what the registry promises, or return None.

    Parameters
    ----------
    path : path-like
        The file.
    entry : WeightsEntry
        Where size and digest are promised.

    Returns
    -------
    str or None
    """
    size = os.stat(path).st_size
    if size < entry.size:
        return f"truncated, or another file: {size} of {entry.size} bytes"
    if size > entry.size:
        return f"another file: {size} bytes instead of {entry.size}"
    digest = compute_sha256(path)
    if digest != entry.sha256:
        return f"altered: its sha256 is {digest}, the registry says {entry.sha256}"
    return None


def verify_file(path, entry, *, remedy):
    """Raise `WeightsIntegrityError`, which ends in ``remedy``, unless the file is what the registry promises."""
    if fault := find_fault(path, entry):
        msg = f"The file of the weights {entry.name!r}, {os.fspath(path)}, is {fault}. {remedy}"
        raise WeightsIntegrityError(msg)
