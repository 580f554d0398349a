# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Products of matrices that wake no other thread.

NumPy's library shares products above a certain size among threads, which then wait for more by spinning: beside a
network, or on a busy machine, that costs as much processor time again as the products, for nothing. In pieces below
that size they stay in the thread that asks for them.
"""

import numpy as np

__all__ = ["multiply_pieces", "square_pieces"]

#: multiplications up to which OpenBLAS takes one thread, and most rows or columns of a piece
MOST, SIDE = 2**18, 64
#: rows of a piece whose sums are whole
ROWS = 16


def multiply_pieces(left, right):
    """Result of ``left @ right``, of matrices (m, k) and (k, n).

    Parameters
    ----------
    left, right : ndarray

    Returns
    -------
    ndarray, shape (m, n)

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.utils.products import multiply_pieces
    >>> multiply_pieces(np.ones((2, 9000)), np.ones((9000, 20)))[0, 0]
    np.float64(9000.0)
    """
    (m, k), n = left.shape, right.shape[1]
    if m * k * n <= MOST:
        return left @ right
    out = np.zeros((m, n), np.result_type(left, right))
    # whole rows by whole columns where some of them fit, which need not be added up: that takes two thirds of the time
    width = MOST // (min(m, ROWS) * k)
    if width >= SIDE:
        for i in range(0, m, ROWS):
            for j in range(0, n, width):
                out[i : i + ROWS, j : j + width] = left[i : i + ROWS] @ right[:, j : j + width]
        return out
    depth = MOST // (min(m, SIDE) * min(n, SIDE))
    for i in range(0, m, SIDE):
        for j in range(0, n, SIDE):
            here = out[i : i + SIDE, j : j + SIDE]
            for t in range(0, k, depth):
                here += left[i : i + SIDE, t : t + depth] @ right[t : t + depth, j : j + SIDE]
    return out


def square_pieces(matrix):
    """Result of ``matrix.T @ matrix``, of a matrix (n, m) that is narrow: BLAS computes but half of it.

    Parameters
    ----------
    matrix : ndarray, shape (n, m)

    Returns
    -------
    ndarray, shape (m, m)

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.utils.products import square_pieces
    >>> square_pieces(np.ones((9000, 2)))[0, 1]
    np.float64(9000.0)
    """
    n, m = matrix.shape
    depth = max(MOST // m**2, 1)
    out = np.zeros((m, m), matrix.dtype)
    for t in range(0, n, depth):
        piece = matrix[t : t + depth]
        out += piece.T @ piece
    return out
