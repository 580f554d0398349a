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
#: widths in pixels (standard deviations) of the Gaussians that weigh the light of the middle; width of what reads it
APERTURES, READ = (1.0, 2.0, 4.0, 8.0), 128


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
    """A convolutional network for images, together with a perceptron that reads aperture fluxes in each band.

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
        bands, apertures = len(config.bands), len(APERTURES)
        n = bands * apertures + (bands - 1) * apertures + bands * (apertures - 1)
        self.bend = nn.Parameter(torch.zeros(len(config.bands)))
        self.read = nn.Sequential(nn.Linear(n, READ), nn.GELU(), nn.Linear(READ, READ), nn.GELU())
        self.norm = nn.LayerNorm(2 * widths[-1])
        self.out = nn.Linear(2 * widths[-1] + READ, config.size)

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
        noise = _find_noise(images)  # (B, C, 1, 1)
        scale = noise.mean(1, keepdim=True)
        scale = torch.where(scale > 0, scale, images.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-30))
        over = images / scale
        own = images / torch.where(noise > 0, noise, scale)
        x = self.first(torch.cat([torch.asinh(over / BEND), torch.asinh(own / BEND)], 1))
        for block in self.blocks:
            shortcut = F.avg_pool2d(x, 2, ceil_mode=True)
            x = block(x)
            x = x + F.pad(shortcut, (0, 0, 0, 0, 0, x.shape[1] - shortcut.shape[1]))
        # one scale for all bands: the noise of each is known to some per cent, colours should be kept to less
        light = torch.asinh(_weigh_middle(over * self.bend.exp()[:, None, None]))  # (B, C, K)
        parts = [light / BEND, light.diff(dim=1), light.diff(dim=2)]  # brightness, colours, and how compact it is
        read = self.read(torch.cat([part.flatten(1) for part in parts], 1))
        return self.out(torch.cat([self.norm(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)), read], 1))


def _find_noise(images):
    """Standard deviation (B, C, 1, 1) of the noise, of pixels less their neighbours: hardly that of extended light."""
    step = (images[..., 1:] - images[..., :-1]).flatten(2)
    return (step.abs().median(2, keepdim=True).values / (MAD * 2**0.5))[..., None]


def _weigh_middle(images):
    """Light of the middle (B, C, K), weighed by Gaussians, whose noise is as large as that of a pixel."""
    h, w = images.shape[2:]
    y, x = (torch.arange(n, dtype=torch.float32, device=images.device) - (n - 1) / 2 for n in (h, w))
    square = y[:, None] ** 2 + x**2
    weights = torch.stack([torch.exp(-0.5 * square / size**2) for size in APERTURES])
    weights = weights / weights.square().sum((1, 2), keepdim=True).sqrt()
    return torch.einsum("bchw,khw->bck", images, weights)


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
