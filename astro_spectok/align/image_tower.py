# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ImageTower`: vectors of images in named bands, from photometry and shapes measured on them, and from pixels."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.align.filters import find_filter
from astro_spectok.align.light import LIGHT, measure_light
from astro_spectok.align.pixels import check_bands, check_images, compress_images, have_bands, turn_images
from astro_spectok.heads.photometry_tower import Photometry, PhotometryTower
from astro_spectok.utils.settings import Settings

__all__ = ["ImageTower", "ImageTowerConfig"]

#: flux of an object over the noise of a pixel at which its compression bends, and what is then divided by
BRIGHT, BEND = 10.0, 3.0
#: which of `LIGHT` are taken as logarithms; what is subtracted from each, and what it is divided by
MIDDLES = (1.3, 0.4, 0.5, -2.3, -2.3, -2.3, 4.0, 0.0, 1.4)
SPREADS = (0.7, 0.4, 0.3, 1.2, 1.2, 1.0, 1.2, 0.2, 0.15)
LOGARITHMS = (False, False, False, True, True, True, True, True, False)


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
        Each halves the image; 0 for a tower that looks at photometry and shapes alone.
    size : int
        Numbers in the vector.
    hidden : int
        Of the perceptron that reads photometry and shapes.
    filters : tuple of str
        Names for `~astro_spectok.align.find_filter` of the bands, in their order; none where the photometry is not read
        by a transformer on filters.
    photometry : tuple of int
        Width, heads, blocks, ratio and hidden numbers of this transformer.

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
    hidden: int = 128
    filters: tuple[str, ...] = ()
    photometry: tuple[int, ...] = (48, 4, 2, 2, 80)


class ImageTower(nn.Module):
    """Vectors of images: photometry and shapes that are measured on them, and a small convolutional network.

    ``measure_light`` fits one profile to all bands, which gives fluxes and a shape. A
    perceptron reads these, a convolutional network the pixels, and what they say is added. A tower that `begin_with`
    makes starts as the packaged head for photometry, with which the others begin at nothing.

    Fluxes are taken over the noise of the image and compressed by arcsinh, so that vectors do not depend on their unit;
    all bands share one scale, so that colours are kept. Images may have any number of pixels from 16 x 16 on, of the
    scale that those of training had. While it is trained, each is turned by a multiple of 90 degrees and mirrored at
    random: the sky has no preferred direction.

    Parameters
    ----------
    config : `ImageTowerConfig` or sequence of str
        Or the names of the bands alone.

    Attributes
    ----------
    size : int
        Numbers in the vector.
    is_projected : bool
        Whether its vectors are those that are compared with spectra, which `ContrastiveAligner` then does not project.
    begins : dict of str to tensor, or None
        Parameters that the side of the spectra begins with.

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
            config = ImageTowerConfig(bands=check_bands(config))
        _check_config(config)
        self.config, self.size, self.is_projected = config, config.size, bool(config.filters)
        self.begins: dict[str, torch.Tensor] | None = None
        n = len(config.bands)
        joined = 3 * n - 1 + len(LIGHT)
        if config.filters:
            width, heads, blocks, ratio, hidden = config.photometry
            self.photometry = PhotometryTower(width, heads, blocks, ratio, hidden=hidden)
            self.vector = nn.Linear(hidden, config.size)
            joined += hidden
            found = [find_filter(name) for name in config.filters]
            places = torch.tensor([[one.effective, one.width] for one in found], dtype=torch.float64).log().float()
            self.register_buffer("places", places, persistent=False)  # (C, 2)
        last = nn.Linear(config.hidden, config.size)
        self.read = nn.Sequential(
            nn.Linear(joined, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.hidden), nn.GELU(), last
        )
        if config.filters:
            _silence(last)
        if config.blocks:
            widths = [config.width * 2**k for k in range(config.blocks + 1)]
            self.first = nn.Conv2d(2 * n, widths[0], 3, padding=1)
            self.blocks = nn.ModuleList(_make_block(low, high) for low, high in pairwise(widths))
            self.see = nn.Sequential(nn.LayerNorm(2 * widths[-1]), _silence(nn.Linear(2 * widths[-1], config.size)))

    @classmethod
    def begin_with(cls, head: Any, bands: Any, filters: Any, *, width: int = 16, blocks: int = 3) -> Self:
        """A tower that starts as a head for photometry does.

        Parameters
        ----------
        head : ``PhotometryHead``
        bands, filters : sequence of str
            Names of the bands, and of their filters.
        width, blocks : int, optional
            As of `ImageTowerConfig`.

        Returns
        -------
        ImageTower
        """
        known = head.config
        sizes = (known.width, known.heads, known.blocks, known.ratio, known.hidden)
        config = ImageTowerConfig(
            tuple(bands), width, blocks, size=known.size, filters=tuple(filters), photometry=sizes
        )
        tower = cls(config)
        tower.photometry.load_state_dict(head.tower.state_dict())
        tower.vector.load_state_dict(head.vector.state_dict())
        tower.begins = {name: tensor.clone() for name, tensor in head.spectrum.state_dict().items()}
        return tower

    def prepare(self, images: torch.Tensor) -> Any:
        """Images beside what is measured on them, so that it is done once and not in each step.

        Parameters
        ----------
        images : tensor, shape (n, bands, H, W)

        Returns
        -------
        tuple of two tensors, or tensor
            NaN where an image is not finite; the images alone where they have another form, which `forward` refuses.
        """
        n = len(self.config.bands)
        if not have_bands(images, self.config.bands):
            return images
        fine = torch.isfinite(images).flatten(1).all(1)
        light = torch.full((len(images), 2 * n + len(LIGHT)), torch.nan)
        light[fine] = measure_light(images[fine])
        return images, light

    def forward(self, samples: Any) -> torch.Tensor:
        """Vectors of images.

        Parameters
        ----------
        samples : tensor, shape (B, bands, H, W), or tuple of two tensors
            Images in any unit, one for all bands (that of a flux per unit frequency, where there are filters); or these
            and what ``measure_light`` gives of them, which saves the time of a fit.

        Returns
        -------
        tensor, shape (B, size)

        Raises
        ------
        ValueError
            They have another number of bands, or fewer than 16 pixels.
        """
        images, light = samples if isinstance(samples, tuple) else (samples, None)
        n = len(self.config.bands)
        check_images(images, self.config.bands)
        light = measure_light(images).clone() if light is None else light
        if light.shape != (len(images), 2 * n + len(LIGHT)):
            msg = f"light must be what measure_light gives of the same images; got the shape {tuple(light.shape)}"
            raise ValueError(msg)
        out = self._read_light(light)
        return out + self._see(images.float()) if self.config.blocks else out

    def _read_light(self, light):
        """Vectors (B, size) of photometry and shapes."""
        n = len(self.config.bands)
        flux, error, shapes = light.split((n, n, len(LIGHT)), 1)
        logarithm = torch.tensor(LOGARITHMS, device=light.device)
        shapes = torch.where(logarithm, shapes.clamp_min(1e-4).log(), shapes)
        shapes = (shapes - shapes.new_tensor(MIDDLES)) / shapes.new_tensor(SPREADS)
        level = torch.asinh(flux / BRIGHT)
        parts = [level / BEND, level.diff(dim=1), torch.asinh(flux / error) / 4, shapes.clamp(-5, 5)]
        if not self.config.filters:
            return self.read(torch.cat(parts, 1))
        places = self.places.expand(len(flux), n, 2)
        known = torch.ones_like(flux, dtype=torch.bool)
        hidden = self.photometry(Photometry(flux, error, places[..., 0], places[..., 1], known))
        return self.vector(hidden) + self.read(torch.cat([*parts, hidden], 1))

    def _see(self, images):
        """Vectors (B, size) of pixels."""
        x = self.first(compress_images(turn_images(images) if self.training else images))
        for block in self.blocks:
            shortcut = F.avg_pool2d(x, 2, ceil_mode=True)
            x = block(x)
            x = x + F.pad(shortcut, (0, 0, 0, 0, 0, x.shape[1] - shortcut.shape[1]))
        return self.see(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


def _check_config(config):
    least = min(config.width, config.size, config.hidden, *config.photometry)
    if not config.bands or len(set(config.bands)) < len(config.bands) or least < 1 or config.blocks < 0:
        msg = f"bands must be different names, at least one, and sizes positive; got {config}"
        raise ValueError(msg)
    if config.filters and len(config.filters) != len(config.bands):
        msg = f"filters must be one for each of the bands {', '.join(config.bands)}; got {', '.join(config.filters)}"
        raise ValueError(msg)


def _silence(layer):
    """A layer that gives nothing until it has learned."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _make_block(low, high):
    """Two convolutions, the first of which halves the image."""
    return nn.Sequential(
        nn.GroupNorm(1, low), nn.GELU(), nn.Conv2d(low, high, 3, stride=2, padding=1),
        nn.GroupNorm(1, high), nn.GELU(), nn.Conv2d(high, high, 3, padding=1),
    )  # fmt: skip
