# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The continuum of a galaxy: components of starlight, broadened, over a smooth shape; and the velocity dispersion."""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg.lapack import dpotrf, dpotrs
from scipy.ndimage import gaussian_filter1d

from astro_spectok.galaxies.lines import HIDDEN, LINES
from astro_spectok.heads.small_numbers import GALAXY_RULES
from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED

__all__ = ["Starlight", "StarsFit", "fit_stars"]

#: width in ln(wavelength) of the Gaussian that smooths a spectrum to its continuum, and of the bins it is found on
CONTINUUM, COARSE = 0.015, 1e-3
#: km/s by which components are broadened beyond what they are, for interpolation; velocity dispersions that are tried
EXTRA = np.array([0, 40, 60, 80, 100, 125, 150, 180, 210, 250, 300, 350, 400, 460, 520, 600.0])
TRIED = np.array([10, 40, 60, 80, 100, 120, 145, 170, 200, 235, 275, 320, 370, 430, 500.0])
#: the dispersion that the velocity is found with, km/s; rounds for it, and the farthest from the redshift
FIRST, ROUNDS, FARTHEST = 150.0, 3, 300.0
#: half width of what is hidden around an emission line, km/s
HIDE = 600.0
#: deviations beyond which a pixel counts less
OUTLIER = 4.0
#: prior scatter of the strength of the mean spectrum around 1, and of the other coefficients around 0
STRENGTH, SPREAD = 0.4, 1.5
#: fewest pixels that are compared, and continuum over its median below which a pixel says nothing
LEAST, FAINT = 150, 0.05
#: km/s, where the posterior of the dispersion is summed
FINE = np.arange(10.0, 500.5, 1.0)


class StarsFit(NamedTuple):
    """What starlight a spectrum shows.

    Attributes
    ----------
    level : ndarray, shape (n,)
        Continuum without features; 0 where there is none.
    stars : ndarray, shape (n,)
        Features of the starlight, over the level; 0 outside the components.
    shift : float
        ln of the velocity of the stars relative to the redshift.
    sigma, sigma_err : float
        Velocity dispersion in km/s, mean and standard deviation of its posterior; NaN where nothing was compared.
    misfit : float
        Chi squared for each degree of freedom.
    n_pixels : int
        How many were compared.
    """

    level: np.ndarray
    stars: np.ndarray
    shift: float
    sigma: float
    sigma_err: float
    misfit: float
    n_pixels: int


class Starlight:
    """Components of starlight at rest, at any broadening.

    Parameters
    ----------
    stars : ndarray, shape (bins, 1 + K)
        Mean and components over the continuum, less one, with coefficients of variance 1.
    low, step : float
        Vacuum Angstrom of the first bin, and width of the bins in ln(wavelength).
    resolution : float
        Resolving power that they have.
    misfit : float, optional
        How far they are from any real galaxy, over the continuum.
    """

    def __init__(self, stars, low, step, resolution, misfit=GALAXY_RULES["misfit"]):
        self.misfit = misfit
        self.ln_start, self.step = np.log(low), step
        self.sigma = LIGHT_SPEED / (FWHM_PER_SIGMA * resolution)
        widths = EXTRA / LIGHT_SPEED / step
        self._stack = np.stack(
            [gaussian_filter1d(stars, w, axis=0, mode="nearest", truncate=5) if w > 0 else stars for w in widths]
        ).astype(np.float32)  # (levels, bins, 1 + K)

    @classmethod
    def of_head(cls, head):
        """That of a `~astro_spectok.heads.galaxy.GalaxyHead`."""
        config, stars = head.config, head.stars.double().cpu().numpy()
        misfit = head.rules.get("misfit", GALAXY_RULES["misfit"])
        return cls(stars, config.stars_low, config.stars_step, head.domain["stars_resolution"], misfit)

    def find_inside(self, ln_rest, margin=0.002):
        """Which wavelengths at rest lie within the components."""
        place = (ln_rest - self.ln_start) / self.step
        edge = margin / self.step
        return (place > edge) & (place < self._stack.shape[1] - 2 - edge)

    def read(self, ln_rest, sigma, instrument):
        """Components at wavelengths within them.

        Parameters
        ----------
        ln_rest : ndarray, shape (n,)
        sigma : float
            Velocity dispersion, km/s.
        instrument : ndarray, shape (n,)
            Standard deviation of the line-spread function there, km/s.

        Returns
        -------
        ndarray of float64, shape (n, 1 + K)
        """
        extra = np.sqrt(np.maximum(sigma**2 + instrument**2 - self.sigma**2, 0))
        level = np.clip(np.searchsorted(EXTRA, extra, side="right") - 1, 0, len(EXTRA) - 2)
        low, high = EXTRA[level] ** 2, EXTRA[level + 1] ** 2
        part = np.clip((extra**2 - low) / (high - low), 0, 1).astype(np.float32)[:, None]
        place = (ln_rest - self.ln_start) / self.step
        index = place.astype(np.int64)
        along = (place - index).astype(np.float32)[:, None]
        stack = self._stack
        first, second = (
            (1 - along) * stack[k, index] + along * stack[k, index + 1] for k in (level, level + 1)
        )  # fmt: skip
        return ((1 - part) * first + part * second).astype(np.float64)


class _Smoother:
    """Smoothing of values on pixels by the Gaussian of the continuum, over those that count."""

    def __init__(self, ln_wavelength, trust):
        place = (ln_wavelength - ln_wavelength[0]) / COARSE + 0.5
        index = place.astype(np.int64)
        self._filled, starts = np.unique(index, return_index=True)
        self._starts, self._size, self._trust, self._at = starts, int(index[-1]) + 1, trust, place - 0.5
        self._known = self._blur(trust[:, None])[:, 0]
        self._known = np.maximum(self._known, 1e-9 * self._known.max() + 1e-300)

    def _blur(self, values):
        binned = np.zeros((self._size, values.shape[1]))
        binned[self._filled] = np.add.reduceat(values, self._starts, axis=0)
        return gaussian_filter1d(binned, CONTINUUM / COARSE, axis=0, mode="constant", truncate=3)

    def __call__(self, values):
        """Smoothed values (n,) or (n, k)."""
        table = values if values.ndim == 2 else values[:, None]
        mean = self._blur(table * self._trust[:, None]) / self._known[:, None]
        low = np.clip(self._at.astype(np.int64), 0, max(self._size - 2, 0))
        part = np.clip(self._at - low, 0, 1)[:, None]
        out = (1 - part) * mean[low] + part * mean[np.minimum(low + 1, self._size - 1)]
        return out if values.ndim == 2 else out[:, 0]


def find_hidden(ln_rest, half_width=HIDE):
    """Which wavelengths at rest lie near an emission line."""
    centres = np.sort(np.log([one for line in LINES.values() for one, _ in line.members] + list(HIDDEN)))
    nearest = np.clip(np.searchsorted(centres, ln_rest), 1, len(centres) - 1)
    distance = np.minimum(np.abs(ln_rest - centres[nearest]), np.abs(ln_rest - centres[nearest - 1]))
    return distance < half_width / LIGHT_SPEED


def fit_stars(ln_rest, flux, ivar, starlight, instrument):
    """Fit starlight to a spectrum between its emission lines.

    Spectrum and components are both divided by the same smoothing of what lies between emission lines. Coefficients
    have a Gaussian prior and are marginalised over, at each of a range of velocity dispersions.

    Parameters
    ----------
    ln_rest : ndarray of float64, shape (n,)
        ln(vacuum Angstrom) at rest, increasing.
    flux, ivar : ndarray, shape (n,)
        Per unit wavelength, in any unit; ``ivar`` 0 marks a bad pixel.
    starlight : `Starlight`
    instrument : ndarray, shape (n,)
        Standard deviation of the line-spread function, km/s.

    Returns
    -------
    StarsFit

    References
    ----------
    Cappellari 2017, MNRAS 466, 798, for fits of full spectra with emission lines left out; here the coefficients are
    integrated over.
    """
    good, nothing = ivar > 0, np.zeros(len(flux))
    shown = good & ~find_hidden(ln_rest)
    if np.count_nonzero(shown) < LEAST // 3:
        return StarsFit(nothing, nothing, 0.0, np.nan, np.nan, np.nan, 0)
    trust = np.where(shown, np.minimum(ivar / (0.1 * np.median(ivar[good])), 1.0), 0.0)
    smoother = _Smoother(ln_rest, trust)
    level = smoother(np.where(good, flux, 0.0).astype(float))
    typical = np.median(np.abs(level[good]))
    sound = (level > FAINT * typical) & (typical > 0)
    level = np.where(sound, level, 0.0)
    reach = FARTHEST / LIGHT_SPEED
    inside = starlight.find_inside(ln_rest, reach + 1e-4)
    used = shown & sound & inside
    if np.count_nonzero(used) < LEAST:
        return StarsFit(level, nothing, 0.0, np.nan, np.nan, np.nan, int(np.count_nonzero(used)))
    ratio = flux[used] / level[used] - 1
    weight = ivar[used].astype(float) * level[used] ** 2
    weight = weight / (1 + weight * starlight.misfit**2)
    fit = _Fit(starlight, smoother, ln_rest, inside, used, ratio, weight, instrument)
    shift = fit.find_velocity()
    sigma, error, best, misfit = fit.find_dispersion(shift)
    stars = nothing.copy()
    stars[inside] = fit.model(best, shift)
    return StarsFit(level, stars, shift, sigma, error, misfit, int(np.count_nonzero(used)))


class _Fit:
    """One spectrum with the components of starlight."""

    def __init__(self, starlight, smoother, ln_rest, inside, used, ratio, weight, instrument):
        self.starlight, self.smoother, self.ln_rest, self.inside = starlight, smoother, ln_rest, inside
        self.instrument, self.ratio, self.weight = instrument, ratio, weight
        self.used, self.rows = used, used[inside]
        self.trust = np.ones(len(ratio))
        size = starlight._stack.shape[2]
        self.prior = np.full(size, SPREAD**-2)
        self.prior[0] = STRENGTH**-2
        self.expected = np.zeros(size)
        self.expected[0] = 1.0
        self._level = None

    def _design(self, sigma, shift):
        """Components on all pixels within them, less what their own continuum takes."""
        made = self.starlight.read(self.ln_rest[self.inside] - shift, sigma, self.instrument[self.inside])
        if self._level is None:
            whole = np.zeros((len(self.ln_rest), made.shape[1]))
            whole[self.inside] = made
            # what the smoothing of a spectrum makes of its features hardly depends on how broad they are
            self._level = self.smoother(whole)[self.inside]
        return made - self._level

    def _solve(self, design):
        """Coefficients, logarithm of the evidence, and what is left."""
        weight = self.weight * self.trust
        weighted = design * weight[:, None]
        factor, failed = dpotrf(weighted.T @ design + np.diag(self.prior))
        if failed:
            return self.expected, -np.inf, self.ratio
        coefficients, _ = dpotrs(factor, weighted.T @ self.ratio + self.prior * self.expected)
        left = self.ratio - design @ coefficients
        chi2 = float(weight @ left**2 + self.prior @ (coefficients - self.expected) ** 2)
        return coefficients, -0.5 * chi2 - float(np.log(np.diag(factor)).sum()), left

    def find_velocity(self):
        """ln of the velocity of the stars relative to the redshift."""
        shift, tiny = 0.0, 20 / LIGHT_SPEED
        for _ in range(ROUNDS):
            design = self._design(FIRST, shift)[self.rows]
            coefficients, _, left = self._solve(design)
            self.trust = 1 / (1 + self.weight * (left / OUTLIER) ** 2)
            moved = self._design(FIRST, shift + tiny)[self.rows] @ coefficients
            slope = (moved - design @ coefficients) / tiny
            weight = self.weight * self.trust
            # 100 km/s beforehand: noise alone is not to move it
            step = float(weight @ (slope * left) - shift * (LIGHT_SPEED / 100) ** 2)
            step /= float(weight @ slope**2) + (LIGHT_SPEED / 100) ** 2
            shift = float(np.clip(shift + step, -FARTHEST / LIGHT_SPEED, FARTHEST / LIGHT_SPEED))
        return shift

    def find_dispersion(self, shift):
        """Mean and standard deviation of the velocity dispersion, the most probable one, and chi squared."""
        designs = [self._design(sigma, shift)[self.rows] for sigma in TRIED]
        solved = [self._solve(design) for design in designs]
        log_evidence = np.array([one[1] for one in solved])
        k = int(np.argmax(log_evidence))
        left = solved[k][2]
        weight = self.weight * self.trust
        misfit = float(weight @ left**2 / max(self.trust.sum() - len(self.prior), 1))
        curve = CubicSpline(TRIED, (log_evidence - log_evidence[k]) / max(misfit, 1.0))(FINE)
        p = np.exp(np.minimum(curve - curve.max(), 0))
        p /= p.sum()
        mean = float(p @ FINE)
        return mean, float(np.sqrt(max(p @ (FINE - mean) ** 2, 1.0))), float(TRIED[k]), misfit

    def model(self, sigma, shift):
        """Features of the starlight on all pixels within the components."""
        design = self._design(sigma, shift)
        coefficients, *_ = self._solve(design[self.rows])
        return design @ coefficients
