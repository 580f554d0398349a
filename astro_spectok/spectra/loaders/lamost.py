# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for LAMOST low-resolution (LRS) and medium-resolution (MRS) spectra of every data release."""

from enum import IntFlag

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance
from specutils import Spectrum, SpectrumList
from specutils.io.parsing_utils import read_fileobj_or_hdulist

from astro_spectok.spectra.loaders._files import bad_pixels, header_flag, open_spectrum_file
from astro_spectok.spectra.loaders._registration import register_loader

__all__ = ["LamostPixelMask", "identify_lamost_lrs", "identify_lamost_mrs", "read_lamost_lrs", "read_lamost_mrs"]

LRS_LABEL = "LAMOST LRS"
MRS_LABEL = "LAMOST MRS"

# Nominal resolving powers; the files do not give those of the fibre.
_LRS_RESOLUTION = 1800.0
_MRS_RESOLUTION = 7500.0


class LamostPixelMask(IntFlag):
    """The bits of LAMOST's ANDMASK (set in every exposure), ORMASK (in at least one) and PIXMASK (in this one)."""

    #: bad pixel on the CCD
    BADCCD = 1
    #: bad profile in the extraction
    BADPROFILE = 2
    #: no sky information at this wavelength
    NOSKY = 4
    #: sky level too high
    BRIGHTSKY = 8
    #: fibre trace out of the CCD
    BADCENTER = 16
    #: no good data
    NODATA = 32


# BRIGHTSKY only says that the pixel is noisier, and its inverse variance says so too. ORMASK is not used at all:
# where one exposure was bad the others were combined without it.
_UNUSABLE = (
    LamostPixelMask.BADCCD
    | LamostPixelMask.BADPROFILE
    | LamostPixelMask.NOSKY
    | LamostPixelMask.BADCENTER
    | LamostPixelMask.NODATA
)


def identify_lamost_lrs(origin, *args, **kwargs):
    """Whether the file is a LAMOST low-resolution spectrum: an image of rows, or a table of vectors."""
    if origin != "read":
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        if not _is_lamost(hdulist) or _mrs_extensions(hdulist):
            return False
        return hdulist[0].header.get("NAXIS") == 2 or (len(hdulist) > 1 and isinstance(hdulist[1], fits.BinTableHDU))


def identify_lamost_mrs(origin, *args, **kwargs):
    """Whether the file is a LAMOST medium-resolution spectrum: tables named by arm."""
    if origin != "read":
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        return _is_lamost(hdulist) and bool(_mrs_extensions(hdulist))


@register_loader(LRS_LABEL, identify_lamost_lrs)
def read_lamost_lrs(file_obj, **kwargs):
    """
    Read a LAMOST low-resolution spectrum (R about 1800, 3700-9100 Angstrom).

    LAMOST calibrates the flux per unit wavelength in relative terms only, so the flux is dimensionless and
    ``meta['flux_calibration']`` is ``'relative'``. Pixels are masked where the flux is not finite, the inverse
    variance is not positive, or ANDMASK holds any bit but BRIGHTSKY (see `LamostPixelMask`). The redshift, class
    and stellar type that LAMOST found stay in ``meta['header']``; ``redshift`` is not set.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        DR1-DR7: primary image of five rows (flux, inverse variance, wavelength, ANDMASK, ORMASK; the third row of
        early files is a continuum-subtracted flux, then the wavelengths are taken from COEFF0 and COEFF1).
        Later: a binary table with columns FLUX, IVAR, WAVELENGTH (or LOGLAM), ANDMASK, ORMASK.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.Spectrum`
        With `~astropy.nddata.InverseVariance`, spectral axis in Angstrom, ``meta['medium']`` from the VACUUM card
        (vacuum where there is none: the pipeline makes no other), ``meta['and_mask']`` and ``meta['or_mask']``, and the
        survey's nominal resolving power in ``meta['resolution']``.

    Raises
    ------
    ValueError
        The file is incomplete or has another layout.

    References
    ----------
    Luo et al. 2015, RAA 15, 1095; https://www.lamost.org/dr10/v2.0/doc/lr-data-production-description

    Examples
    --------
    ``Spectrum.read(path)`` recognises the format by itself. Here a file is made up, with one bad pixel:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astro_spectok.spectra.loaders import read_lamost_lrs
    >>> rows = np.zeros((5, 100))  # flux, inverse variance, wavelength, ANDMASK, ORMASK
    >>> rows[0], rows[1], rows[2] = 2.0, 25.0, np.linspace(3700, 9100, 100)
    >>> rows[3, 7] = 32  # no good data
    >>> file = fits.HDUList([fits.PrimaryHDU(rows, fits.Header({"TELESCOP": "LAMOST"}))])
    >>> spectrum = read_lamost_lrs(file)
    >>> spectrum.meta["medium"], spectrum.meta["resolution"], np.flatnonzero(spectrum.mask).tolist()
    ('vacuum', 1800.0, [7])
    """
    with open_spectrum_file(file_obj, LRS_LABEL, **kwargs) as file:
        pixels = _read_image(file) if file.header.get("NAXIS", 0) else _read_table(file, 1)
        file.require_length(pixels)
        meta = {"header": file.header, "flux_calibration": "relative", "resolution": _LRS_RESOLUTION}
    return _make_spectrum(pixels, u.dimensionless_unscaled, meta)


@register_loader(MRS_LABEL, identify_lamost_mrs, dtype=SpectrumList)
def read_lamost_mrs(file_obj, *, exposures=False, **kwargs):
    """
    Read a LAMOST medium-resolution spectrum (R about 7500): its blue and red arms.

    The flux is not calibrated: its unit is counts and ``meta['flux_calibration']`` is ``'none'``. Bad pixels, medium
    and redshift are treated as in `read_lamost_lrs`.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file; tables COADD_B and COADD_R hold the co-added arms, B-... and R-... the single exposures.
    exposures : bool, optional
        Whether to read the single exposures instead of the co-added arms. Files without co-added arms give
        exposures in any case.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.SpectrumList`
        One spectrum per table, in the order of the file, with ``meta['band']`` the name of the table.

    Raises
    ------
    ValueError
        The file is incomplete or has another layout.

    References
    ----------
    Liu et al. 2020, arXiv 2005.07210; https://www.lamost.org/dr9/v1.0/doc/mr-data-production-description

    Examples
    --------
    ``SpectrumList.read(path)`` recognises the format by itself. Here a file is made up:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astropy.table import Table
    >>> from astro_spectok.spectra.loaders import read_lamost_mrs
    >>> def make_arm(name, low, high):
    ...     columns = {"FLUX": np.ones(50), "IVAR": np.ones(50), "LOGLAM": np.linspace(np.log10(low), np.log10(high))}
    ...     return fits.BinTableHDU(Table(columns), name=name)
    >>> primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "LAMOST"}))
    >>> file = fits.HDUList([primary, make_arm("COADD_B", 4950, 5350), make_arm("COADD_R", 6300, 6800)])
    >>> [(arm.meta["band"], round(arm.spectral_axis[0].value)) for arm in read_lamost_mrs(file)]
    [('COADD_B', 4950), ('COADD_R', 6300)]
    """
    with open_spectrum_file(file_obj, MRS_LABEL, **kwargs) as file:
        names = _mrs_extensions(file.hdulist)
        coadds = [name for name in names if name.startswith("COADD")]
        singles = [name for name in names if not name.startswith("COADD")]
        wanted = singles if exposures or not coadds else coadds
        if not wanted:
            raise file.error("it has none of the tables COADD_B, COADD_R, B-..., R-...")
        spectra = SpectrumList()
        for name in wanted:
            pixels = _read_table(file, name)
            file.require_length(pixels)
            meta = {"header": file.header, "band": name, "flux_calibration": "none", "resolution": _MRS_RESOLUTION}
            spectra.append(_make_spectrum(pixels, u.ct, meta))
    return spectra


def _is_lamost(hdulist):
    """Whether the primary header names the telescope."""
    return str(hdulist[0].header.get("TELESCOP", "")).strip().upper() == "LAMOST"


def _mrs_extensions(hdulist):
    """Names of the tables that hold arms of a medium-resolution spectrum."""
    return [hdu.name for hdu in hdulist[1:] if hdu.name in ("COADD_B", "COADD_R") or hdu.name.startswith(("B-", "R-"))]


def _read_image(file):
    """The pixels of the image layout."""
    rows = file.image(0)
    if rows.ndim != 2 or len(rows) < 5:
        raise file.error(f"the primary image has shape {rows.shape}, but 5 rows were expected")
    flux, ivar, wavelength, and_mask, or_mask = rows[:5]
    if wavelength[0] < 1000 or np.any(np.diff(wavelength) <= 0):
        wavelength = _wavelength_from_header(file, rows.shape[1])
    return {"flux": flux, "ivar": ivar, "wavelength": wavelength, "and_mask": and_mask, "or_mask": or_mask}


def _wavelength_from_header(file, n_pixel):
    """Wavelengths of the image layout whose third row holds something else, shape (n_pixel,)."""
    start = file.header.get("COEFF0", file.header.get("CRVAL1"))
    step = file.header.get("COEFF1", file.header.get("CD1_1"))
    if start is None or not step:
        raise file.error("neither row 3 of the image nor the cards COEFF0 and COEFF1 hold the wavelengths")
    return 10.0 ** (start + step * np.arange(n_pixel))


def _read_table(file, key):
    """The pixels of the table layout, of a low- or medium-resolution spectrum."""
    pixels = {"flux": file.column(key, "FLUX"), "ivar": file.column(key, "IVAR")}
    wavelength = file.column(key, "WAVELENGTH", "LOGLAM")
    is_log = not file.has_column(key, "WAVELENGTH")
    pixels["wavelength"] = 10.0 ** wavelength.astype(float) if is_log else wavelength
    for name, columns in (("and_mask", ("ANDMASK", "AND_MASK", "PIXMASK")), ("or_mask", ("ORMASK", "OR_MASK"))):
        # a mask column may be missing; the inverse variance then has to say it all
        if any(file.has_column(key, column) for column in columns):
            pixels[name] = file.column(key, *columns)
    return pixels


def _make_spectrum(pixels, unit, meta):
    """Put the arrays of one spectrum together."""
    mask = bad_pixels(pixels["flux"], pixels["ivar"])
    for name in ("and_mask", "or_mask"):
        if name in pixels:
            meta[name] = pixels[name].astype(int)
    if "and_mask" in meta:
        mask |= (meta["and_mask"] & int(_UNUSABLE)) != 0
    meta["medium"] = "vacuum" if header_flag(meta["header"], "VACUUM", default=True) else "air"
    return Spectrum(
        flux=pixels["flux"] * unit,
        spectral_axis=pixels["wavelength"].astype(float) * u.AA,
        uncertainty=InverseVariance(pixels["ivar"], unit=unit**-2),
        mask=mask,
        meta=meta,
    )
