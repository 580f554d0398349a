# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of another instrument than those that were learned from: how they are known, and how far they move labels."""

from dataclasses import dataclass, replace

import numpy as np

from astro_spectok.adapt.augment import smooth_flux
from astro_spectok.adapt.features import HEADS, make_blocks, read_set
from astro_spectok.adapt.flags import AdaptFlag
from astro_spectok.spectra import SpectrumBatch
from astro_spectok.utils.constants import SIGMA_PER_MAD

__all__ = ["Transfer", "alter_batch"]

#: how spectra are altered: more noise, a smooth error of calibration, a lower resolution
KINDS = ("noise", "calibration", "resolution")
#: noise over flux that is added, for pixels of the width `UNIT` in ln(wavelength)
NOISE, UNIT = 0.1, 1e-4
#: largest error of the calibration in ln(flux), and its waves over a spectrum
WARP, WAVES = 0.15, 3
#: standard deviation of the smoothing, in pixels
SMOOTHING = 2.0
#: spectra that are altered, and the fewest that are
MOST_ALTERED, FEWEST_ALTERED = 32, 4
#: a factor that leaves hardly any order among numbers of 32 bits
SPREAD_OUT = 2654435761
#: pixels wider or narrower by more than this factor are those of another instrument
OTHER_PIXEL = 1.25


@dataclass(frozen=True)
class Transfer:
    """What is known of the instruments that an estimator has learned from, and what others do to its labels.

    Attributes
    ----------
    pixel : ndarray of float64, shape (2,)
        Least and largest median width of the pixels of a spectrum, in ln(wavelength).
    noise : float
        Noise over flux that nine of ten spectra stay below, for pixels of 1e-4 in ln(wavelength).
    shifts : ndarray of float64, shape (k, 3)
        What ten per cent of noise, an error of calibration of 15 per cent and a smoothing by two pixels move each label
        by, in units of its spread.
    """

    pixel: np.ndarray
    noise: float
    shifts: np.ndarray

    @classmethod
    def fit(cls, spectra, batch, rows, reading, runner, frame):
        """Measure it on the spectra ``rows`` of a set.

        Each is always altered in the same way, and what networks make of it is kept with the set: in cross-validation
        one fit reads what another has altered.

        Parameters
        ----------
        spectra : `~astro_spectok.adapt.SpectrumSet`
        batch : `~astro_spectok.spectra.SpectrumBatch`
            The same, as they were read.
        rows : ndarray of int
        reading : `~astro_spectok.adapt.reading.LinearReading`
            With a map for each label; of classes nothing is altered.
        runner : `~astro_spectok.engine.Runner`
        frame : {'observed', 'rest'}
        """
        width, noise = describe_pixels(batch.take(rows))
        pixel, typical = np.array([width.min(), width.max()]), float(np.quantile(noise, 0.9))
        shifts = np.zeros((len(reading.maps), len(KINDS)))
        if len(rows) >= FEWEST_ALTERED and all(len(made.offset) == 1 for made in reading.maps):
            # in an order that does not depend on which others there are
            order = np.argsort(spectra._rows[rows] * SPREAD_OUT % 2**32, kind="stable")
            part = spectra[rows[order][:MOST_ALTERED]]
            before = _predict(part, reading, runner, frame)
            for k, kind in enumerate(KINDS):
                moved = _predict(_alter_set(part, kind), reading, runner, frame) - before
                shifts[:, k] = SIGMA_PER_MAD * np.nanmedian(np.abs(moved), axis=0)
        return cls(pixel, typical, np.nan_to_num(shifts))

    def to_arrays(self):
        """What must be kept, a dict of arrays."""
        return {"transfer.pixel": self.pixel, "transfer.noise": np.array([self.noise]), "transfer.shifts": self.shifts}

    @classmethod
    def from_arrays(cls, arrays):
        """The reverse of `to_arrays`."""
        return cls(arrays["transfer.pixel"], float(arrays["transfer.noise"][0]), arrays["transfer.shifts"])

    @staticmethod
    def check(arrays, n_maps):
        """Refuse arrays that are not those of `to_arrays`, with a ValueError."""
        wanted = {"pixel": (2,), "noise": (1,), "shifts": (n_maps, len(KINDS))}
        for name, shape in wanted.items():
            got = arrays[f"transfer.{name}"]
            if got.shape != shape or (got < 0).any():
                msg = f"transfer.{name} must be {shape} numbers of at least 0; got {got.shape}"
                raise ValueError(msg)

    def measure(self, batch, usable):
        """Flags (n,), and what is to be added to the errors of labels in quadrature, (n, k) in units of their spread.

        Noise counts where there is more of it than in the spectra that were learned from; calibration and resolution
        where pixels are those of another instrument.
        """
        width, noise = describe_pixels(batch)
        other = usable & ((width * OTHER_PIXEL < self.pixel[0]) | (width > self.pixel[1] * OTHER_PIXEL))
        more = np.where(usable, np.maximum(noise**2 - self.noise**2, 0.0), 0.0) / NOISE**2
        variance = more[:, None] * self.shifts[:, 0] ** 2
        variance = variance + other[:, None] * (self.shifts[:, 1:] ** 2).sum(1)
        return np.where(other, int(AdaptFlag.OTHER_INSTRUMENT), 0), np.sqrt(variance)


def describe_pixels(batch):
    """Median width of the pixels of each spectrum in ln(wavelength), and noise over flux of such of 1e-4: (n,) each.

    NaN and 0 of a spectrum without good pixels.
    """
    width, noise = np.full(len(batch), np.nan), np.zeros(len(batch))
    for i in np.flatnonzero(batch.lengths > 1):
        ivar, flux = batch.ivar[batch.pixels(i)], batch.flux[batch.pixels(i)]
        good = ivar > 0
        if not good.any():
            continue
        width[i] = np.median(np.diff(batch.coordinate(i)))
        level = np.median(np.abs(flux[good]))
        sigma = np.median(1 / np.sqrt(ivar[good].astype(np.float64)))
        noise[i] = min(sigma / level, 1.0) * np.sqrt(width[i] / UNIT) if level > 0 else 1.0
    return width, noise


def alter_batch(batch, kind, rng):
    """A batch as another instrument might have given it: one of `KINDS`.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    kind : {'noise', 'calibration', 'resolution'}
    rng : `numpy.random.Generator`

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
    """
    flux, ivar = batch.flux.astype(np.float64), batch.ivar.astype(np.float64)
    for i in range(len(batch)):
        part = batch.pixels(i)
        good = ivar[part] > 0
        if kind == "noise" and good.any():
            step = np.median(np.diff(batch.coordinate(i)))
            sigma = NOISE * np.median(np.abs(flux[part][good])) * np.sqrt(UNIT / step)
            flux[part] += np.where(good, sigma * rng.normal(size=len(good)), 0.0)
            ivar[part] = np.where(good, 1 / (1 / np.where(good, ivar[part], 1.0) + sigma**2), 0.0)
        elif kind == "calibration":
            place = np.linspace(0, np.pi, len(good))
            curve = rng.normal(size=WAVES) @ np.cos(place * np.arange(1, WAVES + 1)[:, None])
            factor = np.exp(WARP * curve / np.abs(curve).max())
            flux[part] *= factor
            ivar[part] /= factor**2
        elif kind == "resolution":
            flux[part] = smooth_flux(flux[part], good, SMOOTHING)
    return replace(batch, flux=flux.astype(np.float32), ivar=ivar.astype(np.float32))


def _alter_set(spectra, kind):
    """A set whose spectra are altered, each by its number; it keeps what is computed of them with the first set."""
    altered = spectra[:]
    altered.batch = SpectrumBatch.concatenate(
        [
            alter_batch(spectra.batch.take(np.array([i])), kind, np.random.default_rng([row, KINDS.index(kind)]))
            for i, row in enumerate(spectra._rows.tolist())
        ]
    )
    altered._shared = spectra._shared.setdefault(("altered", kind), {})
    return altered


def _predict(spectra, reading, runner, frame):
    """Predictions of each map (n, k), in units of the spread of the labels; NaN where a spectrum cannot be used."""
    heads = HEADS in reading.components
    batch, readings, _, _ = read_set(spectra, runner, frame, heads=heads)
    blocks, _ = make_blocks(batch, readings, reading.grid, spectra.vectors, heads=heads)
    predicted, _ = reading.predict(blocks, reading.transform(blocks))
    out = np.concatenate([p[:, :1] for p in predicted], axis=1)
    out[[one is None for one in readings]] = np.nan
    return out
