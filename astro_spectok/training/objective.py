# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The parts of the pretraining objective that are the network's own: wanted pixels and alignment."""

import torch
from torch.nn import functional as F

__all__ = ["alignment_loss", "reconstruction_loss"]

#: loss of one spectrum beyond which it grows with its logarithm
LARGE = 3.0


def reconstruction_loss(mean, log_sigma, flux, variance, *, variance_weight=0.5, huber=10.0):
    """Negative log-likelihood of wanted pixels under the decoder's mean and variance, per spectrum.

    The variance of a pixel is the decoder's plus that of the wanted flux itself. Beyond ``huber`` sigma a deviation
    counts linearly, so that a single cosmic ray cannot dominate. Each pixel is weighted with its (detached) variance
    to the power ``variance_weight`` (Seitzer et al. 2022, arXiv 2203.09168): the likelihood alone would neglect
    whatever is hard to predict.

    Parameters
    ----------
    mean, log_sigma, flux, variance : tensor, shape (B, T, P)
        Over the scale of the spectrum; ``variance`` inf where nothing is known.
    variance_weight, huber : float

    Returns
    -------
    loss : tensor, shape (B,)
    deviation : tensor, shape (B,)
        Mean squared deviation in units of the total sigma, the large ones clipped; 1 when calibrated.
    """
    known = torch.isfinite(variance)
    total = torch.where(known, variance, 1.0) + torch.exp(2 * log_sigma)
    deviation = torch.where(known, flux - mean, 0.0) * torch.rsqrt(total)
    size = deviation.abs()
    robust = torch.where(size < huber, deviation**2, huber * (2 * size - huber))
    weight = total.detach().clamp(1e-8, 1.0) ** variance_weight * known
    count = known.sum((1, 2)).clamp_min(1)
    loss = (0.5 * weight * (robust + torch.log(total))).sum((1, 2)) / count
    # a spectrum that is far off (a line a thousand times its continuum) pulls, but not the whole batch with it
    loss = torch.where(loss > LARGE, LARGE * (1 + torch.log(loss.clamp_min(LARGE) / LARGE)), loss)
    return loss, (deviation.detach().clamp(-huber, huber) ** 2).sum((1, 2)) / count


def alignment_loss(embedding, counts, temperature):
    """Contrastive loss that brings two observations of one object to the same place (van den Oord et al. 2018).

    Parameters
    ----------
    embedding : tensor, shape (2 n, E)
        Spectrum ``i`` and spectrum ``i + n`` are of one object; all others are what it must not be confused with.
    counts : bool tensor, shape (2 n,)
        False for spectra that cannot be distinguished from others, such as blank sky.
    temperature : float

    Returns
    -------
    loss : tensor, shape (2 n,)
        0 where ``counts`` is False.
    right : bool tensor, shape (2 n,)
        Whether the partner is the nearest of the batch.
    """
    n = len(embedding) // 2
    unit = F.normalize(embedding.float(), dim=1)
    among = unit @ unit.T / temperature  # (2n, 2n)
    among = among.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=unit.device), -torch.inf)
    partner = torch.arange(2 * n, device=unit.device).roll(n)
    loss = F.cross_entropy(among, partner, reduction="none")
    both = counts & counts.roll(n)
    return loss * both, (among.argmax(1) == partner) & both
