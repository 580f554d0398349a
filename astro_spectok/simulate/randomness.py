# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Seeded random numbers for the simulator: bulk ones on the device, choices on the host."""

import numpy as np
import torch

__all__ = ["Randomness"]


class Randomness:
    """Random numbers that are a function of ``seed`` alone.

    Parameters
    ----------
    seed : int or sequence of int
    device : str or `torch.device`
        Where the bulk numbers are made; sequences differ between kinds of device.

    Attributes
    ----------
    host : `numpy.random.Generator`
        For choices that are made one by one.
    generator : `torch.Generator`
        For arrays, on ``device``.
    """

    def __init__(self, seed, device="cpu"):
        self.device = torch.device(device)
        self.host = np.random.default_rng(seed)
        self.generator = torch.Generator(self.device)
        self.generator.manual_seed(int(self.host.integers(2**62)))

    def uniform(self, low, high, *shape):
        """Uniform in [low, high), float32 of ``shape``."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, mean, sigma, *shape):
        """Normal, float32 of ``shape``; ``mean`` and ``sigma`` broadcast."""
        return mean + sigma * torch.randn(shape, generator=self.generator, device=self.device)

    def integers(self, stop, *shape):
        """Integers in [0, stop), int64 of ``shape``."""
        return torch.randint(stop, shape, generator=self.generator, device=self.device)

    def chance(self, probability, *shape):
        """True with ``probability``, bool of ``shape``."""
        return torch.rand(shape, generator=self.generator, device=self.device) < probability
