# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The few redshifts that hold most of a posterior."""

import torch
from torch.nn import functional as F

__all__ = ["find_solutions"]

#: bins that are counted together, at first, and as many on either side to a peak
BLOCK = 20
#: blocks on either side of a peak that the next one must keep away
APART = 3
#: peaks of a class, where it has bins enough
PEAKS = 2


def find_solutions(scores, lags, step):
    """The best redshifts of each class, and the probability around each.

    Parameters
    ----------
    scores : list of tensor, shape (B, lags)
        For each class.
    lags : sequence of (int, int)
        First and last bin of each class.
    step : float
        Of the bins, in ln(1 + z).

    Returns
    -------
    float32 tensor, shape (B, S, 3)
        Number of the class, ln(1 + z), probability; two for each class, but one of a class of few bins.
    """
    sizes = [one.shape[1] for one in scores]
    shares = torch.softmax(torch.cat([one.float() for one in scores], dim=1), dim=1).split(sizes, dim=1)
    out = []
    for k, (share, (low, _)) in enumerate(zip(shares, lags, strict=True)):
        if share.shape[1] <= 2 * (2 * APART + 1) * BLOCK:
            out.append(_describe(k, share.argmax(1), share.sum(1), low, step))
            continue
        # a block of nothing before, and at least one behind
        share = F.pad(share, (BLOCK, 2 * BLOCK - share.shape[1] % BLOCK))
        blocks = share.unflatten(1, (-1, BLOCK)).sum(2)  # (B, blocks)
        around = blocks[:, :-2] + blocks[:, 1:-1] + blocks[:, 2:]  # of the blocks from the second on
        number = torch.arange(around.shape[1], device=share.device)
        for _ in range(PEAKS):
            middle = around.argmax(1, keepdim=True)
            bins = middle * BLOCK + torch.arange(3 * BLOCK, device=share.device)  # (B, 3 blocks)
            near = share.gather(1, bins)
            best = bins.gather(1, near.argmax(1, keepdim=True))[:, 0] - BLOCK
            out.append(_describe(k, best, near.sum(1), low, step))
            around = around.masked_fill((number - middle).abs() <= APART, -1.0)
    return torch.stack(out, dim=1)


def _describe(k, place, probability, low, step):
    """Number of the class, ln(1 + z) and probability, (B, 3)."""
    return torch.stack([torch.full_like(probability, k), (place + low).to(probability) * step, probability], dim=1)
