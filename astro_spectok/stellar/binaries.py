# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether a spectrum of a star holds the lines of another one: the best template once more, at other velocities."""

from typing import NamedTuple

import numpy as np

from astro_spectok.redshift.fit import LEAST, MISFIT, assume_resolution, divide_continuum, make_prior
from astro_spectok.redshift.templates import CONTINUUM, interpolate_rows, load_rest_templates
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.utils.spectypes import STAR

__all__ = ["SecondStar", "find_second_star"]

#: velocities of the second star relative to the first, in km/s: least, greatest, step
NEAREST, FARTHEST, STEP = 160.0, 620.0, 20.0
#: how much sharper than the templates a spectrum may be
SHARPER = 2.0


class SecondStar(NamedTuple):
    """A second star in a spectrum.

    Attributes
    ----------
    velocity : float
        Relative to the first, in km/s.
    share : float
        Strength of its lines over those that the first star alone would have.
    gain : float
        How much chi squared falls with it.
    """

    velocity: float
    share: float
    gain: float


def find_second_star(ln_wavelength, flux, ivar, ln1pz, *, resolution=None, templates=None):
    """Fit the lines of a star twice, at its velocity and at another one.

    The templates are fitted as `~astro_spectok.redshift.fit.refine_redshift` fits them; their sum is then put
    on top at other velocities, with a strength of its own, while they adapt. Velocities that the resolution does not
    distinguish from the first are left out.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (n,)
        Increasing; vacuum, ln of Angstrom.
    flux, ivar : ndarray, shape (n,)
        Per unit wavelength, in any unit; pixels with ``ivar`` 0 are left out.
    ln1pz : float
        ln(1 + rv / c) of the star.
    resolution : float, optional
        Resolving power; 2.5 pixels to the resolution element if not given.
    templates : `~astro_spectok.redshift.templates.RestTemplates`, optional
        Those of the package if not given.

    Returns
    -------
    SecondStar or None
        The best one, with a positive share; None if there is none, if too few pixels lie within the templates, or if
        the spectrum is much sharper than these.
    """
    templates = load_rest_templates() if templates is None else templates
    ratio, weight = divide_continuum(ln_wavelength, flux, ivar, CONTINUUM[STAR])
    resolution = assume_resolution(ln_wavelength) if resolution is None else resolution
    if resolution > SHARPER * templates.resolution:
        return None
    grid = templates.at_resolution(STAR, resolution)  # (bins, 1 + K)
    at = (ln_wavelength - ln1pz - templates.ln_start) / templates.step
    reach = FARTHEST / LIGHT_SPEED / templates.step + 2
    used = (weight > 0) & (at > reach) & (at < len(grid) - 2 - reach)
    if np.count_nonzero(used) < LEAST:
        return None
    weight = weight[used] / (1 + weight[used] * MISFIT**2)
    at, root = at[used], np.sqrt(weight)
    first, ratio = interpolate_rows(grid, at) * root[:, None], ratio[used] * root
    prior, expected = make_prior(first.shape[1])
    normal, pull = first.T @ first + np.diag(prior), first.T @ ratio + prior * expected
    coefficients = np.linalg.solve(normal, pull)
    whole = grid @ coefficients  # (bins,)
    velocity = np.arange(max(NEAREST, LIGHT_SPEED / resolution), FARTHEST + STEP / 2, STEP)
    velocity = np.concatenate([-velocity[::-1], velocity])
    if not len(velocity):
        return None
    second = np.stack([interpolate_rows(whole, at - v / LIGHT_SPEED / templates.step) for v in velocity], axis=1)
    second = second * root[:, None]  # (n, velocities)
    # what is left of the second star, and of the data, when the first is fitted to both
    overlap = first.T @ second
    adapted = np.linalg.solve(normal, overlap)
    size = np.sum(second**2, axis=0) - np.sum(overlap * adapted, axis=0)
    share = (ratio @ second - coefficients @ overlap) / np.maximum(size, 1e-12)
    gain = np.where(share > 0, share**2 * size, 0.0)
    best = int(np.argmax(gain))
    return SecondStar(float(velocity[best]), float(share[best]), float(gain[best])) if gain[best] > 0 else None
