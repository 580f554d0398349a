# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The parts of the embedding: lines and colours at rest, the redshift, and what the network has learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from astro_spectok.heads.embedding_config import EmbeddingConfig
from astro_spectok.heads.flux_view import LEAST_WEIGHT, weigh_pixels
from astro_spectok.heads.local_features import LocalFeatures
from astro_spectok.heads.posterior_summary import SCALE
from astro_spectok.heads.protocol import Head
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.spectral_components import SpectralComponents, smooth_boxes, smooth_waves
from astro_spectok.heads.star_vector import StarVector
from astro_spectok.utils.constants import FWHM_PER_SIGMA
from astro_spectok.utils.parts import PARTS

__all__ = ["EmbeddingHead"]

#: continuum, over the mean absolute flux, below which lines are no longer relative to it; limits of the contrast
LEAST_CONTINUUM, CONTRAST = 0.1, (-2.0, 4.0)
#: probability of a redshift beyond which nothing is said of the star that it might be
CERTAIN = 0.99
#: flux over its mean below which colours are no longer logarithms
FAINT = 0.1
#: resolving power that lines are smoothed to, besides their own
RESOLUTION = 1500.0
#: bins without pixels that are a gap, and how near to it lines are not trusted
GAP, NEAR = 10, 14
#: knee of the smooth curves of colours, in half waves over the grid
KNEE = 8.0


@register_head
class EmbeddingHead(Head):
    """The parts of the embedding, each of which can be used alone: vectors of one length that are compared by cosine.

    ``lines`` are principal components of the flux over its own continuum, at rest, and ``colours`` those of its
    logarithm in wide bins, both found under the noise of each spectrum (`SpectralComponents`) and whitened by the
    differences within pairs of observations of one object through two instruments; what lines say is then told by
    which landmarks they are near to (`LocalFeatures`), where there are any. ``redshift`` is the summary of
    the posterior, as long as it is sure of the redshift, and nothing for stars. ``learned`` is the network's own
    vector, without what it says of the redshift, less its mean and whitened. `astro_spectok.training.embedding_parts`
    makes these in closed form. ``stars`` (`StarVector`) is learned from views of one star and counts for what has no
    redshift.

    Parameters
    ----------
    config : `EmbeddingConfig`
    network : `~astro_spectok.network.NetworkConfig`, optional
    """

    kind = "embedding"
    config_class = EmbeddingConfig
    needs = ("patches",)
    given = ("ln_one_plus_z",)
    packed = ("stars.",)

    config: EmbeddingConfig

    def __init__(self, config, network=None):
        super().__init__(config, network)
        (_, _, number), (first, last) = config.coarse
        n_lines = (last - first) * config.joined
        self.lines = SpectralComponents(n_lines, config.line_components, config.line_components)
        self.local = None
        if config.line_landmarks:
            size = config.line_components
            self.local = LocalFeatures(config.line_landmarks, size, config.sizes["lines"], config.line_reach)
        self.stars = None
        if config.star_components:
            n_bins = len(config.star_edges) - 1
            sizes = config.star_components, config.star_hidden, config.star_size
            self.stars = StarVector(n_bins, *sizes, floor=config.star_floor)
        waves = smooth_waves(number, config.n_smooth, config.calibration, KNEE)
        self.colours = SpectralComponents(number, config.colour_components, config.colour_components, waves)
        self.window = 2 * round(config.continuum / config.step) + 1
        sigma = 1 / RESOLUTION / FWHM_PER_SIGMA / config.step
        taps = torch.arange(-4, 5, dtype=torch.float32, device="cpu") / sigma
        self.register_buffer("kernel", torch.exp(-0.5 * taps**2)[None, None], persistent=False)
        self.register_buffer(
            "learned_mean",
            torch.zeros(config.network_size if config.learned_size else 0, dtype=torch.float32, device="cpu"),
        )
        self.register_buffer(
            "learned_map", torch.eye(config.network_size, config.learned_size, dtype=torch.float32, device="cpu")
        )

    @property
    def gives(self):
        """Lines and colours; see `Head.gives`."""
        return {part: "" for part in ("lines", "colours") if part in self.config.sizes}

    def is_taught(self, batch, targets):
        """Never: it is made in closed form; see `Head.is_taught`."""
        return False

    def forward(self, inputs):
        """
        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            With pixels, and ln(1 + z): ``ln_one_plus_z`` of lines and colours, and where the part of stars is wanted
            ``ln_velocity`` with a guess at the velocity, NaN for what has a redshift.

        Returns
        -------
        dict of str to float32 tensor
            ``lines``, ``colours`` and ``stars`` (B, numbers of `EmbeddingConfig.sizes`), at unit length, or lines and
            stars as long as they are known; zero for spectra that do not reach their grid, and ``stars`` for what is
            none.
        """
        pixels = weigh_pixels(inputs.patches)
        lines, colours = self.view(inputs.patches, inputs.given["ln_one_plus_z"], pixels)
        found = {"lines": self.map_lines(lines), "colours": _unit(self.colours(*colours))}
        velocity = inputs.given.get("ln_velocity")
        if self.stars is not None and velocity is not None:
            rows = torch.isfinite(velocity)
            found["stars"] = lines[0].new_zeros(len(rows), self.config.sizes["stars"])
            if bool(rows.any()):
                seen = self.view_stars(inputs.patches.grid.geometry[rows], velocity[rows], pixels.take(rows))
                vectors = self.stars(*seen, velocity[rows])
                found["stars"][rows] = _as_known(vectors, seen) if self.config.stars_as_known else vectors
        return found

    def view(self, patches, ln_one_plus_z, pixels=None):
        """What the components are found in.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`
        ln_one_plus_z : float64 tensor, shape (B,)
        pixels : `~astro_spectok.heads.flux_view.BinSums`, optional
            Of the pixels with their weights, where they are at hand.

        Returns
        -------
        lines, colours : tuple of float32 tensor, shape (B, N)
            Values, variance of their noise, and weight, as of `SpectralComponents.forward`.
        """
        (low, step, number), (first, last) = self.config.coarse
        geometry = patches.grid.geometry.clone()
        geometry[..., 0] -= ln_one_plus_z.to(geometry)[:, None]
        place = torch.arange(number + 1, dtype=torch.float64, device=geometry.device)
        fine = torch.arange((last - first) * self.config.joined, dtype=torch.float64, device=geometry.device)
        edges = low + step * torch.cat([place[:first], first + fine / self.config.joined, place[last:]])
        pixels = weigh_pixels(patches) if pixels is None else pixels
        sums = pixels.find(geometry, edges)  # (B, bins, 3)
        before, lines, after = sums.split([first, len(fine), number - last], dim=1)
        joined = lines.unflatten(1, (-1, self.config.joined)).sum(2)
        return self.find_lines(lines), _find_colours(torch.cat([before, joined, after], dim=1))

    def view_stars(self, geometry, ln_one_plus_z, pixels):
        """Values, variances and weights (B, N) of the bins that the part of stars is of.

        Parameters
        ----------
        geometry : float64 tensor, shape (B, T, 3)
            Of the patches.
        ln_one_plus_z : float64 tensor, shape (B,)
        pixels : `~astro_spectok.heads.flux_view.BinSums`
            As of `weigh_pixels`.
        """
        geometry = geometry.clone()
        geometry[..., 0] -= ln_one_plus_z.to(geometry)[:, None]
        return self.find_lines(pixels.find(geometry, self.config.star_edges.to(geometry.device)))

    def find_lines(self, sums):
        """Flux over the running mean, less one, smoothed; its variance; and the bins that count."""
        flux, variance, covered = _average(sums)
        there = covered.to(flux)
        share = smooth_boxes(there, self.window)
        continuum = smooth_boxes(flux * there, self.window) / share.clamp_min(1e-3)
        level = (flux.abs() * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp_min(1)
        divisor = continuum.abs() + LEAST_CONTINUUM * level + 1e-6
        contrast = ((flux - continuum) / divisor).clamp(*CONTRAST) * there
        smooth, weight = (F.conv1d(x[:, None], self.kernel, padding=4)[:, 0] for x in (contrast, there))
        return smooth / weight.clamp_min(1e-2) * there, variance / divisor**2, there * _far_from_gaps(there)

    def map_lines(self, seen):
        """The part of lines, of `find_lines` in its bins: float32 tensor (B, numbers of lines)."""
        vectors = self.lines(*seen)
        if self.local is not None:
            vectors = self.local(vectors, self.lines.project)
        return _as_known(_unit(vectors), seen) if self.config.lines_as_known else _unit(vectors)

    def map_learned(self, vectors):
        """The part that was learned.

        Parameters
        ----------
        vectors : tensor, shape (B, E)
            Of the network, without what summaries of heads add.

        Returns
        -------
        float32 tensor, shape (B, ``learned_size``)
            At unit length.
        """
        return _unit((vectors - self.learned_mean) @ self.learned_map)

    def map_redshift(self, summary, best, classes=None):
        """The part of the redshift.

        Parameters
        ----------
        summary : tensor, shape (B, ``redshift_size``)
        best : `~astro_spectok.heads.posterior_summary.BestRedshift`
        classes : `~astro_spectok.heads.posterior_summary.ClassShares`, optional
            Needed where classes or velocities have a weight.

        Returns
        -------
        float32 tensor, shape (B, ``redshift_size``)
            As long as the probability of the best redshift, zero for those that have none; beside it classes and
            velocities, where they have a weight.
        """
        config = self.config
        if config.between_classes == 1 and not config.class_weight and not config.velocity_weight:
            return _unit(summary) * self.find_sure(best)[:, None]
        each = summary.unflatten(1, (config.redshift_classes, -1))  # (B, classes, numbers)
        common = each.mean(1, keepdim=True)
        waves = common + config.between_classes * (each - common)
        if config.class_weight:
            waves[..., -1] = 0
        sure = self.find_sure(best)[:, None]
        waves = (_unit(waves.flatten(1)) * sure).view_as(each)
        if config.class_weight:
            # less even shares: classes that are not known say nothing, and are not alike for that
            even = 1 / config.redshift_classes
            weight, most = config.class_weight, config.sure_class_weight or config.class_weight
            weight = weight + (most - weight) * sure
            waves[..., -1] = weight * (classes.probability - even) / (1 - even) ** 0.5
        if config.velocity_weight:
            half = each.shape[2] // 2
            number = min(config.velocity_periods, half)
            size = config.velocity_weight / (SCALE * number**0.5)
            for end in (half, 2 * half):  # cosines, sines
                waves[:, -1, end - number : end] += size * classes.still[:, None] * each[..., end - number : end].sum(1)
        return waves.flatten(1)

    def find_sure(self, best):
        """Probability (B,) of a `BestRedshift`, zero where there is none."""
        return best.probability * (best.ln_one_plus_z.abs() > self.config.still).to(best.probability)

    def find_velocity(self, ln_one_plus_z, probability):
        """ln(1 + z) that the part of stars is shifted by, (B,): of velocities.

        Where there is a redshift instead it is NaN, and zero where that is not certain.
        """
        receding = torch.where(probability > CERTAIN, torch.nan, 0.0).to(ln_one_plus_z)
        return torch.where(ln_one_plus_z.abs() > self.config.still, receding, ln_one_plus_z)

    def find_shift(self, best):
        """ln(1 + z) that lines and colours are shifted by, (B,), of a `BestRedshift`: none for velocities."""
        return torch.where(best.ln_one_plus_z.abs() > self.config.still, best.ln_one_plus_z, 0.0)

    def join(self, found: Mapping[str, torch.Tensor], parts: Sequence[str], sure: Any = None) -> torch.Tensor:
        """Parts side by side, each with its weight: float32 tensor, shape (B, sum of sizes).

        Stars are alike in their redshift and told apart by lines; galaxies and quasars have both, and their lines
        beyond what the redshift says are faint. Weights may therefore depend on how ``sure`` a redshift is, (B,), of
        `find_sure`; where it is not known, or the redshift not among ``parts``, they do not.
        """
        # weights that were made before there was a part of stars have a share less
        shares = dict(zip(PARTS, self.config.shares, strict=False))
        if self.config.sure_shares and "redshift" in parts and sure is not None:
            length = sure[:, None].float()
            most = dict(zip(PARTS, self.config.sure_shares, strict=False))
            shares = {part: shares[part] + (most[part] - shares[part]) * length for part in parts}
        return torch.cat([shares[part] * found[part].float() for part in parts], dim=1)


def _unit(vectors: Any) -> Any:
    """Vectors at unit length; zero stays zero."""
    return vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-6)


def _average(sums):
    """Mean flux in bins, its variance, and whether there is any pixel: (B, N) each."""
    flux, noise, weight = sums.unbind(-1)
    covered = weight > LEAST_WEIGHT
    divisor = torch.where(covered, weight, 1.0)
    # pixels wider than a bin fill several, which then say together what one pixel does
    return torch.where(covered, flux / divisor, 0.0), torch.where(covered, noise / divisor**2, 0.0), covered


def _as_known(vectors, seen):
    """Vectors times the share of the bins that is known, of values, variances and weights of these."""
    return vectors * (seen[2] > 0).to(vectors).mean(1, keepdim=True)


def _find_colours(sums):
    """Logarithm of the flux over its mean, its variance, and the bins that count."""
    flux, variance, covered = _average(sums)
    there = covered.to(flux)
    level = (flux.abs() * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp_min(1)
    faint = 2 * FAINT * level.clamp_min(1e-6)
    values = torch.asinh(flux / faint) * there
    return values, variance / (flux**2 + faint**2), there


def _far_from_gaps(there):
    """1 where no gap is near, (B, N): what stands beside one is often wrong."""
    empty = 1 - there[:, None]
    inside = -F.max_pool1d(-F.pad(empty, (0, GAP - 1), value=1.0), GAP, stride=1)  # runs of empty bins begin here
    near = F.max_pool1d(F.pad(inside, (NEAR + GAP - 1, NEAR), value=0.0), GAP + 2 * NEAR, stride=1)
    return 1 - near[:, 0]
