# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell command ``spectok``."""

from astro_spectok.cli.command import build_parser, main

__all__ = ["build_parser", "main"]
