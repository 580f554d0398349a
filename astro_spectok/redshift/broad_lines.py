# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Broad emission lines: what an active nucleus shows, and a galaxy or a star does not."""

import numpy as np

from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["has_broad_lines"]

#: vacuum Angstrom of H alpha, H beta and Mg II, and km/s between which the continuum on either side is free of lines
LINES = (
    (6564.6, (-11000.0, -6500.0), (8800.0, 12000.0)),
    (4862.7, (-9000.0, -5500.0), (10600.0, 13500.0)),
    (2800.3, (-12000.0, -7000.0), (7000.0, 12000.0)),
)
#: km/s at which wings are looked for: narrow lines, and [N II] beside H alpha, end before
WINGS = (1500.0, 3500.0)
#: least excess of either wing over the continuum, and in standard deviations; fewest pixels of a wing and of a side. Of
#: 799 lines of simulated galaxies none has it, of those of quasars two fifths
EXCESS, SIGNIFICANT, FEWEST = 0.2, 6.0, 5
#: width of pixels in ln(wavelength) beyond which narrow lines have such wings too
WIDEST_PIXEL = 1e-3


def has_broad_lines(ln_wavelength, flux, ivar, ln1pz):
    """Whether a line has wings of thousands of km/s, on both sides, far over the continuum.

    Parameters
    ----------
    ln_wavelength : ndarray, shape (n,)
        Increasing; vacuum, ln of Angstrom.
    flux, ivar : ndarray, shape (n,)
        ``ivar`` 0 marks a bad pixel.
    ln1pz : float
        ln(1 + z).

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.broad_lines import has_broad_lines
    >>> x = np.log(4500) + 2e-4 * np.arange(3000)
    >>> def make(width):
    ...     return 1 + 2 * np.exp(-0.5 * ((x - np.log(4862.7 * 1.1)) * 3e5 / width) ** 2)
    >>> [has_broad_lines(x, make(width), np.full(3000, 400.0), np.log(1.1)) for width in (150, 2000)]
    [False, True]
    """
    if len(ln_wavelength) < 2 or np.median(np.diff(ln_wavelength)) > WIDEST_PIXEL:
        return False
    return any(_has_wings(ln_wavelength - ln1pz - np.log(line), flux, ivar, sides) for line, *sides in LINES)


def _has_wings(offset, flux, ivar, sides):
    """Whether both wings of a line rise over a straight line through the continuum on its sides."""
    whole = slice(*np.searchsorted(offset, np.array([sides[0][0], sides[1][1]]) / LIGHT_SPEED))
    velocity, flux, ivar = (np.asarray(values[whole], np.float64) for values in (LIGHT_SPEED * offset, flux, ivar))
    means = [_average(velocity, flux, ivar, *limits) for limits in sides]
    inner, outer = WINGS
    wings = [_average(velocity, flux, ivar, *limits) for limits in ((-outer, -inner), (inner, outer))]
    if any(part is None for part in (*means, *wings)):
        return False
    (left, low, low_ivar), (right, high, high_ivar) = means
    for at, level, known in wings:
        share = (at - left) / (right - left)
        continuum = (1 - share) * low + share * high
        error = np.sqrt(1 / known + (1 - share) ** 2 / low_ivar + share**2 / high_ivar)
        if not (continuum > 0 and level - continuum > max(EXCESS * continuum, SIGNIFICANT * error)):
            return False
    return True


def _average(velocity, flux, ivar, first, last):
    """Mean velocity and flux of the good pixels between two velocities, and inverse variance; None of too few."""
    used = (ivar > 0) & (velocity > first) & (velocity < last)
    if np.count_nonzero(used) < FEWEST:
        return None
    weight = ivar[used]
    return np.average(velocity[used], weights=weight), np.average(flux[used], weights=weight), weight.sum()
