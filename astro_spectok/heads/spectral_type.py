# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The coarse type of a star, from its flux on a fixed grid."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.heads.convolutions import stack_convolutions
from astro_spectok.heads.flux_view import FluxView
from astro_spectok.heads.protocol import Head, HeadConfig, HeadLoss
from astro_spectok.heads.registry import register_head

__all__ = ["STELLAR_TYPES", "SpectralTypeConfig", "SpectralTypeHead", "type_loss"]

#: letters of the MK system and of brown dwarfs, white dwarfs, cataclysmic variables and carbon stars; the names are
#: those of `astro_spectok.simulate`
STELLAR_TYPES = ("O", "B", "A", "F", "G", "K", "M", "L", "T", "WD", "CV", "C")

#: range in vacuum Angstrom that types are determined from, and blue end of their lines
_LOW, _HIGH, _FIRST = 1100.0, 26500.0, 3200.0
#: width in ln(wavelength) of the continuum, and of a bin of the broad-band shape
_CONTINUUM, _BROAD = 0.06, 0.02
#: channels, width and stride of the convolutions; widths of the layers after them
_CONVOLUTIONS = ((24, 9, 4), (32, 7, 4), (32, 5, 2))
_WIDTH, _HIDDEN = 96, 128
#: contrasts are a few per cent, and layers want numbers of order one
_GAIN = 3.0


@dataclass(frozen=True)
class SpectralTypeConfig(HeadConfig):
    """The types that are distinguished, and the grid.

    Attributes
    ----------
    types : tuple of str
    step : float
        Width of a bin in ln(wavelength).
    dropout : float
        Share of what the layers see that is forgotten in training.

    Examples
    --------
    >>> from astro_spectok.heads import SpectralTypeConfig
    >>> len(SpectralTypeConfig().types)
    12
    """

    types: tuple[str, ...] = STELLAR_TYPES
    step: float = 1e-3
    dropout: float = 0.2


@register_head
class SpectralTypeHead(Head):
    """Scores of every type, from the flux itself: its lines, and its broad-band shape from 0.11 to 2.65 micron.

    Brown dwarfs are recognised by bands that are as wide as many tokens, F and G are separated by weak lines; tokens
    trained for redshifts and reconstruction serve neither well. A small convolutional network sees both at once.

    Parameters
    ----------
    config : `SpectralTypeConfig`
    network : `~astro_spectok.network.NetworkConfig`, optional
        Nothing depends on it: the head reads pixels alone.
    """

    kind = "spectral_type"
    config_class = SpectralTypeConfig
    needs = ("patches",)
    figures = ("types", "right_type")
    loss_weight = 0.1
    mixed_precision = True
    concerns = "STAR"

    def __init__(self, config, network=None):
        super().__init__(config, network)
        step = config.step
        joined = max(1, round(_BROAD / step))
        self.view = FluxView(_LOW, _HIGH, step, first=_FIRST, continuum=_CONTINUUM, joined=joined)
        self.convolutions, size = stack_convolutions(_CONVOLUTIONS, 2, self.view.n_lines)
        self.lines = nn.Linear(size, _WIDTH)
        self.broad = nn.Linear(3 * self.view.n_broad, _WIDTH)
        self.hidden = nn.Linear(2 * _WIDTH, _HIDDEN)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(_HIDDEN, len(config.types))

    @property
    def gives(self):
        """For each type its probability, if it is a star; see `Head.gives`."""
        return dict.fromkeys(self.config.types, "")

    def forward(self, inputs):
        """
        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            With pixels.

        Returns
        -------
        float32 tensor, shape (B, number of types)
            Scores, whose softmax is the probability of each type.
        """
        return self.score_views(*self.view(inputs.patches))

    def interpret(self, output):
        """Probability of each type, if it is a star.

        Parameters
        ----------
        output : tensor, shape (B, number of types)

        Returns
        -------
        dict of str to tensor, shape (B,)
        """
        return dict(zip(self.config.types, torch.softmax(output, dim=1).unbind(1), strict=True))

    @property
    def numbers_size(self):
        """One for each type; see `Head.give_numbers`."""
        return len(self.config.types)

    def give_numbers(self, found):
        """The probability of each type; see `Head.give_numbers`."""
        return np.array([found[name] for name in self.config.types])

    @classmethod
    def gather_targets(cls, config, truths, patches, rng):
        """Numbers of the types of stars, -1 for all else; see `Head.gather_targets`."""
        numbers = {name: number for number, name in enumerate(config.types)}
        return {"stellar_type": torch.tensor([numbers.get(truth.stellar_type, -1) for truth in truths])}

    def loss(self, output, batch, targets):
        """Cross-entropy of stars whose type is known; see `Head.loss`."""
        loss, known, right = type_loss(output, targets["stellar_type"])
        return HeadLoss(loss, known, {"types": (loss, known), "right_type": (right, known)})

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


def type_loss(scores, stellar_type):
    """Cross-entropy of the coarse types of stars.

    Parameters
    ----------
    scores : tensor, shape (B, number of types)
        Their softmax is the probability of each type.
    stellar_type : int64 tensor, shape (B,)
        -1 where there is none, or none that is known.

    Returns
    -------
    loss : tensor, shape (B,)
        In nat, 0 where the type is unknown.
    known : bool tensor, shape (B,)
    right : bool tensor, shape (B,)
        Whether the highest score is that of the type.
    """
    known = stellar_type >= 0
    loss = F.cross_entropy(scores, stellar_type.clamp_min(0), reduction="none")
    return loss * known, known, (scores.argmax(1) == stellar_type) & known
