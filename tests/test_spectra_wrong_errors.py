# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors that are clearly wrong are replaced, and no others."""

import numpy as np
import pytest

from astro_spectok.spectra import InputFlag
from astro_spectok.spectra.wrong_errors import correct_errors, find_error_scale

M = 600


def make_row(snr, factor, seed=0):
    """A spectrum with noise, and inverse variances of errors that are ``factor`` times what they should be."""
    rng, x = np.random.default_rng(seed), np.arange(M)
    flux = (1 + 0.3 * np.sin(x / 30)) * snr + rng.normal(size=M)
    ivar = np.full(M, factor**-2.0)
    ivar[::17] = 0
    return np.where(ivar > 0, flux, 0).astype(np.float32), ivar.astype(np.float32)


ESTIMATED, RAISED = int(InputFlag.UNCERTAINTY_ESTIMATED), int(InputFlag.UNCERTAINTY_RAISED)


@pytest.mark.parametrize(
    ("snr", "factor", "flags"),
    [
        (20, 1, 0),
        (20, 3, 0),
        (20, 0.8, 0),
        (20, 30, ESTIMATED),
        (20, 1000, ESTIMATED),
        (20, 1e12, ESTIMATED),
        (20, 0.2, RAISED),
        (20, 1e-3, ESTIMATED),
        (20, 1e-12, ESTIMATED),
        (0, 1, 0),
        (0, 4, 0),
        (1, 0.01, RAISED),
    ],
)
def test_only_impossible_errors_are_corrected(snr, factor, flags):
    """Not those of noise alone, nor of four times too much; what is corrected is right to a third, bad pixels stay."""
    flux, ivar = (np.stack(x) for x in zip(make_row(snr, factor), make_row(20, 1), strict=True))
    before, bad = ivar.copy(), ivar == 0
    assert correct_errors(flux, ivar).tolist() == [flags, 0]
    assert np.array_equal(ivar == 0, bad)
    assert np.array_equal(ivar[1], before[1])
    if flags:
        assert np.median(ivar[0][~bad[0]] ** -0.5) == pytest.approx(1, rel=0.33)
    else:
        assert np.array_equal(ivar[0], before[0])


def test_lines_are_no_noise():
    """The scatter that a forest of resolved lines makes raises no errors, however many times theirs it is."""
    rng, x = np.random.default_rng(3), np.arange(3000.0)
    lines = [1 - d * np.exp(-0.5 * ((x - c) / 2) ** 2) for c, d in rng.uniform(0, (3000, 0.8), (300, 2))]
    flux = (100 * np.prod(lines, axis=0) + rng.normal(size=3000)).astype(np.float32)[None]
    ivar = np.ones_like(flux)
    assert correct_errors(flux, ivar).tolist() == [0]
    assert (ivar == 1).all()


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 40), (2, 8)])
def test_nothing_to_look_at(shape):
    """Empty or short rows, and rows of zeros, stay as they are."""
    flux, ivar = np.zeros(shape, np.float32), np.full(shape, 1e-8, np.float32)
    assert not correct_errors(flux, ivar).any()
    assert (ivar == np.float32(1e-8)).all()


def test_no_good_pixel():
    """Rows without one have no errors."""
    flux, ivar = np.ones((1, M), np.float32), np.zeros((1, M), np.float32)
    assert not correct_errors(flux, ivar).any()


@pytest.mark.parametrize("factor", [0.1, 0.5, 1, 2, 10])
@pytest.mark.parametrize("half", [False, True])
def test_what_a_model_leaves_shows_errors(factor, half):
    """Too large and too small by two and more, in the whole and in one half; right ones stand."""
    noise, sigma = np.random.default_rng(5).normal(size=2 * M), np.ones(2 * M)
    sigma[M if half else 0 :] *= factor
    scale = find_error_scale(noise, sigma)
    if factor == 1:
        assert scale is None
        return
    for part in np.array_split(scale * sigma, 2):
        assert np.median(part) == pytest.approx(1, rel=0.15)


def test_what_a_model_misses_is_no_noise():
    """Lines that it lacks, ten times the errors, raise none; and lower none where they stand in noise as stated."""
    rng, x = np.random.default_rng(6), np.arange(2 * M)
    lines = sum(rng.normal(0, 10) * np.exp(-0.5 * ((x - centre) / 1.5) ** 2) for centre in rng.uniform(0, 2 * M, 300))
    left = rng.normal(size=2 * M) + lines
    assert find_error_scale(left, np.ones(2 * M)) is None
    assert np.median(find_error_scale(left, np.full(2 * M, 40.0))) > 1 / 40


@pytest.mark.parametrize(("shared", "scale"), [((0.2, 0.8, 0.2), 1), ((0.2, 0.8, 0.2), 3), ((1, 1, 1), 3**0.5)])
def test_noise_that_pixels_share(shared, scale):
    """Little of it, as after resampling, is noise as any other; of means of three, sums vary as stated for none."""
    noise = np.convolve(np.random.default_rng(7).normal(size=4 * M + 2), shared, "valid") / np.linalg.norm(shared)
    found = find_error_scale(noise, np.full(4 * M, 1 if min(shared) == 1 else 1 / scale))
    if scale == 1:
        assert found is None
    else:
        assert np.median(found) == pytest.approx(scale, rel=0.15)


def test_few_pixels_say_nothing():
    """Less than two stretches."""
    assert find_error_scale(np.random.default_rng(8).normal(size=200), np.full(200, 0.1)) is None
