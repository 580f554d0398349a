# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The coarse type of a star: from tokens gathered by learned queries, or from its flux on a fixed grid."""

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.flux_view import FluxView
from astro_spectok.network.label_head import PooledHead

__all__ = ["FluxTypeHead", "TypeHead", "build_type_head"]

#: vacuum Angstrom, where types are told at all, and where their lines are
_LOW, _HIGH, _FIRST = 1100.0, 26500.0, 3200.0
#: width in ln(wavelength) of the continuum, and of a bin of the course of a spectrum
_CONTINUUM, _BROAD = 0.06, 0.02
#: channels, width and stride of the convolutions; widths of the layers after them, and what is forgotten in training
_CONVOLUTIONS = ((24, 9, 4), (32, 7, 4), (32, 5, 2))
_WIDTH, _HIDDEN, _DROPOUT = 96, 128, 0.2
#: contrasts are a few per cent, and layers want numbers of order one
_GAIN = 3.0


class TypeHead(PooledHead):
    """Scores of every type in ``config.stellar_types``; their softmax is the probability of each, if it is a star."""

    def __init__(self, config):
        super().__init__(config, len(config.stellar_types))
        self.names = tuple(config.stellar_types)


class FluxTypeHead(nn.Module):
    """Scores of every type, read from the flux itself: its lines, and its course from the ultraviolet to 2.6 micron.

    Brown dwarfs are told by bands that are as wide as many tokens, F from G by weak lines; tokens that were made for
    redshifts and reconstruction need long to be read for either. A small convolutional network sees both at once.

    Parameters
    ----------
    types : sequence of str
    step : float
        Width of a bin in ln(wavelength).

    Attributes
    ----------
    names : tuple of str
        The types.
    """

    def __init__(self, types, step):
        super().__init__()
        self.names = tuple(types)
        joined = max(1, round(_BROAD / step))
        self.view = FluxView(_LOW, _HIGH, step, first=_FIRST, continuum=_CONTINUUM, joined=joined)
        layers, before, size = [], 2, self.view.n_lines
        for after, width, stride in _CONVOLUTIONS:
            layers += [nn.Conv1d(before, after, width, stride, width // 2), nn.GELU()]
            before, size = after, (size + 2 * (width // 2) - width) // stride + 1
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.lines = nn.Linear(before * size, _WIDTH)
        self.broad = nn.Linear(3 * self.view.n_broad, _WIDTH)
        self.hidden = nn.Linear(2 * _WIDTH, _HIDDEN)
        self.dropout = nn.Dropout(_DROPOUT)
        self.out = nn.Linear(_HIDDEN, len(self.names))

    def forward(self, patches):
        """
        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`

        Returns
        -------
        float32 tensor, shape (B, number of types)
        """
        return self.score_views(*self.view(patches))

    def score_views(self, lines, broad):
        """Scores, as of `forward`, from what `~astro_spectok.network.flux_view.FluxView` shows.

        Parameters
        ----------
        lines : tensor, shape (B, 2, n_lines)
        broad : tensor, shape (B, 3, n_broad)

        Returns
        -------
        float32 tensor, shape (B, number of types)
        """
        shown = torch.stack([_GAIN * lines[:, 0], lines[:, 1]], 1)
        parts = self.lines(self.dropout(self.convolutions(shown))), self.broad(self.dropout(broad.flatten(1)))
        return self.out(self.dropout(F.gelu(self.hidden(F.gelu(torch.cat(parts, 1)))))).float()


def build_type_head(config):
    """The head that a configuration asks for: `FluxTypeHead` where its ``type_step`` is above 0, else `TypeHead`."""
    return FluxTypeHead(config.stellar_types, config.type_step) if config.type_step else TypeHead(config)
