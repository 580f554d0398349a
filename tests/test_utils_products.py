# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of products in pieces, and of medians."""

import numpy as np
import pytest

from astro_spectok.utils.medians import find_median
from astro_spectok.utils.products import MOST, multiply_pieces, square_pieces


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5, 2), (15, 7781, 15), (300, 70, 200), (1, 300_000, 1), (130, 129, 65)])
def test_pieces_give_the_product(shape, dtype):
    """Of any sizes, those that no piece divides among them; the type of numbers stays."""
    m, k, n = shape
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(k, m)).astype(dtype).T, rng.normal(size=(k, n)).astype(dtype)
    found = multiply_pieces(left, right)
    assert found.dtype == dtype
    wanted = left.astype(np.float64) @ right.astype(np.float64)
    np.testing.assert_allclose(found, wanted, atol=(1e-5 if dtype == np.float32 else 1e-13) * np.sqrt(k) * 10)


def test_no_piece_is_larger_than_one_thread_takes():
    """What is handed to the library in one go."""
    sizes = []

    class Counted(np.ndarray):
        def __matmul__(self, other):
            sizes.append(self.shape[0] * self.shape[1] * other.shape[1])
            return np.asarray(self) @ np.asarray(other)

    multiply_pieces(np.ones((100, 5000), np.float32).view(Counted), np.ones((5000, 90), np.float32))
    assert len(sizes) > 1
    assert max(sizes) <= MOST


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7781, 15), (3, 5), (40_000, 11), (100, 600)])
def test_pieces_give_the_square(shape, dtype):
    """Symmetric to the last bit; as precise as one product."""
    matrix = np.random.default_rng(1).normal(size=shape).astype(dtype)
    found = square_pieces(matrix)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, found.T)
    wanted = matrix.astype(np.float64).T @ matrix.astype(np.float64)
    np.testing.assert_allclose(found, wanted, atol=(1e-5 if dtype == np.float32 else 1e-13) * np.sqrt(shape[0]) * 10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 100, 101])
def test_median_is_that_of_numpy(n, dtype):
    """To the last bit, of odd and even numbers, of infinite values and of NaN wherever it stands."""
    values = np.random.default_rng(n).normal(size=n).astype(dtype)
    found = find_median(values)
    assert found.dtype == dtype
    assert found == np.median(values)
    values[n // 2] = np.inf
    assert find_median(values) == np.median(values)
    for place in (0, n - 1):
        values[place] = np.nan
        assert np.isnan(find_median(values))
    assert np.isnan(find_median(values[:0]))
