# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated surveys: objects of every kind through instruments of every kind, with labels."""

from astro_spectok.simulate.objects import (
    CLASSES,
    GALAXY_LABELS,
    STELLAR_LABELS,
    STELLAR_TYPES,
    SUPERNOVA_LABELS,
    Objects,
    RestGrid,
)
from astro_spectok.simulate.randomness import Randomness
from astro_spectok.simulate.survey import FAMILIES, SimulatedGroup, Survey

__all__ = [
    "CLASSES",
    "FAMILIES",
    "GALAXY_LABELS",
    "STELLAR_LABELS",
    "STELLAR_TYPES",
    "SUPERNOVA_LABELS",
    "Objects",
    "Randomness",
    "RestGrid",
    "SimulatedGroup",
    "Survey",
]
