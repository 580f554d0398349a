# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How a spectrum that cannot be used is refused: a builtin error that also carries its flag."""

from astro_spectok.spectra.batch import InputFlag

__all__ = ["flag_of", "make_error"]


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
