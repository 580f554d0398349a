# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Views of which much is hidden, and that are asked for what is hidden alone."""

from dataclasses import replace

import numpy as np
import torch

from astro_spectok.network.patch_grid import PatchGrid
from astro_spectok.network.patches import PatchBatch
from astro_spectok.training.views import finish_view

__all__ = ["ask_hidden", "choose_spans", "drop_patches"]

#: share of the draws in which one end is hidden, from a third of the spectrum to more than half of it
ENDS, LEAST_END, MOST_END = 0.15, 0.3, 0.6
#: share of the others in which little is hidden, in spans that are short; and how much of a spectrum is hidden
SHORT, FEW, MANY = 0.35, (0.2, 0.4), (0.3, 0.6)
#: pixels of the shortest spans; of the longest where they are short; and share of a spectrum that others reach
SHORTEST, SHORT_LONGEST, LONGEST = 16, 80, 0.35
#: spans tried
MOST_SPANS = 400
#: hidden pixels that must be known, to be asked for
LEAST_ASKED = 16


def choose_spans(n, rng):
    """Which of ``n`` pixels are hidden: spans of like length, from a line to an arm, or one end.

    Parameters
    ----------
    n : int
    rng : `numpy.random.Generator`

    Returns
    -------
    bool ndarray, shape (n,)
    """
    hidden = np.zeros(n, bool)
    if rng.random() < ENDS:
        length = int(n * rng.uniform(LEAST_END, MOST_END))
        hidden[slice(length) if rng.random() < 0.5 else slice(n - length, n)] = True
        return hidden
    short = rng.random() < SHORT
    share = rng.uniform(*(FEW if short else MANY))
    longest = SHORT_LONGEST if short else max(LONGEST * n, SHORT_LONGEST)
    typical = np.exp(rng.uniform(np.log(SHORTEST), np.log(longest)))
    for _ in range(MOST_SPANS):
        if hidden.mean() >= share:
            break
        length = max(int(typical * rng.uniform(0.5, 1.6)), 1)
        start = int(rng.integers(-(length // 2), n))
        hidden[max(start, 0) : start + length] = True
    return hidden


def ask_hidden(view, rng, target_pixels):
    """Hide spans of a view, and ask for known pixels that are not shown; in place of `finish_view`.

    A view whose target are not its own pixels, but those of another instrument, is asked for all of them.

    Parameters
    ----------
    view : `~astro_spectok.training.views.View`
    rng : `numpy.random.Generator`
    target_pixels : int
        Most pixels of the target.

    Returns
    -------
    View or None
        None where too little is shown, or is known of what is hidden.
    """
    ivar = np.where(choose_spans(len(view.ivar), rng), 0.0, view.ivar)
    asked = view.target_ivar > 0
    if np.array_equal(view.target_ln_wavelength, view.ln_wavelength):
        asked &= ivar == 0
    if np.count_nonzero(asked) < LEAST_ASKED:
        return None
    view = replace(
        view, ivar=ivar, target_ln_wavelength=view.target_ln_wavelength[asked], target_flux=view.target_flux[asked],
        target_ivar=view.target_ivar[asked],
    )  # fmt: skip
    return finish_view(view, rng, target_pixels)


def drop_patches(patches):
    """The same without patches of which nothing is shown: the encoder makes nothing of them, in its time.

    Parameters
    ----------
    patches : `~astro_spectok.network.PatchBatch`

    Returns
    -------
    PatchBatch
        Of as many patches as the spectrum has that is shown most of; padding repeats the last place of each.
    """
    count = patches.mask.sum(1)  # (B,)
    most = int(count.max())
    order = torch.argsort((~patches.mask).int(), dim=1, stable=True)[:, :most]  # those that are shown first
    number = torch.arange(most, device=order.device).expand_as(order)
    there = number < count[:, None]  # (B, T)
    order = order.gather(1, torch.minimum(number, (count - 1).clamp_min(0)[:, None]))
    rows = torch.arange(len(order), device=order.device)[:, None]
    grid = patches.grid
    return PatchBatch(
        patches.channels[rows, order] * there[..., None, None],
        patches.valid[rows, order] & there[..., None],
        patches.mask[rows, order] & there,
        patches.resolution[rows, order],
        patches.scale,
        PatchGrid(
            torch.where(there[..., None], grid.index[rows, order], -1),
            grid.ln_wavelength[rows, order],
            grid.geometry[rows, order],
            there,
        ),
    )
