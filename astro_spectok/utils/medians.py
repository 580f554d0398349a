# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The median of a few thousand numbers, of which each spectrum asks for ten."""

import numpy as np

__all__ = ["find_median"]


def find_median(values):
    """`numpy.median` of one array, in a third of its time; NaN of none, and where one is NaN.

    Parameters
    ----------
    values : ndarray of float, shape (n,)

    Returns
    -------
    scalar of the type of ``values``

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.utils.medians import find_median
    >>> float(find_median(np.array([4.0, 1.0, 3.0, 2.0]))), float(find_median(np.array([1.0, np.nan, 3.0])))
    (2.5, nan)
    """
    half = len(values) // 2
    if not half:
        return values[0] if len(values) else values.dtype.type(np.nan)
    ordered = np.partition(values, half)
    # NaN is sorted to the end
    highest = ordered[half:].max()
    if np.isnan(highest):
        return highest
    return ordered[half] if len(values) % 2 else (ordered[:half].max() + ordered[half]) / values.dtype.type(2)
