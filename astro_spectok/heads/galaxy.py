# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar populations of a galaxy from its flux at rest, and what its starlight is made of between emission lines."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.heads.convolutions import stack_convolutions
from astro_spectok.heads.flux_view import FluxView
from astro_spectok.heads.protocol import Head, HeadConfig
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.small_numbers import GALAXY_RULES

__all__ = ["GalaxyConfig", "GalaxyHead", "population_loss"]

#: width in ln(wavelength) of the continuum, and of a bin of the broad-band shape
_CONTINUUM, _BROAD = 0.04, 0.02
#: channels, width and stride of the convolutions; widths of the layers after them
_CONVOLUTIONS = ((16, 9, 4), (24, 7, 4), (24, 5, 2))
_WIDTH, _HIDDEN = 48, 96
#: contrasts are a few per cent, and layers want numbers of order one
_GAIN = 5.0
#: least and greatest diagonal of the root of the inverse covariance, over the spread of each label
_SHARPEST = 30.0
#: labels over their spread are given to others up to this
FARTHEST = 4.0


@dataclass(frozen=True)
class GalaxyConfig(HeadConfig):
    """The labels, and the grids.

    Attributes
    ----------
    names : tuple of str
        Of `~astro_spectok.simulate.GALAXY_LABELS`, with their units.
    low, first, high : float
        Vacuum Angstrom at rest: where the broad-band shape begins, where lines begin, and where both end.
    step : float
        Width of a bin in ln(wavelength).
    dropout : float
        Share of what the layers see that is forgotten in training.
    stars_low, stars_high, stars_step : float
        Range and bins of the components of starlight.
    n_components : int
        Of starlight, besides the mean.
    """

    names: tuple[str, ...] = ("age", "metallicity", "a_v")
    low: float = 2000.0
    first: float = 3500.0
    high: float = 9000.0
    step: float = 6e-4
    dropout: float = 0.1
    stars_low: float = 3500.0
    stars_high: float = 7300.0
    stars_step: float = 2e-4
    n_components: int = 12

    @property
    def stars_size(self):
        """Bins of the components of starlight."""
        return int(math.log(self.stars_high / self.stars_low) / self.stars_step)


@register_head
class GalaxyHead(Head):
    """Light-weighted age and metallicity, and the dust before the stars, from lines and shape of a galaxy at rest.

    A small convolutional network gives mean and covariance of the labels. Beside it stand mean and principal
    components of the starlight of galaxies without emission lines, over its continuum, as sharp as the libraries it is
    simulated with: velocity dispersion and emission lines are measured with them.

    Parameters
    ----------
    config : `GalaxyConfig`
    network : `~astro_spectok.network.NetworkConfig`, optional
        Nothing depends on it: the head reads pixels alone.

    Attributes
    ----------
    centre, spread : tensor, shape (L,)
        Mean and standard deviation of the labels that were trained on.
    stars : tensor, shape (bins, 1 + K)
        Mean and components of starlight over its continuum, less one, scaled to coefficients of variance 1.
    """

    kind = "galaxy"
    config_class = GalaxyConfig
    needs = ("patches",)
    given = ("ln_doppler",)
    concerns = "GALAXY"
    begins_with: ClassVar[dict] = {"rules": GALAXY_RULES}

    def __init__(self, config, network=None):
        super().__init__(config, network)
        step, number = config.step, len(config.names)
        joined = max(1, round(_BROAD / step))
        self.view = FluxView(
            config.low, config.high, step, first=config.first, continuum=_CONTINUUM, joined=joined
        )  # fmt: skip
        self.convolutions, size = stack_convolutions(_CONVOLUTIONS, 2, self.view.n_lines)
        self.lines = nn.Linear(size, _WIDTH)
        self.broad = nn.Linear(3 * self.view.n_broad, _WIDTH)
        self.hidden = nn.Linear(2 * _WIDTH, _HIDDEN)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(_HIDDEN, number + number * (number + 1) // 2)
        plain = {"dtype": torch.float32, "device": "cpu"}  # whatever the defaults of the program around are
        self.register_buffer("centre", torch.zeros(number, **plain))
        self.register_buffer("spread", torch.ones(number, **plain))
        self.register_buffer("stars", torch.zeros(config.stars_size, 1 + config.n_components, **plain))

    @property
    def gives(self):
        """Mean and covariance of the labels; see `Head.gives`."""
        return {"mean": "", "covariance": ""}

    def forward(self, inputs):
        """
        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            With pixels, and ``ln_doppler``, ln(1 + z).

        Returns
        -------
        mean : float32 tensor, shape (B, L)
        root : float32 tensor, shape (B, L, L)
            As of `score_views`.
        """
        return self.score_views(*self.show(inputs.patches, inputs.given["ln_doppler"]))

    def show(self, patches, ln_doppler):
        """Lines and broad-band shape at rest, as of `~astro_spectok.heads.flux_view.FluxView`.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`
        ln_doppler : float64 tensor, shape (B,)

        Returns
        -------
        lines : float32 tensor, shape (B, 2, n_lines)
        broad : float32 tensor, shape (B, 3, n_broad)
        """
        geometry = patches.grid.geometry.clone()
        geometry[..., 0] -= ln_doppler.to(geometry)[:, None]
        return self.view(replace(patches, grid=replace(patches.grid, geometry=geometry)))

    def score_views(self, lines, broad):
        """Mean of the labels over their spread, (B, L), and the lower root of their inverse covariance, (B, L, L)."""
        shown = torch.stack([_GAIN * lines[:, 0], lines[:, 1]], 1)
        parts = self.lines(self.dropout(self.convolutions(shown))), self.broad(self.dropout(broad.flatten(1)))
        found = self.out(self.dropout(F.gelu(self.hidden(F.gelu(torch.cat(parts, 1)))))).float()
        number = len(self.config.names)
        root = found.new_zeros(len(found), number, number)
        row, column = torch.tril_indices(number, number, device=found.device)
        root[:, row, column] = found[:, number:]
        diagonal = F.softplus(torch.diagonal(root, dim1=1, dim2=2)).clamp(0.3, _SHARPEST)
        return found[:, :number], torch.tril(root, -1) + torch.diag_embed(diagonal)

    def interpret(self, output):
        """Mean and covariance of the labels, in their units.

        Parameters
        ----------
        output : (tensor, tensor)
            As of `forward`.

        Returns
        -------
        dict of str to tensor
            ``mean``, shape (B, L), and ``covariance``, shape (B, L, L).
        """
        mean, root = output
        inverse = torch.linalg.inv(root.cpu().double())
        covariance = inverse.transpose(1, 2) @ inverse
        spread, centre = self.spread.cpu().double(), self.centre.cpu().double()
        return {
            "mean": mean.cpu().double() * spread + centre,
            "covariance": covariance * spread[:, None] * spread[None, :],
        }

    @property
    def numbers_size(self):
        """One for each label; see `Head.give_numbers`."""
        return len(self.config.names)

    @property
    def numbers_spread(self):
        """What each label is over; see `Head`."""
        return self.spread.double().cpu().numpy()

    def give_numbers(self, found):
        """The labels over their spread; see `Head.give_numbers`."""
        return np.clip((found["mean"] - self.centre.cpu().numpy()) / self.spread.cpu().numpy(), -FARTHEST, FARTHEST)

    def give_errors(self, found):
        """Roots of the variances of the labels, over their spread; see `Head.give_errors`."""
        return np.sqrt(np.diagonal(found["covariance"])) / self.spread.cpu().numpy()


def population_loss(mean, root, labels):
    """Negative logarithm of a Gaussian probability of labels over their spread, (B,), in nat.

    Parameters
    ----------
    mean, root : tensor
        As of `GalaxyHead.score_views`.
    labels : tensor, shape (B, L)
        Less their centre, over their spread.
    """
    deviation = (root.transpose(1, 2) @ (labels - mean)[..., None])[..., 0]
    # errors beyond five standard deviations count linearly: one odd spectrum is not to lead
    square = torch.where(deviation.abs() < 5, 0.5 * deviation**2, 5 * deviation.abs() - 12.5)
    return square.sum(1) - torch.log(torch.diagonal(root, dim1=1, dim2=2)).sum(1)
