# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated surveys: random objects of every kind, each through one or more instruments."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from astro_spectok.simulate.blends import Blends
from astro_spectok.simulate.featureless import BlankSky, Blazars
from astro_spectok.simulate.galaxies import Galaxies
from astro_spectok.simulate.instruments import choose_instrument
from astro_spectok.simulate.intergalactic import LYMAN_ALPHA
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.quasars import Quasars
from astro_spectok.simulate.randomness import Randomness
from astro_spectok.simulate.sky import SkyFibres
from astro_spectok.simulate.stars import Stars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.transients import Supernovae

__all__ = ["FAMILIES", "SimulatedGroup", "Survey"]

log = logging.getLogger(__name__)

#: what is drawn: share, and the class that draws it
FAMILIES = {
    "galaxies": (0.41, Galaxies),
    "quasars": (0.22, Quasars),
    "stars": (0.29, Stars),
    "blends": (0.01, Blends),
    "supernovae": (0.02, Supernovae),
    "sky": (0.03, BlankSky),
    "blazars": (0.02, Blazars),
}
#: sets without which a family is made of analytic templates
MAIN_SETS = ("emiles_ssp", "fsps_nebular_lines", "redrock_bases", "miles_real_stars")
#: families without a redshift
FEATURELESS = ("sky", "blazars")
#: redshift beyond which the intergalactic gas lets hardly anything through to the blue of Lyman alpha
OPAQUE_REDSHIFT = 6.0
#: draws in a row without an instrument for any object after which a survey is given up
MOST_TRIES = 50


@dataclass
class SimulatedGroup:
    """Objects of one family, as seen through instruments.

    Attributes
    ----------
    family : str
        Name out of ``FAMILIES``.
    objects : `~astro_spectok.simulate.Objects`
        What they are, with their labels.
    instruments : list of list of `~astro_spectok.simulate.instruments.Instrument`
        For each view the instrument of each object.
    snr : list of tensor, shape (B,)
        For each view the signal-to-noise ratio asked for.
    observations : list of `~astro_spectok.simulate.observe.Observation`
        One for each view.

    Examples
    --------
    >>> from astro_spectok.simulate import Survey
    >>> (group,) = Survey(families=["galaxies"], instruments=["sdss"], snr=(20, 20)).draw(1, seed=1)
    >>> group.family, group.instruments[0][0].name, group.snr[0].round().tolist()
    ('galaxies', 'sdss', [20.0])
    >>> bool((group.observations[0].ivar >= 0).all())
    True
    """

    family: str
    objects: object
    instruments: list
    snr: list
    observations: list


class Survey:
    """Labelled spectra of every kind of object through every kind of instrument.

    Parameters
    ----------
    data : path-like or `~astro_spectok.simulate.templates.TemplateStore`, optional
        Directory of the public template sets, or these as they are shared with others; without it, or where a set is
        absent, analytic templates are used.
    device : str or `torch.device`
        Where arrays are made; it must have float64.
    families : sequence of str, optional
        Names out of ``FAMILIES``; all if not given.
    instruments : sequence of str, optional
        Names of instruments, ``'random'`` for random ones; all that training uses if not given.
    snr : (float, float), optional
        Signal-to-noise ratio per pixel: the range of a log-uniform draw. If not given, 1 to 100, in one draw out of
        seven fainter, down to 0.3.

    Raises
    ------
    ValueError
        An unknown family, or ``snr`` no range above zero.

    Examples
    --------
    The same three galaxies through two instruments each:

    >>> from astro_spectok.simulate import Survey
    >>> survey = Survey(families=["galaxies"], instruments=["sdss", "desi"])
    >>> groups = survey.draw(3, seed=1, views=2)
    >>> sum(len(group.objects) for group in groups), {len(group.observations) for group in groups}
    (3, {2})
    """

    def __init__(self, data=None, *, device="cpu", families=None, instruments=None, snr=None):
        names = tuple(FAMILIES) if families is None else tuple(families)
        unknown = sorted(set(names) - set(FAMILIES))
        if unknown or not names:
            msg = f"families must be names out of {', '.join(FAMILIES)}, got {', '.join(unknown) or 'none'}"
            raise ValueError(msg)
        _check_snr(snr)
        names = [name for name in FAMILIES if name in names]
        store = TemplateStore.of(data)
        absent = [name for name in MAIN_SETS if not store.has(name)]
        if store.directory is not None and absent:
            text = "%s: no %s; analytic templates, which are coarser, take their place"
            log.warning(text, store.directory, ", ".join(absent))
        self.device, self.instruments, self.snr = torch.device(device), instruments, snr
        self.sky = store.make(SkyFibres, self.device)
        self.families = {name: store.make(FAMILIES[name][1], self.device) for name in names}
        shares = np.array([FAMILIES[name][0] for name in names])
        self.shares = shares / shares.sum()

    def draw(self, n, seed, *, views=1, max_pixels=8192, instruments=None, snr=None, alike=False):
        """Draw ``n`` objects; the result is a function of ``n``, ``seed`` and the other arguments alone.

        Parameters
        ----------
        n : int
            Objects.
        seed : int or sequence of int
            As `numpy.random.default_rng` takes it.
        views : int
            How many instruments see each object.
        max_pixels : int or sequence of int
            Most pixels of a spectrum, for each view.
        instruments : sequence, optional
            For each view what it sees through: names, as for the survey, or a callable that is given a
            `numpy.random.Generator`, the least and greatest wavelength at which the object is known, and
            ``max_pixels``, and returns an instrument within them or None. Those of the survey if not given.
        snr : (float, float), optional
            In place of the survey's own.
        alike : bool, optional
            All of one family, drawn by its share among those that have a redshift.

        Returns
        -------
        list of `SimulatedGroup`
            Families in the order of ``FAMILIES``; those without an object are left out.

        Raises
        ------
        ValueError
            None of the instruments reaches the objects, ``instruments`` or ``max_pixels`` are not one for each view, or
            ``snr`` is no range above zero.
        """
        random = Randomness(seed, self.device)
        choosers = _plan_views(views, max_pixels, [self.instruments] * views if instruments is None else instruments)
        _check_snr(snr)
        snr = self.snr if snr is None else snr
        shares = self.shares
        if alike:
            alike_shares = self.shares * [name not in FEATURELESS for name in self.families]
            total = alike_shares.sum()
            one = random.host.choice(len(shares), p=alike_shares / total) if total > 0 else 0
            shares = np.eye(len(shares))[one]
        groups = []
        for name, number in zip(self.families, random.host.multinomial(n, shares), strict=True):
            tries = 0
            # families draw from one set of templates at a time: in parts, so that a batch holds several
            part = max(4, n // 8)
            while number:
                group = self._draw_group(name, min(int(number), part), random, choosers, snr)
                tries = 0 if group is not None else tries + 1
                if group is not None:
                    tries, number = 0, number - len(group.objects)
                    groups.append(group)
                elif tries >= MOST_TRIES:
                    msg = f"instruments: one of the views sees none of the {name} drawn; give others, or other families"
                    raise ValueError(msg)
        return groups

    def _draw_group(self, name, number, random, choosers, snr_range):
        """At most ``number`` objects of one family: those that an instrument was found for in every view."""
        objects = self.families[name].draw(number, random)
        chosen, kept = [], []
        for i, (low, high) in enumerate(_observed_ranges(objects)):
            seen_by = [choose(random.host, low, high) for choose in choosers]
            if all(instrument is not None for instrument in seen_by):
                chosen.append(seen_by)
                kept.append(i)
        if not kept:
            return None
        if len(kept) < len(objects):
            objects = objects.take(torch.tensor(kept, device=self.device))
        instruments = [list(view) for view in zip(*chosen, strict=True)]
        snr = [_draw_snr(random, len(objects), snr_range) for _ in choosers]
        observations = [
            observe(objects, view, level, random, sky=self.sky) for view, level in zip(instruments, snr, strict=True)
        ]
        return SimulatedGroup(name, objects, instruments, snr, observations)


def _plan_views(views, max_pixels, instruments):
    """For each view a function of a Generator and the range of an object that chooses an instrument."""
    limits = [max_pixels] * views if np.ndim(max_pixels) == 0 else list(max_pixels)
    for argument, values in (("max_pixels", limits), ("instruments", instruments)):
        if len(values) != views:
            msg = f"{argument} must be one for each of the {views} views; got {len(values)}; set views to match"
            raise ValueError(msg)
    return [
        partial(seen_by, max_pixels=limit)
        if callable(seen_by)
        else partial(choose_instrument, max_pixels=limit, names=seen_by)
        for limit, seen_by in zip(limits, instruments, strict=True)
    ]


def _check_snr(limits):
    if limits is not None and not (len(limits) == 2 and 0 < limits[0] <= limits[1] < np.inf):
        msg = f"snr must be a range above zero, lowest first; got {limits}; give (2.0, 20.0), say"
        raise ValueError(msg)


def _draw_snr(random, n, limits):
    """Signal-to-noise ratios (n,): log-uniform within ``limits``, or those of the survey's default."""
    if limits is not None:
        return torch.exp(random.uniform(*np.log(limits), n))
    faint = random.chance(1 / 7, n)
    return torch.exp(torch.where(faint, random.uniform(np.log(0.3), 0, n), random.uniform(0, np.log(100), n)))


def _observed_ranges(objects):
    """Observed range in Angstrom that each object's templates cover: list of (low, high)."""
    known = torch.isfinite(objects.flux)
    first = known.int().argmax(1).float()
    last = (objects.grid.size - 1 - known.flip(1).int().argmax(1)).float()
    start, step = objects.grid.ln_start, objects.grid.ln_step
    stretch = torch.log1p(objects.z)
    low, high = torch.exp(start + step * first + stretch), torch.exp(start + step * last + stretch)
    # the intergalactic gas of that time let nothing through: an instrument must reach to the red of Lyman alpha
    opaque = torch.where(objects.z > OPAQUE_REDSHIFT, 0.6 * LYMAN_ALPHA * (1 + objects.z), 0.0)
    low = torch.maximum(low, opaque)
    return list(zip(low.tolist(), high.tolist(), strict=True))
