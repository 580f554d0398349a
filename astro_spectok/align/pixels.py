# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pixels of images as networks take them: checked, turned, and compressed over their noise."""

import torch

from astro_spectok.align.light import find_noise

__all__ = ["LEAST_SIZE", "check_bands", "check_images", "compress_images", "have_bands", "turn_images"]

#: flux over the noise of a pixel at which its compression bends
BEND = 3.0
#: pixels of an image in height and width at least
LEAST_SIZE = 16


def check_bands(bands):
    """Names of bands as a tuple of str, all different."""
    if isinstance(bands, str) or not all(isinstance(band, str) for band in bands):
        msg = f"bands must be names, in the order of the images, such as ('g', 'r', 'z'); got {bands!r}"
        raise TypeError(msg)
    bands = tuple(bands)
    if not bands or len(set(bands)) < len(bands):
        msg = f"bands must be different names, at least one; got {bands!r}"
        raise ValueError(msg)
    return bands


def have_bands(images, bands):
    """Whether images (n, C, H, W) have a plane for each band, of `LEAST_SIZE` pixels or more."""
    return images.ndim == 4 and images.shape[1] == len(bands) and min(images.shape[2:]) >= LEAST_SIZE


def check_images(images, bands):
    """Refuse images that a tower of these bands cannot take."""
    if not have_bands(images, bands):
        msg = (
            f"images must have the shape (n, {len(bands)}, height, width), bands {', '.join(bands)} in this order, "
            f"{LEAST_SIZE} pixels or more; got {tuple(images.shape)}"
        )
        raise ValueError(msg)


def compress_images(images):
    """Images (B, C, H, W) over their noise, by arcsinh.

    Returns
    -------
    tensor, shape (B, 2 C, H, W)
        Over the mean noise of all bands, which keeps colours, and then over that of each.
    """
    noise = find_noise(images)  # (B, C, 1, 1)
    scale = noise.mean(1, keepdim=True)
    scale = torch.where(scale > 0, scale, images.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-30))
    own = torch.where(noise > 0, noise, scale)
    return torch.cat([torch.asinh(images / scale / BEND), torch.asinh(images / own / BEND)], 1)


def turn_images(images):
    """Images (B, C, H, W) turned and mirrored at random, each by itself; mirrored alone where they are not square."""
    choice = torch.randint(8, (len(images),), device=images.device)
    ways = [images, images.flip(3), images.flip(2), images.flip(2, 3)]
    if images.shape[2] == images.shape[3]:
        ways += [way.transpose(2, 3) for way in ways]
    out = torch.empty_like(images)
    for k, way in enumerate(ways):
        own = choice % len(ways) == k
        out[own] = way[own]
    return out
