# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The version of the package, where every room can read it."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("astro_spectok")
