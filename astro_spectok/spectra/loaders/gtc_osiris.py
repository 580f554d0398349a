# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for one-dimensional GTC/OSIRIS spectra reduced with IRAF, whose flux unit specutils takes for amperes."""

import numpy as np
from astropy import units as u
from specutils import Spectrum
from specutils.io.parsing_utils import read_fileobj_or_hdulist

from astro_spectok.spectra.loaders._files import header_flag, linear_axis, open_spectrum_file
from astro_spectok.spectra.loaders._registration import register_loader

__all__ = ["identify_gtc_osiris", "read_gtc_osiris"]

LABEL = "GTC OSIRIS"


def identify_gtc_osiris(origin, *args, **kwargs):
    """Whether the file is a one-dimensional spectrum of GTC's OSIRIS (not of Keck's instrument of that name)."""
    if origin != "read":
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        header = hdulist[0].header
        is_osiris = str(header.get("INSTRUME", "")).strip().upper() == "OSIRIS"
        is_gtc = "GTCOBID" in header or "GTCPROGI" in header or str(header.get("TELESCOP", "")).strip() == "GTC"
        return is_osiris and is_gtc and header.get("NAXIS") == 1


@register_loader(LABEL, identify_gtc_osiris)
def read_gtc_osiris(file_obj, **kwargs):
    """
    Read a one-dimensional GTC/OSIRIS spectrum that IRAF has written.

    BUNIT is read as spectroscopists mean it (``A`` is Angstrom); without BUNIT the unit is counts. The file holds no
    errors, so the spectrum has no uncertainty. NaN and inf are masked.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.Spectrum`
        Spectral axis in Angstrom, linear or (DC-FLAG = 1) logarithmic. ``meta['medium']`` is ``'air'``: the arc lines
        of OSIRIS are tabulated in air, unless a VACUUM card says otherwise.

    Raises
    ------
    ValueError
        The file is incomplete, has no wavelength solution or a BUNIT that is not a unit.

    Examples
    --------
    ``Spectrum.read(path)`` recognises the format by itself. Here a file is made up:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astro_spectok.spectra.loaders import read_gtc_osiris
    >>> header = fits.Header({"INSTRUME": "OSIRIS", "TELESCOP": "GTC", "CRVAL1": 3600.0, "CD1_1": 2.0, "CRPIX1": 1.0})
    >>> spectrum = read_gtc_osiris(fits.HDUList([fits.PrimaryHDU(np.ones(100), header)]))
    >>> print(spectrum.spectral_axis[[0, -1]], spectrum.flux.unit, spectrum.meta["medium"])
    [3600. 3798.] Angstrom ct air
    """
    with open_spectrum_file(file_obj, LABEL, **kwargs) as file:
        flux = file.image(0)
        if flux.ndim != 1:
            raise file.error(f"the primary image has shape {flux.shape}, but one row was expected")
        file.require_length({"flux": flux})
        wavelength = linear_axis(file, flux.size)
        if file.header.get("DC-FLAG") == 1:
            wavelength = 10.0**wavelength
        unit = file.flux_unit(u.ct)
        meta = {"header": file.header, "medium": "vacuum" if header_flag(file.header, "VACUUM") else "air"}
    return Spectrum(flux=flux * unit, spectral_axis=wavelength * u.AA, mask=~np.isfinite(flux), meta=meta)
