# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Photometry beside spectra: vectors in one space, and class and redshift of fluxes alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.heads.photometry_tower import PhotometryTower, TokenProjection
from astro_spectok.heads.protocol import Head, HeadConfig
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.small_numbers import PHOTOMETRY_DOMAIN
from astro_spectok.heads.token_nodes import find_places, gather_nodes

__all__ = ["PhotometryConfig", "PhotometryHead"]


@dataclass(frozen=True)
class PhotometryConfig(HeadConfig):
    """Sizes of the head.

    Attributes
    ----------
    width, heads, blocks, ratio : int
        Of the transformer on filters.
    hidden : int
        Numbers that it gives, and of the perceptron of spectra.
    size : int
        Of the vectors that are compared.
    queries, values : int
        Learned queries that gather the tokens of a spectrum, and numbers that each gathers.
    token_width, redshift_size : int
        Values of a token, and numbers in the summary of the redshifts.
    z_step : float
        Width of a bin in ln(1 + z).
    z_bins : int
        Bins from z = 0 on, for galaxies and for quasars.
    classes : tuple of str
        The last one, stars, has no redshift.

    Examples
    --------
    >>> from astro_spectok.heads.photometry import PhotometryConfig
    >>> config = PhotometryConfig()
    >>> print(f"{config.redshifts[-1]:.2f}", config.n_scores)
    7.50 431
    """

    width: int = 80
    heads: int = 4
    blocks: int = 3
    ratio: int = 2
    hidden: int = 160
    size: int = 64
    queries: int = 12
    values: int = 32
    token_width: int = 160
    redshift_size: int = 99
    z_step: float = 0.01
    z_bins: int = 215
    classes: tuple[str, ...] = ("GALAXY", "QSO", "STAR")

    @property
    def redshifts(self):
        """Of the bins: ndarray of float64, shape (z_bins,)."""
        return np.expm1(self.z_step * np.arange(self.z_bins))

    @property
    def n_scores(self) -> int:
        """Bins of galaxies and quasars, and one of stars."""
        return 2 * self.z_bins + 1


@register_head
class PhotometryHead(Head):
    """Vectors of photometry and of spectra that are alike for one object, and class and redshift of photometry.

    ``embed`` of a spectrum with ``parts='photometry'`` is `project_tokens`; `project_photometry` is its counterpart.
    It is trained by `astro_spectok.training.photometry_head`, on pairs that are stored: the network takes no part.

    Parameters
    ----------
    config : `PhotometryConfig`
    network : `~astro_spectok.network.NetworkConfig`, optional

    Attributes
    ----------
    temperature : tensor, shape ()
        What cosines were divided by in training, as a logarithm.
    """

    kind = "photometry"
    config_class = PhotometryConfig
    needs: ClassVar[tuple] = ()
    begins_with: ClassVar[dict] = {"domain": PHOTOMETRY_DOMAIN}

    config: PhotometryConfig

    def __init__(self, config, network=None):
        super().__init__(config, network)
        c = config
        self.tower = PhotometryTower(c.width, c.heads, c.blocks, c.ratio, hidden=c.hidden)
        self.vector = nn.Linear(c.hidden, c.size)
        self.scores = nn.Linear(c.hidden, c.n_scores)
        self.spectrum = TokenProjection(
            c.token_width, c.redshift_size, c.size, queries=c.queries, values=c.values, hidden=c.hidden
        )
        self.temperature = nn.Parameter(torch.tensor(np.log(0.07), dtype=torch.float32))
        self.register_buffer("prior", torch.zeros(c.n_scores, dtype=torch.float32))
        self.register_buffer("places", torch.tensor(find_places(), dtype=torch.float32), persistent=False)

    @property
    def gives(self):
        """Nothing of spectra alone; see `Head.gives`."""
        return {}

    def is_taught(self, batch, targets):
        """Never: it is trained on stored pairs; see `Head.is_taught`."""
        return False

    def read_photometry(self, photometry):
        """Vectors and scores of photometry.

        Parameters
        ----------
        photometry : `~astro_spectok.heads.photometry_tower.Photometry`

        Returns
        -------
        vectors : float32 tensor, shape (B, size)
            At unit length.
        scores : float32 tensor, shape (B, n_scores)
            Logarithms, but for a constant, of the probability of each bin: galaxies, quasars, stars.
        """
        hidden = self.tower(photometry)
        return F.normalize(self.vector(hidden), dim=1), self.scores(hidden)

    def project_tokens(self, tokens, mask, geometry, redshift):
        """Vectors of spectra.

        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
            The values that the transformer works with come first.
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
        redshift : tensor, shape (B, R)
            The part of the embedding.

        Returns
        -------
        float32 tensor, shape (B, size)
            At unit length.
        """
        nodes, filled = gather_nodes(tokens[..., : self.config.token_width], mask, geometry[..., 0])
        return self.project_nodes(nodes, filled, redshift.float())

    def project_nodes(self, nodes, filled, redshift):
        """The same of tokens that are gathered in bins, as of `~astro_spectok.heads.token_nodes.gather_nodes`."""
        return self.spectrum(nodes, filled, self.places, redshift)
