# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Patterns, folders and lists become paths."""

import glob
import os
import re
import sys
from pathlib import Path

__all__ = ["expand_paths"]

#: letters of the path of a file
_LONGEST = 4096
#: rows of numbers that are a spectrum in the place of names, and one of them
_LEAST_ROWS = 8
_ROW = re.compile(r"[-+.\deE]+(?:[\s,;]+[-+.\deE]+|[\s,;]+nan)+", re.IGNORECASE)


def expand_paths(names, *, recursive=False, stream=None, wanted=None):
    """List the files that the arguments of a command name, each once, in their order.

    Parameters
    ----------
    names : sequence of str
        A file; a pattern such as ``*.fits``, if no file has that name; a folder, for the files in it; ``@list``, for
        the names in a text file, one on each line; or ``-`` for those on standard input. Lines that are empty or begin
        with ``#`` are left out.
    recursive : bool, optional
        Whether the files in the folders of a folder count too.
    stream : file, optional
        Read instead of standard input.
    wanted : callable, optional
        Called with each list of the files in a folder, in order; returns those that count. All do if not given.

    Returns
    -------
    list of `~pathlib.Path`
        A file that is named but not there is among them.

    Raises
    ------
    FileNotFoundError
        A pattern that no file fits, a list that is not there, a folder without files, or no name at all.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.utils.paths import expand_paths
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("b.fits", "a.fits", "notes.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in expand_paths([f"{folder}/*.fits"])]
    ['a.fits', 'b.fits']
    >>> [path.name for path in expand_paths([f"{folder}/b.fits", str(folder)])]
    ['b.fits', 'a.fits', 'notes.txt']
    """
    paths = []
    for name in names:
        if name == "-":
            paths += _read_list(stream or sys.stdin, "standard input", recursive, wanted)
        elif name.startswith("@") and not os.path.exists(name):
            try:
                lines = Path(name[1:]).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            except OSError as error:
                msg = f"{name}: the list of files {name[1:]} cannot be read ({error.strerror})"
                raise FileNotFoundError(msg) from error
            paths += _read_list(lines, name[1:], recursive, wanted)
        else:
            paths += _expand_name(name, recursive, wanted)
    return list(dict.fromkeys(paths))


def _read_list(lines, name, recursive, wanted):
    """The files that the lines of a list name; a list in a list is a file."""
    try:
        found = [line.strip() for line in lines]
    except UnicodeDecodeError:
        found = ["\0"]
    found = [line for line in found if line and not line.startswith("#")]
    if not found:
        msg = f"{name} must name at least one file, one on each line; got none"
        raise FileNotFoundError(msg)
    is_table = len(found) >= _LEAST_ROWS and all(map(_ROW.fullmatch, found[-_LEAST_ROWS:]))
    if is_table or any("\0" in line or len(line) > _LONGEST for line in found):
        remedy = "; a spectrum itself is read as /dev/stdin" if name == "standard input" else ""
        msg = f"{name} is no list of files: it must be a text with one name on each line{remedy}"
        raise FileNotFoundError(msg)
    return [path for line in found for path in _expand_name(_unquote(line), recursive, wanted)]


def _unquote(line):
    """A name without the quotes around it, which commands such as ``ls -Q`` write, unless it has them itself."""
    quoted = len(line) > 2 and line[0] == line[-1] and line[0] in "\"'"
    return line[1:-1] if quoted and not os.path.lexists(line) else line


def _expand_name(name, recursive, wanted):
    """The files that one argument names."""
    # the name as it stands where there is no such user
    path = Path(name if os.path.lexists(name) else os.path.expanduser(name))
    if path.is_dir():
        inside = path.rglob("*") if recursive else path.iterdir()
        found = sorted(one for one in inside if _is_file(one) and not _is_hidden(one, path))
        found = found if wanted is None else wanted(found)
        if not found:
            what = "no files" if wanted is None else "no files of spectra"
            msg = f"the folder {name} holds {what}" + ("" if recursive else "; --recursive looks into its folders")
            raise FileNotFoundError(msg)
        return found
    if glob.has_magic(name) and not path.exists():
        found = sorted(Path(one) for one in glob.glob(os.fspath(path), recursive=recursive) if _is_file(Path(one)))
        if not found:
            msg = f"no file matches {name!r}"
            raise FileNotFoundError(msg)
        return found
    return [path]


def _is_file(path):
    """Whether it is a file, or a link to one that is gone: what is lost must not be passed over."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _is_hidden(path, folder):
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
