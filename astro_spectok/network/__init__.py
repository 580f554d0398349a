# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The network in plain PyTorch: tensors in, tensors out."""

from astro_spectok.network.config import CONFIGS, NetworkConfig, get_config
from astro_spectok.network.head_inputs import HeadInputs
from astro_spectok.network.model import SpectralNetwork, build_network
from astro_spectok.network.patch_grid import PatchGrid, arrange_patches, patch_positions
from astro_spectok.network.patches import PatchBatch, build_patches
from astro_spectok.network.precision import compute_in
from astro_spectok.utils.axis import Axis

# what else is imported here is for other rooms
__all__ = ["NetworkConfig", "get_config"]
