# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Domain of weights, and preparation of a batch for it: finer pixels, other wavelengths."""

from dataclasses import dataclass, replace

import numpy as np

from astro_spectok.spectra import MIN_GOOD_PIXELS, InputFlag
from astro_spectok.spectra.sampling import average_fine_pixels
from astro_spectok.utils.axis import LN_WAVELENGTH, Axis
from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["DOMAIN_KEY", "Domain", "fit_batch"]

#: where the metadata of a file of weights hold it
DOMAIN_KEY = "domain"
#: step from pixel to pixel in ln(wavelength), 1.6 km/s: below, stars of the packaged weights become quasars (the Sun by
#: HARPS and two more, averaged over 1 to 8 pixels)
FINEST_PIXEL = 1.6 / LIGHT_SPEED


@dataclass(frozen=True)
class Domain:
    """Limits of what a set of weights has learned.

    Attributes
    ----------
    finest_pixel : float
        Step in ln(wavelength) below which pixels are averaged.
    wavelength_range : (float, float) or None
        Vacuum Angstrom, as observed; None where it is not known.
    axis : `~astro_spectok.network.Axis`
        What their tokens lie along.

    Examples
    --------
    >>> from astro_spectok.interface.domain import Domain
    >>> from astro_spectok.weights import load_weights
    >>> domain = Domain.from_weights(load_weights())
    >>> print(f"{299792.458 * domain.finest_pixel:.1f} km/s")
    1.6 km/s
    """

    finest_pixel: float = FINEST_PIXEL
    wavelength_range: tuple | None = None
    axis: Axis = LN_WAVELENGTH

    @classmethod
    def from_weights(cls, loaded):
        """The domain stored in a file of weights.

        Parameters
        ----------
        loaded : `~astro_spectok.weights.LoadedWeights`

        Returns
        -------
        Domain
        """
        stored = loaded.metadata.get(DOMAIN_KEY) or {}
        finest = float(stored.get("finest_pixel", FINEST_PIXEL))
        return cls(finest, loaded.wavelength_range, loaded.network.config.axis)


def fit_batch(batch, domain):
    """A batch as weights of this domain take it.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    domain : `Domain`

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        Pixels that are finer than what is known are averaged; spectra of which fewer than 32 good pixels lie within
        the range of wavelengths are without pixels, with the bit `InputFlag.WHOLLY_OUTSIDE` and the reason. Of another
        axis than that of wavelengths nothing is averaged, and the range was looked at when the batch was made.

    Raises
    ------
    ValueError
        The batch lies along another axis than the weights.
    """
    own, wanted = batch.axis, domain.axis
    if own != wanted and not own.is_light and (own.kind, own.unit) == (wanted.kind, wanted.unit):
        batch = replace(batch, axis=wanted)
    if batch.axis != domain.axis:
        msg = (
            f"weights must be those of the axis of the spectra or sequences, {batch.axis.describe()}; got weights of "
            f"{domain.axis.describe()}; give others"
        )
        raise ValueError(msg)
    if not batch.axis.is_light:
        return batch
    outside = _find_outside(batch, domain.wavelength_range)
    if outside:
        batch = _refuse(batch, outside, domain.wavelength_range)
    return average_fine_pixels(batch, domain.finest_pixel)


def _find_outside(batch, limits):
    """Positions of spectra without enough good pixels within limits of wavelength."""
    out = []
    if limits is None:
        return out
    for i in np.flatnonzero(batch.lengths).tolist():
        wavelength = batch.wavelength[batch.grid(i)]
        first, last = np.searchsorted(wavelength, limits)
        # of those that lie within as a whole none need be counted
        if last - first < batch.lengths[i]:
            good = batch.ivar[batch.pixels(i)][first:last] > 0
            if np.count_nonzero(good) < MIN_GOOD_PIXELS:
                out.append(i)
    return out


def _refuse(batch, outside, limits):
    """The batch with these spectra flagged and without their pixels."""
    flags, info, scale, lengths = batch.flags.copy(), list(batch.info), batch.scale.copy(), batch.lengths.copy()
    kept = np.ones(len(batch.flux), bool)
    for i in outside:
        seen = batch.wavelength[batch.grid(i)]
        message = (
            f"spectrum must have {MIN_GOOD_PIXELS} good pixels from {limits[0]:.0f} to {limits[1]:.0f} Angstrom, what "
            f"the weights know; got {seen[0]:.6g} to {seen[-1]:.6g} Angstrom. Check the unit of spectral_axis"
        )
        info[i] = replace(info[i], message=message)
        flags[i] |= int(InputFlag.WHOLLY_OUTSIDE | InputFlag.OUTSIDE_TRAINED_RANGE)
        kept[batch.pixels(i)], lengths[i], scale[i] = False, 0, 1.0
    return replace(
        batch, flux=batch.flux[kept], ivar=batch.ivar[kept], scale=scale, flags=flags, info=tuple(info),
        offsets=np.concatenate([[0], np.cumsum(lengths)]), wave_start=np.where(lengths > 0, batch.wave_start, 0),
    )  # fmt: skip
