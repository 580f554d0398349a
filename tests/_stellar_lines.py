# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A family of made-up stars with five lines, for tests of what reads stellar labels."""

import math
from dataclasses import replace

import torch

from astro_spectok.heads import STELLAR_LABELS, StellarConfig, StellarHead
from astro_spectok.network import get_config
from astro_spectok.simulate import Objects, RestGrid

__all__ = ["GRID", "Family", "LabelledFamily", "make_head"]

GRID = RestGrid(math.log(3552.0), 1e-4, round(math.log(7400.0 / 3552.0) / 1e-4))


class Family:
    """Stars whose lines are as deep as their label says, at a scale of their own."""

    def __init__(self, scale=1.0, rotation=0.0):
        self.scale, self.rotation = scale, rotation

    def draw(self, n, random):
        depth = random.uniform(0.2, 0.6, n)
        x = GRID.ln_wavelength()
        lines = torch.zeros(GRID.size)
        for wavelength in (4000.0, 4500.0, 5000.0, 5500.0, 6000.0):
            lines += torch.exp(-0.5 * ((x - math.log(wavelength)) / 3e-4) ** 2).float()
        zero = torch.zeros(n)
        return Objects(
            grid=GRID, flux=self.scale * (1 - depth[:, None] * lines), z=zero.double(), cls=torch.full((n,), 2),
            kind=["G"] * n, template_sigma=torch.full((n,), 2.1e-4), sigma=zero,
            rotation=torch.full((n,), self.rotation / 299792.458), line_ln_wavelength=torch.zeros(n, 0).double(),
            line_flux=torch.zeros(n, 0), line_sigma=torch.zeros(n, 0), measurable=torch.ones(n, dtype=torch.bool),
            labels={"teff": depth},
        )  # fmt: skip


class LabelledFamily(Family):
    """Stars with one label that lines determine, and others that nothing does."""

    def draw(self, n, random):
        objects = super().draw(n, random)
        depth = objects.labels["teff"]
        unknown = torch.full((n,), torch.nan)
        objects.labels = dict.fromkeys((name for name, _, _ in STELLAR_LABELS), unknown)
        objects.labels["teff"] = 3.74 + 0.5 * (depth - 0.4)
        return objects


def make_head(filtered=0):
    """A head with new networks."""
    torch.manual_seed(0)
    return StellarHead(StellarConfig(filtered=filtered), replace(get_config("tiny"), dct_coefficients=16))
