# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Seeded random numbers for the simulator: bulk ones on the device, choices on the host."""

import numpy as np
import torch

__all__ = ["Randomness", "choose"]


class Randomness:
    """Random numbers that are a function of ``seed`` alone.

    Parameters
    ----------
    seed : int or sequence of int
        As `numpy.random.default_rng` takes it.
    device : str or `torch.device`
        Where the bulk numbers are made; sequences differ between kinds of device.

    Attributes
    ----------
    host : `numpy.random.Generator`
        For choices that are made one by one.
    generator : `torch.Generator`
        For arrays, on ``device``.

    Examples
    --------
    >>> from astro_spectok.simulate import Randomness
    >>> one, other = Randomness(seed=[3, 1]), Randomness(seed=[3, 1])
    >>> bool((one.normal(0.0, 1.0, 5) == other.normal(0.0, 1.0, 5)).all())
    True
    >>> tuple(one.uniform(2.0, 3.0, 4, 2).shape)
    (4, 2)
    """

    def __init__(self, seed, device="cpu"):
        self.device = torch.device(device)
        self.host = np.random.default_rng(seed)
        self.generator = torch.Generator(self.device)
        self.generator.manual_seed(int(self.host.integers(2**62)))

    def uniform(self, low, high, *shape):
        """Uniform random numbers.

        Parameters
        ----------
        low, high : float or tensor
            The latter is excluded.
        *shape : int

        Returns
        -------
        float32 tensor of that shape
        """
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device, dtype=torch.float32)

    def normal(self, mean, sigma, *shape):
        """Normal random numbers.

        Parameters
        ----------
        mean, sigma : float or tensor
            They broadcast.
        *shape : int

        Returns
        -------
        float32 tensor of that shape
        """
        return mean + sigma * torch.randn(shape, generator=self.generator, device=self.device, dtype=torch.float32)

    def integers(self, stop, *shape):
        """Random integers from 0.

        Parameters
        ----------
        stop : int
            Is excluded.
        *shape : int

        Returns
        -------
        int64 tensor of that shape
        """
        return torch.randint(stop, shape, generator=self.generator, device=self.device)

    def chance(self, probability, *shape):
        """True now and then.

        Parameters
        ----------
        probability : float or tensor
            How often.
        *shape : int

        Returns
        -------
        bool tensor of that shape
        """
        return torch.rand(shape, generator=self.generator, device=self.device, dtype=torch.float32) < probability


def choose(condition, yes, no):
    """One number where a condition holds, another where it does not: float32, whatever the default type of numbers is.

    Parameters
    ----------
    condition : bool tensor
    yes, no : float

    Returns
    -------
    float32 tensor
    """
    yes, no = (torch.full((), x, dtype=torch.float32, device=condition.device) for x in (yes, no))
    return torch.where(condition, yes, no)
