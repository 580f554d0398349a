# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Location of the file of a set of weights: a path, installed with the package, in the cache, or downloaded."""

import os
from os import PathLike
from pathlib import Path

from astro_spectok.config import conf
from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.weights.download import fetch_weights, find_cached
from astro_spectok.weights.format import read_metadata
from astro_spectok.weights.integrity import compute_sha256, verify_file
from astro_spectok.weights.registry import REGISTRY, format_rows, get_entry

__all__ = ["PACKAGED_DIR", "describe_file", "find_weights", "is_path"]

#: the folder of the sets that are installed with the package
PACKAGED_DIR = Path(__file__).parent / "data"


def is_path(weights):
    """Whether ``weights`` is meant as the path of a file rather than as a registry name.

    A string is a path if it is no registry name and has a folder, a suffix, or names a file that exists.
    """
    if isinstance(weights, os.PathLike):
        return True
    if weights in REGISTRY:
        return False
    return os.path.basename(weights) != weights or bool(Path(weights).suffix) or Path(weights).is_file()


def find_weights(
    weights: str | PathLike[str] | None = None, *, download: bool = True, progress: bool | None = None
) -> Path:
    """Find the file of a set of weights on this machine, or download it.

    A path is taken as it is. A registry name is looked for among the sets installed with the
    package, then in Astropy's download cache, then downloaded from ``conf.weights_mirrors`` and
    the URLs of the registry, in that order. The size and SHA-256 digest of a named set are
    verified wherever it is found, once per process and version of the file. The packaged default
    needs no network.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path; ``conf.default_weights`` if not given.
    download : bool, optional
        Whether to download a set that is not on this machine.
    progress : bool, optional
        Whether to show a progress bar while downloading; by default it is shown on a terminal.

    Returns
    -------
    `~pathlib.Path`
        The file.

    Raises
    ------
    TypeError
        ``weights`` is neither a string nor a path.
    UnknownWeightsError
        No set of that name is known.
    WeightsIntegrityError
        A file is truncated or altered, and no good copy could be had.
    WeightsError
        There is no file at the path, or the set could not be downloaded, or must not be.

    Examples
    --------
    >>> from astro_spectok.weights import find_weights
    >>> find_weights("small").name
    'small.safetensors'
    """
    if weights is None:
        weights = conf.default_weights
    if not isinstance(weights, str | os.PathLike):
        msg = f"`weights` must be a registry name or the path of a .safetensors file, got {type(weights).__name__}"
        raise TypeError(msg)
    if is_path(weights):
        return _check_path(weights)
    entry = get_entry(weights)
    return _find_packaged(entry) or _find_elsewhere(entry, download=download, progress=progress)


def _check_path(weights):
    """Return an explicit path, or raise if there is no file."""
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    got = "a folder" if path.is_dir() else "nothing"
    known = ", ".join(sorted(REGISTRY))
    msg = (
        f"`weights` must be the path of an existing .safetensors file or the name of a known set ({known}), "
        f"got {os.fspath(weights)!r}, where there is {got}; check the path"
    )
    raise WeightsError(msg)


def _find_packaged(entry):
    """Return the verified file that is installed with the package, or None."""
    path = PACKAGED_DIR / entry.file
    if not (entry.packaged and path.is_file()):
        return None
    verify_file(path, entry, remedy="Install astro_spectok again (pip install --force-reinstall astro_spectok).")
    return path


def _find_elsewhere(entry, *, download, progress):
    """Return the verified file from the cache, or download it."""
    path, fault = find_cached(entry)
    if path is not None:
        return path
    if download:
        return fetch_weights(entry, progress=progress is None or bool(progress))
    remedy = (
        f"Allow the download (download=True), or run 'spectok weights download {entry.name}' once, "
        "or pass the path of a copy as `weights`."
    )
    if fault:
        msg = f"The file of the weights {entry.name!r} in the cache was {fault}; it has been removed. {remedy}"
        raise WeightsIntegrityError(msg)
    msg = f"The weights {entry.name!r} are not on this machine, and `download` is False. {remedy}"
    raise WeightsError(msg)


def describe_file(path):
    """Describe a file of weights in words.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    str
        Several lines: what the file says about itself, its size and digest.

    Raises
    ------
    WeightsError
        As for `find_weights` and `read_metadata`.
    """
    path = _check_path(path)
    metadata = read_metadata(path)
    rows = {"file": f"{path}, {path.stat().st_size} bytes", "sha256": compute_sha256(path)}
    return format_rows(rows | {key: metadata[key] for key in sorted(metadata)})
