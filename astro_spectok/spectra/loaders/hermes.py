# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for single arms of HERMES spectra in the GALAH survey's layout, which specutils' loaders fail on."""

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum
from specutils.io.parsing_utils import read_fileobj_or_hdulist

from astro_spectok.spectra.loaders._files import bad_pixels, header_flag, linear_axis, open_spectrum_file
from astro_spectok.spectra.loaders._registration import register_loader

__all__ = ["identify_hermes", "read_hermes"]

LABEL = "GALAH HERMES"

# Nominal; the files do not give that of the fibre.
_RESOLUTION = 28000.0


def identify_hermes(origin, *args, **kwargs):
    """Whether the file is one arm of a HERMES spectrum in GALAH's layout."""
    if origin != "read":
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        header = hdulist[0].header
        # files whose ORIGIN names GALAH stay with specutils' own loader
        return (
            str(header.get("INSTRUME", "")).strip().upper().startswith("HERMES")
            and header.get("NAXIS") == 1
            and "INPUT_SIGMA" in hdulist
            and "GALAH" not in str(header.get("ORIGIN", ""))
        )


@register_loader(LABEL, identify_hermes)
def read_hermes(file_obj, **kwargs):
    """
    Read the sky-subtracted, not normalised spectrum of one HERMES arm (R about 28000).

    GALAH stores the error relative to the flux; the uncertainty returned is absolute. Pixels are masked where the flux
    is not finite or the error is not positive. The normalised spectrum in the last extension is not read: it is the
    same observation again, on a wavelength axis of its own that is shifted to rest and cut.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file. Each of the four arms is a file.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.Spectrum`
        In counts and Angstrom, heliocentric; ``meta['medium']`` is ``'air'``, as GALAH publishes, unless a VACUUM card
        says otherwise; ``meta['resolution']`` is the nominal resolving power.

    Raises
    ------
    ValueError
        The file is incomplete, lacks the extension ``input_sigma`` or the wavelength solution.

    References
    ----------
    Kos et al. 2017, MNRAS 464, 1259; https://docs.datacentral.org.au/galah/dr3/galah-dr3-spectra/

    Examples
    --------
    ``Spectrum.read(path)`` recognises the format by itself. Here a file is made up:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astro_spectok.spectra.loaders import read_hermes
    >>> header = fits.Header({"INSTRUME": "HERMES-2dF", "CRVAL1": 4710.0, "CDELT1": 0.05, "CRPIX1": 1.0})
    >>> relative = fits.ImageHDU(np.full(100, 0.02), name="input_sigma")
    >>> spectrum = read_hermes(fits.HDUList([fits.PrimaryHDU(np.full(100, 500.0), header), relative]))
    >>> print(spectrum.uncertainty.quantity[0], spectrum.meta["resolution"])
    10.0 ct 28000.0
    """
    with open_spectrum_file(file_obj, LABEL, **kwargs) as file:
        flux, relative_error = file.image(0), file.image("input_sigma")
        if flux.ndim != 1:
            raise file.error(f"the primary image has shape {flux.shape}, but one row was expected")
        file.require_length({"flux": flux, "input_sigma": relative_error})
        wavelength = linear_axis(file, flux.size)
        medium = "vacuum" if header_flag(file.header, "VACUUM") else "air"
        meta = {"header": file.header, "medium": medium, "flux_calibration": "none", "resolution": _RESOLUTION}
    error = relative_error * np.abs(flux)
    return Spectrum(
        flux=flux * u.ct,
        spectral_axis=wavelength * u.AA,
        uncertainty=StdDevUncertainty(error, unit=u.ct),
        mask=bad_pixels(flux, error),
        meta=meta,
    )
