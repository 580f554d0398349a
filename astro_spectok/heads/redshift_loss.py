# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The divergence of a joint posterior over class and redshift from what is true."""

import math

import torch
from torch.nn import functional as F

__all__ = ["redshift_loss"]


def redshift_loss(scores, lags, step, cls, ln_one_plus_z, measurable, sigma, *, floor=0.0):
    """Divergence of the joint posterior over class and redshift from what is true, per spectrum.

    The truth is a Gaussian of width ``sigma`` around the redshift within the class; for spectra in which there is
    nothing to be measured it is the prior, flat in class and within a class in ln(1 + z).

    Parameters
    ----------
    scores : list of tensor, shape (B, number of lags)
        One for each class, as of `~astro_spectok.heads.redshift.RedshiftHead`.
    lags : sequence of (int, int)
        First and last bin of each class.
    step : float
        Of the bins, in ln(1 + z).
    cls : int64 tensor, shape (B,)
        Class, or -1: such a spectrum is not scored unless it is not ``measurable``.
    ln_one_plus_z : float64 tensor, shape (B,)
    measurable : bool tensor, shape (B,)
    sigma : float
        In ln(1 + z).
    floor : float
        Share of the prior that is mixed into the posterior before it is compared: a spectrum that is hopeless, or
        wrongly labelled, then pulls no harder than one that is merely hard.

    Returns
    -------
    loss : tensor, shape (B,)
        Kullback-Leibler divergence in nat, 0 where the spectrum is not scored.
    scored : bool tensor, shape (B,)
        Spectra with a class and a redshift to be found.
    right, right_class : bool tensor, shape (B,)
        Whether the highest score lies within 0.0033 in dz / (1 + z), and in the true class.
    """
    log_p = F.log_softmax(torch.cat(scores, dim=1), dim=1)  # (B, all lags)
    device = log_p.device
    sizes = torch.tensor([high - low + 1 for low, high in lags], device=device)
    log_prior = -torch.log(sizes.float() * len(sizes)).repeat_interleave(sizes)  # (all lags,)
    if floor:
        log_p = torch.logaddexp(log_p + math.log1p(-floor), log_prior + math.log(floor))
    first = torch.cumsum(sizes, 0) - sizes
    lowest = torch.tensor([low for low, _ in lags], device=device)
    known = cls.clamp_min(0)
    # in float64 where that is: a device without it has been given the redshifts on the CPU
    bins_of_class = lowest[known].to(ln_one_plus_z.device)
    position = (ln_one_plus_z / step - bins_of_class).float().to(device)  # (B,), in bins of the class
    scored = measurable & (cls >= 0) & (position > -0.5) & (position < sizes[known] - 0.5)

    half = math.ceil(4 * sigma / step) + 1
    bins = position.round().long()[:, None] + torch.arange(-half, half + 1, device=device)  # (B, W)
    inside = (bins >= 0) & (bins < sizes[known][:, None])
    log_target = -0.5 * ((bins - position[:, None]) * step / sigma) ** 2
    log_target = F.log_softmax(log_target.masked_fill(~inside, -1e4), dim=1)
    bins = torch.minimum(bins.clamp_min(0), sizes[known][:, None] - 1) + first[known][:, None]
    divergence = (log_target.exp() * inside * (log_target - log_p.gather(1, bins))).sum(1)

    to_prior = (log_prior.exp() * (log_prior - log_p)).sum(1)
    loss = torch.where(scored, divergence, torch.where(measurable, 0.0, to_prior))
    with torch.no_grad():
        best = log_p.argmax(1)
        best_class = torch.searchsorted(first, best, right=True) - 1
        best_ln = (best - first[best_class] + lowest[best_class]) * step
        right = (best_ln - ln_one_plus_z.float().to(device)).abs() < 0.0033
    return loss, scored, right & scored, (best_class == cls) & scored
