# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What linear algebra infers of hidden pixels: components of ln(flux) at rest, of the training libraries."""

from dataclasses import dataclass

import numpy as np
from _components import find_components
from _representation_spectra import read_spectra, spectrum
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate import Survey

__all__ = ["LIBRARIES", "Library", "RestComponents"]

#: pixels over which the flux is smoothed for the scale that it is a logarithm of, and the least of it over the median
SMOOTH, LEAST = 15, 0.05
#: widest gap that is bridged, in bins
GAP = 20
#: cosines over the range that errors of calibration are made of, and the standard deviation of the first of them
N_SMOOTH, CALIBRATION = 12, 0.1
#: variance of ln(flux) that no spectrum is free of
FLOOR = 1e-4
LIMIT = 4.0


@dataclass(frozen=True)
class Library:
    """Spectra at rest that components are made of.

    Attributes
    ----------
    low, high, step : float
        Wavelengths in Angstrom, and width of the bins in ln(wavelength).
    number : int
        Of components.
    sets : tuple of str
        Training sets whose spectra are at rest.
    simulated : tuple of (str, int, tuple of str)
        Family, how many, and instruments through which they are seen, without noise.
    """

    low: float
    high: float
    step: float
    number: int
    sets: tuple = ()
    simulated: tuple = ()


_STARS = ("miles_real_stars", "cflib_real_stars", "pyhammer_sdss_stars", "stelib_real_stars", "kurucz_sdss_stds",
          "jacoby_real_stars", "pickles_stars")  # fmt: skip
_WIDE = ("boss", "sdss", "desi")
#: by the test set whose hidden pixels they infer
LIBRARIES = {
    "lamost_real": Library(3600, 9400, 3e-4, 60, _STARS, (("stars", 500, ("boss", "sdss", "lamost_lrs")),)),
    "splat_spex_real": Library(7000, 24500, 1.5e-3, 40, ("splat_spex_real", "btsettl_ultracool")),
    "sn_superfit_real": Library(3000, 9500, 1e-3, 60, ("sn_superfit_real", "snid_sesne_real", "deepsip_snia_real")),
    "sdss_more_real": Library(1050, 9300, 4e-4, 60, ("redrock_archetypes",),
                              (("quasars", 700, _WIDE), ("galaxies", 500, _WIDE))),
    "vandels_real": Library(900, 2600, 1e-3, 40, (), (("galaxies", 900, ("vimos", "boss", "fors")),)),
}  # fmt: skip
LIBRARIES["miles_real_stars"] = LIBRARIES["lamost_real"]


def _smooth_level(flux, good):
    """Flux (N,) smoothed over its good pixels, never below a small part of its median."""
    level = gaussian_filter1d(np.where(good, flux, 0.0), SMOOTH)
    level = level / np.maximum(gaussian_filter1d(good.astype(float), SMOOTH), 1e-3)
    return np.maximum(level, LEAST * np.median(np.abs(flux[good])))


def _take_logarithm(flux, level):
    return np.log(np.maximum(flux, LEAST * level))


class RestComponents:
    """Probabilistic principal components of ln(flux) at rest, conditioned on what is shown of a spectrum.

    Beside them there is a smooth curve, for errors of calibration and dust.

    Parameters
    ----------
    library : `Library`
    train : path-like
        Directory of the training sets.
    """

    def __init__(self, library, train):
        self.step = library.step
        self.x = np.arange(np.log(library.low), np.log(library.high), library.step)
        rows = [row for name in library.sets for row in self._read(train, name)]
        rows += [row for drawn in library.simulated for row in self._simulate(train, *drawn)]
        rows = np.array(rows)
        known = np.isfinite(rows)
        rows = rows - np.nanmean(rows, axis=1, keepdims=True)
        self.mean, basis, variance = find_components(np.where(known, rows, 0.0), known, library.number)
        place = (self.x - self.x[0]) / (self.x[-1] - self.x[0])
        order = np.arange(1, N_SMOOTH)[:, None]
        waves = np.cos(np.pi * order * place) * CALIBRATION / (1 + (order / 3) ** 2)
        self.basis = np.concatenate([basis, np.ones((1, len(place))), waves])
        self.variance = gaussian_filter1d(np.minimum(variance, 0.1), 3)

    def _lay_out(self, wavelength, flux, good):
        """ln of the flux over its median in the bins, NaN where unknown; None of a spectrum of too little."""
        good = good & np.isfinite(flux)
        if np.count_nonzero(good) < 50:
            return None
        x, flux = np.log(wavelength[good].astype(float)), flux[good].astype(float)
        values = _take_logarithm(flux, _smooth_level(flux, np.ones(len(flux), bool)))
        edges = np.append(self.x - self.step / 2, self.x[-1] + self.step / 2)
        place = np.digitize(x, edges) - 1
        inside = (place >= 0) & (place < len(self.x))
        count = np.bincount(place[inside], minlength=len(self.x))
        total = np.bincount(place[inside], weights=values[inside], minlength=len(self.x))
        out = np.where(count > 0, total / np.maximum(count, 1), np.interp(self.x, x, values))
        right = np.clip(np.searchsorted(x, self.x), 1, len(x) - 1)
        outside = (self.x < x[0]) | (self.x > x[-1]) | (x[right] - x[right - 1] > GAP * self.step)
        out[(count == 0) & outside] = np.nan
        return out if np.count_nonzero(np.isfinite(out)) > len(self.x) // 8 else None

    def _read(self, train, name):
        batch, _ = read_spectra(train, name)
        rows = (self._lay_out(w, f, i > 0) for w, f, i in (spectrum(batch, k) for k in range(len(batch))))
        return [row for row in rows if row is not None]

    def _simulate(self, train, family, number, instruments):
        survey, rows = Survey(train, families=[family]), []
        for group in survey.draw(number, [997, number], instruments=[list(instruments)], snr=(300, 300)):
            (seen,) = group.observations
            for k, shift in enumerate(np.log1p(group.objects.z.numpy())):
                present = seen.present[k]
                ln_wavelength, truth = (getattr(seen, name)[k][present].numpy() for name in ("ln_wavelength", "truth"))
                rows.append(self._lay_out(np.exp(ln_wavelength - shift), truth, np.isfinite(truth)))
        return [row for row in rows if row is not None]

    def predict(self, wavelength, flux, ivar, shown, z):
        """The flux of an object at a redshift, given what is shown of it; NaN outside the components."""
        x = np.log(wavelength) - np.log1p(z)
        good = shown & (ivar > 0)
        inside = (x > self.x[0]) & (x < self.x[-1])
        scale = np.median(np.abs(flux[good]))
        level = _smooth_level(flux, good) / scale
        values = _take_logarithm(np.where(good, flux / scale, level), level)
        place = (x - self.x[0]) / self.step
        left = np.clip(np.floor(place).astype(int), 0, len(self.x) - 2)
        part = np.clip(place - left, 0, 1)

        def at(rows):
            return rows[..., left] * (1 - part) + rows[..., left + 1] * part

        basis, mean = at(self.basis), at(self.mean)
        # pixels that share a bin share what components leave of it
        crowd = np.maximum(1, self.step / np.maximum(np.gradient(x), 1e-6))
        variance = at(self.variance) * crowd + 1 / np.maximum(ivar * (scale * level) ** 2, 1e-12) + FLOOR
        weight = np.where(good & inside, 1 / variance, 0.0)
        normal = basis * weight @ basis.T + np.eye(len(basis))
        found = np.linalg.solve(normal, basis @ (weight * (values - mean)))
        return np.where(inside, scale * np.exp(np.clip(mean + found @ basis, -LIMIT, LIMIT)), np.nan)
