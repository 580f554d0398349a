# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Vectors that tell objects apart from those like them: principal components of a Gaussian kernel."""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LocalFeatures"]


class LocalFeatures(nn.Module):
    """Where a vector lies among landmarks, as a vector whose cosine falls off with the distance as a Gaussian does.

    A cosine of two vectors says how alike they are on the whole: all stars of one temperature are alike. That of their
    features is near exp(-(1 - cosine) / reach^2): it tells neighbours apart as finely as before, and all that is far as
    equally far, so that more directions are used. These are the first principal components of the kernel (Schölkopf et
    al. 1998, Neural Computation 10, 1299), from its values at landmarks (Williams & Seeger 2001, NIPS 13, 682).

    Parameters
    ----------
    n_landmarks : int
        L.
    n_in, n_out : int
        Numbers of a vector, K, and of its features.
    reach : float

    Attributes
    ----------
    landmarks : tensor, shape (L, K)
        In the space that `project` maps to unit vectors.
    map : tensor, shape (L, n_out)
        Values of the kernel to features.
    """

    def __init__(self, n_landmarks, n_in, n_out, reach):
        super().__init__()
        self.reach = reach
        self.register_buffer("landmarks", torch.zeros(n_landmarks, n_in, dtype=torch.float32, device="cpu"))
        self.register_buffer("map", torch.zeros(n_landmarks, n_out, dtype=torch.float32, device="cpu"))

    def forward(self, vectors, project):
        """
        Parameters
        ----------
        vectors : tensor, shape (B, K)
            Already projected; those of which nothing is known are zero, and stay it.
        project : callable
            Landmarks (L, K) as they are stored to the space of ``vectors``.

        Returns
        -------
        tensor, shape (B, n_out)
        """
        known = torch.linalg.vector_norm(vectors, dim=1, keepdim=True) > 0
        return self.compare(vectors, project(self.landmarks)) @ self.map * known

    def compare(self, vectors, others):
        """Kernel of vectors (B, K) with others (L, K): (B, L), 1 where their directions are the same."""
        return torch.exp((F.normalize(vectors, dim=1) @ F.normalize(others, dim=1).T - 1) / self.reach**2)
