# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A posterior over class and redshift in a few numbers that can be compared."""

import math
from typing import NamedTuple

import torch
from torch import nn

__all__ = ["SCALE", "BestRedshift", "ClassShares", "PosteriorSummary"]

#: periods in ln(1 + z): from more than is searched down to 75 km/s
LONGEST, SHORTEST = 3.0, 2.5e-4
#: the numbers of a posterior are small, most of them: this brings them to the size of what else is in an embedding
SCALE = 3.0
#: bins on either side of the best redshift whose probability is that of it
AROUND = 15


class BestRedshift(NamedTuple):
    """The most probable redshift of some spectra.

    Attributes
    ----------
    ln_one_plus_z : float64 tensor, shape (B,)
    probability : tensor, shape (B,)
        That the redshift is this one, within a few bins, and the class the one that it was found for.
    """

    ln_one_plus_z: torch.Tensor
    probability: torch.Tensor


class ClassShares(NamedTuple):
    """How probable the classes of some spectra are.

    Attributes
    ----------
    probability : tensor, shape (B, classes)
        Of each class at a redshift of its own. What has none, whatever the class whose template fits best, is a star,
        the last class.
    still : tensor, shape (B,)
        That there is no redshift.
    """

    probability: torch.Tensor
    still: torch.Tensor


class PosteriorSummary(nn.Module):
    """The posterior's mean cosine and sine of ln(1 + z) at several periods, and the probability, for each class.

    That is the characteristic function of the posterior at some frequencies: the scalar product of two of them is
    large where the same redshifts are probable, a fine one where they are sharp and agree, a coarse one where they
    are not. There is nothing to learn.

    Parameters
    ----------
    lags : sequence of (int, int)
        First and last bin of each class, as of `~astro_spectok.heads.redshift.RedshiftHead`.
    step : float
        Of the bins, in ln(1 + z).
    number : int
        Periods.
    """

    def __init__(self, lags, step, number):
        super().__init__()
        self.lags, self.step = tuple(lags), step
        self.sizes = [high - low + 1 for low, high in lags]
        periods = torch.logspace(math.log10(LONGEST), math.log10(SHORTEST), number, dtype=torch.float64)
        for k, (low, high) in enumerate(lags):
            phase = 2 * math.pi * step * torch.arange(low, high + 1, dtype=torch.float64)[:, None] / periods
            waves = torch.cat([phase.cos(), phase.sin(), torch.ones(len(phase), 1)], dim=1).float()
            self.register_buffer(f"waves_{k}", waves, persistent=False)  # (lags, 2 F + 1)

    @property
    def size(self):
        """Number of values."""
        return len(self.sizes) * self.waves_0.shape[1]

    def forward(self, scores):
        """Numbers (B, size) between -3 and 3 of scores (B, lags), one tensor per class."""
        return self._summarise(_share(scores))

    def find_best(self, scores):
        """`BestRedshift` of scores (B, lags), one tensor per class."""
        return self._find_best(_share(scores))

    def read(self, scores, still):
        """All that there is of scores (B, lags), one tensor per class.

        Parameters
        ----------
        scores : sequence of tensor, shape (B, lags)
        still : float
            ln(1 + z) up to which a redshift is a velocity.

        Returns
        -------
        tensor, `BestRedshift`, `ClassShares`
            The first is that of `forward`.
        """
        shares = _share(scores)
        return self._summarise(shares), self._find_best(shares), self._find_classes(shares, still)

    def _summarise(self, shares):
        parts = shares.split(self.sizes, dim=1)
        return SCALE * torch.cat([share @ getattr(self, f"waves_{k}") for k, share in enumerate(parts)], dim=1)

    def _find_classes(self, shares, still):
        reach, own, near = int(still / self.step), [], 0.0
        for share, (low, _) in zip(shares.split(self.sizes, dim=1), self.lags, strict=True):
            here = share[:, max(-reach - low, 0) : max(reach - low + 1, 0)].sum(1)
            own.append(share.sum(1) - here)
            near = near + here
        own[-1] = own[-1] + near
        return ClassShares(torch.stack(own, dim=1), near)

    def _find_best(self, shares):
        peak, best = shares.max(dim=1)
        firsts = torch.tensor([0, *self.sizes], device=peak.device).cumsum(0)
        number = torch.bucketize(best, firsts[1:], right=True)  # of the class
        low, high = firsts[number], firsts[number + 1] - 1
        near = best[:, None] + torch.arange(-AROUND, AROUND + 1, device=best.device)
        inside = (near >= low[:, None]) & (near <= high[:, None])
        near_shares = shares.gather(1, near.clamp(0, shares.shape[1] - 1)) * inside
        probability = near_shares.sum(1)
        # the mean around the best bin: it does not jump by a bin where two are equally probable
        exact = torch.float32 if shares.device.type == "mps" else torch.float64
        mean = (near_shares.to(exact) * near).sum(1) / probability.to(exact)
        lowest = torch.tensor([low for low, _ in self.lags], device=best.device)[number]
        lag = (mean - low + lowest).to("cpu" if exact is torch.float32 else shares.device, torch.float64)
        return BestRedshift(lag * self.step, probability)


def _share(scores):
    """Probability (B, all lags) of scores (B, lags), one tensor per class."""
    return torch.softmax(torch.cat(scores, dim=1), dim=1)
