# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Convolutions over the bins of a grid, as several heads begin."""

from torch import nn

__all__ = ["stack_convolutions"]


def stack_convolutions(convolutions, channels, bins):
    """Convolutions, each with a GELU after it, and all values of the last in one row.

    Parameters
    ----------
    convolutions : iterable of (int, int, int)
        Channels, width and stride of each.
    channels, bins : int
        Of the input.

    Returns
    -------
    layers : `torch.nn.Sequential`
    size : int
        Of the row.
    """
    layers = []
    for after, width, stride in convolutions:
        layers += [nn.Conv1d(channels, after, width, stride, width // 2), nn.GELU()]
        channels, bins = after, (bins + 2 * (width // 2) - width) // stride + 1
    return nn.Sequential(*layers, nn.Flatten()), channels * bins
