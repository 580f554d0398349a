# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where patches lie: the native pixels of spectra laid into slots."""

import functools
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["PatchGrid", "arrange_patches", "patch_positions"]

NEIGHBOURS = 9
LONE_SPACING = 1e-4  # in ln(wavelength), of a spectrum of a single pixel


@dataclass(frozen=True)
class PatchGrid:
    """Positions of the patches of some spectra; padded with empty patches to the longest.

    Attributes
    ----------
    index : int64 tensor, shape (B, T, P)
        Which pixel (counted through all spectra) stands in each slot; -1 for none.
    ln_wavelength : float64 tensor, shape (B, T, P)
        Of each slot, inter- or extrapolated where no pixel stands.
    geometry : float64 tensor, shape (B, T, 3)
        Centre, width per pixel and curvature: slot ``j`` lies at ``c + w t + k t**2`` with ``t = j - (P - 1) / 2``.
    present : bool tensor, shape (B, T)
        False for padding.

    Examples
    --------
    70 pixels fill three patches of 32 slots, the last in part; a pixel that is missing leaves its slot empty:

    >>> import torch
    >>> from astro_spectok.network import arrange_patches
    >>> wavelength = torch.linspace(4000, 4070, 71, dtype=torch.float64)
    >>> ln_wavelength = torch.log(wavelength[torch.arange(71) != 10])
    >>> grid = arrange_patches(ln_wavelength, torch.tensor([0, 70]), 32)
    >>> grid.index[0, 0, 8:12].tolist(), (grid.index >= 0).sum(dim=2).tolist()
    ([8, 9, -1, 10], [[31, 32, 7]])
    >>> print(f"{torch.exp(grid.ln_wavelength[0, 0, 10]):.1f}")
    4010.0
    """

    index: torch.Tensor
    ln_wavelength: torch.Tensor
    geometry: torch.Tensor
    present: torch.Tensor

    def to(self, device):
        """Copy on a device; wavelengths stay on the CPU where the device has no float64.

        Parameters
        ----------
        device : str or `torch.device`

        Returns
        -------
        PatchGrid
        """
        exact = "cpu" if torch.device(device).type == "mps" else device
        return PatchGrid(
            self.index.to(device), self.ln_wavelength.to(exact), self.geometry.to(exact), self.present.to(device)
        )

    def repeat(self, number, old, new):
        """The grids of spectra of which some share one.

        Parameters
        ----------
        number : int64 tensor, shape (n,)
            The grid of each spectrum.
        old : int64 tensor, shape (B,)
            First pixel of each grid, as ``index`` counts.
        new : int64 tensor, shape (n,)
            First pixel of each spectrum.

        Returns
        -------
        PatchGrid
        """
        index = self.index[number]  # (n, T, P)
        moved = index + (new - old[number])[:, None, None]
        return PatchGrid(
            torch.where(index < 0, -1, moved), self.ln_wavelength[number], self.geometry[number], self.present[number]
        )


def _polynomial(patch, device=None):
    """Basis (P, 3) of the positions in a patch."""
    t = torch.arange(patch, dtype=torch.float64, device=device) - (patch - 1) / 2
    return torch.stack([torch.ones_like(t), t, t**2], dim=1)


@functools.cache
def _fit_polynomial(patch):
    """Matrix (P, 3) that takes positions in a patch to their coefficients by least squares."""
    return np.linalg.pinv(_polynomial(patch).numpy()).T


def patch_positions(geometry, patch):
    """ln(wavelength) of every slot, (..., T, P) float64, from ``geometry`` (..., T, 3)."""
    return geometry @ _polynomial(patch, geometry.device).T


def _local_spacing(ln_wavelength, offsets):
    """Median of the steps around each pixel (N,), blind to a single gap and to the other spectra."""
    half, last = NEIGHBOURS // 2, offsets[1:] - 2  # the last step of each spectrum; below its first for one pixel
    spectrum = torch.repeat_interleave(torch.diff(offsets))  # (N,)
    if len(ln_wavelength) < 2:
        return torch.full_like(ln_wavelength, LONE_SPACING)
    # steps of each spectrum, its first and last repeated so that every pixel has a whole window
    owner = torch.repeat_interleave(torch.diff(offsets) + 2 * half)
    shift = 2 * half * torch.arange(len(last), device=offsets.device)  # what was added before each spectrum
    number = torch.arange(len(owner), device=offsets.device) - shift.index_select(0, owner) - half
    number = torch.minimum(
        torch.maximum(number, offsets.index_select(0, owner)), last.index_select(0, owner)
    ).clamp_min(0)
    windows = torch.diff(ln_wavelength).index_select(0, number).unfold(0, NEIGHBOURS, 1)
    chosen = torch.arange(len(spectrum), device=offsets.device) + shift.index_select(0, spectrum)
    spacing = windows.median(dim=1).values.index_select(0, chosen)
    return torch.where((last >= offsets[:-1]).index_select(0, spectrum), spacing, LONE_SPACING)


def arrange_patches(ln_wavelength, offsets, patch):
    """Lay the pixels of some spectra into patches on their native grids.

    Missing pixels leave empty slots, so that a patch stays evenly spaced; a gap of a patch or more starts a new one.
    Nothing is resampled.

    Parameters
    ----------
    ln_wavelength : float64 tensor, shape (N,)
        Strictly increasing within each spectrum.
    offsets : int64 tensor, shape (B + 1,)
        Where each spectrum starts; none may be empty.
    patch : int
        Slots per patch, P.

    Returns
    -------
    PatchGrid

    Examples
    --------
    Two spectra, of 64 and of 40 pixels, and a gap in the first:

    >>> import torch
    >>> from astro_spectok.network import arrange_patches
    >>> pixels = torch.arange(64, dtype=torch.float64)
    >>> first = torch.where(pixels < 20, 4000 + pixels, 4500 + pixels)
    >>> grid = arrange_patches(torch.log(torch.cat([first, 5000 + pixels[:40]])), torch.tensor([0, 64, 104]), 32)
    >>> (grid.index >= 0).sum(dim=2).tolist()
    [[20, 32, 12], [32, 8, 0]]
    >>> grid.present.tolist()
    [[True, True, True], [True, True, False]]
    """
    n, device = len(ln_wavelength), ln_wavelength.device
    lengths = torch.diff(offsets)
    spectrum = torch.repeat_interleave(torch.arange(len(lengths), device=device), lengths)  # (N,)
    first = torch.zeros(n, dtype=torch.bool, device=device)
    first[offsets[:-1]] = True
    step = torch.diff(ln_wavelength)
    spacing = _local_spacing(ln_wavelength, offsets)  # (N,)

    ratio = step / torch.minimum(spacing[:-1], spacing[1:]) if n > 1 else step
    missing = torch.where(ratio > 1.9, ratio.round() - 1, 0).clamp(0, 10 * patch).long()
    breaks = first.clone()
    breaks[1:] |= missing >= patch
    advance = torch.ones(n, dtype=torch.int64, device=device)
    advance[1:] += missing
    advance[breaks] = 0
    # slot within each unbroken run, then runs laid one after the other on whole patches
    run = torch.cumsum(breaks.long(), 0) - 1  # (N,)
    total = torch.cumsum(advance, 0)
    run_first = torch.nonzero(breaks)[:, 0]
    slot = total - total[run_first].index_select(0, run)
    run_last = torch.cat([run_first[1:] - 1, torch.tensor([n - 1], device=device)])
    run_patches = slot[run_last] // patch + 1
    run_start = torch.cumsum(run_patches, 0) - run_patches
    slot = slot + run_start.index_select(0, run) * patch
    n_patches = int(run_patches.sum())

    flat = torch.arange(n_patches * patch, device=device)
    taken = torch.zeros_like(flat)
    taken[slot] = 1
    left = torch.cumsum(taken, 0) - 1  # the last pixel at or before each slot
    # towards the next pixel of the run; its last one goes on with the local spacing
    slope = spacing.clone()
    slope[:-1] = torch.where(breaks[1:], spacing[:-1], step / torch.diff(slot))
    beyond = (flat - slot.index_select(0, left)).double()
    position = ln_wavelength.index_select(0, left) + beyond * slope.index_select(0, left)
    position = position.view(n_patches, patch)
    index = torch.where(beyond == 0, left, -1).view(n_patches, patch)
    geometry = position @ torch.tensor(_fit_polynomial(patch), device=device)  # (sum T, 3)

    owner = spectrum[left.view(n_patches, patch)[:, 0]]  # (sum T,)
    counts = torch.bincount(owner, minlength=len(lengths))
    number = torch.arange(n_patches, device=device) - (torch.cumsum(counts, 0) - counts)[owner]
    return PatchGrid(
        _pad(index, owner, number, counts, -1),
        _pad(position, owner, number, counts, None),
        _pad(geometry, owner, number, counts, None),
        _pad(torch.ones_like(owner, dtype=torch.bool), owner, number, counts, False),
    )


def _pad(rows, owner, number, counts, fill):
    """Rows (sum T, ...) to (B, T, ...); ``fill`` None repeats the last row of each, so that positions stay ordered."""
    size = (len(counts), int(counts.max()))
    if fill is None:
        last = torch.cumsum(counts, 0) - 1
        out = rows[last][:, None].expand(*size, *rows.shape[1:]).clone()
    else:
        out = torch.full((*size, *rows.shape[1:]), fill, dtype=rows.dtype, device=rows.device)
    out[owner, number] = rows
    return out
