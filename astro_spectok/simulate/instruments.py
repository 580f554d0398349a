# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Instruments, real and invented: where their pixels lie, how well they resolve, and what their spectra lack."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from astro_spectok.simulate.named_instruments import DESIGNS, HELD_OUT, WEIGHTS, Arm

__all__ = ["HELD_OUT", "NAMED", "Instrument", "choose_instrument", "random_instrument"]

#: fewest pixels that an instrument may have
MIN_PIXELS = 64
#: resolving power of random instruments in training; what lies outside is held out
TRAINED_RESOLUTION = (40.0, 30000.0)
#: vacuum Angstrom between which instruments are invented
_SHORTEST, _LONGEST = 900.0, 53000.0
#: part of an instrument, in ln(wavelength), that must see the object
_MIN_INSIDE = 0.6


@dataclass(frozen=True)
class Instrument:
    """One setting of an instrument, and the habits of its pipeline.

    Attributes
    ----------
    name : str
        As users give it, or ``'random'``.
    left, right : ndarray of float64, shape (P,)
        Edges of the pixels, vacuum Angstrom as observed; centres increase; there may be gaps between arms.
    resolution : ndarray of float32, shape (P,)
        Wavelength over FWHM of an unresolved line, the width of the pixels included.
    arm : ndarray of int64, shape (P,)
        Which arm a pixel belongs to.
    place : ndarray of float32, shape (P,)
        Where in its arm a pixel lies, from 0 (blue end) to 1.
    calibrated : bool
        Whether the flux was calibrated; counts if not.
    normalised : bool
        Whether the flux was divided by its continuum.
    has_errors : bool
        Whether uncertainties are given.
    smoothed : float
        Standard deviation in pixels of the Gaussian that the flux was smoothed with; 0 for none.
    ground : bool
        Whether it looks through the atmosphere.
    fibre : bool
        Whether sky was subtracted with other fibres.

    Examples
    --------
    >>> from astro_spectok.simulate import Survey
    >>> (group,) = Survey(families=["galaxies"], instruments=["sdss"]).draw(1, seed=1)
    >>> instrument = group.instruments[0][0]
    >>> instrument.name, bool((instrument.right > instrument.left).all()), len(instrument.crop(100, 200))
    ('sdss', True, 100)
    """

    name: str
    left: np.ndarray
    right: np.ndarray
    resolution: np.ndarray
    arm: np.ndarray
    place: np.ndarray
    calibrated: bool = True
    normalised: bool = False
    has_errors: bool = True
    smoothed: float = 0.0
    ground: bool = True
    fibre: bool = False

    def __len__(self):
        return len(self.left)

    @property
    def wavelength(self):
        """Centres of the pixels in vacuum Angstrom, float64 (P,)."""
        return 0.5 * (self.left + self.right)

    def crop(self, start, stop):
        """The same instrument with some of its pixels only.

        Parameters
        ----------
        start, stop : int
            The first, and the one after the last.

        Returns
        -------
        Instrument
        """
        keep = slice(start, stop)
        return replace(
            self, left=self.left[keep], right=self.right[keep], resolution=self.resolution[keep],
            arm=self.arm[keep], place=self.place[keep],
        )  # fmt: skip


def _lay_edges(arm):
    """Edges of the pixels of an arm, float64 (n + 1,)."""
    if arm.sampling == "linear":
        return np.arange(arm.start, arm.stop + 1e-6, arm.step)
    low, high = np.log(arm.start), np.log(arm.stop)
    if arm.sampling == "log":
        return np.exp(np.arange(low, high + 1e-9, arm.step))
    # 'follow': as many pixels per FWHM everywhere; count them along the arm, then invert
    x = np.linspace(low, high, 256)
    density = arm.step * np.interp(np.exp(x), [arm.start, arm.stop], [arm.r_start, arm.r_stop])
    count = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(x))])
    return np.exp(np.interp(np.arange(int(count[-1]) + 1), count, x))


def _assemble(name, arms, flags):
    """An `Instrument` of arms (tuples of edges, and R at both ends)."""
    edges = [edges for edges, _, _ in arms]
    wave = [0.5 * (e[1:] + e[:-1]) for e in edges]
    resolution = [np.interp(w, [e[0], e[-1]], [blue, red]) for w, (e, blue, red) in zip(wave, arms, strict=True)]
    return Instrument(
        name=name,
        left=np.concatenate([e[:-1] for e in edges]),
        right=np.concatenate([e[1:] for e in edges]),
        resolution=np.concatenate(resolution).astype(np.float32),
        arm=np.repeat(np.arange(len(arms)), [len(w) for w in wave]),
        place=np.concatenate([(np.arange(len(w)) + 0.5) / len(w) for w in wave]).astype(np.float32),
        **flags,
    )


def _draw_flags(rng, calibrated, normalised, errors, ground, fibre):
    """Random choices of the pipeline, with their usual frequencies."""
    normal = rng.random() < normalised
    # few archives smooth what they show; those give no errors
    smoothed = float(rng.uniform(1, 4)) if not normal and rng.random() < 0.06 else 0.0
    return {
        "calibrated": bool(normal or rng.random() < calibrated),
        "normalised": bool(normal),
        "has_errors": bool(rng.random() < errors and smoothed == 0),
        "smoothed": smoothed,
        "ground": ground,
        "fibre": fibre,
    }


def _build_named(name, rng):
    """A named instrument, its ends and resolution a little different each time."""
    design = DESIGNS[name]
    setting = design.settings[rng.integers(len(design.settings))]
    span = setting[-1].stop - setting[0].start
    first, last = rng.normal(0, 0.006, 2).clip(-0.02, 0.02) * span
    sharper = np.exp(np.clip(rng.normal(0, 0.04), -0.1, 0.1))
    arms = []
    for number, arm in enumerate(setting):
        start = arm.start + first * (number == 0)
        stop = arm.stop + last * (number == len(setting) - 1)
        # a joint between arms moves for both, so that they neither overlap nor part
        if number and arm.start == setting[number - 1].stop:
            start = arms[-1][0][-1]
        edges = _lay_edges(arm._replace(start=start, stop=stop))
        arms.append((edges, arm.r_start * sharper, arm.r_stop * sharper))
    flags = _draw_flags(rng, design.calibrated, design.normalised, design.errors, design.ground, design.fibre)
    return _assemble(name, arms, flags)


#: factories of instruments by name; each takes a `numpy.random.Generator`
NAMED = {name: partial(_build_named, name) for name in DESIGNS}


def _lay_random_arm(rng, start, stop, sharp, sampling, per_fwhm, limits):
    """Edges and R at both ends of one arm of a random instrument."""
    if sampling == "linear" and stop < 4 * start:
        # a line as wide everywhere: R grows with wavelength
        middle = np.sqrt(start * stop)
        step, ends = middle / (sharp * per_fwhm), sharp * np.array([start, stop]) / middle
    elif sampling == "log":
        step, ends = 1 / (sharp * per_fwhm), sharp * np.exp(rng.uniform(-0.2, 0.2) * np.array([-1, 1]))
    else:
        sampling, step, ends = "follow", per_fwhm, sharp * np.exp(rng.uniform(-0.4, 0.4, 2))
    arm = Arm(start, stop, sampling, step, *np.clip(ends, *limits))
    return _lay_edges(arm), arm.r_start, arm.r_stop


def random_instrument(rng, low, high, n_pixels, *, resolution=TRAINED_RESOLUTION):
    """Invent an instrument.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    low, high : float
        Vacuum Angstrom between which it lies.
    n_pixels : int
        Most pixels; sharp instruments therefore see short ranges.
    resolution : tuple of float
        Smallest and largest resolving power.

    Returns
    -------
    Instrument or None
        None if 64 pixels of no allowed resolving power fit, and now and then where they hardly do.
    """
    if not high > low:
        return None
    span = np.log(high / low)
    per_fwhm = rng.uniform(1.5, 4.0)
    least = max(resolution[0], 1.3 * MIN_PIXELS / (per_fwhm * span))
    if least >= resolution[1] or n_pixels < MIN_PIXELS:
        return None
    # two of three are no sharper than most surveys: sharper ones see a short range, in which there is little to learn
    sharpest = resolution[1] if rng.random() < 1 / 3 else min(max(3000.0, least * 1.5), resolution[1])
    r = np.exp(rng.uniform(np.log(least), np.log(sharpest)))
    most = min(span, n_pixels / (r * per_fwhm) / 1.1)
    fewest = min(most, max(1.2 * MIN_PIXELS / (r * per_fwhm), 0.5 * most))
    width = rng.uniform(fewest, most)
    start = np.log(low) + rng.uniform(0, span - width)
    count = int(rng.choice([1, 2, 3, 4], p=[0.6, 0.22, 0.12, 0.06]))
    cuts = np.linspace(0, 1, count + 1)
    cuts[1:-1] += rng.uniform(-0.3, 0.3, count - 1) / count
    sampling = str(rng.choice(["linear", "log", "follow"], p=[0.5, 0.3, 0.2]))
    arms, begin = [], start
    for number in range(count):
        end = start + width * cuts[number + 1]
        step = np.exp(rng.normal(0, 0.2)) if number else 1.0
        sharp = np.clip(r * step, *resolution)
        # a third of the joints are gaps
        gap = rng.uniform(0.03, 0.25) * (end - begin) if number + 1 < count and rng.random() < 0.35 else 0.0
        arm = _lay_random_arm(rng, np.exp(begin), np.exp(end - gap), sharp, sampling, per_fwhm, resolution)
        edges = arm[0]
        if len(edges) > 4:
            arms.append(arm)
            begin = end if gap else np.log(edges[-1])
    if not arms:
        return None
    # the air is transparent between these wavelengths, most of the time
    ground = bool(arms[0][0][0] > 2950 and arms[-1][0][-1] < 26000 and rng.random() < 0.7)
    # only short and sharp spectra are normalised: a continuum has to be seen
    normalised = 0.25 if r > 1500 and width < 0.6 else 0.0
    flags = _draw_flags(rng, 0.7, normalised, 0.8, ground, bool(rng.random() < 0.5))
    made = _assemble("random", arms, flags)
    if len(made) > n_pixels:
        made = made.crop(0, n_pixels)
    return made if len(made) >= MIN_PIXELS else None


def _find_inside(design, low, high):
    """Largest part of any setting, in ln(wavelength), that lies inside a range."""
    best = 0.0
    for setting in design.settings:
        a, b = setting[0].start, setting[-1].stop
        if min(b, high) > max(a, low):
            best = max(best, np.log(min(b, high) / max(a, low)) / np.log(b / a))
    return best


def _fit(instrument, rng, low, high, max_pixels):
    """Crop to what is known of the object and to the number of pixels; None where too little is left."""
    if instrument is None:
        return None
    start, stop = np.searchsorted(instrument.left, low), np.searchsorted(instrument.right, high, side="right")
    if stop - start < max(MIN_PIXELS, _MIN_INSIDE * len(instrument)):
        return None
    if rng.random() < 0.06:
        # part of a spectrum, as people cut them
        size = int(rng.uniform(0.3, 0.9) * (stop - start))
        max_pixels = min(max_pixels, max(size, MIN_PIXELS))
    if stop - start > max_pixels:
        start = int(rng.integers(start, stop - max_pixels + 1))
        stop = start + max_pixels
    return instrument if (start, stop) == (0, len(instrument)) else instrument.crop(start, stop)


def choose_instrument(rng, low, high, max_pixels, names=None):
    """Choose an instrument that sees an object.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    low, high : float
        Vacuum Angstrom as observed between which the object is known.
    max_pixels : int
        Of longer instruments a random stretch is taken.
    names : sequence of str, optional
        Names in `NAMED`, or 'random'; by default all but those in `HELD_OUT`, the usual ones often.

    Returns
    -------
    Instrument or None
        At least 64 pixels, all within the range; at least 60 % of the instrument. None if there is none such.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if names is None:
        names = [name for name in WEIGHTS if name not in HELD_OUT]
    unknown = set(names) - set(NAMED) - {"random"}
    if unknown:
        msg = f"names: instruments must be 'random' or keys of NAMED; got {sorted(unknown)}; use one of {sorted(NAMED)}"
        raise ValueError(msg)
    inside = [1.0 if name == "random" else _find_inside(DESIGNS[name], low, high) for name in names]
    weight = np.array([WEIGHTS.get(n, 1.0) * (part >= _MIN_INSIDE) for n, part in zip(names, inside, strict=True)])
    for _ in range(8):
        if weight.sum() <= 0:
            return None
        number = int(rng.choice(len(names), p=weight / weight.sum()))
        invented = names[number] == "random"
        bounds = max(low, _SHORTEST), min(high, _LONGEST)
        made = random_instrument(rng, *bounds, max_pixels) if invented else NAMED[names[number]](rng)
        made = _fit(made, rng, low, high, max_pixels)
        if made is not None:
            return made
        # another setting of it may fit
        weight[number] *= 0.5
    return None
