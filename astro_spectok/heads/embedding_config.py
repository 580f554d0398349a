# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Grids, sizes and weights of the parts of the embedding."""

import math
from dataclasses import dataclass

import torch

from astro_spectok.heads.protocol import HeadConfig
from astro_spectok.heads.star_vector import StarVector
from astro_spectok.utils.parts import PARTS

__all__ = ["EmbeddingConfig"]


@dataclass(frozen=True)
class EmbeddingConfig(HeadConfig):
    """Grids and sizes of the parts.

    Attributes
    ----------
    low, high : float
        Wavelengths at rest, in vacuum Angstrom, that colours are of.
    lines_low, lines_high : float
        Those that lines are of; the nearest edges of bins of colours count.
    step : float
        Width of a bin of the lines in ln(wavelength).
    joined : int
        Bins of the lines in one of the colours.
    continuum : float
        Standard deviation in ln(wavelength) of the running mean that lines are relative to.
    line_components, colour_components : int
        Of principal components, as many as numbers in the part.
    calibration : float
        Standard deviation of the smooth errors of calibration that colours allow for.
    n_smooth : int
        Cosines that these are made of.
    redshift_size, learned_size, network_size : int
        Numbers in the parts of redshift and of what was learned, and of the network's own vector; 0 for no such part.
    still : float
        Redshifts below are none: velocities, which lines are not shifted by and the redshift part says nothing of.
    shares : tuple of float
        Weight of each part, in their order.
    sure_shares : tuple of float
        The same of objects whose redshift is sure; between the two where it is less so. As ``shares`` if empty.
    between_classes : float
        Weight, in the part of the redshift, of how its classes differ, where what they have in common counts 1: what is
        a galaxy in one spectrum may be a quasar in the next, at the same redshift.
    redshift_classes : int
        Of the summary of redshifts, which has as many numbers of each; the last is that of stars.
    class_weight : float
        Length of a sure class in the part of the redshift, where the redshift is as long as it is sure: what is of
        another class is then no neighbour, also where there is no redshift. At 0 the probabilities of the classes are
        among the numbers of the redshift.
    sure_class_weight : float
        The same where the redshift is sure; 0 for no other.
    velocity_weight : float
        Length of the velocities of what has no redshift, in the place of the numbers of the redshifts of stars; 0 for
        none. Of stars that are alike, those are nearer that move alike: one star seen twice.
    velocity_periods : int
        Shortest periods of the summary that velocities are told by.
    line_landmarks : int
        Spectra that lines are compared with to tell neighbours apart (`LocalFeatures`); 0 for none.
    lines_as_known : bool
        Whether lines are as long as the share of their grid that is known, or at unit length.
    line_features : int
        Numbers that become of this comparison; 0 for as many as there are components.
    line_power : float
        What the features were made with (`~astro_spectok.training.component_fits.fit_local`): 0.5 for the kernel as it
        is, more for features that are more alike in size.
    line_reach : float
        How far neighbours reach, in the root of one less the cosine.
    stars_low, stars_high : float
        Wavelengths that the part of stars is of; the nearest edges of bins of colours count.
    star_components, star_hidden, star_size : int
        Of `StarVector`; no components for no such part.
    star_floor : float
        Least error of a velocity in the part of stars, km/s.
    stars_as_known : bool
        Whether the part of stars is as long as the share of its bins that is known, as lines are: of an infrared
        spectrum it knows the blue end alone.

    Examples
    --------
    >>> from astro_spectok.heads.embedding_config import EmbeddingConfig
    >>> EmbeddingConfig().sizes
    {'lines': 60, 'colours': 40, 'redshift': 99, 'learned': 57}
    """

    low: float = 900.0
    high: float = 26000.0
    lines_low: float = 3850.0
    lines_high: float = 7350.0
    step: float = 3e-4
    joined: int = 10
    continuum: float = 0.02
    line_components: int = 60
    colour_components: int = 40
    calibration: float = 0.1
    n_smooth: int = 32
    redshift_size: int = 99
    learned_size: int = 57
    network_size: int = 256
    still: float = 0.0024
    shares: tuple[float, ...] = (1.0, 0.3, 1.0, 0.4)
    sure_shares: tuple[float, ...] = ()
    between_classes: float = 1.0
    redshift_classes: int = 3
    class_weight: float = 0.0
    sure_class_weight: float = 0.0
    velocity_weight: float = 0.0
    velocity_periods: int = 5
    lines_as_known: bool = False
    line_landmarks: int = 0
    line_features: int = 0
    line_power: float = 0.5
    line_reach: float = 0.45
    stars_low: float = 3700.0
    stars_high: float = 9100.0
    star_components: int = 0
    star_hidden: int = 256
    star_size: int = 64
    star_floor: float = 16.0
    stars_as_known: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """How many numbers each part has."""
        lines = (self.line_landmarks and self.line_features) or self.line_components
        stars = StarVector.count(self.star_size) if self.star_components else 0
        sizes = lines, self.colour_components, self.redshift_size, self.learned_size, stars
        return {part: size for part, size in zip(PARTS, sizes, strict=True) if size}

    @property
    def coarse(self):
        """Bins of colours in ln(wavelength) as (first, step, number), and first and last edge of lines among theirs."""
        step = self.step * self.joined
        number = math.floor(math.log(self.high / self.low) / step)
        first, last = (round(math.log(x / self.low) / step) for x in (self.lines_low, self.lines_high))
        return (math.log(self.low), step, number), (first, last)

    @property
    def lines_of_stars(self):
        """Bins of lines among those of the part of stars, slice."""
        (low, step, _), (first, last) = self.coarse
        begin = round((math.log(self.stars_low) - low) / step)
        return slice((first - begin) * self.joined, (last - begin) * self.joined)

    @property
    def star_edges(self):
        """Edges of the bins of the part of stars in ln(wavelength), float64 tensor (bins + 1,)."""
        step = self.step * self.joined
        first, last = (round(math.log(x / self.low) / step) for x in (self.stars_low, self.stars_high))
        place = torch.arange((last - first) * self.joined + 1, dtype=torch.float64, device="cpu")
        return math.log(self.low) + step * first + self.step * place
