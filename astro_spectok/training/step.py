# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One training step as a module: all parts of the objective in a single forward pass."""

import contextlib

import torch
from torch import nn

from astro_spectok.network import compute_in
from astro_spectok.training.freezing import is_trained
from astro_spectok.training.objective import alignment_loss, reconstruction_loss

__all__ = ["TrainingStep"]


class TrainingStep(nn.Module):
    """The network with its objective: that of encoder, decoder and pooling, and the weighted sum of those of its heads.

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
        """Result of `forward`, in the precision at hand."""
        network, patches = self.network, batch.patches
        encoder = is_trained(network, "encoder")
        # what is frozen as a whole learns nothing from its part of the objective
        with contextlib.nullcontext() if encoder else torch.no_grad():
            tokens = network.encode(patches)
        loss, figures = tokens.new_zeros(()), {}
        if encoder or is_trained(network, "pooling", "decoder"):
            loss, figures = (self._infer if batch.inferred else self._reconstruct)(batch, tokens)
        for name, head in network.heads.items():
            if is_trained(network, name) or (encoder and "tokens" in head.needs):
                part, more = self._read(name, head, batch, tokens)
                # of two heads of a kind, the later has its name before its figures
                more = {key if key not in figures else f"{name}.{key}": x for key, x in more.items()}
                loss, figures = loss + part, figures | more
        return loss, {key: (total.detach(), number) for key, (total, number) in figures.items()}

    def _read(self, name, head, batch, tokens):
        """The objective of a head."""
        targets, patches = batch.targets.get(name, {}), batch.patches
        if batch.inferred or not head.is_taught(batch, targets):  # of no use, but every parameter must have a gradient
            return 0.0 * sum(p.sum() for p in head.parameters() if p.requires_grad), {}
        output = self.network.read(name, tokens, patches.mask, patches.grid.geometry, patches, targets)
        found = head.loss(output, batch, targets)
        weight = self.config.head_weights.get(name, head.loss_weight)
        loss = weight * (found.loss * found.count).sum() / found.count.sum().clamp_min(1)
        return loss, {key: ((x * counts).sum(), counts.sum()) for key, (x, counts) in found.figures.items()}

    def _decode(self, batch, tokens, variance_weight):
        """Loss and squared deviation of wanted pixels, and the embedding that they are decoded with."""
        network, patches = self.network, batch.patches
        geometry = patches.grid.geometry
        embedding = network.embed(tokens, patches.mask, geometry)
        mean, log_sigma = network.decode(
            tokens, patches.mask, geometry, batch.grid, batch.resolution, embedding, batch.hide
        )
        huber = self.config.huber
        found = reconstruction_loss(
            mean, log_sigma, batch.flux, batch.variance, variance_weight=variance_weight, huber=huber
        )
        return *found, embedding

    def _infer(self, batch, tokens):
        """Hidden pixels by the plain likelihood: lines of a few per cent count as much as what is far off anyway."""
        pixels, *_ = self._decode(batch, tokens, 0.0)
        figures = {"inferred": (pixels.sum(), torch.ones_like(pixels).sum())}
        return self.config.inferred_weight * pixels.mean(), figures

    def _reconstruct(self, batch, tokens):
        """Wanted pixels from the tokens, and both views of an object in one place."""
        config = self.config
        pixels, deviation, embedding = self._decode(batch, tokens, config.variance_weight)
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
