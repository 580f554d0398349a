# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors for spectra that cannot be used: builtin errors that also carry the flag."""

from astro_spectok.spectra.batch import InputFlag

__all__ = ["Unread", "describe_error", "flag_of", "make_error"]

#: letters of a message that are kept
LONGEST = 500


def make_error(flag, error, message):
    """Return ``error(message)`` with the `InputFlag` that a row of many gets for it.

    Parameters
    ----------
    flag : `InputFlag`
    error : type of Exception
    message : str

    Returns
    -------
    Exception
    """
    made = error(message)
    made.flag = flag
    return made


def flag_of(error):
    """Return the `InputFlag` of an error; one that `make_error` did not make is bad input."""
    return getattr(error, "flag", InputFlag.BAD_INPUT)


def describe_error(error):
    """Return what an error says in one line, with its type where it was not meant for a user to read.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    str
    """
    text = "".join(letter for letter in " ".join(str(error).split()) if letter.isprintable())[:LONGEST]
    if hasattr(error, "flag") or (text and isinstance(error, ValueError | TypeError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Unread:
    """Stands in a list of spectra for a file that cannot be read, and raises its error when it is its turn.

    Parameters
    ----------
    error : Exception
    name : str
        Of the file.
    """

    def __init__(self, error, name):
        self.error, self.name = error, name

    def read(self):
        """Raise the error, with the name of the file as that of the spectrum."""
        made = make_error(InputFlag.BAD_INPUT, ValueError, str(self.error))
        made.spectrum_name = self.name
        raise made from self.error
