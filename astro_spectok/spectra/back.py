# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From converted arrays back to a Spectrum in the units and the medium that it was given in."""

import numpy as np
from astropy.nddata import InverseVariance
from specutils import Spectrum

from astro_spectok.spectra.axis import wavelength_to_axis
from astro_spectok.spectra.batch import SpectrumBatch
from astro_spectok.spectra.flux_units import find_flux_conversion
from astro_spectok.spectra.medium import convert_to_air
from astro_spectok.spectra.parts import PARTS
from astro_spectok.spectra.rows import Rows

__all__ = ["make_spectrum", "to_spectrum"]

#: of what a reader notes, what belongs to the pixels or the band of one arm
OF_ONE_ARM = (*PARTS, "bands", "int_mask", "resolution_data")


def to_spectrum(batch: SpectrumBatch, i: int = 0) -> Spectrum:
    """One spectrum of a batch, in the units and the medium it was given in: what was measured, as it was understood.

    Wavelengths increase, whatever their order was; flux in magnitudes comes back as the flux they stand for;
    uncertainties are those that were estimated where none were given; bad pixels are masked and have flux 0.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
        As of `~astro_spectok.spectra.to_batch`.
    i : int, optional
        Position in the batch.

    Returns
    -------
    `~specutils.Spectrum`
        With an `~astropy.nddata.InverseVariance`, and the medium of its wavelengths in ``meta['medium']``, unless
        vacuum was merely assumed.

    Raises
    ------
    ValueError
        The spectrum could not be used, so that there are no pixels.

    Examples
    --------
    Frequencies decrease where wavelengths increase:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.spectra import to_batch, to_spectrum
    >>> frequency = np.linspace(500, 600, 101) * u.THz
    >>> batch = to_batch((frequency, np.linspace(1, 2, 101) * u.Jy, np.full(101, 0.1) * u.Jy))
    >>> spectrum = to_spectrum(batch)
    >>> print(spectrum.spectral_axis[0].round(6), spectrum.flux[0].round(6), spectrum.meta["medium"])
    600.0 THz 2.0 Jy vacuum
    """
    pixels, grid = batch.pixels(i), batch.grid(i)
    if not batch.lengths[i]:
        msg = f"batch[{i}] must have pixels; this one was not usable: {batch.info[i].message}"
        raise ValueError(msg)
    rows = Rows(
        batch.wavelength[grid], batch.flux[pixels][None], batch.ivar[pixels][None], batch.scale[i : i + 1],
        np.count_nonzero(batch.ivar[pixels] > 0, keepdims=True), batch.flags[i], batch.info[i], (batch.info[i].name,),
        None if batch.resolution is None else batch.resolution[grid],
    )  # fmt: skip
    return make_spectrum(rows, {"name": batch.info[i].name}, one=True)


def make_spectrum(rows, meta, *, one):
    """A Spectrum in the terms of ``rows.info``: of one row if ``one``, or else of all of them."""
    info = rows.info
    wavelength = convert_to_air(rows.wavelength) if info.medium == "air" else rows.wavelength
    axis = wavelength_to_axis(
        wavelength, info.spectral_unit, doppler_rest=info.doppler_rest, doppler_convention=info.doppler_convention
    )
    back = rows.scale[:, None] / find_flux_conversion(info.flux_unit).evaluate(wavelength)  # (n, 1) or (n, M)
    flux, ivar = rows.flux * back, rows.ivar / back**2
    if one:
        flux, ivar = flux[0], ivar[0]
    kept = {key: value for key, value in meta.items() if key not in OF_ONE_ARM}
    # what was assumed is no fact about the spectrum
    if info.medium_source != "assumed":
        kept["medium"] = info.medium
    if rows.resolution is not None:
        kept["resolution"] = rows.resolution
    return Spectrum(
        flux=flux * info.flux_unit,
        spectral_axis=axis * info.spectral_unit,
        spectral_axis_index=flux.ndim - 1,
        uncertainty=InverseVariance(ivar, unit=info.flux_unit**-2),
        mask=ivar == 0,
        rest_value=info.doppler_rest,
        velocity_convention=info.doppler_convention,
        meta=kept,
    )
