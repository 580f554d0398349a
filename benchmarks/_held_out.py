# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Instruments that training never draws, each with two to compare it with.

The first, `draw_alike`, is invented as training invents them, but looks where the held-out one looks: the same arms
with the same resolving power, or the nearest that training draws, in pixels laid as training lays them. What is lost
against it, at the same light, has two causes: that the pixels, or the resolving power, were never seen, and that the
network is not equally good with pixels of all widths. Instruments that training does draw by name, `CONTROLS`, are
compared in the same way: with them it is the second alone.

The second is another instrument, which training draws by its name or which is twice (or half) as sharp. It may see
another range, sharper, and with more light, so that what is lost against it is information for the most part.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from astro_spectok.simulate.instruments import (
    MIN_PIXELS,
    TRAINED_RESOLUTION,
    _assemble,
    _lay_edges,
    choose_instrument,
    random_instrument,
)
from astro_spectok.simulate.named_instruments import Arm

__all__ = ["CONTROLS", "LEVELS", "PAIRS", "HeldOutPair", "draw_alike", "scale_resolution"]

#: signal-to-noise ratios per pixel at which both are used
LEVELS = (5.0, 10.0, 20.0)
#: by how much the resolving power of random instruments is brought back into the trained range
FACTOR = 2
#: nothing is invented outside
SHORTEST, LONGEST = 900.0, 53000.0
FLAGS = ("calibrated", "normalised", "has_errors", "smoothed")
#: pixels per FWHM of invented instruments, and how often they are laid in which way: as training draws them
PER_FWHM = (1.5, 4.0)
SAMPLINGS = {"linear": 0.5, "log": 0.3, "follow": 0.2}


def scale_resolution(instrument, factor):
    """The same instrument with ``factor`` times finer pixels and resolving power; an integer, or one over an integer.

    Parameters
    ----------
    instrument : `~astro_spectok.simulate.instruments.Instrument`
    factor : int or float
        Above one each pixel is cut; below one as many neighbours in an arm are joined, and what is left over dropped.

    Returns
    -------
    Instrument
    """
    if factor >= 1:
        count = round(factor)
        cuts = np.linspace(instrument.left, instrument.right, count + 1, axis=1)  # (P, count + 1)
        left, right = cuts[:, :-1].ravel(), cuts[:, 1:].ravel()
        first = np.repeat(np.arange(len(instrument)), count)
    else:
        count = round(1 / factor)
        starts = [
            np.flatnonzero(instrument.arm == arm)[: (np.count_nonzero(instrument.arm == arm) // count) * count : count]
            for arm in np.unique(instrument.arm)
        ]
        first = np.concatenate(starts)
        left, right = instrument.left[first], instrument.right[first + count - 1]
    return replace(
        instrument, left=left, right=right, resolution=(instrument.resolution * factor)[first].astype(np.float32),
        arm=instrument.arm[first], place=instrument.place[first],
    )  # fmt: skip


def draw_alike(instrument, rng, max_pixels):
    """Invent an instrument as training does, with the arms and the resolving power of another one.

    Parameters
    ----------
    instrument : `~astro_spectok.simulate.instruments.Instrument`
    rng : `numpy.random.Generator`
    max_pixels : int
        Most pixels.

    Returns
    -------
    Instrument
        Its resolving power is the nearest that training draws; what the pipeline does is the same.
    """
    arms = []
    for number in np.unique(instrument.arm):
        mine = np.flatnonzero(instrument.arm == number)
        ends = np.clip(instrument.resolution[mine[[0, -1]]].astype(float), *TRAINED_RESOLUTION)
        arms.append((instrument.left[mine[0]], instrument.right[mine[-1]], *ends))
    elements = sum(np.log(stop / start) * 0.5 * (blue + red) for start, stop, blue, red in arms)
    fewest, most = 1.1 * MIN_PIXELS / elements, max_pixels / elements / 1.1
    per_fwhm = np.clip(rng.uniform(*PER_FWHM), fewest, most)
    sampling = str(rng.choice(list(SAMPLINGS), p=list(SAMPLINGS.values())))
    laid = []
    for start, stop, blue, red in arms:
        middle = 0.5 * (blue + red)
        step = {"linear": np.sqrt(start * stop) / (middle * per_fwhm), "log": 1 / (middle * per_fwhm)}
        edges = _lay_edges(Arm(start, stop, sampling, step.get(sampling, per_fwhm), blue, red))
        # what a crop left of an arm may be narrower than a pixel
        laid.append((edges if len(edges) > 1 else np.array([start, stop]), blue, red))
    made = _assemble("random", laid, {key: getattr(instrument, key) for key in (*FLAGS, "ground", "fibre")})
    # a crop does not change where the ends of the arms are, at which the noise rises
    place = np.interp(made.wavelength, instrument.wavelength, instrument.place).astype(np.float32)
    return replace(made, place=place, smoothed=instrument.smoothed * len(made) / len(instrument))


@dataclass(frozen=True)
class HeldOutPair:
    """An instrument that is held out, and another one, trained, in its place.

    Attributes
    ----------
    name, twin : str
        In words.
    draw : callable
        Chooses the held-out instrument; as `~astro_spectok.simulate.Survey.draw` takes it.
    draw_twin : callable or None
        The same for the other, given the held-out instrument first. None where there is none.
    stars : bool
        Whether it looks at stars only, as surveys at such resolution do.
    """

    name: str
    twin: str
    draw: Callable
    draw_twin: Callable
    stars: bool = False

    def make_choosers(self):
        """As functions for the views of a survey, one or two; what the pipeline leaves of a spectrum is the same."""
        drawn = []

        def choose_held_out(rng, low, high, max_pixels):
            drawn[:] = [self.draw(rng, low, high, max_pixels)]
            return drawn[0]

        def choose_twin(rng, low, high, max_pixels):
            made = None if drawn[0] is None else self.draw_twin(drawn[0], rng, low, high, max_pixels)
            return None if made is None else replace(made, **{key: getattr(drawn[0], key) for key in FLAGS})

        return [choose_held_out] if self.draw_twin is None else [choose_held_out, choose_twin]


def _draw_named(rng, low, high, max_pixels, *, names):
    return choose_instrument(rng, low, high, max_pixels, names)


def _draw_named_twin(held, rng, low, high, max_pixels, *, names):
    return choose_instrument(rng, low, high, max_pixels, names)


def _draw_random(rng, low, high, max_pixels, *, resolution):
    return random_instrument(rng, max(low, SHORTEST), min(high, LONGEST), max_pixels, resolution=resolution)


def _scale_twin(held, rng, low, high, max_pixels, *, factor):
    made = scale_resolution(held, factor)
    return made if 64 <= len(made) <= max_pixels else None


def _pair_named(name, twin, **options):
    drawn = partial(_draw_named, names=[name]), partial(_draw_named_twin, names=twin)
    return HeldOutPair(name, ", ".join(twin), *drawn, **options)


def _pair_random(name, resolution, factor):
    drawn = partial(_draw_random, resolution=resolution), partial(_scale_twin, factor=factor)
    return HeldOutPair(name, f"R times {factor:g}", *drawn)


def _control(names, **options):
    return HeldOutPair(", ".join(names), None, partial(_draw_named, names=names), None, **options)


_LOW, _HIGH = TRAINED_RESOLUTION
PAIRS = (
    _pair_named("vimos", ["fors", "gmos", "efosc"]),
    _pair_named("weave_lrs", ["4most_lrs"]),
    _pair_named("weave_hrs", ["4most_hrs"], stars=True),
    _pair_named("galah", ["4most_hrs", "giraffe"], stars=True),
    _pair_random("random, R below 40", (0.55 * _LOW, 0.95 * _LOW), FACTOR),
    _pair_random("random, R above 30000", (1.05 * _HIGH, 1.9 * _HIGH), 1 / FACTOR),
)
#: trained instruments, compared with invented ones alone: what it helps to be drawn by name
CONTROLS = (
    _control(["fors", "gmos", "efosc"]),
    _control(["4most_lrs"]),
    _control(["4most_hrs"], stars=True),
)
