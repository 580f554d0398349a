# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What may happen to a spectrum without its labels becoming others."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_spectok.spectra import MIN_GOOD_PIXELS
from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["AUGMENTATIONS", "augment_batch", "smooth_flux"]

#: more noise, a smooth error of calibration, ends cut off; what changes the widths of lines; what changes velocities
AUGMENTATIONS = ("noise", "calibration", "cuts", "resolution", "velocity")
#: most noise added, over that of the spectrum; size and waves of the error of calibration; share cut; most smoothing,
#: as standard deviation in pixels; km/s
NOISE, WARP, WAVES, CUT, SMOOTHING, VELOCITY = 1.0, 0.1, 3, 0.15, 2.0, 100.0


def augment_batch(batch, names, rng):
    """A batch with changes that real observations have, drawn anew for each spectrum.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    names : sequence of str
        Out of `AUGMENTATIONS`.
    rng : `numpy.random.Generator`

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        Each spectrum has a grid of its own. Smoothed ones no longer say what their resolution is.
    """
    flux, ivar = batch.flux.copy(), batch.ivar.copy()
    waves = []
    for i in range(len(batch)):
        part = batch.pixels(i)
        wavelength, good = batch.wavelength[batch.grid(i)], ivar[part] > 0
        x = np.log(wavelength)
        if "resolution" in names:
            flux[part] = smooth_flux(flux[part], good, rng.uniform(0, SMOOTHING))
        if "noise" in names and good.any():
            share = rng.uniform(0, NOISE)
            sigma = np.where(good, 1 / np.sqrt(np.maximum(ivar[part], 1e-30)), 0)
            flux[part] += (share * sigma * rng.normal(size=len(sigma))).astype(np.float32)
            ivar[part] /= 1 + share**2
        if "calibration" in names:
            place = (x - x[0]) / max(x[-1] - x[0], 1e-9)
            waves_of = rng.uniform(0, WAVES, 2)[:, None] * 2 * np.pi * place + rng.uniform(0, 2 * np.pi, 2)[:, None]
            factor = np.exp((rng.normal(0, WARP / 2, 2)[:, None] * np.sin(waves_of)).sum(0)).astype(np.float32)
            flux[part] *= factor
            ivar[part] /= factor**2
        if "cuts" in names:
            low, high = rng.uniform(0, CUT, 2) * len(x)
            kept = (np.arange(len(x)) >= low) & (np.arange(len(x)) < len(x) - high)
            if (kept & good).sum() >= MIN_GOOD_PIXELS:
                ivar[part] = np.where(kept, ivar[part], 0)
        shift = rng.normal(0, VELOCITY) / LIGHT_SPEED if "velocity" in names else 0.0
        waves.append(wavelength * (1 + shift))
    resolution = None if "resolution" in names else batch.resolution
    if resolution is not None:
        resolution = np.concatenate([resolution[batch.grid(i)] for i in range(len(batch))])
    return replace(
        batch, flux=flux, ivar=ivar, wavelength=np.concatenate(waves), resolution=resolution,
        wave_start=np.concatenate([[0], np.cumsum([len(w) for w in waves])])[:-1],
    )  # fmt: skip


def smooth_flux(flux, good, width):
    """Flux whose good pixels are smoothed by a Gaussian, bad ones left out of it and left as they are.

    Parameters
    ----------
    flux, good : ndarray, shape (m,)
    width : float
        Standard deviation in pixels.

    Returns
    -------
    ndarray of float64, shape (m,)
    """
    weight = gaussian_filter1d(good.astype(float), width)
    smooth = gaussian_filter1d(np.where(good, flux, 0.0).astype(float), width)
    return np.where(good, smooth / np.maximum(weight, 1e-6), flux)
