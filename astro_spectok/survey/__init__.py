# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whole surveys: streams of spectra from files to datasets, in parallel, that a kill does not lose."""

from astro_spectok.survey.frames import measure_partition
from astro_spectok.survey.results import Survey
from astro_spectok.survey.run import run

__all__ = ["Survey", "measure_partition", "run"]
