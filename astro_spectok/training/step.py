# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One training step as a module: all parts of the objective in a single forward pass."""

from torch import nn

from astro_spectok.training.objective import alignment_loss, label_loss, reconstruction_loss, redshift_loss

__all__ = ["TrainingStep"]


class TrainingStep(nn.Module):
    """The network with its objective.

    A module of its own, so that what wraps modules (PyTorch's distributed training) sees one forward pass.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    config : `TrainingConfig`
    """

    def __init__(self, network, config):
        super().__init__()
        self.network, self.config = network, config

    def forward(self, batch):
        """Loss of a batch and its figures.

        Parameters
        ----------
        batch : `TrainingBatch`

        Returns
        -------
        loss : 0-d tensor
        figures : dict of str to (tensor, tensor)
            For each column of the log the sum over the batch and the number of terms.
        """
        network, config = self.network, self.config
        patches, geometry = batch.patches, batch.patches.grid.geometry
        tokens = network.encode(patches)
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
        figures = {
            "loss": ((pixels * shown).sum(), shown.sum()),
            "loss_hidden": ((pixels * batch.hide).sum(), batch.hide.sum()),
            "deviation": ((deviation * shown).sum(), shown.sum()),
            "alignment": (aligned.sum(), both.sum()),
            "nearest": (nearest.sum(), both.sum()),
        }
        if network.redshift_head is not None:
            scores = network.redshift_scores(patches, tokens)
            redshift, scored, right, right_class = redshift_loss(
                scores, network.redshift_head, batch.cls, batch.ln_one_plus_z, batch.measurable,
                config.redshift_sigma, floor=config.redshift_floor,
            )  # fmt: skip
            loss = loss + config.redshift_weight * redshift.mean()
            figures |= {
                "redshift": ((redshift * scored).sum(), scored.sum()),
                "right": (right.sum(), scored.sum()),
                "right_class": (right_class.sum(), scored.sum()),
            }
        if network.label_head is not None:
            means, log_sigmas = network.measure_labels(tokens, patches.mask, geometry)
            labels, known = label_loss(means, log_sigmas, batch.labels, network.label_head.spread)
            loss = loss + config.label_weight * labels.sum() / known.sum().clamp_min(1)
            figures["labels"] = (labels.sum(), known.sum())
        figures = {key: (total.detach(), number) for key, (total, number) in figures.items()}
        return loss, figures
