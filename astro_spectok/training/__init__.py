# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pretraining: a corpus of spectra, random views of them, the objective and a resumable loop."""

from astro_spectok.training.config import TrainingConfig

__all__ = ["TrainingConfig"]
