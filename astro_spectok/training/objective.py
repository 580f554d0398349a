# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The parts of the pretraining objective: wanted pixels, class and redshift, labels, types of stars, alignment."""

import math

import torch
from torch.nn import functional as F

__all__ = ["alignment_loss", "label_loss", "reconstruction_loss", "redshift_loss", "type_loss"]

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


def redshift_loss(scores, head, cls, ln_one_plus_z, measurable, sigma, *, floor=0.0):
    """Divergence of the joint posterior over class and redshift from what is true, per spectrum.

    The truth is a Gaussian of width ``sigma`` around the redshift within the class; for spectra in which there is
    nothing to be measured it is the prior, flat in class and within a class in ln(1 + z).

    Parameters
    ----------
    scores : list of tensor, shape (B, number of lags)
        One for each class, as of `~astro_spectok.network.redshift_head.RedshiftHead`.
    head : `~astro_spectok.network.redshift_head.RedshiftHead`
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
    step, device = head.config.step, log_p.device
    sizes = torch.tensor([high - low + 1 for low, high in head.lags], device=device)
    log_prior = -torch.log(sizes.float() * len(sizes)).repeat_interleave(sizes)  # (all lags,)
    if floor:
        log_p = torch.logaddexp(log_p + math.log1p(-floor), log_prior + math.log(floor))
    first = torch.cumsum(sizes, 0) - sizes
    lowest = torch.tensor([low for low, _ in head.lags], device=device)
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


def label_loss(mean, log_sigma, labels, spread):
    """Gaussian negative log-likelihood of the known labels, linear beyond five sigma.

    Parameters
    ----------
    mean, log_sigma, labels : tensor, shape (B, number of labels)
        ``labels`` NaN where unknown.
    spread : tensor, shape (number of labels,)
        Size that each label is measured against.

    Returns
    -------
    loss : tensor, shape (B,)
        Sum over the known labels of a spectrum.
    count : tensor, shape (B,)
        How many these are.
    """
    known = torch.isfinite(labels)
    deviation = (torch.where(known, labels, mean) - mean) * torch.exp(-log_sigma)
    robust = torch.where(deviation.abs() < 5, 0.5 * deviation**2, 5 * deviation.abs() - 12.5)
    loss = (robust + log_sigma - torch.log(spread)) * known
    return loss.sum(1), known.sum(1)


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


def alignment_loss(embedding, counts, temperature):
    """Contrastive loss that brings two observations of one object to the same place (van den Oord et al. 2018).

    Parameters
    ----------
    embedding : tensor, shape (2 n, E)
        Spectrum ``i`` and spectrum ``i + n`` are of one object; all others are what it must not be confused with.
    counts : bool tensor, shape (2 n,)
        False for what cannot be told from others, blank sky say.
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
