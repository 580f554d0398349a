# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A stand-in for the runner of weights whose redshift head answers as a test wants."""

from types import SimpleNamespace

import torch

__all__ = ["KnownRunner"]


class KnownRunner:
    """What scripts ask of a runner but for its answers; subclasses have ``redshifts`` by class, and may have ``types``.

    ``types`` are the probabilities that its head for types gives to every star; without any it has no such head.
    """

    types = {}  # noqa: RUF012

    def find_head(self, kind):
        return kind if kind == "redshift" or (kind == "spectral_type" and self.types) else None

    @property
    def network(self):
        grids = [torch.from_numpy(z) for z in self.redshifts.values()]
        head = SimpleNamespace(config=SimpleNamespace(classes=tuple(self.redshifts)), redshifts=lambda: grids)
        return SimpleNamespace(heads={"redshift": head})

    def answer(self, log_probability, embedding):
        """What is measured of one spectrum."""
        return SimpleNamespace(heads={"redshift": log_probability, "spectral_type": self.types}, embedding=embedding)
