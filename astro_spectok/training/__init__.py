# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pretraining: a corpus of spectra, random views of them, the objective and a resumable loop."""

import importlib
from typing import TYPE_CHECKING

from astro_spectok.training.config import TrainingConfig

if TYPE_CHECKING:
    from astro_spectok.training.sequences import pretrain_sequences

__all__ = ["TrainingConfig", "pretrain_sequences"]


def __getattr__(name):
    if name == "pretrain_sequences":  # PyTorch is imported with it
        return importlib.import_module("astro_spectok.training.sequences").pretrain_sequences
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
