# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of a training run."""

from dataclasses import asdict, dataclass

__all__ = ["TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run; they are written into its checkpoints and into the weights.

    Attributes
    ----------
    steps : int
        Optimiser steps of the whole run; the learning rate follows a cosine down to zero at the last. May be changed
        when a run is resumed: the steps done stay, and the cosine goes on with the new number.
    batch_tokens : int
        Tokens per step: short spectra come in larger batches.
    max_pixels, min_pixels : int
        Lengths of the spectra drawn.
    target_pixels : int
        Most pixels that the decoder is asked for, per spectrum.
    learning_rate, warmup, weight_decay, clip_norm : float
        Of AdamW: peak rate, steps of linear warm-up, decay of matrices, largest gradient norm.
    hide_fraction : float
        Share of spectra decoded from their embedding alone.
    variance_weight : float
        Exponent beta of the variance that multiplies each pixel's likelihood (Seitzer et al. 2022,
        arXiv 2203.09168): 0 is the plain likelihood, 1 leaves the mean as in least squares.
    huber : float
        Deviation in sigma beyond which a pixel counts linearly.
    seed : int
        Batch ``i`` depends on ``seed`` and ``i`` alone.
    workers : int
        Processes that draw batches; 0 draws them in the loop.
    log_every, checkpoint_every : int
        In steps.
    """

    steps: int = 20000
    batch_tokens: int = 3072
    max_pixels: int = 4640
    min_pixels: int = 192
    target_pixels: int = 2048
    learning_rate: float = 1e-3
    warmup: int = 300
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    hide_fraction: float = 0.15
    variance_weight: float = 0.5
    huber: float = 10.0
    seed: int = 20261122
    workers: int = 1
    log_every: int = 50
    checkpoint_every: int = 500

    def to_dict(self):
        """Plain dictionary, ready for JSON."""
        return asdict(self)
