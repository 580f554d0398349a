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
        Tokens per shard: short spectra come in larger batches.
    max_pixels, min_pixels : int
        Lengths of the spectra drawn.
    alike_fraction : float
        Share of the shards whose simulated objects are of one family: what is alike is hardest to tell apart.
    short_fraction : float
        Share of the shards whose spectra are cut shorter than ``max_pixels``; instruments of few pixels come in all.
    target_pixels : int
        Most pixels that the decoder is asked for, per spectrum.
    learning_rate, warmup, weight_decay, clip_norm : float
        Of AdamW: peak rate, steps of linear warm-up, decay of matrices, largest norm of the gradient, that of the
        redshift head apart from the rest.
    hide_fraction : float
        Share of spectra decoded from their embedding alone.
    variance_weight : float
        Exponent beta of the variance that multiplies each pixel's likelihood (Seitzer et al. 2022,
        arXiv 2203.09168): 0 is the plain likelihood, 1 leaves the mean as in least squares.
    huber : float
        Deviation in sigma beyond which a pixel counts linearly.
    reconstruction_weight, redshift_weight, label_weight, alignment_weight : float
        Of the parts of the objective.
    redshift_sigma : float
        Width in ln(1 + z) of the Gaussian that the posterior is trained towards.
    redshift_floor : float
        Share of the prior mixed into the posterior while training, so that no single spectrum dominates.
    temperature : float
        Of the contrastive alignment.
    template_rate : float
        Learning rate of the rest-frame templates over that of the network.
    stored_fraction : float
        Share of the objects that are stored spectra, without labels; the others are simulated.
    shards : int
        Parts that each step consists of, drawn and normalised one by one; several processes share them.
    seed : int
        Batch ``i`` depends on ``seed`` and ``i`` alone.
    workers : int
        Processes that draw batches; 0 draws them in the loop.
    log_every, checkpoint_every : int
        In steps.
    """

    steps: int = 20000
    batch_tokens: int = 5120
    max_pixels: int = 4640
    min_pixels: int = 512
    alike_fraction: float = 0.3
    short_fraction: float = 0.15
    target_pixels: int = 1024
    learning_rate: float = 7e-4
    warmup: int = 100
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    hide_fraction: float = 0.15
    variance_weight: float = 0.5
    huber: float = 10.0
    reconstruction_weight: float = 1.0
    redshift_weight: float = 1.0
    label_weight: float = 0.2
    alignment_weight: float = 1.0
    redshift_sigma: float = 1.5e-4
    redshift_floor: float = 1e-5
    temperature: float = 0.07
    template_rate: float = 4.0
    stored_fraction: float = 0.12
    shards: int = 1
    seed: int = 20261122
    workers: int = 1
    log_every: int = 50
    checkpoint_every: int = 250

    def to_dict(self):
        """Plain dictionary, ready for JSON."""
        return asdict(self)
