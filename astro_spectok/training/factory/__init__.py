# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights from the data from beginning to end: recipes, their stages, and the command that carries them out."""

from astro_spectok.training.factory.recipe import Recipe, list_recipes, read_recipe
from astro_spectok.training.factory.run import build_weights

__all__ = ["Recipe", "build_weights", "list_recipes", "read_recipe"]
