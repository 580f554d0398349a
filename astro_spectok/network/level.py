# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Level and extent of each patch, kept in its token as they are, and what the decoder makes of them.

A network that is shown a spectrum at a signal-to-noise ratio of 100 needs long to learn to hand its continuum through
to one per cent. The first value of every token is therefore no learned one but the mean level of its patch, and the
second its largest absolute flux, which bounds what the decoder may answer; what is learned is everything else.
"""

import torch

__all__ = [
    "LARGEST",
    "N_EXPLICIT",
    "interpolate_level",
    "interpolate_slots",
    "limit_flux",
    "patch_extent",
    "patch_level",
]

#: values at the start of each token that are not learned: level and extent
N_EXPLICIT = 2

#: sigma, over the scale of the spectrum, below which all pixels of a patch count the same
FLOOR = 0.1
LN_2 = 0.6931
#: asinh flux whose sinh, and the square of it, stay well inside single precision
LARGEST = 14.0


def patch_level(patches):
    """Mean of the asinh flux of the good pixels of each patch, weighted by inverse variance: (B, T)."""
    sigma = torch.exp(2 * patches.channels[..., 2])
    weight = patches.valid / (sigma**2 + FLOOR**2)
    return (weight * patches.channels[..., 0]).sum(-1) / weight.sum(-1).clamp_min(1e-12)


def patch_extent(patches):
    """Largest absolute asinh flux of the good pixels of each patch: (B, T)."""
    return (patches.channels[..., 0].abs() * patches.valid).amax(-1)


def limit_flux(level, extent, mask, *, leak=0.0):
    """Keep asinh fluxes within what the spectrum reaches anywhere, and a factor of two.

    A decoder that works with logarithms of bright lines can be wrong by orders of magnitude where it meets one that it
    was not trained for; twice the brightest pixel it never exceeds.

    Parameters
    ----------
    level : tensor, shape (B, N)
        asinh of flux over scale.
    extent : tensor, shape (B, T)
        As of `patch_extent`.
    mask : bool tensor, shape (B, T)
        Patches that count; without any nothing is known, and the limit is that of single precision.
    leak : float
        Share of the excess that is let through: in training, for its gradient.
    """
    largest = torch.where(mask, extent, 0.0).amax(1, keepdim=True)  # (B, 1)
    bound = torch.where(mask.any(1, keepdim=True), largest + LN_2, LARGEST).clamp_max(LARGEST)
    limited = level.clamp(-bound, bound)
    return limited + leak * (level - limited).clamp(-LARGEST, LARGEST) if leak else limited


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


def interpolate_slots(level, mask, geometry, patch):
    """The same in the slots of the patches themselves, (B, T, P), where nothing has to be searched.

    Parameters
    ----------
    level : tensor, shape (B, T)
    mask : bool tensor, shape (B, T)
    geometry : float64 tensor, shape (B, T, 3)
    patch : int
        Slots per patch, P.

    Returns
    -------
    tensor, shape (B, T, P)
        Zero for a spectrum without good patches.
    """
    level, last = torch.where(mask, level, 0.0), mask.shape[1] - 1
    number = torch.arange(last + 1, device=mask.device).expand_as(mask)
    before = torch.where(mask, number, -1).cummax(dim=1).values  # the last good patch up to each
    after = torch.where(mask, number, last + 1).flip(1).cummin(dim=1).values.flip(1)
    centre = geometry[..., 0]
    base, slopes, reach = None, [], []
    # to the left of the centre of each patch, and to its right
    for low, high in (
        (torch.nn.functional.pad(before[:, :-1], (1, 0), value=-1), after),
        (before, torch.nn.functional.pad(after[:, 1:], (0, 1), value=last + 1)),
    ):
        # beyond the first or last good patch the one on the other side counts alone
        low, high = torch.where(low < 0, high, low), torch.where(high > last, low, high)
        low, high = low.clamp(0, last), high.clamp(0, last)
        left, right = (centre.gather(1, side.to(centre.device)) for side in (low, high))
        rise = level.gather(1, high) - level.gather(1, low)
        slope = rise / (right - left).clamp_min(1e-9).to(rise)
        if base is None:
            base = level.gather(1, low) + slope * (centre - left).to(rise)
        slopes.append(slope[..., None])
        reach.append(((left if not reach else right) - centre).to(rise)[..., None])
    place = torch.arange(patch, dtype=geometry.dtype, device=geometry.device) - (patch - 1) / 2
    apart = (geometry[..., 1:] @ torch.stack([place, place**2])).to(level)  # (B, T, P), from the centre
    # slots beyond the next patch, where pixels become wider behind a gap, have its level
    apart = torch.minimum(torch.maximum(apart, reach[0].clamp_max(0)), reach[1].clamp_min(0))
    return base[..., None] + torch.where(apart > 0, slopes[1], slopes[0]) * apart
