# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ImageTower`: a small convolutional network from images in named bands to vectors."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.utils.settings import Settings

__all__ = ["ImageTower", "ImageTowerConfig"]

#: flux over the noise at which its compression bends; median absolute deviation of unit noise
BEND, MAD = 3.0, 0.6745


@dataclass(frozen=True)
class ImageTowerConfig(Settings):
    """Sizes of an image tower.

    Attributes
    ----------
    bands : tuple of str
        Names of the bands, in the order in which images hold them.
    width : int
        Channels after the first layer; they double with each block.
    blocks : int
        Each halves the image.
    size : int
        Numbers in the vector.

    Examples
    --------
    >>> from astro_spectok.align.image_tower import ImageTowerConfig
    >>> ImageTowerConfig(bands=("g", "r", "z")).size
    128
    """

    bands: tuple[str, ...] = ("g", "r", "z")
    width: int = 16
    blocks: int = 3
    size: int = 128


class ImageTower(nn.Module):
    """A convolutional network of images.

    Fluxes are taken over the noise of the image and compressed by arcsinh, so that vectors do not depend on their unit;
    all bands share one scale, so that colours are kept. Images may have any number of pixels from 16 x 16 on. While it
    is trained, each is turned by a multiple of 90 degrees and mirrored at random: the sky has no preferred direction.

    Parameters
    ----------
    config : `ImageTowerConfig` or sequence of str
        Or the names of the bands alone.

    Attributes
    ----------
    size : int
        Numbers in the vector.

    Raises
    ------
    TypeError, ValueError
        Bands are not named, or sizes are not positive.

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.align import ImageTower
    >>> tower = ImageTower(("g", "r", "z"))
    >>> tower(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 128])
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        if not isinstance(config, ImageTowerConfig):
            if isinstance(config, str) or not all(isinstance(band, str) for band in config):
                msg = f"bands must be names, in the order of the images, such as ('g', 'r', 'z'); got {config!r}"
                raise TypeError(msg)
            config = ImageTowerConfig(bands=tuple(config))
        if not config.bands or len(set(config.bands)) < len(config.bands) or min(config.width, config.blocks) < 1:
            msg = f"bands must be different names, at least one, and sizes positive; got {config}"
            raise ValueError(msg)
        self.config, self.size = config, config.size
        widths = [config.width * 2**k for k in range(config.blocks + 1)]
        self.first = nn.Conv2d(2 * len(config.bands), widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(1, low), nn.GELU(), nn.Conv2d(low, high, 3, stride=2, padding=1),
                nn.GroupNorm(1, high), nn.GELU(), nn.Conv2d(high, high, 3, padding=1),
            )
            for low, high in pairwise(widths)
        )  # fmt: skip
        self.out = nn.Linear(2 * widths[-1] + len(config.bands), config.size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Vectors of images.

        Parameters
        ----------
        images : tensor, shape (B, bands, H, W)
            In any unit, one for all bands.

        Returns
        -------
        tensor, shape (B, size)

        Raises
        ------
        ValueError
            They have another number of bands, or fewer than 16 pixels.
        """
        if images.ndim != 4 or images.shape[1] != len(self.config.bands) or min(images.shape[2:]) < 16:
            msg = (
                f"images must have the shape (n, {len(self.config.bands)}, height, width), bands "
                f"{', '.join(self.config.bands)} in this order, 16 pixels or more; got {tuple(images.shape)}"
            )
            raise ValueError(msg)
        images = _turn(images.float()) if self.training else images.float()
        flat = images.flatten(2)
        middle = flat.median(2, keepdim=True).values
        noise = (flat - middle).abs().median(2, keepdim=True).values / MAD  # (B, C, 1)
        scale = noise.mean(1, keepdim=True)
        scale = torch.where(scale > 0, scale, flat.abs().amax((1, 2), keepdim=True).clamp_min(1e-30))[..., None]
        over = images / scale
        own = images / torch.where(noise > 0, noise, scale[..., 0])[..., None]
        x = self.first(torch.cat([torch.asinh(over / BEND), torch.asinh(own / BEND)], 1))
        for block in self.blocks:
            shortcut = F.avg_pool2d(x, 2, ceil_mode=True)
            x = block(x)
            x = x + F.pad(shortcut, (0, 0, 0, 0, 0, x.shape[1] - shortcut.shape[1]))
        h, w = over.shape[2:]
        inner = over[:, :, h // 4 : h - h // 4, w // 4 : w - w // 4].sum((2, 3))  # light of the middle, by band
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3)), torch.asinh(inner / (h * w) ** 0.5)], 1)
        return self.out(pooled)


def _turn(images):
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
