# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of the calling program for NumPy, set aside while the package works."""

import functools

import numpy as np

__all__ = ["own_errstate"]


def own_errstate(function):
    """The function, with floating-point errors handled as NumPy does by default, whatever the program around has set.

    For what users call: numbers that underflow in the tail of a posterior are no error.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
    """

    # not NumPy's own decorator, whose file would be taken for the user's where warnings say where they come from
    @functools.wraps(function)
    def call(*args, **kwargs):
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return call
