# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loader for the spectrophotometric standard stars of CALSPEC, the Hubble Space Telescope's flux standards."""

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum
from specutils.io.parsing_utils import read_fileobj_or_hdulist

from astro_spectok.spectra.loaders._files import bad_pixels, open_spectrum_file
from astro_spectok.spectra.loaders._registration import register_loader

__all__ = ["identify_calspec", "read_calspec"]

LABEL = "CALSPEC"

_FLAM = u.erg / (u.s * u.cm**2 * u.AA)

# The unit names that STScI's IDL and SYNPHOT tables use and the FITS standard does not know.
_UNITS = {"": None, "ANGSTROM": u.AA, "ANGSTROMS": u.AA, "FLAM": _FLAM, "SEC": u.s}


def identify_calspec(origin, *args, **kwargs):
    """Whether the file is a CALSPEC table."""
    if origin != "read":
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        if len(hdulist) < 2 or not isinstance(hdulist[1], fits.BinTableHDU):
            return False
        names = {name.upper() for name in hdulist[1].columns.names}
        is_calspec = str(hdulist[0].header.get("MAPKEY", "")).strip().lower() == "calspec"
        # WAVELENGTH and FLUX alone are common; the pair of errors is CALSPEC's own
        return {"WAVELENGTH", "FLUX"} <= names and (is_calspec or {"STATERROR", "SYSERROR"} <= names)


@register_loader(LABEL, identify_calspec)
def read_calspec(file_obj, **kwargs):
    """
    Read a CALSPEC standard star.

    The uncertainty is the root of the summed squares of STATERROR and SYSERROR; the latter is common to many pixels,
    and each part stands in ``meta['stat_error']`` and ``meta['sys_error']``. Pixels are masked where DATAQUAL is 0
    (bad), the flux is not finite or the uncertainty is not positive. Beyond the observed range CALSPEC continues with a
    model; there ``meta['exposure_time']`` is 0.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file, gzipped or not. Models without error columns give a spectrum without uncertainty.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.Spectrum`
        In erg / (s cm2 Angstrom) and Angstrom where the file says FLAM and ANGSTROMS; ``meta['medium']`` is
        ``'vacuum'`` and ``meta['resolution']`` the FWHM of each pixel as a Quantity.

    Raises
    ------
    ValueError
        The file is incomplete, lacks a column or has a unit that is not known.

    References
    ----------
    Bohlin, Gordon & Tremblay 2014, PASP 126, 711; https://www.stsci.edu/hst/instrumentation/
    reference-data-for-calibration-and-tools/astronomical-catalogs/calspec

    Examples
    --------
    ``Spectrum.read(path)`` recognises the format by itself. Here a file is made up:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astropy.table import Table
    >>> from astro_spectok.spectra.loaders import read_calspec
    >>> columns = {"WAVELENGTH": np.linspace(3000, 9000, 100), "FLUX": np.full(100, 1e-13)}
    >>> columns |= {"STATERROR": np.full(100, 3e-15), "SYSERROR": np.full(100, 4e-15)}
    >>> spectrum = read_calspec(fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table(columns))]))
    >>> print(spectrum.uncertainty.quantity[0], spectrum.meta["medium"])
    5e-15 erg / (Angstrom s cm2) vacuum
    """
    with open_spectrum_file(file_obj, LABEL, **kwargs) as file:
        columns = {name: file.column(1, name) for name in ("WAVELENGTH", "FLUX")}
        for name in ("STATERROR", "SYSERROR", "FWHM", "DATAQUAL", "TOTEXP"):
            if file.has_column(1, name):
                columns[name] = file.column(1, name)
        file.require_length(columns)
        units = {name: _column_unit(file, name) for name in columns}
        # CALSPEC's own convention at every wavelength, also below 2000 and above 10000 Angstrom
        meta = {"header": file.header, "medium": "vacuum", "flux_calibration": "absolute"}

    flux_unit, wavelength_unit = units["FLUX"] or _FLAM, units["WAVELENGTH"] or u.AA
    mask = ~np.isfinite(columns["FLUX"])
    uncertainty = None
    errors = [columns[name] for name in ("STATERROR", "SYSERROR") if name in columns]
    if errors:
        total = np.sqrt(sum(error.astype(float) ** 2 for error in errors))
        mask |= bad_pixels(columns["FLUX"], total)
        uncertainty = StdDevUncertainty(total, unit=flux_unit)
    if "DATAQUAL" in columns:
        mask |= columns["DATAQUAL"] == 0
    for key, name, unit in (
        ("stat_error", "STATERROR", flux_unit),
        ("sys_error", "SYSERROR", flux_unit),
        # a FWHM with a unit: what the package reads as the resolution of a spectrum
        ("resolution", "FWHM", wavelength_unit),
        ("exposure_time", "TOTEXP", u.s),
    ):
        if name in columns:
            meta[key] = columns[name] * (units[name] or unit)
    return Spectrum(
        flux=columns["FLUX"] * flux_unit,
        spectral_axis=columns["WAVELENGTH"].astype(float) * wavelength_unit,
        uncertainty=uncertainty,
        mask=mask,
        meta=meta,
    )


def _column_unit(file, name):
    """The unit of a column, None where the file gives none."""
    if name == "DATAQUAL":
        return None
    table = file.hdu(1).columns
    text = next(column.unit for column in table if column.name.upper() == name)
    text = (text or "").strip()
    if text.upper() in _UNITS:
        return _UNITS[text.upper()]
    try:
        return u.Unit(text)
    except ValueError as err:
        raise file.error(f"column {name} has the unit {text!r}, which is not known") from err
