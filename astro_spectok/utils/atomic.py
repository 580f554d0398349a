# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that appear whole or not at all, whatever stops the process that writes them."""

import contextlib
import os
import uuid
from pathlib import Path

__all__ = ["check_folder_of", "replace_file"]


def check_folder_of(path):
    """Check that there is a folder for a file that is to be written.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    if not Path(path).absolute().parent.is_dir():
        msg = f"the directory of {path} does not exist; make it first"
        raise FileNotFoundError(msg)


@contextlib.contextmanager
def replace_file(path, *, overwrite=True):
    """A temporary path beside ``path`` that takes its name once the block is left without an error.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    overwrite : bool, optional
        False refuses a file of that name, also one that appears while the block runs.

    Yields
    ------
    `~pathlib.Path`
        Where to write; it has the suffix of ``path``, and is removed if the block fails.

    Raises
    ------
    FileExistsError
        The file exists and ``overwrite`` is False.
    FileNotFoundError
        Its directory does not exist.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.utils.atomic import replace_file
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "z.txt"
    >>> with replace_file(path) as temporary:
    ...     _ = temporary.write_text("0.0857")
    >>> path.read_text(), [file.name for file in path.parent.iterdir()]
    ('0.0857', ['z.txt'])
    """
    path = Path(path)
    check_folder_of(path)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())  # on the disk before the name points to it
        _publish(temporary, path, overwrite)
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary, path, overwrite):
    """Give the finished file its name."""
    if not overwrite:
        try:
            os.link(temporary, path)  # unlike a rename, refuses what has appeared in the meantime
        except FileExistsError as error:
            msg = f"{path} exists; give overwrite=True (--overwrite) to replace it, or another name"
            raise FileExistsError(msg) from error
        except OSError:
            pass  # a file system without links
        else:
            return
    os.replace(temporary, path)
