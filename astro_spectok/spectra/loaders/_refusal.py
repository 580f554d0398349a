# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One sentence for files that hold no spectrum, or none that can be read: which file, why, what to do."""

from pathlib import PurePath

__all__ = ["MAX_LENGTH", "UnreadableFileError", "refuse"]

#: characters of a whole message
MAX_LENGTH = 200


class UnreadableFileError(OSError):
    """A file that cannot be read as a spectrum; the message says which, why, and what to do about it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok import read
    >>> from astro_spectok.spectra.loaders import UnreadableFileError
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = path.write_text("clouds all night")
    >>> try:
    ...     read(path)
    ... except UnreadableFileError as error:
    ...     print(str(error)[:9], len(str(error)) <= 200)
    notes.txt True
    """


def _shorten(text, length):
    """``text`` on one line, cut in its middle to ``length`` characters."""
    text = " ".join(str(text).split())
    if len(text) <= length:
        return text
    head = max((length - 1) * 2 // 3, 1)
    return text[:head] + "…" + text[len(text) - (length - 1 - head) :] if length > 2 else text[:length]


def refuse(name, reason, remedy=""):
    """The error to raise for a file.

    Parameters
    ----------
    name : str or path-like
        The file; its folder is left out.
    reason : str
        What it is, or what it lacks, without a full stop.
    remedy : str, optional
        What to do, as a clause without a full stop.

    Returns
    -------
    UnreadableFileError
        With a message of at most `MAX_LENGTH` characters; of what is too long the reason is cut first.

    Examples
    --------
    >>> from astro_spectok.spectra.loaders._refusal import refuse
    >>> print(refuse("data/tess.fits", "is a light curve (TIME, FLUX)", "give a file with wavelengths"))
    tess.fits is a light curve (TIME, FLUX); give a file with wavelengths
    """
    name = _shorten(PurePath(str(name)).name or "the file", 80)
    remedy = _shorten(remedy, 90)
    ending = f"; {remedy}" if remedy else ""
    message = f"{name} {_shorten(reason, MAX_LENGTH - len(name) - 1 - len(ending))}{ending}"
    return UnreadableFileError(message)
