# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Temperature and gravity of white dwarfs with hydrogen atmospheres: a fit of models to their Balmer lines."""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from safetensors import safe_open
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.fit import assume_resolution, measure_structure

__all__ = [
    "WHITE_DWARF_MODELS",
    "WhiteDwarfFit",
    "WhiteDwarfModels",
    "fit_white_dwarf",
    "is_hydrogen",
    "load_white_dwarf_models",
    "make_continua",
    "read_white_dwarf_models",
]

#: made by the stage ``templates`` of ``spectok build``
WHITE_DWARF_MODELS = Path(__file__).parents[1] / "data" / "white_dwarf_models.safetensors"
#: fewest good pixels in the windows of the lines
LEAST = 32
#: how far the models are from any real spectrum, over the continuum
MISFIT = 0.02
#: deviations beyond which a pixel counts less and less
OUTLIER = 4.0
#: pieces of a line that models are wrong in by themselves: the core and the wings
PIECES = 2
#: width in ln(wavelength) that light is smoothed by to see how bright it is
LEVEL = 1e-2
#: standard deviation of the continuum from that of a white dwarf, and the ln(wavelength) over which it changes: errors
#: of calibration, and dust
CALIBRATION, COHERENCE = 0.3, 0.3
#: of the same from line to line, where lines blend (below 3920 Angstrom, below 4025 ...) and models are each divided by
#: a continuum of their own; and of the slope within a window
WINDOW, TILT = (0.3, 0.2, 0.1, 0.05, 0.05, 0.05), 0.03
#: of the scale of all
ANY = 30.0
#: how much steeper, by power of wavelength, the continuum of hydrogen is than a black body: log10(Teff), and exponents
#: as the white dwarfs of CALSPEC have them
STEEPER = ((3.80, 3.95, 4.02, 4.15, 4.22, 4.30, 4.60), (0.10, 0.20, 0.42, 0.48, 0.42, 0.30, 0.10))
#: h c / k in Angstrom K; Angstrom at which continua are equal
HC_OVER_K, PIVOT = 1.438777e8, 5500.0
#: points between those of the grid that probabilities are summed over
FINER = 8
#: how much of what speaks for the best temperature speaks against another maximum of the probability: what models lack
#: of the lines, all pixels and lines lack together
AGAINST = 0.5
#: what is added to the errors of log10(Teff) and logg in quadrature
FLOOR = (0.018, 0.05)
#: fall of chi squared by the lines from which there are any; largest share of them that the models may leave, and
#: strain of the continuum; share of the probability that may lie in the outermost cells of the grid; largest error of
#: log10(Teff)
LEAST_GAIN, LARGEST_SHARE, LARGEST_STRAIN, LARGEST_EDGE, LARGEST_ERROR = 100.0, 0.15, 10.0, 0.2, 0.08


class WhiteDwarfModels(NamedTuple):
    """Spectra of white dwarfs over their continuum, less 1, on a grid even in ln(vacuum wavelength / Angstrom).

    Attributes
    ----------
    mean : ndarray, shape (bins,)
    basis : ndarray, shape (components, bins)
    coefficients : ndarray, shape (temperatures x gravities, components)
        Temperatures vary slowest.
    log_teff, logg : ndarray
        The axes, each even.
    windows : ndarray, shape (lines, 2)
        Between which wavelengths (ln) the models are known.
    ln_start, step, resolution : float
        First bin, width of the bins, and resolving power.
    """

    mean: np.ndarray
    basis: np.ndarray
    coefficients: np.ndarray
    log_teff: np.ndarray
    logg: np.ndarray
    windows: np.ndarray
    ln_start: float
    step: float
    resolution: float


class WhiteDwarfFit(NamedTuple):
    """Temperature and gravity of a spectrum as if it were of a white dwarf with a hydrogen atmosphere.

    Attributes
    ----------
    mean : ndarray, shape (2,)
        log10(Teff / K) and log10(g / (cm / s2)).
    covariance : ndarray, shape (2, 2)
    gain : float
        How much lower chi squared is than that of a continuum without lines.
    share : float
        Root mean square of what the models leave, less the noise, over that of the lines.
    edge : float
        Share of the probability in the outermost cells of the grid.
    strain : float
        Chi squared of the continuum from that of a white dwarf of the best model, of twelve degrees of freedom.
    """

    mean: np.ndarray
    covariance: np.ndarray
    gain: float
    share: float
    edge: float
    strain: float


@lru_cache(maxsize=1)
def load_white_dwarf_models():
    """The packaged `WhiteDwarfModels`, read once."""
    return read_white_dwarf_models(WHITE_DWARF_MODELS)


def read_white_dwarf_models(path):
    """Read a file of models, as `~astro_spectok.training.white_dwarf_models.make_white_dwarf_models` writes it."""
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["about"])
        mean, basis, coefficients = (file.get_tensor(name).astype(float) for name in ("mean", "basis", "coefficients"))
    axes = [start + step * np.arange(n) for start, step, n in (about["log_teff"], about["logg"])]
    return WhiteDwarfModels(
        mean, basis, coefficients, *axes, np.log(about["windows"]), about["ln_start"], about["step"],
        about["resolution"],
    )  # fmt: skip


def fit_white_dwarf(ln_wavelength, flux, ivar, *, resolution=None, models=None):
    """Fit models of white dwarfs with hydrogen atmospheres to a spectrum at rest.

    Each model of the grid is put, in windows around the Balmer lines from H8 to H alpha, on the continuum of a white
    dwarf of its temperature, from which that of the spectrum may differ smoothly, and in each window by a factor and a
    slope. These are marginalised over, so that colours choose between the two sides of the maximum of the lines and no
    more; temperature and gravity are means over the probability of all models.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (n,)
        Increasing; at rest, vacuum, ln of Angstrom.
    flux, ivar : ndarray, shape (n,)
        Per unit wavelength, in any unit; pixels with ``ivar`` 0 are left out whatever their flux, if finite.
    resolution : float, optional
        Resolving power; 2.5 pixels to the resolution element if not given.
    models : WhiteDwarfModels, optional
        Those of the package if not given.

    Returns
    -------
    WhiteDwarfFit or None
        None if there are fewer than 32 good pixels in the windows, or no light.

    References
    ----------
    Bergeron, Saffer & Liebert 1992, ApJ 394, 228, for the method.
    """
    models = load_white_dwarf_models() if models is None else models
    resolution = assume_resolution(ln_wavelength) if resolution is None else resolution
    binned = _bin(ln_wavelength, flux, ivar, models)
    if binned is None:
        return None
    x, flux, weight = binned
    shape = np.repeat(make_continua(x, models.log_teff), len(models.logg), axis=0)  # (models, n)
    spectra = _interpolate(x, resolution, models)
    spectra += 1
    spectra *= shape
    base, prior = _make_base(x, models.windows)
    level = gaussian_filter1d(np.abs(flux), max(LEVEL / np.median(np.diff(x)), 1.0), mode="nearest")
    certain, weight = weight, weight / (1 + weight * (MISFIT * level) ** 2)
    trust = np.ones(len(x))
    # which pixels are wrong every other model tells as well
    for every in (2, 1):
        rows = np.arange(len(spectra)).reshape(len(models.log_teff), -1)[::every, ::every].ravel()
        chi2, penalty, coefficients = _solve(spectra[rows], flux, weight * trust, base, prior)
        one = int(np.argmin(chi2 + penalty))
        best, own = rows[one], coefficients[one]
        left = flux - spectra[best] * (base @ own)
        trust = 1 / (1 + weight * (left / OUTLIER) ** 2)
    excess = max(float(np.average(weight * left**2, weights=trust)), 1.0)
    plain = _solve(shape[best : best + 1], flux, weight * trust, base, prior)[0][0]
    continuum = np.maximum(shape[best] * (base @ own), 1e-3)
    lines, rest = spectra[best] / shape[best] - 1, left / continuum
    share, trusted = (_share(rest, lines, x, certain * continuum**2 * weight) for weight in (1.0, trust))
    gain = float(plain - chi2[one]) / excess
    # what the models lack of the lines is no noise: pixels of a line lack it together
    lacking = max(gain * trusted**2 / (PIECES * len(models.windows)), 1.0)
    mean, covariance, edge = _summarize(-0.5 * (chi2 + penalty) / (excess * lacking), models)
    return WhiteDwarfFit(mean, covariance, gain, share, edge, float(own @ prior @ own))


def is_hydrogen(fit):
    """Whether a spectrum is that of a white dwarf whose lines tell its temperature, within the models.

    Parameters
    ----------
    fit : WhiteDwarfFit or None

    Returns
    -------
    bool
        False without lines, with others than the models have or colours that do not go with them, near the ends of the
        models, or where noise leaves more than 20 per cent of error.
    """
    return (
        fit is not None
        and fit.gain > LEAST_GAIN
        and fit.share < LARGEST_SHARE
        and fit.strain < LARGEST_STRAIN
        and fit.edge < LARGEST_EDGE
        and np.sqrt(fit.covariance[0, 0]) < LARGEST_ERROR
    )


def _share(rest, lines, x, weight):
    """Root mean square of what the models leave, less the noise, over that of their lines."""
    return measure_structure(rest, x, weight) / max(measure_structure(lines, x, weight), 1e-3)


def _bin(ln_wavelength, flux, ivar, models):
    """Places, flux over its median and inverse variance of the pixels in the windows, no finer than the models."""
    inside = np.any([(ln_wavelength > low) & (ln_wavelength < high) for low, high in models.windows], axis=0)
    good = inside & (ivar > 0)
    if np.count_nonzero(good) < LEAST:
        return None
    x, flux, ivar = ln_wavelength[good], flux[good].astype(float), ivar[good].astype(float)
    scale = np.median(flux)
    if not scale > 0:
        return None
    flux, ivar = flux / scale, ivar * scale**2
    index = ((x - models.ln_start) / models.step).astype(np.int64)
    weight = np.bincount(index, ivar)
    filled = weight > 0
    weight = weight[filled]
    place, value = (np.bincount(index, ivar * values)[filled] / weight for values in (x, flux))
    return (place, value, weight) if np.count_nonzero(filled) >= LEAST else None


def _interpolate(x, resolution, models):
    """Models (models, n) as an instrument sees them, at places."""
    rows = np.vstack([models.mean, models.basis])
    wider = np.sqrt(max(resolution**-2 - models.resolution**-2, 0.0)) * gaussian_fwhm_to_sigma / models.step
    if wider > 0:
        rows = gaussian_filter1d(rows, wider, axis=1, mode="nearest")
    place = (x - models.ln_start) / models.step
    left = np.clip(place.astype(np.int64), 0, rows.shape[1] - 2)
    part = place - left
    seen = (1 - part) * rows[:, left] + part * rows[:, left + 1]
    return seen[0] + models.coefficients @ seen[1:]


def make_continua(x, log_teff):
    """Continua of white dwarfs, one at 5500 Angstrom.

    Parameters
    ----------
    x : ndarray, shape (n,)
        ln(wavelength).
    log_teff : ndarray, shape (temperatures,)

    Returns
    -------
    ndarray, shape (temperatures, n)
    """
    teff = 10 ** log_teff[:, None]
    exponent = np.interp(log_teff, *STEEPER)[:, None] + 5
    ratio = np.expm1(HC_OVER_K / (PIVOT * teff)) / np.expm1(HC_OVER_K / (np.exp(x) * teff))
    return ratio * np.exp(-exponent * (x - np.log(PIVOT)))


def _make_base(x, windows):
    """Functions (n, 2 windows) that make up the continuum, from one end of a window to the other, and their prior."""
    base = np.zeros((len(x), 2 * len(windows)))
    for k, (low, high) in enumerate(windows):
        inside = (x >= low) & (x <= high)
        place = (x[inside] - low) / (high - low)
        base[inside, 2 * k], base[inside, 2 * k + 1] = 1 - place, place
    ends = windows.ravel()
    spread = ANY**2 + CALIBRATION**2 * np.exp(-0.5 * ((ends[:, None] - ends) / COHERENCE) ** 2)
    for k in range(len(windows)):
        part = slice(2 * k, 2 * k + 2)
        spread[part, part] += (
            WINDOW[min(k, len(WINDOW) - 1)] ** 2 + TILT**2 * np.array([[1.0, -1.0], [-1.0, 1.0]]) + 1e-4 * np.eye(2)
        )
    return base, np.linalg.inv(spread)


def _solve(models, flux, weight, base, prior):
    """Chi squared and ln of the determinant (models,), and coefficients of the continuum (models, 2 windows).

    The functions of a window overlap with each other alone.
    """
    size = base.shape[1]
    normal = np.broadcast_to(prior, (len(models), size, size)).copy()
    even, odd = np.arange(0, size, 2), np.arange(1, size, 2)
    square = models**2
    for rows, columns in ((even, even), (odd, odd), (even, odd)):
        sums = square @ (base[:, rows] * base[:, columns] * weight[:, None])
        normal[:, rows, columns] += sums
        if rows is not columns:
            normal[:, columns, rows] += sums
    pull = models @ (base * (weight * flux)[:, None])
    root = np.linalg.cholesky(normal)
    coefficients = np.linalg.solve(normal, pull[:, :, None])[:, :, 0]
    chi2 = weight @ flux**2 - np.sum(pull * coefficients, axis=1)
    return chi2, 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1), coefficients


def _doubt_side(values):
    """ln of the probability (temperatures, gravities) with maxima at other temperatures than the best one raised.

    Lines are as strong on the hot side of their maximum as on the cool one.
    """
    out, along = values.copy(), values.max(axis=1)
    top = int(np.argmax(along))
    for way in (1, -1):
        side = along[top:] if way > 0 else along[top::-1]
        rises = side > np.minimum.accumulate(side)
        if rises.any():
            other = int(np.argmax(np.where(rises, side, -np.inf)))
            valley = int(np.argmin(side[:other]))
            rows = top + way * np.arange(valley, len(side))
            out[rows] += (1 - AGAINST) * (side[0] - side[other])
    return out


def _summarize(log_probability, models):
    """Mean and covariance over the grid, made finer, and the share of the probability at its edge."""
    values, axes = _doubt_side(log_probability.reshape(len(models.log_teff), len(models.logg))), []
    for k, axis in enumerate((models.log_teff, models.logg)):
        fine = np.linspace(axis[0], axis[-1], FINER * (len(axis) - 1) + 1)
        values = CubicSpline(axis, values, axis=k)(fine)
        axes.append(fine)
    probability = np.exp(values - values.max())
    probability /= probability.sum()
    inner = probability[FINER:-FINER, FINER:-FINER].sum()
    sums = probability.sum(axis=1), probability.sum(axis=0)
    mean = np.array([p @ axis for p, axis in zip(sums, axes, strict=True)])
    first, second = (axis - centre for axis, centre in zip(axes, mean, strict=True))
    both = first @ probability @ second
    covariance = np.array([[sums[0] @ first**2, both], [both, sums[1] @ second**2]]) + np.diag(FLOOR) ** 2
    return mean, covariance, float(1 - inner)
