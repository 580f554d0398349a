# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Number of significant decimals of a value, given its error."""

import math

import numpy as np

__all__ = ["count_decimals", "format_with_error"]

#: decimals that are shown at most
MOST = 8


def count_decimals(errors, default=3):
    """Decimals that show two significant digits of an error; of several errors, of the smallest.

    Parameters
    ----------
    errors : array_like
        Those that are not finite or not positive do not count.
    default : int, optional
        The answer if no error counts.

    Returns
    -------
    int
        From 0 to 8.

    Examples
    --------
    >>> from astro_spectok.utils.digits import count_decimals
    >>> count_decimals(0.00023), count_decimals([27.0, 140.0])
    (5, 0)
    """
    errors = np.asarray(errors, dtype=float)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    return min(max(1 - math.floor(math.log10(errors.min())), 0), MOST) if errors.size else default


def format_with_error(value, error, default=3):
    """A number and its standard deviation as text, with the decimals of `count_decimals`.

    Parameters
    ----------
    value, error : float
    default : int, optional
        Decimals where there is no error.

    Returns
    -------
    str

    Examples
    --------
    >>> from astro_spectok.utils.digits import format_with_error
    >>> format_with_error(0.0857123, 0.000023), format_with_error(5777.3, 27.1)
    ('0.085712 ± 0.000023', '5777 ± 27')
    """
    decimals = count_decimals(error, default)
    return f"{value:z.{decimals}f} ± {error:.{decimals}f}"  # z: no minus before zeros
