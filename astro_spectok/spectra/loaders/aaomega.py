# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for spectra reduced by 2dfdr: AAOmega and HERMES at the Anglo-Australian Telescope, one fibre or many."""

import numpy as np
from astropy import units as u
from astropy.nddata import VarianceUncertainty
from astropy.table import Table
from specutils import Spectrum, SpectrumList
from specutils.io.parsing_utils import read_fileobj_or_hdulist

from astro_spectok.spectra.loaders._files import (
    bad_pixels,
    header_flag,
    linear_axis,
    open_spectrum_file,
)
from astro_spectok.spectra.loaders._registration import register_loader

__all__ = ["identify_2dfdr", "identify_2dfdr_list", "read_2dfdr", "read_2dfdr_list"]

LABEL = "AAOmega 2dfdr"

_INSTRUMENTS = ("AAOMEGA", "HERMES")
_WAVELENGTH_UNITS = {"": u.AA, "ANGSTROM": u.AA, "ANGSTROMS": u.AA, "NM": u.nm, "NANOMETERS": u.nm}


def identify_2dfdr(origin, *args, **kwargs):
    """Whether the file holds spectra reduced by 2dfdr."""
    if origin != "read":
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        header = hdulist[0].header
        return (
            str(header.get("INSTRUME", "")).strip().upper().startswith(_INSTRUMENTS)
            and header.get("NAXIS") in (1, 2)
            and ("VARIANCE" in hdulist or "FIBRES" in hdulist)
        )


def identify_2dfdr_list(origin, *args, **kwargs):
    """As `identify_2dfdr`, but for the files that specutils' own loader "Data Central AAOmega" reads into a list."""
    if not identify_2dfdr(origin, *args, **kwargs):
        return False
    with read_fileobj_or_hdulist(*args, **kwargs) as hdulist:
        is_aaomega = str(hdulist[0].header["INSTRUME"]).strip() == "AAOMEGA-2dF"
        return not (is_aaomega and "REDUCTION_ARGS" in hdulist and "FIBRES" in hdulist)


@register_loader(LABEL, identify_2dfdr, autogenerate_spectrumlist=False)
def read_2dfdr(file_obj, *, fibre_types="P", **kwargs):
    """
    Read the spectra of a 2dfdr file into one object.

    Wavelengths come from the extension WAVELENGTH or else from CRVAL1, CDELT1 and CRPIX1; LOGSCALE = T means that
    either holds log10. 2dfdr works in air: ``meta['medium']`` is ``'air'`` unless VACUUM = T. Whether a heliocentric
    correction is applied or wanted (DO_HELIO) stays in ``meta['header']``. Pixels are masked where the flux is not
    finite or the variance not positive. The flux unit is BUNIT, or counts without it.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file: flux in the primary image, shape (n_pixel,) or (n_fibre, n_pixel); variance in the extension VARIANCE
        (without it there is no uncertainty); fibres described in the table FIBRES.
    fibre_types : str, optional
        Letters of the TYPE of fibres to read from a file of many: ``'P'`` targets, ``'S'`` sky, ``'PS'`` both.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.Spectrum`
        Flux of shape (n_pixel,) for a file of one fibre, else (n_fibre, n_pixel); ``meta['fibres']`` is the table of
        the fibres read and ``meta['name']`` their names (a str, or a list of str).

    Raises
    ------
    ValueError
        The file is incomplete, its arrays do not match, no fibre is of the wanted type, or the fibres have different
        wavelengths (then use ``SpectrumList.read``).

    References
    ----------
    AAO Software Team 2015, 2dfdr, ASCL 1505.015

    Examples
    --------
    ``Spectrum.read(path)`` recognises the format by itself. Here a file is made up, of a target and a sky fibre:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astropy.table import Table
    >>> from astro_spectok.spectra.loaders import read_2dfdr
    >>> header = fits.Header({"INSTRUME": "AAOMEGA-2dF", "CRVAL1": 5000.0, "CDELT1": 1.0, "CRPIX1": 1.0})
    >>> fibres = fits.BinTableHDU(Table({"NAME": ["NGC 1234", "sky"], "TYPE": ["P", "S"]}), name="FIBRES")
    >>> variance = fits.ImageHDU(np.ones((2, 100)), name="VARIANCE")
    >>> file = fits.HDUList([fits.PrimaryHDU(np.ones((2, 100)), header), variance, fibres])
    >>> spectra = read_2dfdr(file)
    >>> spectra.shape, spectra.meta["name"], spectra.meta["medium"]
    ((1, 100), ['NGC 1234'], 'air')
    >>> read_2dfdr(file, fibre_types="PS").shape
    (2, 100)
    """
    with open_spectrum_file(file_obj, LABEL, **kwargs) as file:
        flux, variance, wavelength = _read_arrays(file)
        rows, fibres = _select_fibres(file, len(flux), fibre_types)
        if wavelength.ndim == 2:
            wavelength = wavelength[rows]
            if np.ptp(wavelength, axis=0).any():
                raise file.error("its fibres have different wavelengths; read it with SpectrumList.read")
            wavelength = wavelength[0]
        unit, meta = _describe_flux(file)
        axis = wavelength * _wavelength_unit(file)
    if fibres is not None:
        meta["fibres"] = fibres
        names = [str(name).strip() for name in fibres["NAME"]]
        meta["name"] = names[0] if len(flux) == 1 else names
    # a file of one fibre is one spectrum, not a vector of one
    index = 0 if len(flux) == 1 else rows
    return _make_spectrum(flux[index], None if variance is None else variance[index], axis, unit, meta)


@register_loader(LABEL, identify_2dfdr_list, dtype=SpectrumList)
def read_2dfdr_list(file_obj, *, fibre_types="P", **kwargs):
    """
    Read the spectra of a 2dfdr file into a list, one per fibre.

    Everything is as in `read_2dfdr`, but each fibre may have its own wavelengths.

    Parameters
    ----------
    file_obj : str, path-like, file-like or `~astropy.io.fits.HDUList`
        The file.
    fibre_types : str, optional
        Letters of the TYPE of fibres to read.
    **kwargs
        Passed to `astropy.io.fits.open`.

    Returns
    -------
    `~specutils.SpectrumList`
        ``meta`` of each has ``fibre_index`` (row in the file, from 0) and, where the file has the table FIBRES,
        ``name``, ``fibre_type``, and ``ra`` and ``dec`` in degrees.

    Raises
    ------
    ValueError
        The file is incomplete, its arrays do not match or no fibre is of the wanted type.

    Examples
    --------
    ``SpectrumList.read(path)`` recognises the format by itself. Here a file is made up, whose fibres differ in their
    wavelengths:

    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astro_spectok.spectra.loaders import read_2dfdr_list
    >>> axes = np.array([[5000.0], [5000.5]]) + np.arange(100)
    >>> arrays = {"VARIANCE": np.ones((2, 100)), "WAVELENGTH": axes}
    >>> primary = fits.PrimaryHDU(np.ones((2, 100)), fits.Header({"INSTRUME": "HERMES"}))
    >>> file = fits.HDUList([primary, *(fits.ImageHDU(array, name=name) for name, array in arrays.items())])
    >>> [(fibre.meta["fibre_index"], float(fibre.spectral_axis[0].value)) for fibre in read_2dfdr_list(file)]
    [(0, 5000.0), (1, 5000.5)]
    """
    with open_spectrum_file(file_obj, LABEL, **kwargs) as file:
        flux, variance, wavelength = _read_arrays(file)
        rows, fibres = _select_fibres(file, len(flux), fibre_types)
        unit, meta = _describe_flux(file)
        axes = np.broadcast_to(wavelength, flux.shape) * _wavelength_unit(file)
    spectra = SpectrumList()
    for number, row in enumerate(rows):
        own = meta | {"fibre_index": int(row)}
        if fibres is not None:
            own |= _describe_fibre(fibres[number])
        spectra.append(_make_spectrum(flux[row], None if variance is None else variance[row], axes[row], unit, own))
    return spectra


def _read_arrays(file):
    """Flux and variance, shape (n_fibre, n_pixel), and wavelength, shape (n_pixel,) or (n_fibre, n_pixel)."""
    flux = np.atleast_2d(file.image(0))
    if flux.ndim != 2 or flux.size == 0:
        raise file.error(f"the primary image has shape {flux.shape}, but (n_fibre, n_pixel) was expected")
    variance = None
    if "VARIANCE" in file.hdulist:
        variance = np.atleast_2d(file.image("VARIANCE"))
        if variance.shape != flux.shape:
            raise file.error(f"VARIANCE has shape {variance.shape}, but the flux has {flux.shape}")
    if "WAVELENGTH" in file.hdulist:
        wavelength = file.image("WAVELENGTH").astype(float)
        if wavelength.ndim > 1 and len(wavelength) == 1:
            wavelength = wavelength[0]
        if wavelength.shape not in (flux.shape, flux.shape[1:]):
            raise file.error(f"WAVELENGTH has shape {wavelength.shape}, but the flux has {flux.shape}")
    else:
        wavelength = linear_axis(file, flux.shape[1])
    if header_flag(file.header, "LOGSCALE"):
        wavelength = 10.0**wavelength
    elif wavelength.max() < 20:
        raise file.error("its wavelengths look like logarithms, but LOGSCALE is not T")
    return flux, variance, wavelength


def _select_fibres(file, n_fibre, fibre_types):
    """The rows to read, ndarray of int, and their part of the table FIBRES (None without one)."""
    if "FIBRES" not in file.hdulist:
        return np.arange(n_fibre), None
    fibres = Table(file.hdu("FIBRES").data)
    if len(fibres) != n_fibre:
        raise file.error(f"the table FIBRES has {len(fibres)} rows for {n_fibre} spectra")
    if "NAME" not in fibres.colnames:
        raise file.error(f"the table FIBRES has no column NAME, only {fibres.colnames}")
    # a file of one fibre was cut out by somebody who wanted that fibre
    if n_fibre == 1 or "TYPE" not in fibres.colnames:
        return np.arange(n_fibre), fibres
    types = np.char.strip(np.asarray(fibres["TYPE"], dtype=str))
    rows = np.flatnonzero(np.isin(types, list(fibre_types)))
    if rows.size == 0:
        raise file.error(f"no fibre has one of the types fibre_types={fibre_types!r}, only {sorted(set(types))}")
    return rows, fibres[rows]


def _describe_flux(file):
    """The unit of the flux, and the meta that all fibres share."""
    medium = "vacuum" if header_flag(file.header, "VACUUM") else "air"
    unit = file.flux_unit(u.ct)
    calibration = "none" if unit == u.ct else "absolute"
    return unit, {"header": file.header, "medium": medium, "flux_calibration": calibration}


def _describe_fibre(fibre):
    """The meta of one row of the table FIBRES."""
    meta = {"name": str(fibre["NAME"]).strip()}
    if "TYPE" in fibre.colnames:
        meta["fibre_type"] = str(fibre["TYPE"]).strip()
    if {"RA", "DEC"} <= set(fibre.colnames):
        # the table is in radians
        meta |= {"ra": float(np.degrees(fibre["RA"])), "dec": float(np.degrees(fibre["DEC"]))}
    return meta


def _wavelength_unit(file):
    """The unit that CUNIT1 names, Angstrom without it."""
    text = str(file.header.get("CUNIT1", "")).strip()
    if text.upper() not in _WAVELENGTH_UNITS:
        raise file.error(f"CUNIT1={text!r} is not a wavelength unit that 2dfdr writes")
    return _WAVELENGTH_UNITS[text.upper()]


def _make_spectrum(flux, variance, axis, unit, meta):
    """Put the arrays of one spectrum, or of many on one axis, together."""
    uncertainty = None if variance is None else VarianceUncertainty(variance, unit=unit**2)
    mask = ~np.isfinite(flux) if variance is None else bad_pixels(flux, variance)
    return Spectrum(flux=flux * unit, spectral_axis=axis, uncertainty=uncertainty, mask=mask, meta=meta)
