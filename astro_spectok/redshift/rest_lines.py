# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Emission that an answer does not account for: lines of nebulae at the velocity of a star, and airglow at rest."""

from functools import lru_cache

import numpy as np

from astro_spectok.redshift.fit import assume_resolution
from astro_spectok.spectra.medium import convert_to_vacuum
from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED, SIGMA_PER_MAD
from astro_spectok.utils.host import own_state
from astro_spectok.utils.medians import find_median
from astro_spectok.utils.spectypes import STAR

__all__ = ["find_significance", "has_foreign_lines", "has_nebular_lines", "is_night_sky", "measure_lines"]

#: forbidden lines of nebulae, Angstrom in air, by name (NIST Atomic Spectra Database)
NEBULAR = {"[O III] 4959": 4958.911, "[O III] 5007": 5006.843, "[N II] 6583": 6583.46, "[S II] 6716": 6716.44,
           "[S II] 6731": 6730.82}  # fmt: skip
#: pairs of which one line alone is none, and the share of the first's significance that the second must have
PAIRS = (
    ("[O III] 5007", "[O III] 4959", 1 / 3),
    ("[N II] 6583", "[S II] 6716", 1),
    ("[N II] 6583", "[S II] 6731", 1),
)
#: standard deviations of both, scaled so; km/s that a nebula moves at most against the star in it, of which the
#: velocity may be uncertain; standard deviation in km/s of its lines at least, and widest that is measured
SIGNIFICANT, APART, NARROWEST, WIDEST = 5.0, 300.0, 40.0, 260.0
#: standard deviations of one pixel below which nothing is looked for
GLANCE = 3.0
#: lines of [O I] and OH of the night sky that stand alone at R 1000, of those of
#: `~astro_spectok.spectra.sky_lines.SKY_LINES`, and fewest that must be covered
AIRGLOW = np.array((
    5577.338, 6300.304, 6363.776, 6863.955, 6923.220, 7276.405, 7316.282, 7340.885, 7750.640, 7794.112, 7821.503,
    7913.708, 7964.650, 7993.332, 8344.602, 8382.392, 8399.170, 8430.174, 8465.208, 8827.096, 8885.850, 8919.640,
))  # fmt: skip
FEWEST = 4
#: km/s by which they may be off: in air, where it is not known, and moved with the Earth or the star
OFF = 130.0
#: median of their heights in standard deviations and over the continuum, and what four of five exceed in standard
#: deviations; how much the median must exceed those at all shifts that are no lines
BRIGHT, BRIGHT_SHARE, NEARLY_ALL, BEYOND = 5.0, 0.25, 1.5, 1.25
#: less will do where a star is seen, as in sunlight that the sky scatters: significance of all lines together, least
#: median of each, and the last two of those above
TOGETHER, EACH, STELLAR = 10.0, 2.0, (1.0, 1.1)
#: around each line, in its standard deviations: step, half width of what is cut out, farthest shift of a line, and
#: where its sides begin and end
FINE, HALF, FARTHEST, SIDES = 0.75, 27.75, 18.75, (3.4, 7.5)
#: share of a step that good pixels must fill
FILLED = 0.3


@own_state  # it runs when the package is imported, in a program that may have NumPy raise
def _make_filters():
    """Shifts (s,) and filters (m, s) that give the height of a Gaussian over its sides, in standard deviations."""
    place = np.arange(-round(HALF / FINE), round(HALF / FINE) + 1) * FINE
    shift = np.arange(-round(FARTHEST / FINE), round(FARTHEST / FINE) + 1) * FINE
    apart = np.abs(place[:, None] - shift)
    line = np.exp(-0.5 * apart**2)
    inside, beside = apart < SIDES[0], (apart > SIDES[0]) & (apart < SIDES[1])
    filters = line * inside
    filters = filters - beside * filters.sum(axis=0) / beside.sum(axis=0)
    return shift, filters / np.sum(filters * line, axis=0)


SHIFTS, FILTERS = _make_filters()


def measure_lines(left, lines, ln1pz):
    """Heights of emission lines over what is beside them in what templates leave, at shifts around a velocity.

    Parameters
    ----------
    left : (ndarray, ndarray, ndarray)
        As of `~astro_spectok.redshift.fit.Refined`.
    lines : array_like, shape (L,)
        Vacuum Angstrom at rest.
    ln1pz : float

    Returns
    -------
    known : ndarray of bool, shape (L,)
        Which lines are covered, with all that is beside them; none if no line is narrow at the resolution.
    height, noise : ndarray, shape (known, s)
        Over the continuum, and their standard deviations.
    speed : ndarray, shape (s,)
        Of the shifts, in km/s.
    """
    x, deviation, weight = left
    known, nothing = np.zeros(len(lines), bool), (np.empty((0, 0)), np.empty((0, 0)), np.empty(0))
    sigma = max(1 / assume_resolution(x) / FWHM_PER_SIGMA, NARROWEST / LIGHT_SPEED)
    if sigma * LIGHT_SPEED > WIDEST:
        return known, *nothing
    edges = np.arange(-HALF - FINE / 2, HALF + FINE, FINE) * sigma
    centres = np.log(np.asarray(lines)) + ln1pz
    inside = np.flatnonzero((centres + edges[0] > x[0]) & (centres + edges[-1] < x[-1]))
    if not len(inside):
        return known, *nothing
    first, last = np.searchsorted(x, [centres[inside].min() + edges[0], centres[inside].max() + edges[-1]])
    part = slice(max(first - 1, 0), last + 1)
    filled, height, variance = _average(x[part], deviation[part], weight[part], centres[inside, None] + edges)
    full = np.all(filled > FILLED * FINE * sigma, axis=1)
    known[inside[full]] = True
    noise = np.sqrt(variance[full] @ FILTERS**2)
    return known, height[full] @ FILTERS, noise, SHIFTS * sigma * LIGHT_SPEED


def find_significance(height, noise, speed, reach):
    """Heights within ``reach`` (km/s) over the noise, or the scatter of those beyond, where no line is, if larger."""
    beyond = np.abs(speed) > reach + SIDES[0] * (speed[1] - speed[0]) / FINE
    middle = np.median(height[:, beyond], axis=1, keepdims=True)
    scatter = SIGMA_PER_MAD * np.median(np.abs(height[:, beyond] - middle), axis=1, keepdims=True)
    return ((height - middle) / np.maximum(noise, scatter))[:, np.abs(speed) <= reach]


def _average(x, values, weight, edges):
    """Filled width, means and variances of values (n,) between edges (L, m + 1): (L, m) each."""
    ends = np.concatenate([[1.5 * x[0] - 0.5 * x[1]], 0.5 * (x[1:] + x[:-1]), [1.5 * x[-1] - 0.5 * x[-2]]])
    # pixels that were left out leave gaps
    width = np.minimum(np.diff(ends), 2 * find_median(np.diff(ends)))
    sums = (np.concatenate([[0.0], np.cumsum(one)]) for one in (width, width * values, width**2 / weight))
    filled, mean, variance = (np.diff(np.interp(edges, ends, one), axis=1) for one in sums)
    filled = np.maximum(filled, 1e-12)
    return filled, mean / filled, variance / filled**2


def has_nebular_lines(left, ln1pz):
    """Whether a pair of forbidden lines shines at the velocity of a star: that of a nebula around it, or of a galaxy.

    Parameters
    ----------
    left : (ndarray, ndarray, ndarray)
        Of the templates of stars, as of `~astro_spectok.redshift.fit.Refined`.
    ln1pz : float
        Of the star.

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.rest_lines import has_nebular_lines
    >>> x = np.arange(np.log(4500), np.log(7000), 2e-4)
    >>> noise = np.random.default_rng(0).normal(0, 0.02, len(x))
    >>> lines = sum(height * np.exp(-0.5 * ((x - np.log(centre)) / 2.5e-4) ** 2)
    ...             for centre, height in ((4960.295, 0.1), (5008.240, 0.3)))
    >>> [has_nebular_lines((x, noise + one, np.full(len(x), 2500.0)), 0.0) for one in (0.0, lines)]
    [False, True]
    """
    if not _can_shine(left, ln1pz):
        return False
    known, *measured = measure_lines(left, _list_lines(), ln1pz)
    if not known.any():
        return False
    found = find_significance(*measured, APART)
    # the same velocity, to a step
    around = np.pad(found, ((0, 0), (1, 1)), constant_values=-np.inf)
    around = np.maximum(np.maximum(around[:, :-2], around[:, 2:]), found)
    line = {name: around[np.count_nonzero(known[:k])] for k, name in enumerate(NEBULAR) if known[k]}
    return any(
        np.max(np.minimum(line[first], line[second] / share)) > SIGNIFICANT
        for first, second, share in PAIRS
        if first in line and second in line
    )


@lru_cache(maxsize=1)
def _list_lines():
    """Vacuum wavelengths of the lines of nebulae."""
    return convert_to_vacuum(np.array(list(NEBULAR.values())))


def _can_shine(left, ln1pz):
    """A first look, which nearly all stars end with: is any pixel bright where the first lines of pairs may be."""
    x, deviation, weight = left
    lines = dict(zip(NEBULAR, np.log(_list_lines()) + ln1pz, strict=True))
    for name in {first for first, *_ in PAIRS}:
        low, high = np.searchsorted(x, lines[name] + np.array([-1, 1]) * APART / LIGHT_SPEED)
        if high > low and np.max(deviation[low:high] * np.sqrt(weight[low:high])) > GLANCE:
            return True
    return False


def is_night_sky(left, spectype=STAR):
    """Whether nearly all lines of airglow shine, strong beside the continuum: sky that was not subtracted.

    Lines that subtraction left in the spectrum of a faint object are of either sign, or weak.

    Parameters
    ----------
    left : (ndarray, ndarray, ndarray)
        As for `has_nebular_lines`.
    spectype : str, optional
        What it was taken for: most sky for a star, as it scatters sunlight.

    Returns
    -------
    bool
    """
    x, deviation, _ = left
    place = np.searchsorted(x, _list_airglow()).clip(1, len(x) - 1)
    place = place[(_list_airglow() > x[0]) & (_list_airglow() < x[-1])]
    # a first look, which nearly all end with
    if len(place) < FEWEST or find_median(np.maximum(deviation[place - 1], deviation[place])) < BRIGHT_SHARE / 2:
        return False
    known, height, noise, speed = measure_lines(left, np.exp(_list_airglow()), 0.0)
    if np.count_nonzero(known) < FEWEST:
        return False
    near = np.abs(speed) <= max(OFF, speed[-1] / (len(speed) // 2))
    ratio = (height / noise)[:, near]
    best = int(np.argmax(np.clip(ratio, -BRIGHT, 2 * BRIGHT).sum(axis=0)))
    level = np.median(height, axis=0)
    beyond = np.abs(speed) > OFF + SIDES[0] * (speed[1] - speed[0]) / FINE
    least, nearly_all, above = BRIGHT, NEARLY_ALL, BEYOND
    if spectype == STAR:
        least, (nearly_all, above) = max(TOGETHER / np.sqrt(len(ratio)), EACH), STELLAR
    return bool(
        np.median(ratio[:, best]) > least
        and np.quantile(ratio[:, best], 0.2) > nearly_all
        and level[near][best] > max(BRIGHT_SHARE, above * np.abs(level[beyond]).max())
    )


@lru_cache(maxsize=1)
def _list_airglow():
    """ln of the vacuum wavelengths of the lines of the night sky."""
    return np.log(convert_to_vacuum(AIRGLOW))


def has_foreign_lines(sharp, spectype):
    """Whether a solution has emission that its class has not.

    Parameters
    ----------
    sharp : `~astro_spectok.redshift.solutions.Sharpened`
        Of the templates of that class.
    spectype : str

    Returns
    -------
    bool
        False where templates were not compared.
    """
    if sharp.left is None:
        return False
    return is_night_sky(sharp.left, spectype) or (spectype == STAR and has_nebular_lines(sharp.left, sharp.ln1pz))
