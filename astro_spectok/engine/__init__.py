# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Running networks: device, precision, batches, progress."""

from astro_spectok.engine.batching import plan_batches
from astro_spectok.engine.decoder import TokenDecoder
from astro_spectok.engine.device import choose_device, choose_dtype
from astro_spectok.engine.outputs import EncodedSpectrum, Measured, ShownPixels
from astro_spectok.engine.runner import Runner

# what else is imported here is for other rooms
__all__ = ["Runner"]
