# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small convolutional networks that read labels of stars from their lines, in pixels or as tokens hold them."""

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.heads.convolutions import stack_convolutions

__all__ = ["FilteredNetwork", "LineNetwork", "shape_gaussian"]

#: contrasts are a few per cent, and layers want numbers of order one
_GAIN = 5.0
#: the same of the noise over the flux, which is a logarithm
_NOISE_GAIN = 0.5
#: channels, width and stride of the convolutions; width of the hidden layer, and what it forgets in training
_CONVOLUTIONS = ((32, 9, 3), (64, 7, 3), (64, 5, 2), (16, 5, 2))
_HIDDEN, _DROPOUT = 192, 0.1
#: bounds of the logarithm of the diagonal of the Cholesky factor, over the spread of each label
_LOG_SIGMA = (-7.0, 1.0)
#: how strongly labels are coupled at first
_COUPLING = 0.3


class LineNetwork(nn.Module):
    """Mean and Cholesky factor of some labels, from what one window shows.

    Parameters
    ----------
    window : `~astro_spectok.heads.line_windows.Window`
    n_labels : int
    """

    def __init__(self, window, n_labels):
        super().__init__()
        self.n_labels = n_labels
        self.convolutions, width = stack_convolutions(_CONVOLUTIONS, 2, window.size)
        self.dropout = nn.Dropout(_DROPOUT)
        self.hidden = nn.Linear(width, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, n_labels + n_labels * (n_labels + 1) // 2)

    def forward(self, contrast, covered):
        """
        Parameters
        ----------
        contrast, covered : tensor, shape (B, N)
            As of `~astro_spectok.heads.line_windows.WindowReader`.

        Returns
        -------
        mean : float32 tensor, shape (B, L)
            Less the centre of each label, over its spread.
        tril : float32 tensor, shape (B, L, L)
            Lower Cholesky factor of the covariance, over the spreads.
        """
        features = self.convolutions(torch.stack([_GAIN * contrast, covered], 1))
        features = F.gelu(self.hidden(self.dropout(features)))
        return _finish(self.dropout(features), self.out, self.n_labels)


class FilteredNetwork(nn.Module):
    """A `LineNetwork` for flux as tokens hold it, without the weak lines that noise hides from their filter.

    It sees the noise besides, which says how much the filter took away. It shares the hidden layer, where most
    parameters are, with the network that it began as.

    Parameters
    ----------
    window : `~astro_spectok.heads.line_windows.Window`
    n_labels : int
    """

    def __init__(self, window, n_labels):
        super().__init__()
        self.n_labels = n_labels
        self.convolutions, _ = stack_convolutions(_CONVOLUTIONS, 3, window.size)
        self.shift = nn.Parameter(torch.zeros(_HIDDEN))
        self.out = nn.Linear(_HIDDEN, n_labels + n_labels * (n_labels + 1) // 2)

    def begin(self, network):
        """Take over the parameters of a `LineNetwork`, which the noise does not concern."""
        first, given = self.convolutions[0], network.convolutions[0]
        with torch.no_grad():
            for own, other in zip(list(self.convolutions)[2:], list(network.convolutions)[2:], strict=True):
                own.load_state_dict(other.state_dict())
            self.out.load_state_dict(network.out.state_dict())
            first.weight.zero_()
            first.weight[:, :2] = given.weight
            first.bias.copy_(given.bias)

    def forward(self, contrast, covered, noise, network):
        """
        Parameters
        ----------
        contrast, covered, noise : tensor, shape (B, N)
            As of `~astro_spectok.heads.line_windows.WindowReader`.
        network : `LineNetwork`
            Whose hidden layer it shares.

        Returns
        -------
        mean, tril
            As of `LineNetwork`.
        """
        features = self.convolutions(torch.stack([_GAIN * contrast, covered, _NOISE_GAIN * noise * covered], 1))
        features = F.gelu(network.hidden(network.dropout(features)) + self.shift)
        return _finish(network.dropout(features), self.out, self.n_labels)


def _finish(features, layer, n):
    """Mean and Cholesky factor of the last features: labels to parts of a per cent, always in single precision."""
    with torch.autocast(features.device.type, enabled=False):
        return shape_gaussian(layer(features.float()), n)


def shape_gaussian(values, n):
    """Mean (B, n) and Cholesky factor (B, n, n) of whatever numbers (B, n + n (n + 1) / 2) layers give."""
    lower = values.new_zeros(len(values), n, n)
    row, column = torch.tril_indices(n, n, device=values.device)
    lower[:, row, column] = values[:, n:]
    sigma = torch.exp((torch.diagonal(lower, dim1=1, dim2=2) - 1).clamp(*_LOG_SIGMA))
    # rows relative to their diagonal: well conditioned
    tril = torch.tril(_COUPLING * lower, -1) + torch.eye(n, dtype=values.dtype, device=values.device)
    return values[:, :n], tril * sigma[..., None]
