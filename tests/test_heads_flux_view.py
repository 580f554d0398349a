# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A spectrum on a fixed grid: bins hold what pixels hold, whatever these are, and say how well it is known."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.heads.flux_view import BinSums, FluxView, bin_pixels

EDGES = torch.arange(8.0, 8.6, 1e-3, dtype=torch.float64)


@pytest.fixture
def view():
    """From 3000 to 20,000 Angstrom; the ultraviolet below 3500 as the course alone."""
    return FluxView(3000.0, 20000.0, 1e-3, first=3500.0, continuum=0.06, joined=20)


def make_flat(x, flux=1.0, sigma=0.01):
    """A spectrum without noise: flux a number, or one per pixel."""
    return x, np.broadcast_to(flux, x.shape).astype(np.float32), np.full(len(x), sigma**-2, np.float32)


def test_sizes(view):
    """Lines begin at the first bin at or below the wavelength asked for, and end where the course does."""
    lines, broad = view(stack_spectra([make_spectrum(GRIDS["sdss"])]))
    assert lines.shape == (1, 2, view.n_lines)
    assert broad.shape == (1, 3, view.n_broad)
    assert view.n_broad == math.floor(math.log(20000 / 3000) / 0.02)
    assert view.n_broad * 20 - view.n_lines == math.floor(math.log(3500 / 3000) / 1e-3)


@pytest.mark.parametrize("grid", ["sdss", "desi", "arms"])
def test_sums_lose_no_pixel(grid):
    """Bins that hold all pixels hold their sum."""
    patches = stack_spectra([make_spectrum(GRIDS[grid])])
    values = torch.stack([patches.valid.float(), patches.channels[..., 0] * patches.valid], -1)
    edges = torch.linspace(8.0, 9.2, 700, dtype=torch.float64)
    sums = BinSums.of(values).find(patches.grid.geometry, edges)
    torch.testing.assert_close(sums.sum(1), values.sum((1, 2)), rtol=1e-5, atol=1e-3)


def test_no_bin_reached():
    """Bins beyond all pixels are empty."""
    patches = stack_spectra([make_spectrum(GRIDS["infrared"])])
    flux, variance, covered = bin_pixels(patches, EDGES)
    assert not covered.any()
    assert not flux.any()
    assert not variance.any()


def test_means_and_their_errors():
    """The mean of n pixels has an error of sigma over the root of n; that of a part of a pixel the pixel's own."""
    sharp, wide = 8.1 + np.arange(4000) * 1e-4, 8.1 + np.arange(100) * 4e-3
    for x, number in ((sharp, 10), (wide, 1)):
        patches = stack_spectra([make_flat(x, flux=2.0, sigma=0.1)])
        flux, variance, covered = bin_pixels(patches, EDGES)
        inner = (EDGES[:-1] > x[0]) & (EDGES[1:] < x[-1])
        assert covered[0, inner].all()
        torch.testing.assert_close(flux[0, inner], torch.ones(int(inner.sum())), rtol=1e-5, atol=0)
        # over the scale of the spectrum, which is 2
        expected = torch.full((int(inner.sum()),), 0.05**2 / number)
        torch.testing.assert_close(variance[0, inner], expected, rtol=0.15, atol=0)


def test_noisy_pixels_hardly_count():
    """One that is thirty times noisier than most, and off by as much, moves the mean of its bin by a tenth of that."""
    x, flux, ivar = make_flat(8.1 + np.arange(2000) * 1e-4)
    corrupted, weak = flux.copy(), ivar.copy()
    corrupted[1000], weak[1000] = 2.0, ivar[1000] / 900
    means = [bin_pixels(stack_spectra([(x, f, i)]), EDGES)[0] for f, i in ((flux, ivar), (corrupted, weak))]
    assert 0 < (means[1] - means[0]).abs().max() < 0.01


def test_flat_spectrum_has_no_lines(view):
    """Its course is level where it is known, and it has no contrast anywhere."""
    lines, broad = view(stack_spectra([make_flat(GRIDS["sdss"])]))
    there = broad[0, 2] > 0
    assert 0.4 < there.float().mean() < 0.6
    torch.testing.assert_close(broad[0, 0, there], torch.full((int(there.sum()),), math.asinh(1.0)), rtol=1e-4, atol=0)
    assert not broad[0, :, ~there].any()
    assert lines[0, 0].abs().max() < 1e-4
    assert not lines[0, 1, :30].any()  # 3500 to 3600 Angstrom


def test_pixels_do_not_matter(view):
    """A line has the same contrast on grids with a third, or three times, of the pixels."""
    views = []
    for number in (1500, 4500):
        x = np.linspace(8.3, 9.0, number)
        views.append(view(stack_spectra([make_flat(x, 1 - 0.5 * np.exp(-0.5 * ((x - 8.6) / 2e-3) ** 2))])))
    torch.testing.assert_close(views[0][0][:, 0], views[1][0][:, 0], atol=0.05, rtol=0)
    assert views[0][0][:, 0].min() < -0.3
    torch.testing.assert_close(views[0][1][:, 0], views[1][1][:, 0], atol=0.05, rtol=0)


@pytest.mark.parametrize("factor", [1e-17, -1.0, 1e6])
def test_units_do_not_matter(view, factor):
    """Nor does the sign but for that of the course and of the lines."""
    x, flux, ivar = make_spectrum(GRIDS["sdss"])
    other = (x, (flux * factor).astype(np.float32), (ivar / factor**2).astype(np.float32))
    # fluxes of 1e-17 have inverse variances of 1e36, within single precision
    first, second = (view(stack_spectra([one])) for one in ((x, flux, ivar), other))
    torch.testing.assert_close(first[1][:, 0], second[1][:, 0] * np.sign(factor), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(first[1][:, 1:], second[1][:, 1:], rtol=1e-3, atol=1e-4)
    if factor > 0:
        torch.testing.assert_close(first[0], second[0], rtol=1e-3, atol=1e-4)


def test_bad_pixels_and_neighbours_do_not_matter(view):
    """Whatever stands in bad pixels, and beside whom a spectrum is seen."""
    x, flux, ivar = make_spectrum(GRIDS["desi"], bad=0.2)
    junk = np.where(ivar > 0, flux, 1e30).astype(np.float32)
    alone = view(stack_spectra([(x, flux, ivar)]))
    beside = view(stack_spectra([make_spectrum(GRIDS["sdss"]), (x, junk, ivar), make_spectrum(GRIDS["infrared"])]))
    for one, other in zip(alone, beside, strict=True):
        torch.testing.assert_close(one[0], other[1], rtol=1e-4, atol=1e-5)


def test_noise_is_measured(view):
    """The noisier, the less is said to be known: half of it at the same error as the limit of the view."""
    views = [view(stack_spectra([make_flat(GRIDS["sdss"], sigma=sigma)])) for sigma in (1e-3, 0.1, 1.0)]
    for k, channel in ((0, 1), (1, 1)):
        means = [one[k][0, channel].max().item() for one in views]
        assert 1.0 >= means[0] > means[1] > means[2] > 0


def test_no_good_pixel(view):
    """Nothing is known, and nothing is NaN."""
    patches = stack_spectra([make_flat(GRIDS["sdss"]), make_flat(GRIDS["sdss"])])
    valid, mask = patches.valid.clone(), patches.mask.clone()
    valid[1], mask[1] = False, False
    lines, broad = view(dataclasses.replace(patches, valid=valid, mask=mask))
    assert torch.isfinite(lines).all()
    assert not lines[1].any()
    assert not broad[1].any()
