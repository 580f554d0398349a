# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of how pixels are laid into patches."""

import numpy as np
import pytest
import torch
from _network_inputs import GRIDS, PATCH, arrange_one, find_offsets, make_spectrum
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from astro_spectok.network import arrange_patches, patch_positions


def used_slots(grid):
    """Numbers of the pixels in the order of the slots."""
    return grid.index[grid.index >= 0].tolist()


def position_error(grid):
    """Largest distance, in pixels, between real positions and those from the geometry."""
    found = patch_positions(grid.geometry, grid.index.shape[2])
    error = (found - grid.ln_wavelength).abs() / grid.geometry[..., 1:2]
    return error[grid.index >= 0].max().item()


def prism_grid():
    """A prism with 2.2 pixels per FWHM whose resolving power goes from 70 down to 31 and up to 300."""
    micron = [0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.3]
    resolution = [70, 45, 36, 32, 31, 40, 60, 90, 125, 165, 210, 260, 300]
    x = [np.log(0.6)]
    while x[-1] < np.log(5.3):
        x.append(x[-1] + 1 / (2.2 * np.interp(np.exp(x[-1]), micron, resolution)))
    return np.array(x) + np.log(1e4)


@pytest.mark.parametrize("name", GRIDS)
def test_every_pixel_stands_in_exactly_one_slot(name):
    """In order, with its own wavelength, and slots never step back."""
    grid = arrange_one(GRIDS[name])
    assert used_slots(grid) == list(range(len(GRIDS[name])))
    assert_array_equal(grid.ln_wavelength[grid.index >= 0].numpy(), GRIDS[name])
    assert (torch.diff(grid.ln_wavelength, dim=-1) > 0).all()
    assert (torch.diff(grid.geometry[0, :, 0]) > 0).all()
    assert grid.present.all()
    assert grid.ln_wavelength.dtype == grid.geometry.dtype == torch.float64


@settings(max_examples=60)
@given(data=st.data())
def test_any_increasing_grid_keeps_its_pixels(data):
    """Hypothesis: jittered steps and gaps of any size, several spectra at once."""
    steps = st.floats(0.5, 1.6) | st.floats(1.6, 300)
    spectra = data.draw(st.lists(st.lists(steps, min_size=1, max_size=90), min_size=1, max_size=4))
    spectra = [(8 + np.cumsum(s) * 1e-4,) for s in spectra]
    x = torch.from_numpy(np.concatenate([s[0] for s in spectra]))
    grid = arrange_patches(x, find_offsets(spectra), PATCH)
    assert used_slots(grid) == list(range(len(x)))
    owner = torch.arange(len(spectra))[:, None, None].expand(grid.index.shape)[grid.index >= 0]
    assert owner.tolist() == [i for i, s in enumerate(spectra) for _ in s[0]]
    assert (torch.diff(grid.ln_wavelength, dim=-1) > 0).all()
    assert torch.isfinite(grid.geometry).all()
    assert (grid.index[~grid.present] == -1).all()


@pytest.mark.parametrize("missing", [1, 5, 31])
def test_a_gap_below_a_patch_is_filled_with_empty_slots(missing):
    """So that the slots stay evenly spaced."""
    x = 8.3 + np.arange(200) * 1e-4
    grid = arrange_one(np.delete(x, slice(50, 50 + missing)))
    flat = grid.index.flatten().numpy()
    assert flat[49] == 49
    assert_array_equal(flat[50 : 50 + missing], -1)
    assert flat[50 + missing] == 50
    assert torch.allclose(torch.diff(grid.ln_wavelength.flatten())[:199], torch.tensor(1e-4, dtype=torch.float64))


@pytest.mark.parametrize("missing", [32, 33, 1000, 10**6])
def test_a_gap_of_a_patch_or_more_starts_a_new_one(missing):
    """Nothing is wasted on what no pixel looked at."""
    x = 8.3 + np.r_[np.arange(40), 40 + missing + np.arange(40)] * 1e-6
    grid = arrange_one(x)
    assert grid.index.shape == (1, 4, PATCH)
    assert grid.index[0, :, 0].tolist() == [0, 32, 40, 72]
    assert position_error(grid) < 1e-3


def test_arms_of_different_sampling_keep_it():
    """Each arm's patches have its pixel width; its last, partly empty one to a few per cent."""
    x = GRIDS["arms"]
    grid = arrange_one(x)
    width = grid.geometry[0, :, 1] * torch.exp(grid.geometry[0, :, 0])  # Angstrom
    arm = torch.bucketize(torch.exp(grid.geometry[0, :, 0]), torch.tensor([5200.0, 7000.0], dtype=torch.float64))
    wanted = torch.tensor([0.5, 0.6, 0.8], dtype=torch.float64)[arm]
    assert torch.allclose(width, wanted, rtol=0.03)
    full = (grid.index[0] >= 0).all(1)
    assert torch.allclose(width[full], wanted[full], rtol=1e-4)
    assert position_error(grid) < 0.15


@pytest.mark.parametrize("factor", [0.2, 0.55, 1.7, 3.0])
def test_a_change_of_spacing_without_a_gap_loses_nothing(factor):
    """Joined spectra change their step at once; pixels stay in order and each in one slot."""
    x = 8.3 + np.cumsum(np.r_[np.full(100, 1e-4), np.full(100, factor * 1e-4)])
    grid = arrange_one(x)
    assert used_slots(grid) == list(range(200))
    assert (torch.diff(grid.ln_wavelength, dim=-1) > 0).all()


@pytest.mark.parametrize(
    ("x", "limit"),
    [
        (GRIDS["sdss"], 1e-6),
        (GRIDS["desi"], 3e-3),
        (np.log(np.linspace(900, 3000, 300)), 0.05),
        (prism_grid(), 0.25),
        (8.3 + np.cumsum(np.random.default_rng(0).uniform(0.95, 1.05, 1000)) * 1e-4, 0.2),
    ],
    ids=["logarithmic", "linear", "linear, coarse", "prism", "irregular"],
)
def test_geometry_tells_positions_to_a_fraction_of_a_pixel(x, limit):
    """Three numbers per patch stand for its wavelengths."""
    grid = arrange_one(x)
    assert position_error(grid) < limit
    assert (grid.geometry[..., 1] > 0).all()


@pytest.mark.parametrize("x", [[8.5], [8.5, 8.5001], [8.5, 9.9]])
def test_one_or_two_pixels_have_finite_patches(x):
    """Even these do not break the geometry."""
    grid = arrange_one(x)
    assert used_slots(grid) == list(range(len(x)))
    assert torch.isfinite(grid.geometry).all()
    assert (grid.geometry[..., 1] > 0).all()
    assert grid.ln_wavelength[0, 0, 0] == 8.5


def grids_alone_and_together(names):
    """`PatchGrid` of all at once, and a list of those of each."""
    spectra = [make_spectrum(GRIDS[name]) for name in names]
    x = torch.from_numpy(np.concatenate([s[0] for s in spectra]))
    return arrange_patches(x, find_offsets(spectra), PATCH), [arrange_one(s[0]) for s in spectra]


@pytest.mark.parametrize("names", [list(GRIDS), list(GRIDS)[::-1], ["single token"] * 3])
def test_pixels_of_several_spectra_lie_as_alone(names):
    """Slots and positions of pixels do not depend on the other spectra of the batch; padding is marked."""
    together, alone = grids_alone_and_together(names)
    start = 0
    for i, (name, grid) in enumerate(zip(names, alone, strict=True)):
        n = grid.index.shape[1]
        index = grid.index[0]
        assert_array_equal(together.index[i, :n], torch.where(index >= 0, index + start, -1))
        assert_array_equal(together.present[i], torch.arange(together.present.shape[1]) < n)
        filled = index >= 0
        assert_array_equal(together.ln_wavelength[i, :n][filled], grid.ln_wavelength[0][filled])
        start += len(GRIDS[name])


def test_geometry_of_several_spectra_is_as_alone():
    """The empty slots that fill the last patch follow the spectrum's own spacing."""
    together, alone = grids_alone_and_together(["sdss", "desi", "single token", "infrared", "arms", "desi"])
    for i, grid in enumerate(alone):
        n = grid.index.shape[1]
        torch.testing.assert_close(together.geometry[i, :n], grid.geometry[0], rtol=1e-9, atol=1e-14)
        torch.testing.assert_close(together.ln_wavelength[i, :n], grid.ln_wavelength[0], rtol=1e-13, atol=0)


def test_spectra_on_one_grid_share_its_arrangement():
    """A grid that is arranged once and repeated is the same as one arranged for each of its spectra."""
    names = ["sdss", "desi", "sdss", "arms", "desi", "sdss"]
    own = [GRIDS[name] for name in names]
    wanted = arrange_patches(torch.from_numpy(np.concatenate(own)), _find_starts(own), PATCH)
    shared = [GRIDS[name] for name in ("sdss", "desi", "arms")]
    once = arrange_patches(torch.from_numpy(np.concatenate(shared)), _find_starts(shared), PATCH)
    found = once.repeat(torch.tensor([0, 1, 0, 2, 1, 0]), _find_starts(shared)[:-1], _find_starts(own)[:-1])
    for name, values in vars(wanted).items():
        # positions are the same numbers; what is fitted to them is added up in another order on some processors
        tolerance = {"rtol": 1e-12, "atol": 1e-15} if name == "geometry" else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(getattr(found, name), values, **tolerance, msg=name)


def _find_starts(grids):
    """Where each grid starts, and where the last one ends."""
    return torch.from_numpy(np.cumsum([0, *map(len, grids)]))
