# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stored public spectra and templates, drawn at random as they are: what joins the simulated ones in pretraining."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion

from astro_spectok.simulate.public_sets import IN_AIR, MARGINS, STORED, WITHOUT_COLOURS, find_sets, has_errors
from astro_spectok.spectra import convert_to_vacuum

__all__ = ["Corpus", "Source"]

log = logging.getLogger(__name__)

#: sets, or origins within a set, whose wavelengths are in air
_IN_AIR = IN_AIR | {"Marz templates.js AIR", "bc03_air", "miles_vazdekis_air", "miuscat_air"}
#: standard deviations, in ln(flux), of the slope and the waves that hide colours, and how many waves
_SLOPE, _WAVE, _WAVES = 0.5, 0.2, 3


@dataclass(frozen=True)
class Source:
    """One spectrum of the corpus.

    Attributes
    ----------
    ln_wavelength : ndarray of float64, shape (N,)
        Vacuum, increasing.
    flux : ndarray of float32, shape (N,)
    ivar : ndarray of float32, shape (N,), or None
        0 in bad pixels. None where no errors are known: the spectrum is taken as free of noise.
    kind : {'star', 'galaxy', 'observed'}
        Stars get radial velocities, galaxies any redshift, observed ones stay where they are.
    name : str
        Of the set.
    resolution : float or ndarray of shape (N,), optional
        Resolving power R = wavelength / FWHM, NaN in pixels where it is unknown; None where nothing is known of it.
    """

    ln_wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray | None
    kind: str
    name: str
    resolution: float | np.ndarray | None = None

    def thin(self, first, step):
        """The spectrum of every ``step``-th pixel from number ``first`` on."""
        pixels = slice(first, None, step)
        resolution = self.resolution if np.ndim(self.resolution) == 0 else self.resolution[pixels]
        ivar = None if self.ivar is None else self.ivar[pixels]
        return Source(self.ln_wavelength[pixels], self.flux[pixels], ivar, self.kind, self.name, resolution)


class Corpus:
    """Spectra and templates in a directory of ``.npz`` files, drawn at random.

    Parameters
    ----------
    directory : str or path-like
        Where the files lie; those that are absent are left out.

    Attributes
    ----------
    names : list of str
        The sets that were found.

    Raises
    ------
    FileNotFoundError
        None of the known files is there.
    """

    def __init__(self, directory):
        paths = {name: path for name, path in find_sets(directory).items() if name in STORED}
        self._draws = [_StoredSet(path, STORED[name][1]) for name, path in paths.items()]
        weights = [STORED[name][0] for name in paths]
        self.names = list(paths)
        self._probability = np.array(weights) / max(np.sum(weights), 1e-9)
        log.info("stored spectra: %s", ", ".join(self.names) or "none")

    def draw(self, rng):
        """One random `Source`."""
        return self._draws[rng.choice(len(self._draws), p=self._probability)].draw(rng)


class _StoredSet:
    """The spectra of one file as they are."""

    def __init__(self, path, kind):
        self.name, self.kind = path.stem, kind
        with np.load(path) as data:
            arrays = {key: data[key] for key in data.files}
        self.flux, self.ivar, offsets = arrays["flux"], arrays["ivar"], arrays["offsets"]
        shared = arrays.get("wave_shared")
        origin = arrays.get("origin", np.full(len(offsets) - 1, ""))
        eigen = np.char.startswith(arrays.get("sptype", np.full(len(offsets) - 1, "")), "EIGENVECTOR")
        self.slices, self.ln_wavelength = [], []
        grids = {}
        for i in np.nonzero(~eigen)[0]:
            pixels = slice(int(offsets[i]), int(offsets[i + 1]))
            in_air = self.name in _IN_AIR or str(origin[i]) in _IN_AIR
            key = in_air if shared is not None else i
            if key not in grids:
                wavelength = (arrays["wave"][pixels] if shared is None else shared).astype(float)
                grids[key] = np.log(convert_to_vacuum(wavelength) if in_air else wavelength)
            self.slices.append(pixels)
            self.ln_wavelength.append(grids[key])

    def draw(self, rng):
        i = rng.integers(len(self.slices))
        flux, ivar = self.flux[self.slices[i]], self.ivar[self.slices[i]]
        good = np.isfinite(flux) & (ivar > 0)
        if self.name in MARGINS:
            good = binary_erosion(good, iterations=MARGINS[self.name], border_value=1)
        known = has_errors(ivar, good)
        x = self.ln_wavelength[i]
        if self.name in WITHOUT_COLOURS:
            flux = flux * _hide_colours(x, rng)
        keep = good if not known else np.ones(len(flux), bool)
        keep[1:] &= np.diff(x) > 0
        return Source(x[keep], np.where(good, flux, 0)[keep], np.where(good, ivar, 0)[keep] if known else None,
                      self.kind, self.name)  # fmt: skip


def _hide_colours(x, rng):
    """A smooth factor (N,), float32, beside which the colours of a spectrum say nothing."""
    position = (x - x[0]) / (x[-1] - x[0])
    waves = rng.normal(0, _WAVE, _WAVES) @ np.cos(np.pi * np.arange(1, _WAVES + 1)[:, None] * position)
    return np.exp(waves + rng.normal(0, _SLOPE) * (2 * position - 1)).astype(np.float32)
