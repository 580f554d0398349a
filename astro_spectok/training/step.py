# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One training step as a module: all parts of the objective in a single forward pass."""

import contextlib

import torch
from torch import nn

from astro_spectok.network import compute_in
from astro_spectok.training.freezing import ENCODER, is_trained
from astro_spectok.training.objective import (
    alignment_loss,
    label_loss,
    reconstruction_loss,
    redshift_loss,
    type_loss,
)
from astro_spectok.training.stellar import stellar_loss

__all__ = ["TrainingStep"]


class TrainingStep(nn.Module):
    """The network with its objective.

    A module of its own, so that what wraps modules (PyTorch's distributed training) sees one forward pass.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    config : `TrainingConfig`
    dtype : `torch.dtype`, optional
        Lower precision of the matrix products, as of `~astro_spectok.engine.choose_dtype`; float32 if not given.
    """

    def __init__(self, network, config, dtype=None):
        super().__init__()
        self.network, self.config, self.dtype = network, config, dtype

    def forward(self, batch):
        """Loss of a batch and its figures.

        Parts of the objective that no trained parameter takes part in are left out, and so are gradients of the encoder
        where it is frozen.

        Parameters
        ----------
        batch : `TrainingBatch`

        Returns
        -------
        loss : 0-d tensor
        figures : dict of str to (tensor, tensor)
            For each column of the log that was computed, the sum over the batch and the number of terms.
        """
        with compute_in(self.dtype):
            return self._measure(batch)

    def _measure(self, batch):
        """What `forward` does, in the precision at hand."""
        network, patches = self.network, batch.patches
        encoder = is_trained(network, *ENCODER)
        # what is frozen as a whole learns nothing from its part of the objective
        with contextlib.nullcontext() if encoder else torch.no_grad():
            tokens = network.encode(patches)
        loss, figures = tokens.new_zeros(()), {}
        for names, measure in (
            (("pooling", "decoder"), self._reconstruct),
            (("redshift_head",), self._measure_redshifts),
            (("label_head",), self._measure_labels),
            (("type_head",), self._measure_types),
            (("stellar_head",), self._measure_stellar),
        ):
            there = all(getattr(network, name) is not None for name in names)
            if there and (encoder or is_trained(network, *names)):
                part, more = measure(batch, tokens)
                loss, figures = loss + part, figures | more
        return loss, {key: (total.detach(), number) for key, (total, number) in figures.items()}

    def _reconstruct(self, batch, tokens):
        """Wanted pixels from the tokens, and both views of an object in one place."""
        network, config, patches = self.network, self.config, batch.patches
        geometry = patches.grid.geometry
        embedding = network.embed(tokens, patches.mask, geometry)
        mean, log_sigma = network.decode(
            tokens, patches.mask, geometry, batch.grid, batch.resolution, embedding, batch.hide
        )
        pixels, deviation = reconstruction_loss(
            mean, log_sigma, batch.flux, batch.variance, variance_weight=config.variance_weight, huber=config.huber
        )
        both = batch.aligned & batch.aligned.roll(len(batch.aligned) // 2)
        aligned, nearest = alignment_loss(embedding, batch.aligned, config.temperature)
        shown = ~batch.hide
        loss = config.reconstruction_weight * pixels.mean()
        loss = loss + config.alignment_weight * aligned.sum() / both.sum().clamp_min(1)
        return loss, {
            "loss": ((pixels * shown).sum(), shown.sum()),
            "loss_hidden": ((pixels * batch.hide).sum(), batch.hide.sum()),
            "deviation": ((deviation * shown).sum(), shown.sum()),
            "alignment": (aligned.sum(), both.sum()),
            "nearest": (nearest.sum(), both.sum()),
        }

    def _measure_redshifts(self, batch, tokens):
        """The joint posterior over class and redshift."""
        network, config = self.network, self.config
        redshift, scored, right, right_class = redshift_loss(
            network.redshift_scores(batch.patches, tokens), network.redshift_head, batch.cls, batch.ln_one_plus_z,
            batch.measurable, config.redshift_sigma, floor=config.redshift_floor,
        )  # fmt: skip
        return config.redshift_weight * redshift.mean(), {
            "redshift": ((redshift * scored).sum(), scored.sum()),
            "right": (right.sum(), scored.sum()),
            "right_class": (right_class.sum(), scored.sum()),
        }

    def _measure_labels(self, batch, tokens):
        """Stellar and galactic labels."""
        patches = batch.patches
        mean, log_sigma = self.network.measure_labels(tokens, patches.mask, patches.grid.geometry)
        labels, known = label_loss(mean, log_sigma, batch.labels, self.network.label_head.spread)
        loss = self.config.label_weight * labels.sum() / known.sum().clamp_min(1)
        return loss, {"labels": (labels.sum(), known.sum())}

    def _measure_types(self, batch, tokens):
        """Coarse types of stars."""
        patches = batch.patches
        scores = self.network.measure_types(tokens, patches.mask, patches.grid.geometry, patches)
        types, known, right = type_loss(scores, batch.stellar_type)
        loss = self.config.type_weight * types.sum() / known.sum().clamp_min(1)
        return loss, {"types": (types.sum(), known.sum()), "right_type": (right.sum(), known.sum())}

    def _measure_stellar(self, batch, tokens):
        """Labels of stars with their covariance, at nearly the velocity they have."""
        patches, head = batch.patches, self.network.stellar_head
        if not torch.isfinite(batch.stellar_labels).any():  # of no use, but every parameter must have a gradient
            return 0.0 * sum(p.sum() for p in head.parameters()), {}
        mean, tril = self.network.measure_stellar(
            tokens, patches.mask, patches.grid.geometry, batch.ln_doppler, patches if batch.pixels else None
        )
        stellar, known = stellar_loss(mean, tril, batch.stellar_labels, head.spread)
        known = known > 0
        loss = self.config.stellar_weight * stellar.sum() / known.sum()
        return loss, {"stellar": (stellar.sum(), known.sum())}
