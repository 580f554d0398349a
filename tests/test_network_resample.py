# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the conserving resampling of features."""

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, arrange_one

from astro_spectok.network import patch_positions
from astro_spectok.network.resample import resample_features


def cell_edges(geometry, patch):
    """Lower and upper edges (B, T * P) of the cells: halfway to the next of the token."""
    centre = patch_positions(geometry, patch)
    half = torch.diff(centre, dim=-1) / 2
    low = centre - torch.cat([half[..., :1], half], dim=-1)
    return low.flatten(1), (centre + torch.cat([half, half[..., -1:]], dim=-1)).flatten(1)


def make_features(grid, channels=3, seed=0):
    """Random features (B, T, P, C) for all slots, and a mask that is True."""
    torch.manual_seed(seed)
    return torch.rand(*grid.index.shape, channels) + 0.5, torch.ones(grid.index.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("name", ["sdss", "single token", "desi", "arms"])
def test_own_grid_gives_the_features_back(name):
    """Every cell is its own mean, and is covered."""
    grid = arrange_one(GRIDS[name])
    features, mask = make_features(grid)
    low, high = cell_edges(grid.geometry, 32)
    values, covered = resample_features(features, mask, grid.geometry, low, high)
    # where the spacing changes the first cell of a token may begin a little inside the last one of the token before
    rtol = 1e-5 if name in ("sdss", "single token") else 2e-3
    torch.testing.assert_close(values, features.flatten(1, 2), rtol=rtol, atol=1e-6)
    torch.testing.assert_close(covered, torch.ones_like(covered), rtol=0, atol=rtol)


@pytest.mark.parametrize("factor", [2, 5, 16])
@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_integral_is_conserved_on_coarser_pixels(factor, shift):
    """Sum of flux times width, from one edge of the data to the other."""
    x = 8.3 + np.arange(640) * 1e-4
    grid = arrange_one(x)
    features, mask = make_features(grid)
    edges = torch.arange(
        8.3 - (0.5 + shift) * 1e-4, 8.3 + 640 * 1e-4 + factor * 1e-4, factor * 1e-4, dtype=torch.float64
    )
    values, covered = resample_features(features, mask, grid.geometry, edges[None, :-1], edges[None, 1:])
    total = (values * covered[..., None]).sum(1) * factor
    torch.testing.assert_close(total, features.sum((1, 2)), rtol=1e-5, atol=0)
    assert covered.sum().item() * factor == pytest.approx(640, rel=1e-6)


def test_pixels_are_means_over_the_cells_they_overlap():
    """Against a direct computation for one pixel that spans cells in part."""
    grid = arrange_one(8.3 + np.arange(64) * 1e-3)
    features, mask = make_features(grid, 1)
    low, high = 8.3 + 10.2e-3, 8.3 + 12.6e-3  # cells 10 (30 %), 11 and 12 (all), 13 (10 %)
    values, _ = resample_features(
        features, mask, grid.geometry, *torch.tensor([[[low]], [[high]]], dtype=torch.float64)
    )
    cell = features.flatten()
    wanted = (0.3 * cell[10] + cell[11] + cell[12] + 0.1 * cell[13]) / 2.4
    assert values.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_zero_and_uncovered_outside_and_in_gaps():
    """Nothing is extrapolated: not before, not behind, not between two runs, not where tokens are masked."""
    x = 8.3 + np.r_[np.arange(32), 132 + np.arange(64)] * 1e-4
    grid = arrange_one(x)
    features, mask = make_features(grid)
    mask[0, 1] = False
    centre = torch.tensor([[8.0, 8.2999, 8.3 + 70e-4, 8.3 + 140e-4, 8.3 + 200e-4, 9.0]], dtype=torch.float64)
    values, covered = resample_features(features, mask, grid.geometry, centre - 4e-5, centre + 4e-5)
    assert torch.count_nonzero(values) == 0
    assert torch.count_nonzero(covered) == 0
    inside = torch.tensor([[8.3 + 5e-4, 8.3 + 170e-4]], dtype=torch.float64)
    values, covered = resample_features(features, mask, grid.geometry, inside - 4e-5, inside + 4e-5)
    assert (values > 0).all()
    torch.testing.assert_close(covered, torch.ones(1, 2), rtol=0, atol=1e-6)


def test_cells_that_do_not_count():
    """Single cells can be left out: the rest of a pixel is what it is made of and what covers it."""
    grid = arrange_one(8.3 + np.arange(64) * 1e-3)
    features, mask = make_features(grid, 1)
    counted = mask[..., None].repeat(1, 1, 32)
    counted.view(-1)[11] = False
    edges = torch.tensor([[[8.3 + 9.5e-3]], [[8.3 + 12.5e-3]]], dtype=torch.float64)  # cells 10, 11 and 12
    values, covered = resample_features(features, counted, grid.geometry, *edges)
    cell = features.flatten()
    assert values.item() == pytest.approx((0.5 * (cell[10] + cell[12])).item(), rel=1e-5)
    assert covered.item() == pytest.approx(2 / 3, abs=1e-5)


def test_half_covered_pixel_keeps_the_level():
    """A pixel across the end of the data is the mean of what is known of it."""
    grid = arrange_one(8.3 + np.arange(32) * 1e-4)
    features, mask = torch.full((1, 1, 32, 1), 7.0), torch.ones(1, 1, dtype=torch.bool)
    edge = torch.tensor([[8.3 - 0.5e-4]], dtype=torch.float64)
    values, covered = resample_features(features, mask, grid.geometry, edge - 1e-4, edge + 1e-4)
    assert values.item() == pytest.approx(7.0, rel=1e-6)
    assert covered.item() == pytest.approx(0.5, abs=1e-6)


def test_padding_of_a_batch_changes_nothing():
    """Repeated tokens at the end, masked as padding is, count for nothing."""
    grid = arrange_one(GRIDS["infrared"])
    features, mask = make_features(grid)
    low, high = cell_edges(grid.geometry, 32)
    one = resample_features(features, mask, grid.geometry, low, high)
    padded = [torch.cat([t, t[:, -1:].expand(-1, 3, *t.shape[2:])], 1) for t in (features, grid.geometry)]
    other = resample_features(padded[0], torch.nn.functional.pad(mask, (0, 3)), padded[1], low, high)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_gradients_are_exact():
    """Against finite differences in float64, pixels half outside included."""
    grid = arrange_one(8.3 + np.r_[np.arange(8), 20 + np.arange(8)] * 1e-3, patch=4)
    torch.manual_seed(0)
    features = torch.rand(*grid.index.shape, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(grid.index.shape[:2], dtype=torch.bool)
    centre = torch.linspace(8.297, 8.332, 12, dtype=torch.float64)[None]

    def values(x):
        return resample_features(x, mask, grid.geometry, centre - 1.3e-3, centre + 1.3e-3)[0]

    assert torch.autograd.gradcheck(values, (features,))
