# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`HeadInputs`: what a network hands to its heads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from astro_spectok.network.patches import PatchBatch

__all__ = ["HeadInputs"]


@dataclass(frozen=True)
class HeadInputs:
    """Spectra as a head sees them.

    Attributes
    ----------
    tokens : tensor, shape (B, T, D), or None
        Values that the transformer works with; the first two are level and extent of the patch. None where no head
        that was asked for needs tokens.
    detail : tensor, shape (B, T, M), or None
        DCT coefficients of the filtered flux of each patch; None where the network holds none or no head needs it.
    mask : bool tensor, shape (B, T)
        Tokens that count.
    geometry : float64 tensor, shape (B, T, 3)
        Where they lie, as of `~astro_spectok.network.PatchGrid`.
    patches : `~astro_spectok.network.PatchBatch`, or None
        What the tokens were made of; None where only tokens are at hand.
    given : mapping of str to tensor
        Further values given by the caller for each spectrum, under the names in `Head.given`.
    """

    tokens: torch.Tensor | None
    detail: torch.Tensor | None
    mask: torch.Tensor
    geometry: torch.Tensor
    patches: PatchBatch | None = None
    given: Mapping = field(default_factory=dict)
