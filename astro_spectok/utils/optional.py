# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Packages that are needed for some things only."""

import importlib

__all__ = ["import_optional"]


def import_optional(module, needed, extra, otherwise=""):
    """A module that need not be installed.

    Parameters
    ----------
    module : str
        Its name, as after ``import``.
    needed : str
        What needs it, as the beginning of a sentence.
    extra : str
        The extra of this package that brings it.
    otherwise : str, optional
        What else can be done.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        It is not installed; the message says what needs it, and how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f"{needed}: pip install 'astro_spectok[{extra}]'{'; or ' if otherwise else ''}{otherwise}"
        raise ImportError(msg) from error
