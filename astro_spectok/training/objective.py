# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The pretraining objective: a robust likelihood of the wanted pixels."""

import torch

__all__ = ["reconstruction_loss"]

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
