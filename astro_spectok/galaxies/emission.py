# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fluxes and equivalent widths of emission lines: Gaussians over the starlight, all of one velocity and width."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from astro_spectok.galaxies.lines import LINES
from astro_spectok.heads.small_numbers import GALAXY_RULES
from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["LinesFit", "fit_lines"]

#: half width of what is compared around each line, km/s; windows that overlap are one
WINDOW = 2500.0
#: velocities and widths (standard deviations) of the gas that are tried, km/s
VELOCITIES = np.arange(-240.0, 241.0, 60.0)
WIDTHS = np.array([35, 55, 80, 110, 150, 200, 270, 360, 480, 640.0])
#: around the best of these, for a finer search: km/s and factors
STEP_VELOCITY, STEP_WIDTH = np.array([-30.0, 0.0, 30.0]), np.array([0.8, 1.0, 1.25])
#: width where there are hardly any lines; fall of chi squared from which width and velocity are those of the lines
USUAL, CLEAR = 110.0, 30.0
#: how far the starlight may be from level in a window, over the continuum
UNEVEN = 0.03
#: share of the profile of a line that good pixels must hold for it to be measured
SEEN = 0.8


class LinesFit(NamedTuple):
    """Emission lines of a spectrum, in the order of `~astro_spectok.galaxies.lines.LINES`.

    Attributes
    ----------
    flux, flux_err : ndarray, shape (L,)
        In the unit of the flux times Angstrom, as observed; NaN where the line is not in the spectrum.
    width, width_err : ndarray, shape (L,)
        Equivalent width at rest, Angstrom, positive in emission.
    velocity, sigma : float
        km/s, of the gas: relative to the redshift, and its dispersion corrected for the instrument; NaN without lines.
    gain : float
        Fall of chi squared by the lines.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    width: np.ndarray
    width_err: np.ndarray
    velocity: float
    sigma: float
    gain: float


def fit_lines(ln_rest, flux, ivar, level, stars, instrument, redshift, misfit=GALAXY_RULES["misfit"]):
    """Fit emission lines.

    Parameters
    ----------
    ln_rest : ndarray of float64, shape (n,)
        ln(vacuum Angstrom) at rest, increasing.
    flux, ivar : ndarray, shape (n,)
    level, stars : ndarray, shape (n,)
        As of `~astro_spectok.galaxies.starlight.StarsFit`.
    instrument : ndarray, shape (n,)
        Standard deviation of the line-spread function, km/s.
    redshift : float
        For wavelengths as observed.
    misfit : float, optional
        As of `~astro_spectok.galaxies.starlight.Starlight`.

    Returns
    -------
    LinesFit
    """
    number = len(LINES)
    nothing = np.full(number, np.nan)
    centres = np.log([one for line in LINES.values() for one, _ in line.members])
    near = np.abs(ln_rest[:, None] - centres).min(axis=1) < WINDOW / LIGHT_SPEED
    rows = np.flatnonzero(near & (ivar > 0) & (level > 0))
    if len(rows) < 8:
        return LinesFit(nothing, nothing, nothing, nothing, np.nan, np.nan, 0.0)
    fit = _Fit(ln_rest, flux, ivar, level, stars, instrument, rows, redshift, misfit)
    base = fit.solve(None, None)[1]
    best = fit.search(VELOCITIES, [USUAL])
    best = fit.search([best[1]], WIDTHS)
    gain = base - best[0]
    if gain > CLEAR:
        for share in (1.0, 0.4):
            best = fit.search(best[1] + share * STEP_VELOCITY, best[2] * STEP_WIDTH**share)
        _, velocity, sigma = best
        found = velocity, sigma
    else:
        velocity, sigma, found = 0.0, USUAL, (np.nan, np.nan)
    coefficients, chi2, covariance = fit.solve(velocity, sigma, errors=True)
    # what the fit leaves beyond the noise makes errors larger, never smaller
    excess = max(chi2 / max(len(rows) - len(coefficients), 1), 1.0)
    seen = fit.find_seen(velocity, sigma)
    values = np.where(seen, coefficients[:number], np.nan)
    errors = np.where(seen, np.sqrt(np.diag(covariance)[:number] * excess), np.nan)
    continuum = fit.find_level()
    with np.errstate(divide="ignore", invalid="ignore"):
        width, width_err = (x / continuum / (1 + redshift) for x in (values, errors))
    wrong = ~(continuum > 0)
    width[wrong] = width_err[wrong] = np.nan
    return LinesFit(values, errors, width, width_err, *found, float(gain))


class _Fit:
    """Lines of one spectrum in the pixels around them."""

    def __init__(self, ln_rest, flux, ivar, level, stars, instrument, rows, redshift, misfit):
        self.ln_rest, self.level, self.redshift = ln_rest, level, redshift
        middle = (ln_rest[1:] + ln_rest[:-1]) / 2
        edges = np.concatenate([[1.5 * ln_rest[0] - 0.5 * ln_rest[1]], middle, [1.5 * ln_rest[-1] - 0.5 * ln_rest[-2]]])
        # a gap is no wide pixel
        wide = 1.5 * np.median(np.diff(ln_rest))
        self.low = np.maximum(edges[:-1], ln_rest - wide)[rows]
        self.high = np.minimum(edges[1:], ln_rest + wide)[rows]
        self.x, self.rows, self.instrument = ln_rest[rows], rows, instrument[rows]
        continuum = level * (1 + stars)
        self.y = (flux - continuum)[rows].astype(float)
        weight = ivar[rows].astype(float)
        self.weight = weight / (1 + weight * (misfit * level[rows]) ** 2)
        self.angstrom = np.exp(self.x) * (1 + redshift)
        self.baseline = self._lay_baselines()

    def _lay_baselines(self):
        """A level for each window, over the continuum: (n, W)."""
        start = np.flatnonzero(np.diff(self.x, prepend=-1) > 0.004)
        window = np.searchsorted(start, np.arange(len(self.x)), side="right") - 1
        out = np.zeros((len(self.x), len(start)))
        out[np.arange(len(self.x)), window] = self.level[self.rows]
        return out

    def _profile(self, wavelength, velocity, sigma):
        """Share of the flux of a line in each pixel, per Angstrom as observed."""
        # the resolving power is what a line in pixels shows, their own width included
        pixel = (self.high - self.low) ** 2 / 12
        width = np.sqrt(np.maximum((sigma**2 + self.instrument**2) / LIGHT_SPEED**2 - pixel, pixel))
        centre = np.log(wavelength) + velocity / LIGHT_SPEED
        share = ndtr((self.high - centre) / width) - ndtr((self.low - centre) / width)
        return share / ((self.high - self.low) * self.angstrom), share

    def _design(self, velocity, sigma):
        """A column for each line of `LINES`; those that are given as a sum have one more each behind them."""
        columns, more = [], []
        for line in LINES.values():
            (first, _), *others = line.members
            column = self._profile(first, velocity, sigma)[0]
            for wavelength, share in others:
                made = self._profile(wavelength, velocity, sigma)[0]
                if share is None:
                    # the sum, and by how much the second is the stronger
                    more.append((made - column) / 2)
                    column = (column + made) / 2
                else:
                    column = column + share * made
            columns.append(column)
        return np.stack(columns + more, axis=1)

    def solve(self, velocity, sigma, *, errors=False):
        """Coefficients, chi squared, and with ``errors`` their covariance; without lines where velocity is None."""
        level = np.median(self.level[self.rows])
        size = self.baseline.shape[1]
        lines = np.zeros((len(self.x), 0)) if velocity is None else self._design(velocity, sigma)
        design = np.concatenate([lines, self.baseline], axis=1)
        # lines are free but for numbers that cannot be: a hundred thousand Angstrom of equivalent width
        prior = np.concatenate([np.full(lines.shape[1], (1e5 * level) ** -2.0), np.full(size, UNEVEN**-2.0)])
        weighted = design * self.weight[:, None]
        scale = np.sqrt(np.maximum((weighted * design).sum(0) + prior, 1e-300))
        normal = (weighted.T @ design + np.diag(prior)) / scale[:, None] / scale
        normal[np.diag_indices(len(normal))] += 1e-10
        coefficients = np.linalg.solve(normal, weighted.T @ self.y / scale) / scale
        left = self.y - design @ coefficients
        chi2 = float(self.weight @ left**2 + prior @ coefficients**2)
        if errors:
            return coefficients, chi2, np.linalg.inv(normal) / scale[:, None] / scale
        return coefficients, chi2, None

    def search(self, velocities, widths):
        """The least chi squared of all pairs of a velocity and a width, with both."""
        tried = ((self.solve(float(v), float(s))[1], float(v), float(s)) for v in velocities for s in widths)
        return min(tried, key=lambda one: one[0])

    def find_seen(self, velocity, sigma):
        """Which lines the good pixels hold, all free members of them."""
        return np.array(
            [
                all(
                    self._profile(one, velocity, sigma)[1].sum() > SEEN
                    for k, (one, share) in enumerate(line.members) if k == 0 or share is None
                )
                for line in LINES.values()
            ]
        )  # fmt: skip

    def find_level(self):
        """Continuum without features at each line."""
        inside = self.level > 0
        centre = np.log([line.wavelength for line in LINES.values()])
        return np.interp(centre, self.ln_rest[inside], self.level[inside], left=np.nan, right=np.nan)
