# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors that are wrong beyond doubt are replaced, and no others."""

import numpy as np
import pytest

from astro_spectok.spectra.wrong_errors import replace_wrong_errors

M = 600


def make_row(snr, factor, seed=0):
    """A spectrum with noise, and inverse variances of errors that are ``factor`` times what they should be."""
    rng, x = np.random.default_rng(seed), np.arange(M)
    flux = (1 + 0.3 * np.sin(x / 30)) * snr + rng.normal(size=M)
    ivar = np.full(M, factor**-2.0)
    ivar[::17] = 0
    return np.where(ivar > 0, flux, 0).astype(np.float32), ivar.astype(np.float32)


@pytest.mark.parametrize(
    ("snr", "factor", "wrong"),
    [
        (20, 1, False),
        (20, 30, False),
        (20, 1000, True),
        (20, 1e12, True),
        (0, 1, False),
        (0, 5, False),
        (1, 0.01, False),
    ],
)
def test_only_impossible_errors_are_replaced(snr, factor, wrong):
    """Not those of noise alone, nor of five times too much; what is replaced is right to a third, bad pixels stay."""
    flux, ivar = (np.stack(x) for x in zip(make_row(snr, factor), make_row(20, 1), strict=True))
    before, bad = ivar.copy(), ivar == 0
    assert replace_wrong_errors(flux, ivar).tolist() == [wrong, False]
    assert np.array_equal(ivar == 0, bad)
    assert np.array_equal(ivar[1], before[1])
    if wrong:
        assert np.median(ivar[0][~bad[0]] ** -0.5) == pytest.approx(1, rel=0.33)
    else:
        assert np.array_equal(ivar[0], before[0])


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 40), (2, 8)])
def test_nothing_to_look_at(shape):
    """Empty or short rows, and rows of zeros, stay as they are."""
    flux, ivar = np.zeros(shape, np.float32), np.full(shape, 1e-8, np.float32)
    assert not replace_wrong_errors(flux, ivar).any()
    assert (ivar == np.float32(1e-8)).all()


def test_no_good_pixel():
    """Rows without one have no errors."""
    flux, ivar = np.ones((1, M), np.float32), np.zeros((1, M), np.float32)
    assert not replace_wrong_errors(flux, ivar).any()
