# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The redshift of a peak made finer: a least-squares fit of rest-frame templates around it."""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.templates import BLUEST, CONTINUUM, load_rest_templates
from astro_spectok.utils.medians import find_median
from astro_spectok.utils.products import square_pieces

__all__ = ["Refined", "assume_resolution", "divide_continuum", "make_prior", "measure_structure", "refine_redshift"]

#: bins in ln(wavelength) that the continuum is found on
COARSE = 1e-3
#: continuum, over its median, below which a pixel says nothing
FAINT = 0.05
#: inverse variance, over its median, below which a pixel counts less in the continuum
NOISY = 0.1
#: how far the templates are from any real spectrum, over the continuum
MISFIT = 0.02
#: deviations beyond which a pixel counts less and less
OUTLIER = 4.0
#: prior scatter of the strength of the mean template around 1, and of the coefficients of the others around 0
STRENGTH, SPREAD = 0.3, 1.0
#: most steps of Gauss and Newton: from 60 km/s away two leave a shift of one standard deviation, but the broad lines of
#: quasars, which templates fit less well, take longer
STEPS, MORE_STEPS = 3, {"QSO": 6}
#: of the standard deviation: a smaller step is the last
CONVERGED = 0.05
#: longest step in ln(1 + z), and how far from the peak the result may lie, in its widths and beyond them
LONGEST, WIDTHS, BEYOND = 1e-3, 4.0, 2e-4
#: fewest pixels that are compared
LEAST = 64
#: bins in ln(wavelength) that features are averaged over before it is asked how strong they are
STRUCTURE = 2e-3
#: pixels, and bins in ln(wavelength), over which sums of what templates leave are compared with those of white noise
NEIGHBOURS, NEAR = 8, 1e-3
#: how far the former must exceed those over two pixels to be noise that more share than an interpolation makes share:
#: errors that are too small, and outliers, raise both
GROWTH = 1.4
#: pixels per resolution element of a spectrum of unknown resolution
PIXELS = 2.5


class Refined(NamedTuple):
    """A redshift by templates.

    Attributes
    ----------
    ln1pz, width : float
        ln(1 + z) and its standard deviation, from the noise and the misfit.
    evidence : float
        In nat, how much more probable the spectrum is with the templates than as a continuum alone: for one without
        features it is negative.
    structure, unexplained : float
        Root mean square of the features over the continuum, in bins of 600 km/s and less the noise, and of what the
        templates leave of them.
    correlation : float
        Variance of sums over neighbouring pixels of what the templates leave, over that of noise without correlation;
        1 where more pixels share no more than two do. So many times as much evidence is found in it by chance.
    coefficients : ndarray, shape (1 + K,), or None
        Of the templates, the mean one first: their posterior means.
    left : (ndarray, ndarray, ndarray) or None
        Of the pixels that were compared, (n,) each: ln(wavelength) as observed, what the templates leave of the flux
        over its continuum, and the inverse variance of that, the misfit of templates counted.
    """

    ln1pz: float
    width: float
    evidence: float
    structure: float = np.nan
    unexplained: float = np.nan
    correlation: float = 1.0
    coefficients: np.ndarray | None = None
    left: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


def refine_redshift(ln_wavelength, flux, ivar, spectype, ln1pz, width, *, resolution=None, templates=None):
    """Fit templates of a class to a spectrum around a redshift that is nearly right.

    Flux and templates are both divided by their continuum, which is found by the same smoothing in ln(wavelength) and
    thus shifts as they do. The coefficients of the templates have a Gaussian prior and are marginalised over.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (n,)
        Increasing; vacuum, ln of Angstrom.
    flux, ivar : ndarray, shape (n,)
        Per unit wavelength, in any unit; pixels with ``ivar`` 0 are left out whatever their flux, if finite.
    spectype : str
    ln1pz, width : float
        The peak: ln(1 + z) and its standard deviation.
    resolution : float, optional
        Resolving power; 2.5 pixels to the resolution element if not given.
    templates : `~astro_spectok.redshift.templates.RestTemplates`, optional
        Those of the package if not given.

    Returns
    -------
    Refined or None
        None if there are no templates for the class, too few pixels lie within them, or the fit runs away from the
        peak.

    References
    ----------
    Variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413.
    """
    templates = load_rest_templates() if templates is None else templates
    if spectype not in templates.classes:
        return None
    ratio, weight = divide_continuum(ln_wavelength, flux, ivar, CONTINUUM[spectype])
    resolution = assume_resolution(ln_wavelength) if resolution is None else resolution
    grid = templates.pad_at_resolution(spectype, resolution)  # (bins, C)
    position = (ln_wavelength - templates.ln_start) / templates.step
    # pixels that stay within the templates wherever the fit may go
    reach = (WIDTHS * width + BEYOND) / templates.step
    at = position - ln1pz / templates.step
    first = (np.log(BLUEST[spectype]) - templates.ln_start) / templates.step if spectype in BLUEST else 0.0
    used = (weight > 0) & (at > first + reach) & (at < len(grid) - 2 - reach)
    if np.count_nonzero(used) < LEAST:
        return None
    ratio, weight, position = ratio[used].astype(np.float32), weight[used], position[used]
    weight = weight / (1 + weight * MISFIT**2)
    start, trust = ln1pz, np.ones(len(weight))
    for _ in range(MORE_STEPS.get(spectype, STEPS)):
        at = position - ln1pz / templates.step
        step, error, deviation, evidence, coefficients = _step(grid, at, ratio, weight * trust)
        if error is None:
            return None
        ln1pz += float(np.clip(step * templates.step, -LONGEST, LONGEST))
        if abs(ln1pz - start) > WIDTHS * width + BEYOND:
            return None
        trust = 1 / (1 + weight * (deviation / OUTLIER) ** 2)
        if abs(step) < CONVERGED * error:
            break
    excess = float(np.average(weight * deviation**2, weights=trust))
    width = float(error * templates.step * np.sqrt(max(excess, 1.0)))
    place = position * templates.step
    left = place + templates.ln_start, deviation, weight
    amplitudes = (measure_structure(x, place, weight) for x in (ratio, deviation))
    correlation = _measure_correlation(deviation * np.sqrt(weight), place)
    coefficients = coefficients[: templates.at_resolution(spectype, resolution).shape[1]]
    return Refined(ln1pz, width, evidence, *amplitudes, correlation, coefficients, left)


def _measure_correlation(deviation, ln_wavelength):
    """Mean square of sums over neighbours over that of white noise; 1 where it no longer grows with their number."""
    whole = len(deviation) // NEIGHBOURS * NEIGHBOURS
    few, many = (
        float(np.mean(deviation[:whole].reshape(-1, size).sum(axis=1) ** 2)) / size for size in (2, NEIGHBOURS)
    )
    if not many > GROWTH * few:
        return 1.0
    index = ((ln_wavelength - ln_wavelength[0]) / NEAR).astype(np.int64)
    count = np.bincount(index)
    filled = count > 0
    binned = np.bincount(index, deviation)[filled] ** 2 / count[filled]
    return float(max(many, np.mean(binned), 1.0))


def measure_structure(values, ln_wavelength, weight):
    """Root mean square in bins of 600 km/s of what deviates from a continuum, less the noise.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Flux over the continuum, less 1, or what a model leaves of it.
    ln_wavelength, weight : ndarray, shape (n,)
        Increasing; and inverse variance.

    Returns
    -------
    float
        0 where there is nothing but noise.
    """
    index = ((ln_wavelength - ln_wavelength[0]) / STRUCTURE).astype(np.int64)
    known = np.bincount(index, weight)
    filled = known > 0
    known = known[filled]
    mean = np.bincount(index, weight * values)[filled] / known
    trust = 1 / (1 / known + MISFIT**2)
    return float(np.sqrt(max(np.average(mean**2 - 1 / known, weights=trust), 0.0)))


def divide_continuum(ln_wavelength, flux, ivar, width):
    """Flux over its continuum, less 1, and the inverse variance of that; both 0 where there is no continuum.

    Parameters
    ----------
    ln_wavelength, flux, ivar : ndarray, shape (n,)
    width : float
        Of the Gaussian that smooths, in ln(wavelength).

    Returns
    -------
    ratio, weight : ndarray of float64, shape (n,)
    """
    good = ivar > 0
    first = ln_wavelength[0] - 0.5 * COARSE
    place = (ln_wavelength - first) / COARSE
    index = place.astype(np.int64)
    # very noisy pixels count less, all others alike: weights that vary leave their imprint on the continuum
    trust = np.minimum(ivar / (NOISY * find_median(ivar[good])), 1.0) if good.any() else np.zeros(len(ivar))
    size = int(index[-1]) + 1
    parts = [np.bincount(index, values, size) for values in (flux * trust, trust)]
    total, known = (gaussian_filter1d(x, width / COARSE, mode="constant", truncate=3) for x in parts)
    level = np.interp(place - 0.5, np.arange(size), total / np.maximum(known, 1e-12 * known.max() + 1e-300))
    typical = find_median(np.abs(level[good])) if good.any() else 0.0
    good &= (level > FAINT * typical) & (typical > 0)
    level = np.where(good, level, 1.0)
    return np.where(good, flux / level - 1, 0.0), np.where(good, ivar * level**2, 0.0)


def assume_resolution(ln_wavelength):
    """Resolving power assumed for a spectrum without one: 2.5 pixels per resolution element."""
    return 1 / (PIXELS * find_median(np.diff(ln_wavelength)))


def make_prior(size):
    """Inverse variance and mean of the coefficients of templates, (1 + K,) each; the mean template comes first."""
    prior, expected = np.full(size, SPREAD**-2), np.zeros(size)
    prior[0], expected[0] = STRENGTH**-2, 1.0
    return prior, expected


def _step(grid, at, ratio, weight):
    """One step of the shift in bins, its standard deviation, what the fit leaves, the evidence, and coefficients."""
    index = at.astype(np.int64)
    part, root = (at - index).astype(np.float32), np.sqrt(weight).astype(np.float32)
    # `take` is four times as fast as an index; in place: what is large costs by the number of times it is written
    scaled, right = grid.take(index, axis=0), grid.take(index + 1, axis=0)  # (n, C)
    scaled *= (root * (1 - part))[:, None]
    right *= (root * part)[:, None]
    scaled += right  # templates on the pixels, over their errors
    prior, expected = make_prior(scaled.shape[1])
    # Cholesky by LAPACK itself: matrices are so small that the wrapper costs more than they do
    factor, failed = dpotrf(square_pieces(scaled).astype(np.float64) + np.diag(prior))
    if failed:
        return 0.0, None, ratio, -np.inf, None
    coefficients, _ = dpotrs(factor, (scaled.T @ (root * ratio)).astype(np.float64) + prior * expected)
    # their sum is interpolated, not each
    first = index[0]
    total = grid[first : index[-1] + 2] @ coefficients.astype(np.float32)
    left, slope = total.take(index - first), total.take(index - first + 1)
    slope -= left
    deviation = ratio - (left + part * slope)
    gained = weight @ (ratio**2 - deviation**2) - prior @ (coefficients - expected) ** 2
    evidence = 0.5 * (float(gained) + np.sum(np.log(prior))) - np.sum(np.log(np.diag(factor)))
    # a larger redshift moves the spectrum to where the templates are further to the blue
    gradient = -slope
    overlap, pull = (scaled.T @ (root * x) for x in (gradient, deviation))
    pull = pull - prior * (coefficients - expected)
    by_overlap, by_pull = overlap @ dpotrs(factor, np.stack([overlap, pull], axis=1))[0]
    information = weight @ gradient**2 - by_overlap
    if not information > 0:
        return 0.0, None, deviation, evidence, coefficients
    shift = (weight @ (gradient * deviation) - by_pull) / information
    return shift, 1 / np.sqrt(information), deviation, float(evidence), coefficients
