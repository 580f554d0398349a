# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra beside other views of the same objects: photometry, images, anything with a tower of its own."""

import importlib
from typing import TYPE_CHECKING

from astro_spectok.align.embed_photometry import embed_photometry
from astro_spectok.align.filters import BANDS, Filter, find_filter, list_filters
from astro_spectok.align.flags import PhotometryFlag
from astro_spectok.align.photometric_redshift import PhotometricRedshift

if TYPE_CHECKING:
    from astro_spectok.align.aligner import ContrastiveAligner
    from astro_spectok.align.image_tower import ImageTower
    from astro_spectok.align.image_training import align_images
    from astro_spectok.align.timm_tower import TimmTower

__all__ = [
    "BANDS",
    "ContrastiveAligner",
    "Filter",
    "ImageTower",
    "PhotometricRedshift",
    "PhotometryFlag",
    "TimmTower",
    "align_images",
    "embed_photometry",
    "find_filter",
    "list_filters",
]

#: where what needs PyTorch at once is imported from once it is asked for
_LATE = {
    "ContrastiveAligner": "aligner",
    "ImageTower": "image_tower",
    "TimmTower": "timm_tower",
    "align_images": "image_training",
}


def __getattr__(name):
    if name in _LATE:
        return getattr(importlib.import_module(f"astro_spectok.align.{_LATE[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__():
    return sorted({*globals(), *_LATE})
