# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the stellar head: labels of stars, errors of their velocities, and the likelihood of labels."""

import numpy as np
import torch

from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["draw_doppler_error", "gather_stellar_labels", "stellar_loss"]

#: squared deviation, over the covariance, beyond which it counts by its root
_LARGE = 25.0
#: km/s: errors of velocities are log-uniform from a hundredth of a pixel to this, or half a pixel if that is more
_ERROR = 8.0
#: labels that only stars drawn for the stellar head have: others have labels on other scales
_MARK = "log_vbroad"


def gather_stellar_labels(truths, names):
    """Labels of labelled stars.

    Parameters
    ----------
    truths : list of `~astro_spectok.training.views.Truth`
    names : sequence of str

    Returns
    -------
    float32 tensor, shape (B, L)
        NaN where unknown, and for all that do not come from `~astro_spectok.simulate.stellar_grid.GridStars` or the
        APOGEE emulator: models of other makers have other scales.
    """
    rows = [[t.labels.get(name, np.nan) if _MARK in t.labels else np.nan for name in names] for t in truths]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(truths), len(names))


def draw_doppler_error(geometry, mask, rng):
    """Errors of the velocities that stars are brought to rest with, in ln(1 + v / c), float64 (B,).

    Parameters
    ----------
    geometry : float64 tensor, shape (B, T, 3)
    mask : bool tensor, shape (B, T)
    rng : `numpy.random.Generator`
    """
    weight = mask.to(geometry.device)
    pixel = ((geometry[..., 1] * weight).sum(1) / weight.sum(1).clamp_min(1)).cpu().numpy()
    least, most = 0.01 * pixel, np.maximum(0.5 * pixel, _ERROR / LIGHT_SPEED)
    size = least * (most / least) ** rng.random(len(pixel))
    return torch.from_numpy(rng.normal(0, size)).to(geometry)


def stellar_loss(mean, tril, labels, spread):
    """Negative log-likelihood of the known labels under a Gaussian with full covariance, robust to outliers.

    Labels that are not known are integrated out. Beyond five standard deviations the loss grows linearly.

    Parameters
    ----------
    mean : tensor, shape (B, L)
    tril : tensor, shape (B, L, L)
        Lower Cholesky factor of the covariance.
    labels : tensor, shape (B, L)
        NaN where unknown.
    spread : tensor, shape (L,)
        Size that each label is measured against.

    Returns
    -------
    loss : tensor, shape (B,)
        In nat, 0 where no label is known.
    count : tensor, shape (B,)
        How many are known.
    """
    known = torch.isfinite(labels)
    scaled = tril.float() / spread[:, None]
    both = known[:, :, None] & known[:, None, :]
    # rows and columns of unknown labels become those of the unit matrix, whose logarithm adds nothing
    unit = torch.eye(len(spread), device=mean.device)
    factor = torch.linalg.cholesky(torch.where(both, scaled @ scaled.mT, unit) + 1e-7 * unit)
    deviation = (torch.where(known, labels, mean) - mean) / spread
    solved = torch.linalg.solve_triangular(factor, deviation[..., None], upper=False)[..., 0]
    square = (solved**2).sum(1)
    root = torch.sqrt(square.clamp_min(_LARGE))
    robust = torch.where(square < _LARGE, 0.5 * square, _LARGE**0.5 * (root - 0.5 * _LARGE**0.5))
    loss = robust + torch.log(torch.diagonal(factor, dim1=1, dim2=2)).sum(1)
    return loss * known.any(1), known.sum(1)
