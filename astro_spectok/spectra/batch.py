# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The plain arrays that every other room works on: many spectra, ragged, without units."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntFlag
from functools import cached_property

import numpy as np
from astropy import units as u

from astro_spectok.spectra.layout import CubeLayout
from astro_spectok.utils.axis import LN_WAVELENGTH, Axis
from astro_spectok.utils.medians import find_median

__all__ = ["InputFlag", "SpectrumBatch", "SpectrumInfo"]


class InputFlag(IntFlag):
    """Flags of an input spectrum; the bits of every ``warn`` column.

    Those of the first group are remarks; those of the second mean that the spectrum could not be used.

    Examples
    --------
    >>> from astro_spectok.spectra import InputFlag
    >>> flags = InputFlag(1 + 2)
    >>> [flag.name for flag in flags], flags.unusable
    (['UNCERTAINTY_ESTIMATED', 'MEDIUM_ASSUMED'], False)
    >>> InputFlag.TOO_FEW_PIXELS.unusable
    True
    """

    NONE = 0
    #: no uncertainty was given, or one that is far larger than the scatter of the flux, or than that of what templates
    #: leave, or smaller than any calibration is good: it was estimated from the scatter
    UNCERTAINTY_ESTIMATED = 1
    #: neither keyword, WCS, header nor bands and lines of the atmosphere give the medium: vacuum was assumed
    MEDIUM_ASSUMED = 2
    #: wavelengths were not in order or not unique: sorted, and equal ones averaged by inverse variance
    WAVELENGTH_SORTED = 4
    #: part of the spectrum lies outside the wavelengths the weights were trained on
    OUTSIDE_TRAINED_RANGE = 8
    #: pixels were averaged: they are finer than the weights have learned, or were interpolated or smoothed, so that
    #: neighbours are not independent
    PIXELS_AVERAGED = 16
    #: the stated uncertainties are far smaller than the scatter of the flux from pixel to pixel, or than that of what
    #: templates leave: they were raised
    UNCERTAINTY_RAISED = 32
    #: a reader of files had to guess a unit, what a column holds or the like: ``meta["guesses"]`` says what
    GUESSED = 64
    #: fewer good pixels than one patch, or none at all
    TOO_FEW_PIXELS = 256
    #: more pixels than ``conf.max_pixels``
    TOO_MANY_PIXELS = 512
    #: a spectral axis or flux that cannot be converted
    BAD_UNITS = 1024
    #: not a spectrum, or one that cannot be read
    BAD_INPUT = 2048
    #: all of the spectrum lies outside the wavelengths the weights were trained on
    WHOLLY_OUTSIDE = 4096
    #: something went wrong while it was measured, or no finite numbers came out
    FAILED = 8192

    @property
    def unusable(self) -> bool:
        """Whether no result can be given: bool."""
        return bool(self & ~InputFlag(255))


@dataclass(frozen=True)
class SpectrumInfo:
    """Units, medium and name of one input, so that results are returned in its terms.

    Attributes
    ----------
    spectral_unit : `~astropy.units.Unit`
        Unit of the spectral axis as given.
    flux_unit : `~astropy.units.Unit`
        Unit of the flux as given.
    medium : {'vacuum', 'air'}
        Medium of the wavelengths as given.
    medium_source : {'keyword', 'axis', 'wcs', 'header', 'oxygen', 'sky', 'assumed'}
        Where that was learnt; 'axis' for a frequency, energy or wavenumber, which no medium changes; 'oxygen' for the
        bands of the atmosphere in the spectrum, 'sky' for the lines of the night sky in its noise.
    doppler_convention : {'optical', 'radio', 'relativistic'} or None
        Needed to return to a velocity axis; None for all others.
    doppler_rest : `~astropy.units.Quantity` or None
        Likewise: the rest value.
    name : str
        A name for the row, where the input has one.
    message : str
        For an unusable spectrum: the error in words.
    medium_probability : float
        Probability that it is right: 1 where it was stated, 0.5 where it was assumed.
    guesses : tuple of str
        What `read` guessed, in words.
    part : str
        Which of several spectra of one object or file it is, as 'order 93', 'arm b' or the name of its extension.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.spectra import to_batch
    >>> energy = np.linspace(2, 3, 100) * u.eV
    >>> info = to_batch((energy, np.ones(100) * u.mJy)).info[0]
    >>> print(info.spectral_unit, info.flux_unit, info.medium, info.medium_source)
    eV mJy vacuum axis
    """

    spectral_unit: u.UnitBase = u.AA
    flux_unit: u.UnitBase = u.dimensionless_unscaled
    medium: str = "vacuum"
    medium_source: str = "assumed"
    doppler_convention: str | None = None
    doppler_rest: u.Quantity | None = None
    name: str = ""
    message: str = ""
    medium_probability: float = 0.5
    guesses: tuple = ()
    part: str = ""


@dataclass(frozen=True)
class SpectrumBatch:
    """Many spectra of any lengths as plain arrays.

    Spectrum ``i`` has ``offsets[i + 1] - offsets[i]`` pixels. Its flux per wavelength is
    ``flux[offsets[i]:offsets[i + 1]] * scale[i]`` and its wavelengths start at
    ``wavelength[wave_start[i]]``: spectra on one grid share it.

    Attributes
    ----------
    wavelength : ndarray of float64, shape (n_wavelength,)
        Vacuum wavelength in Angstrom, as observed; strictly increasing in each grid.
    wave_start : ndarray of int64, shape (n,)
        Where the grid of each spectrum starts.
    flux : ndarray of float32, shape (n_pixel,)
        Flux per unit wavelength over ``scale`` (for counts or normalised flux: as given); 0 in bad pixels.
        Its unit is ``find_flux_conversion(info[i].flux_unit).unit``.
    ivar : ndarray of float32, shape (n_pixel,)
        Inverse variance of ``flux``; 0 marks a bad pixel.
    offsets : ndarray of int64, shape (n + 1,)
        Where the pixels of each spectrum start.
    scale : ndarray of float64, shape (n,)
        A power of two that keeps any unit inside the range of float32.
    resolution : ndarray of float32, shape (n_wavelength,), or None
        Resolving power R = wavelength / FWHM, NaN where unknown.
    flags : ndarray of int64, shape (n,)
        Bits of `InputFlag`. Unusable spectra have no pixels.
    info : tuple of `SpectrumInfo`, length n
        Units, medium and name of each spectrum as given.
    layout : `~astro_spectok.spectra.layout.CubeLayout` or None
        Where they stand in the cube that they are of, all in C order; None for all else.
    axis : Axis
        What ``wavelength`` is; sequences that are no spectra of light have there the values of their axis, in its unit.

    Examples
    --------
    Two spectra of different lengths; the second has a bad pixel:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.spectra import to_batch
    >>> wavelength, flux = np.linspace(500, 599, 100) * u.nm, np.ones(100) * u.Jy
    >>> error = np.full(100, 0.1) * u.Jy
    >>> error[3] = 0 * u.Jy
    >>> batch = to_batch([(wavelength[:40], flux[:40], error[40:80]), (wavelength, flux, error)])
    >>> batch.lengths.tolist()
    [40, 100]
    >>> np.flatnonzero(batch.ivar[batch.pixels(1)] == 0).tolist()
    [3]
    >>> print(batch.wavelength[batch.grid(1)][-1].round(3))
    5990.0
    """

    wavelength: np.ndarray
    wave_start: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    offsets: np.ndarray
    scale: np.ndarray
    flags: np.ndarray
    resolution: np.ndarray | None = None
    info: tuple = field(default=())
    layout: CubeLayout | None = None
    axis: Axis = LN_WAVELENGTH

    def __len__(self):
        return len(self.scale)

    @property
    def lengths(self) -> np.ndarray:
        """Pixels of each spectrum, ndarray of int64, shape (n,)."""
        return np.diff(self.offsets)

    def pixels(self, i: int) -> slice:
        """The slice of ``flux`` and ``ivar`` that holds a spectrum.

        Parameters
        ----------
        i : int

        Returns
        -------
        slice
        """
        return slice(int(self.offsets[i]), int(self.offsets[i + 1]))

    def grid(self, i: int) -> slice:
        """The slice of ``wavelength`` and ``resolution`` that holds the grid of a spectrum.

        Parameters
        ----------
        i : int

        Returns
        -------
        slice
        """
        start = int(self.wave_start[i])
        return slice(start, start + int(self.offsets[i + 1] - self.offsets[i]))

    @cached_property
    def _steps(self):
        """By start and length of a grid, what `find_step` has found."""
        return {}

    def find_step(self, i: int) -> float:
        """Median step of ln(wavelength) from pixel to pixel of a spectrum, found once for each grid.

        Parameters
        ----------
        i : int

        Returns
        -------
        float
            NaN of fewer than two pixels.
        """
        key = int(self.wave_start[i]), int(self.lengths[i])
        if key not in self._steps:
            self._steps[key] = float(find_median(np.diff(np.log(self.wavelength[self.grid(i)]))))
        return self._steps[key]

    def coordinate(self, i: int) -> np.ndarray:
        """Where the pixels of a spectrum lie for a network: ln(wavelength), or the coordinate of another axis.

        Parameters
        ----------
        i : int

        Returns
        -------
        ndarray of float64
        """
        return self.axis.to_coordinate(self.wavelength[self.grid(i)])

    def take(self, index: Sequence[int] | np.ndarray) -> "SpectrumBatch":
        """Some of the spectra as a batch of their own; grids are shared as before.

        Parameters
        ----------
        index : array_like of int

        Returns
        -------
        SpectrumBatch
        """
        index = np.asarray(index, dtype=np.int64)
        lengths = self.lengths[index]
        pixels = [self.pixels(i) for i in index.tolist()]
        flux, ivar = (
            np.concatenate([values[part] for part in pixels]) if pixels else values[:0]
            for values in (self.flux, self.ivar)
        )
        return replace(
            self,
            wave_start=self.wave_start[index],
            flux=flux,
            ivar=ivar,
            offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            scale=self.scale[index],
            flags=self.flags[index],
            info=tuple(self.info[i] for i in index.tolist()),
            layout=None,
        )

    @classmethod
    def concatenate(cls, batches: Sequence["SpectrumBatch"]) -> "SpectrumBatch":
        """Join batches into one, spectra in order.

        Parameters
        ----------
        batches : sequence of `SpectrumBatch`
            At least one.

        Returns
        -------
        SpectrumBatch

        Raises
        ------
        ValueError
            They lie along unlike axes.
        """
        batches = list(batches)
        if len(batches) == 1:
            return batches[0]
        if len({b.axis for b in batches}) > 1:
            msg = (
                f"batches must lie along one axis; got {', '.join(b.axis.describe() for b in batches)}; keep them apart"
            )
            raise ValueError(msg)
        sizes = [len(b.wavelength) for b in batches]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        resolution = None
        if any(b.resolution is not None for b in batches):
            resolution = np.concatenate(
                [np.full(len(b.wavelength), np.nan, np.float32) if b.resolution is None else b.resolution
                 for b in batches]
            )  # fmt: skip
        return cls(
            wavelength=np.concatenate([b.wavelength for b in batches]),
            wave_start=np.concatenate([b.wave_start + start for b, start in zip(batches, starts, strict=False)]),
            flux=np.concatenate([b.flux for b in batches]),
            ivar=np.concatenate([b.ivar for b in batches]),
            offsets=np.concatenate([[0], np.cumsum(np.concatenate([b.lengths for b in batches]))]),
            scale=np.concatenate([b.scale for b in batches]),
            flags=np.concatenate([b.flags for b in batches]),
            resolution=resolution,
            info=tuple(info for b in batches for info in b.info),
            axis=batches[0].axis,
        )

    @classmethod
    def make_unusable(cls, message: str, *, flag: InputFlag = InputFlag.BAD_INPUT, name: str = "") -> "SpectrumBatch":
        """A batch of one spectrum that holds nothing but the reason why.

        Parameters
        ----------
        message : str
            The reason.
        flag : `InputFlag`, optional
            The bit that says so.
        name : str, optional
            Of the spectrum.

        Returns
        -------
        SpectrumBatch
        """
        none = np.zeros(0, np.float32)
        return cls(
            wavelength=np.zeros(0), wave_start=np.zeros(1, np.int64), flux=none, ivar=none,
            offsets=np.zeros(2, np.int64), scale=np.ones(1), flags=np.array([int(flag)]),
            info=(SpectrumInfo(message=message, name=name),),
        )  # fmt: skip
