# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Instruments that training never draws, each with a trained one to compare it with."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from astro_spectok.simulate.instruments import TRAINED_RESOLUTION, choose_instrument, random_instrument

__all__ = ["LEVELS", "PAIRS", "HeldOutPair", "scale_resolution"]

#: signal-to-noise ratios per pixel at which both are used
LEVELS = (5.0, 10.0, 20.0)
#: by how much the resolving power of random instruments is brought back into the trained range
FACTOR = 2
#: nothing is invented outside
SHORTEST, LONGEST = 900.0, 53000.0
FLAGS = ("calibrated", "normalised", "has_errors", "smoothed")


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


@dataclass(frozen=True)
class HeldOutPair:
    """An instrument that is held out, and a trained one in its place.

    Attributes
    ----------
    name, twin : str
        In words.
    draw : callable
        Chooses the held-out instrument; as `~astro_spectok.simulate.Survey.draw` takes it.
    draw_twin : callable
        The same, given the held-out instrument first.
    stars : bool
        Whether it looks at stars only, as surveys at such resolution do.
    """

    name: str
    twin: str
    draw: Callable
    draw_twin: Callable
    stars: bool = False

    def make_choosers(self):
        """Both as functions for the two views of a survey; what the pipeline leaves of a spectrum is the same."""
        drawn = []

        def choose_held_out(rng, low, high, max_pixels):
            drawn[:] = [self.draw(rng, low, high, max_pixels)]
            return drawn[0]

        def choose_twin(rng, low, high, max_pixels):
            made = None if drawn[0] is None else self.draw_twin(drawn[0], rng, low, high, max_pixels)
            return None if made is None else replace(made, **{key: getattr(drawn[0], key) for key in FLAGS})

        return choose_held_out, choose_twin


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


_LOW, _HIGH = TRAINED_RESOLUTION
PAIRS = (
    _pair_named("vimos", ["fors", "gmos", "efosc"]),
    _pair_named("weave_lrs", ["4most_lrs"]),
    _pair_named("weave_hrs", ["4most_hrs"], stars=True),
    _pair_named("galah", ["4most_hrs", "giraffe"], stars=True),
    _pair_random("random, R below 40", (0.55 * _LOW, 0.95 * _LOW), FACTOR),
    _pair_random("random, R above 30000", (1.05 * _HIGH, 1.9 * _HIGH), 1 / FACTOR),
)
