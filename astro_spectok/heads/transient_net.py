# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small networks that say of a spectrum at a given redshift what transient it shows there, if any, and its phase."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from astro_spectok.heads.convolutions import stack_convolutions
from astro_spectok.heads.transient_fit import MISFIT

__all__ = ["COUNT", "REACH", "Judged", "TransientNet", "find_candidates", "judge_shifts", "lay_inputs"]

#: bins that are joined for the network, and channels of its input
JOINED, INPUTS = 2, 2
#: widths and strides of the convolutions
CONVOLUTIONS = ((9, 2), (7, 2), (5, 2), (5, 2))
#: contrasts are tenths, and layers want numbers of order one
GAIN = 8.0
#: unit of phases in days: arsinh of a phase over it is what is learned, as phases of months are known less well
DAYS = 10.0
#: limits of the logarithm of the error of that
NARROW, WIDE = -2.5, 1.5
#: reach of a peak in ln(1 + z): a redshift is right within 0.01
REACH = 0.01
#: redshifts that networks judge
COUNT = 12
#: what a network says besides types: a transient at another redshift, and none at all
OTHERS = 2


def find_candidates(log_p, ln1pz, count=COUNT):
    """Places of the highest bins, no two within reach of each other: ndarray of int.

    Parameters
    ----------
    log_p : ndarray, shape (S,)
    ln1pz : ndarray, shape (S,)
    count : int, optional

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.heads.transient_net import find_candidates
    >>> ln1pz = np.arange(0, 0.1, 0.003)
    >>> find_candidates(-np.abs(ln1pz - 0.04), ln1pz, 2).tolist()
    [13, 17]
    """
    left, out = np.array(log_p, float), []
    while len(out) < count and np.isfinite(left).any():
        best = int(np.argmax(left))
        out.append(best)
        left[np.abs(ln1pz - ln1pz[best]) <= REACH] = -np.inf
    return np.array(out, np.int64)


class Judged(NamedTuple):
    """What networks say at K redshifts, means over them.

    Attributes
    ----------
    log_types : ndarray, shape (K, types)
        ln of the probability of each type, over that of a transient at another redshift.
    log_odds : ndarray, shape (K,)
        ln of the odds of a transient, at this or another redshift, against none.
    phase, sigma : ndarray, shape (K,)
        Days at rest, and standard deviation.
    """

    log_types: np.ndarray
    log_odds: np.ndarray
    phase: np.ndarray
    sigma: np.ndarray


class TransientNet(nn.Module):
    """Convolutions over contrast and weight at rest, and layers over where features are.

    Parameters
    ----------
    bins : int
        Of the grid of the library.
    types : int
    channels : tuple of int
        Of each of the four convolutions.
    width : int
        Of the layer after them.
    dropout : float
        Share of its values that are forgotten in training.
    """

    def __init__(self, bins, types, channels, width, dropout=0.3):
        super().__init__()
        layers = [(after, *shape) for after, shape in zip(channels, CONVOLUTIONS, strict=True)]
        self.convolutions, size = stack_convolutions(layers, INPUTS, -(-bins // JOINED))
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(size, width)
        self.out = nn.Linear(width, types + OTHERS + 2)

    def forward(self, inputs):
        """Logits (B, types + 2), and phase and logarithm of its error as they are learned, (B,) each."""
        return self.read(self.convolutions(inputs))

    def read(self, convolved):
        """The same from what the convolutions give, (B, C * size)."""
        x = self.dropout(convolved)
        x = self.dropout(nn.functional.gelu(self.hidden(x)))  # (B, width)
        out = self.out(x)
        return out[:, :-2], out[:, -2], torch.clamp(out[:, -1], NARROW, WIDE)


def lay_inputs(ratio, weight):
    """Input of a network from contrast and weight at rest: (B, N) each, arrays or tensors, to a tensor (B, 2, N / 2).

    Both are means over joined bins; the contrast is scaled by the root of the weight, which noise has an even
    effect on.
    """
    ratio, weight = (torch.as_tensor(a, dtype=torch.float32) for a in (ratio, weight))
    odd = -ratio.shape[1] % JOINED
    if odd:
        ratio, weight = (nn.functional.pad(a, (0, odd)) for a in (ratio, weight))
    weight = weight.reshape(len(weight), -1, JOINED)  # (B, N / 2, 2)
    total = weight.sum(2)
    mean = (weight * ratio.reshape(weight.shape)).sum(2) / torch.clamp(total, min=1e-6)
    share = total * (MISFIT**2 / JOINED)
    return torch.stack([GAIN * mean * torch.sqrt(share), share], dim=1)


def judge_shifts(networks, view, config, shifts):
    """What networks say of a spectrum at some redshifts: `Judged`.

    Parameters
    ----------
    networks : list of TransientNet
        In float32 on the processor.
    view : `~astro_spectok.heads.transient_fit.View`
    config : `~astro_spectok.heads.transient.TransientConfig`
    shifts : sequence of int
        Of the bins: ln(1 + z) over their width.
    """
    ratio, weight = np.zeros((2, len(shifts), config.bins), np.float32)
    for k, shift in enumerate(shifts):
        start = view.first - int(shift)
        low, high = max(start, 0), min(start + len(view.ratio), config.bins)
        if high > low:
            ratio[k, low:high] = view.ratio[low - start : high - start]
            weight[k, low:high] = view.weight[low - start : high - start]
    with torch.no_grad():
        inputs = lay_inputs(ratio, weight)
        made = [network.read(x) for network, x in zip(networks, _convolve_all(networks, inputs), strict=True)]
    return join_judged([[part.double().numpy() for part in one] for one in made])


def _convolve_all(networks, inputs):
    """What the convolutions of each network make of the same inputs: in groups, in half of the time of one by one."""
    together, number = inputs, 1
    for parts in zip(*(network.convolutions for network in networks), strict=True):
        if isinstance(parts[0], nn.Conv1d):
            weight, bias = (torch.cat([getattr(one, name) for one in parts]) for name in ("weight", "bias"))
            conv = parts[0]
            together = nn.functional.conv1d(together, weight, bias, conv.stride, conv.padding, groups=number)
            number = len(networks)  # the first one reads what all share
        elif not isinstance(parts[0], nn.Flatten):
            together = parts[0](together)
    return [one.flatten(1) for one in together.chunk(len(networks), dim=1)]


def join_judged(made):
    """`Judged` from what networks give, as arrays: the means of probabilities' logarithms and of phases."""
    logits, phase, spread = (np.mean([one[k] for one in made], axis=0) for k in range(3))
    logits = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    there = np.logaddexp.reduce(logits[:, :-1], axis=1)
    return Judged(
        logits[:, :-OTHERS] - logits[:, -OTHERS, None], there - logits[:, -1], DAYS * np.sinh(phase),
        DAYS * np.cosh(phase) * np.exp(spread),
    )  # fmt: skip
