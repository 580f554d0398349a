# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The level of each patch, kept in its token as it is, and its course between patches.

A network that is shown a spectrum at a signal-to-noise ratio of 100 needs long to learn to hand its continuum through
to one per cent. The first value of every token is therefore no learned one but the mean level of its patch; what is
learned is everything else.
"""

import torch

__all__ = ["interpolate_level", "patch_level"]

#: sigma, over the scale of the spectrum, below which all pixels of a patch count the same
FLOOR = 0.1


def patch_level(patches):
    """Mean of the asinh flux of the good pixels of each patch, weighted by inverse variance: (B, T)."""
    sigma = torch.exp(2 * patches.channels[..., 2])
    weight = patches.valid / (sigma**2 + FLOOR**2)
    return (weight * patches.channels[..., 0]).sum(-1) / weight.sum(-1).clamp_min(1e-12)


def interpolate_level(level, mask, centre, position):
    """The level at any wavelength: linear between the centres of good patches, constant beyond the last.

    Parameters
    ----------
    level : tensor, shape (B, T)
    mask : bool tensor, shape (B, T)
        Good patches.
    centre : float64 tensor, shape (B, T)
        ln(wavelength), increasing.
    position : float64 tensor, shape (B, N)
        ln(wavelength) asked for.

    Returns
    -------
    tensor, shape (B, N)
        Zero for a spectrum without good patches.
    """
    level = torch.where(mask, level, 0.0)
    number = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    before = torch.where(mask, number, -1).cummax(dim=1).values  # the last good patch up to each
    after = torch.where(mask, number, mask.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    right = torch.searchsorted(centre.contiguous(), position.contiguous()).to(mask.device)  # (B, N) in 0 .. T
    low = before.gather(1, (right - 1).clamp_min(0))
    low = torch.where(right > 0, low, -1)
    high = after.gather(1, right.clamp_max(mask.shape[1] - 1))
    high = torch.where(right < mask.shape[1], high, mask.shape[1])
    # beyond the first or last good patch the one on the other side counts alone
    none_low, none_high = low < 0, high >= mask.shape[1]
    low, high = torch.where(none_low, high, low), torch.where(none_high, low, high)
    low, high = (x.clamp(0, mask.shape[1] - 1) for x in (low, high))
    on = centre.device
    left_centre, right_centre = centre.gather(1, low.to(on)), centre.gather(1, high.to(on))
    part = (position - left_centre) / (right_centre - left_centre).clamp_min(1e-9)
    part = part.clamp(0, 1).to(mask.device, level.dtype)
    return torch.lerp(level.gather(1, low), level.gather(1, high), part)
