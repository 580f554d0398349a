# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of spectra that go through the network together: how many, which, and their patches."""

import operator

import numpy as np

from astro_spectok.config import conf
from astro_spectok.spectra.hot_pixels import find_hot_pixels

__all__ = ["choose_budget", "gather_patches", "plan_batches", "plan_groups"]

#: most tokens at once on a CPU unless asked for more: beyond, memory grows and no time is gained
CPU_BATCH_TOKENS = 6144
#: what a batch costs on a CPU besides its tokens, in tokens
CPU_OVERHEAD = 500


def plan_batches(lengths, budget, *, overhead=None):
    """Group spectra of like length so that no group, padded to its longest, exceeds a budget.

    Parameters
    ----------
    lengths : array_like of int, shape (n,)
        Size of each spectrum, in tokens; those of size 0 are left out.
    budget : int
        Most tokens of a group, padding included. A single spectrum above it is a group of its own.
    overhead : int, optional
        What a group costs besides its tokens, in tokens: one is divided where that saves more padding. None divides
        nothing for that.

    Returns
    -------
    list of ndarray of int
        Positions in ``lengths``, longest spectra first, so that a lack of memory shows at once.
    """
    lengths = np.asarray(lengths)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    groups, start = [], 0
    while start < len(order):
        rest = len(order) - start
        number = -(-rest // max(int(budget // lengths[order[start]]), 1))
        size = -(-rest // number)  # no small group is left for the end
        if overhead is not None and size > 1:
            within = lengths[order[start : start + size]]
            saved = (within[0] - within[1:]) * np.arange(size - 1, 0, -1)  # by a division before each but the first
            if saved.max() > overhead:
                size = 1 + int(saved.argmax())
        groups.append(order[start : start + size])
        start += size
    return groups


def plan_groups(batch, runner, most=None, wanted=True):
    """Groups of the wanted spectra of a batch that go through the network together.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    runner : `~astro_spectok.engine.Runner`
    most : int, optional
        Spectra of a group. Heads lay each spectrum, however short, on a grid of its own, so that tokens alone do not
        limit their memory.
    wanted : ndarray of bool, shape (n,), optional

    Returns
    -------
    list of ndarray of int
    """
    overhead = CPU_OVERHEAD if runner.device.type == "cpu" else None
    tokens = np.where(wanted, -(-batch.lengths // runner.network.config.patch), 0)
    groups = plan_batches(tokens, runner.batch_tokens, overhead=overhead)
    if most is None:
        return groups
    return [part for group in groups for part in np.split(group, range(most, len(group), most))]


def choose_budget(batch_tokens, device):
    """Most tokens at once: as given, if that is a positive integer, or what suits the device."""
    if batch_tokens is None:
        return min(conf.batch_tokens, CPU_BATCH_TOKENS) if device.type == "cpu" else conf.batch_tokens
    try:
        budget = None if isinstance(batch_tokens, bool) else operator.index(batch_tokens)
    except TypeError:
        budget = None
    if budget is None:
        msg = f"batch_tokens must be a positive integer or None, got {batch_tokens!r}"
        raise TypeError(msg)
    if budget < 1:
        msg = f"batch_tokens must be a positive integer or None, got {batch_tokens!r}; conf.batch_tokens is the default"
        raise ValueError(msg)
    return budget


def gather_patches(batch, group, patch):
    """Patches of the spectra at ``group`` of a batch."""
    import torch

    from astro_spectok.network.patches import fill_patches

    def join(parts, dtype):
        return np.concatenate(list(parts)).astype(dtype, copy=False)

    lengths = batch.lengths[group]
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]))
    resolution = None
    if batch.resolution is not None:
        resolution = torch.from_numpy(join((batch.resolution[batch.grid(i)] for i in group), np.float32))
    flux, ivar = (join((values[batch.pixels(i)] for i in group), np.float32) for values in (batch.flux, batch.ivar))
    if batch.axis.is_light:  # where one pixel in thirty is hot, and none is left out, one redshift in fifty is lost
        ivar[find_hot_pixels(flux, ivar, lengths=lengths)] = 0
    grid = _arrange(batch, group, offsets, patch)
    return fill_patches(grid, torch.from_numpy(flux), torch.from_numpy(ivar), resolution=resolution)


def _arrange(batch, group, offsets, patch):
    """Positions of the patches of the spectra: spectra that share a grid are arranged once."""
    import torch

    from astro_spectok.network import arrange_patches

    lengths = batch.lengths[group]
    _, first, number = np.unique(
        np.stack([batch.wave_start[group], lengths]), axis=1, return_index=True, return_inverse=True
    )
    wavelength = np.concatenate([batch.wavelength[batch.grid(group[k])] for k in first])
    starts = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths[first])]))
    grid = arrange_patches(batch.axis.to_coordinate(torch.from_numpy(wavelength)), starts, patch)
    return grid.repeat(torch.from_numpy(number.reshape(-1)), starts[:-1], offsets[:-1])
