# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Registry of sets of weights, their files, and networks made from them."""

from astro_spectok.weights.format import read_metadata, read_weights, write_weights
from astro_spectok.weights.loading import LoadedWeights, clear_loaded_weights, load_network, load_weights, write_network
from astro_spectok.weights.registry import (
    REGISTRY,
    WeightsEntry,
    describe_weights,
    get_entry,
    list_weights,
    register_weights,
)
from astro_spectok.weights.store import find_weights

# what else is imported here is for other rooms
__all__ = [
    "WeightsEntry",
    "list_weights",
    "load_network",
    "load_weights",
    "register_weights",
    "write_network",
]
