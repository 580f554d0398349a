# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`TimmTower`: any image network of the package timm, by its name, as a tower."""

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.align.image_tower import check_bands, check_images, compress_images, turn_images
from astro_spectok.utils.settings import Settings

__all__ = ["TimmTower", "TimmTowerConfig"]

#: names that an unknown one is compared with at most
NEAREST = 3


@dataclass(frozen=True)
class TimmTowerConfig(Settings):
    """What describes a `TimmTower`.

    Attributes
    ----------
    network : str
        Name of the network in timm.
    bands : tuple of str
        Names of the bands, in the order in which images hold them.
    size : int
        Numbers in the vector.

    Examples
    --------
    >>> from astro_spectok.align.timm_tower import TimmTowerConfig
    >>> TimmTowerConfig("resnet18", ("g", "r")).size
    128
    """

    network: str = "resnet18"
    bands: tuple[str, ...] = ("g", "r", "z")
    size: int = 128


class TimmTower(nn.Module):
    """Vectors of images by a network of timm (Wightman 2019), which must be installed.

    Fluxes are taken over the noise of the image and compressed by arcsinh, as by `ImageTower`, twice: over the mean
    noise of the bands, which keeps colours, and over that of each. While it is trained, images are turned and mirrored
    at random. Networks that ask for images of one size get them interpolated to it.

    Parameters
    ----------
    network : str
        Name of the network, such as ``"resnet18"`` or ``"vit_tiny_patch16_224"``; ``timm.list_models()`` has them all.
    bands : sequence of str
        Names of the bands, in the order of the images.
    size : int, optional
        Numbers in the vector.
    pretrained : bool, optional
        Begin with the weights that timm downloads; with random ones if not.

    Attributes
    ----------
    config : `TimmTowerConfig`
    size : int

    Raises
    ------
    ImportError
        timm is not installed.
    TypeError, ValueError
        timm knows no network of that name, bands are not named, or the size is not positive.

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.align import TimmTower
    >>> try:
    ...     vectors = TimmTower("resnet18", ("g", "r", "z"))(torch.rand(2, 3, 32, 32))
    ... except ImportError:
    ...     vectors = torch.zeros(2, 128)  # timm is not installed here
    >>> vectors.shape
    torch.Size([2, 128])
    """

    def __init__(self, network: str, bands: Any, *, size: int = 128, pretrained: bool = False) -> None:
        super().__init__()
        bands = check_bands(bands)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            msg = f"size must be a positive integer; got {size!r}"
            raise ValueError(msg)
        timm = _import_timm()
        known = timm.list_models()
        if network not in known:
            near = ", ".join(difflib.get_close_matches(str(network), known, NEAREST, 0.4))
            msg = f"network must be a name that timm.list_models() has; got {network!r}" + (near and f"; near: {near}")
            raise ValueError(msg)
        self.config, self.size = TimmTowerConfig(network, bands, size), size
        self.network = timm.create_model(network, pretrained=pretrained, in_chans=2 * len(bands), num_classes=size)
        about = getattr(self.network, "default_cfg", None) or {}
        self._shape = tuple(about["input_size"][-2:]) if about.get("fixed_input_size") else None

    def forward(self, samples: Any) -> torch.Tensor:
        """Vectors of images.

        Parameters
        ----------
        samples : tensor, shape (B, bands, H, W), or tuple
            Images in any unit, one for all bands; or these first, and what else is known of them, which is not used.

        Returns
        -------
        tensor, shape (B, size)

        Raises
        ------
        ValueError
            They have another number of bands, or fewer than 16 pixels.
        """
        images = samples[0] if isinstance(samples, tuple) else samples
        check_images(images, self.config.bands)
        x = compress_images(turn_images(images.float()) if self.training else images.float())
        if self._shape is not None and x.shape[2:] != self._shape:
            x = F.interpolate(x, self._shape, mode="bilinear", align_corners=False)
        return self.network(x)


def _import_timm():
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        msg = (
            "TimmTower needs timm: pip install 'astro_spectok[timm]', with the torchvision of your PyTorch; importing "
            f"it says: {error}"
        )
        raise ImportError(msg) from error
