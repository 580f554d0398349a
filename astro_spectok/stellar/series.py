# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Velocities of one star at several times, by the star itself, and whether they vary."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import chdtrc, logsumexp

from astro_spectok.redshift.fit import assume_resolution, divide_continuum, refine_redshift
from astro_spectok.redshift.solutions import take_resolution, take_spectrum
from astro_spectok.redshift.templates import CONTINUUM, RestTemplates
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.utils.spectypes import STAR

__all__ = ["Variability", "compare_velocities", "find_variability", "make_velocity_rows"]

#: how often spectra are laid over each other: the first time they are by velocities from templates
ROUNDS = 2
#: bins of the common star, per resolution element
FINER = 4
#: bins that it is smoothed by, more than a pixel
SMOOTHED = 2.5
#: share of stars that vary, before anything is seen (Raghavan et al. 2010, ApJS 190, 1: close companions), and standard
#: deviations in km/s that they may have
VARIABLE, AMPLITUDES = 0.1, np.geomspace(2.0, 200.0, 40)


class Variability(NamedTuple):
    """Whether velocities are constant.

    Attributes
    ----------
    mean, mean_err : float
        Weighted mean and its standard deviation, km/s.
    chi2 : float
        Of a constant velocity.
    dof : int
    p_constant : float
        Probability of as high a chi squared of a constant one.
    p_variable : float
        Probability that the velocity varies, by a scatter of 2 to 200 km/s, if one star in ten does.
    """

    mean: float
    mean_err: float
    chi2: float
    dof: int
    p_constant: float
    p_variable: float


def find_variability(rv, rv_err):
    """Whether velocities are constant within their errors.

    Parameters
    ----------
    rv, rv_err : ndarray, shape (n,)
        km/s; those that are not finite are left out.

    Returns
    -------
    Variability
        NaN where fewer than two are known.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.stellar.series import find_variability
    >>> steady, moved = find_variability(np.array([1.0, 3.0]), np.array([2.0, 2.0])), find_variability(
    ...     np.array([-40.0, 40.0]), np.array([2.0, 2.0])
    ... )
    >>> steady.p_variable < 0.1, moved.p_variable > 0.99
    (True, True)
    """
    good = np.isfinite(rv) & np.isfinite(rv_err) & (rv_err > 0)
    rv, rv_err = rv[good], rv_err[good]
    if not len(rv):
        return Variability(*[np.nan] * 3, 0, np.nan, np.nan)
    mean, mean_err, chi2, constant = _measure_scatter(rv, rv_err)
    dof = len(rv) - 1
    if not dof:
        return Variability(mean, mean_err, np.nan, 0, np.nan, np.nan)
    varying = logsumexp([_measure_scatter(rv, np.hypot(rv_err, one))[3] for one in AMPLITUDES]) - np.log(
        len(AMPLITUDES)
    )
    odds = np.log(VARIABLE / (1 - VARIABLE)) + varying - constant
    p_variable = float(1 / (1 + np.exp(-np.clip(odds, -700, 700))))
    return Variability(mean, mean_err, chi2, dof, float(chdtrc(dof, chi2)), p_variable)


def _measure_scatter(rv, sigma):
    """Weighted mean, its error, chi squared, and the log of the likelihood over a flat prior of the mean."""
    weight = sigma**-2.0
    mean = float(np.average(rv, weights=weight))
    chi2 = float(weight @ (rv - mean) ** 2)
    return mean, float(weight.sum() ** -0.5), chi2, 0.5 * (np.log(weight).sum() - np.log(weight.sum()) - chi2)


def compare_velocities(batch, places, ln_doppler, width):
    """ln(1 + v / c) of spectra of one star, each by what the others together look like.

    What a library star has that this one has not cancels. Shifts are relative to the others, whose own are not known
    either: both follow from a set of linear equations, whose mean is that of what was known before.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    places : list of int
        Of two spectra or more.
    ln_doppler, width : ndarray, shape (n,)
        By templates, and their standard deviations.

    Returns
    -------
    ln_doppler, width : ndarray, shape (n,)
        As they were where a spectrum cannot be compared.
    """
    found = ln_doppler, width
    for _ in range(ROUNDS):
        found = _compare_once(batch, places, found[0], width)
    return found


def _compare_once(batch, places, ln_doppler, width):
    """As `compare_velocities`, with spectra laid over each other by the velocities that are given."""
    n, star = len(places), [_lay_out(batch, i, shift) for i, shift in zip(places, ln_doppler, strict=True)]
    resolution = min(one[2] for one in star)
    step = 1 / (FINER * resolution)
    low, high = min(one[0][0] for one in star), max(one[0][-1] for one in star)
    centre = np.arange(low, high, step)
    sums = np.array([_resample(*one[0:2], one[3], centre) for one in star])  # (n, 2, bins)
    shift, sigma, share = np.full(n, np.nan), np.full(n, np.nan), np.zeros((n, n))
    strength = sums[:, 1].sum(axis=1)
    for k in range(n):
        others = np.delete(np.arange(n), k)
        weight = sums[others, 1].sum(axis=0)
        mean = sums[others, 0].sum(axis=0) / np.maximum(weight, 1e-12)
        filled = np.interp(np.arange(len(mean)), np.flatnonzero(weight > 0), mean[weight > 0]) if weight.any() else mean
        templates = RestTemplates(
            {STAR: filled[:, None].astype(np.float32)}, centre[0], step, resolution=resolution,
            levels=(resolution,),
        )  # fmt: skip
        fit = refine_redshift(
            *take_spectrum(batch, places[k]), STAR, ln_doppler[k], max(width[k], 1e-5), resolution=resolution,
            templates=templates,
        )  # fmt: skip
        if fit is not None:
            shift[k], sigma[k] = fit.ln1pz - ln_doppler[k], fit.width
            share[k, others] = strength[others] / strength[others].sum()
    known = np.isfinite(shift) & (sigma > 0)
    if np.count_nonzero(known) < 2:
        return ln_doppler, width
    # shift = own correction - mean of those of the others; the mean of all corrections is none
    matrix = (np.eye(n) - share)[known]
    matrix = np.concatenate([matrix / sigma[known, None], np.full((1, n), 1e3 / np.median(sigma[known]) / n)])
    found = np.linalg.lstsq(matrix, np.append(shift[known] / sigma[known], 0.0), rcond=None)[0]
    return np.where(known, ln_doppler + found, ln_doppler), np.where(known, sigma, width)


def _lay_out(batch, i, shift):
    """ln(wavelength) at rest, contrast, resolving power and weight of the pixels of a spectrum."""
    x, flux, ivar = take_spectrum(batch, i)
    ratio, weight = divide_continuum(x, flux, ivar, CONTINUUM[STAR])
    return x - shift, ratio, take_resolution(batch, i) or assume_resolution(x), weight


def _resample(x, ratio, weight, wanted):
    """Weighted contrast and weight at places of the common grid, (2, bins): between pixels, so nothing is moved."""
    seen = np.interp(wanted, x, weight, left=0.0, right=0.0)
    # noise that is averaged between pixels, and not at them, would draw shifts to half a pixel
    return [gaussian_filter1d(values, SMOOTHED) for values in (seen * np.interp(wanted, x, ratio), seen)]


def make_velocity_rows(batch, stars, floor):
    """Columns of a table of velocities: dict of str to ndarray, shape (n,), NaN where nothing was measured.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    stars : dict of int to `~astro_spectok.stellar.measure.Star`
        By place.
    floor : float
        km/s that is added to the errors in quadrature.
    """
    out = {name: np.full(len(batch), np.nan) for name in ("rv", "rv_err", "snr", "p_star")}
    places = sorted(stars)
    ln_doppler = np.array([np.log1p(stars[i].z) for i in places])
    width = np.array([stars[i].z_err / (1 + stars[i].z) for i in places])
    if len(places) > 1:
        ln_doppler, width = compare_velocities(batch, places, ln_doppler, width)
    for i, one, sigma in zip(places, ln_doppler, width, strict=True):
        out["rv"][i], out["rv_err"][i] = LIGHT_SPEED * np.expm1(one), np.hypot(LIGHT_SPEED * sigma, floor)
        out["snr"][i], out["p_star"][i] = stars[i].snr, stars[i].p_star
    return out
