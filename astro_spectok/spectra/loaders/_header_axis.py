# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The spectral axis that a FITS header describes: FITS, IRAF, SDSS and what people make of these."""

import re
import warnings
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u
from astropy.wcs import WCS, FITSFixedWarning

from astro_spectok.spectra.loaders._draft import guess_axis_unit
from astro_spectok.spectra.loaders._iraf import read_wat, wat_label, wat_unit
from astro_spectok.spectra.unit_words import AxisUnit, parse_axis_unit

__all__ = ["HeaderAxis", "read_header_axis", "read_table_axis"]

_VELOCITY = ("VRAD", "VELO", "VOPT", "FELO", "ZOPT", "VELOCITY", "BETA", "VLSR")
_NOT_SPECTRAL = ("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT", "TIME", "PIXEL", "STOKES", "COMPLEX", "XPIX", "CHAN")
_STANDARD = {"FREQ": "Hz", "ENER": "J", "WAVN": "m-1", "WAVE": "m", "AWAV": "m"}
_BRACKETS = re.compile(r"[(\[]([^)\]]+)[)\]]")


@dataclass
class HeaderAxis:
    """A spectral axis.

    Attributes
    ----------
    wave : ndarray
    unit : AxisUnit or None
        None where the header does not give it.
    medium : {'vacuum', 'air'} or None
    guesses : list of str
    """

    wave: np.ndarray
    unit: AxisUnit | None = None
    medium: str | None = None
    guesses: list = field(default_factory=list)


def _number(header, key):
    try:
        value = float(header.get(key))
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _read_step(header, axis):
    """Increment per pixel: CDi_i where it is there and not the default, else CDELTi, times PCi_i."""
    cd, cdelt = _number(header, f"CD{axis}_{axis}"), _number(header, f"CDELT{axis}")
    if cd and (cdelt in (None, 0.0, 1.0) or cd != 1.0):
        return cd
    if cdelt:
        return cdelt * (_number(header, f"PC{axis}_{axis}") or 1.0)
    return None


def _read_unit(header, axis, ctype):
    """The unit of the axis from wherever people put it."""
    candidates = [header.get(f"CUNIT{axis}")]
    if axis == 1:
        candidates.append(wat_unit(header))
        # MIDAS: units of the flux and of each axis in 16 letters each
        candidates.append(str(header.get("CUNIT", ""))[16:32])
    found = _BRACKETS.search(ctype)
    candidates += [found[1] if found else None, ctype.strip(), header.get("XUNITS"), header.get("WAVEUNIT")]
    if axis == 1:
        candidates.append(wat_label(header))
    for candidate in candidates:
        parsed = parse_axis_unit(candidate) if isinstance(candidate, str) and candidate.strip() else None
        if parsed is not None and parsed.unit != u.pix:
            return parsed
    return None


def _is_pixel_unit(header, axis):
    parsed = parse_axis_unit(header.get(f"CUNIT{axis}"))
    return parsed is not None and parsed.unit == u.pix


def _evaluate_wcs(header, axis, n_pixel):
    """Wavelengths of an algorithm of FITS paper III other than linear ones, by wcslib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, naxis=[axis])
    wave = wcs.all_pix2world(np.arange(n_pixel), 0)[0]
    return wave, AxisUnit(wcs.wcs.cunit[0])


def read_table_axis(header, hdulist, n_pixel, *, axis=1):
    """Read a spectral axis whose wavelengths stand in a table of the file, as ``CTYPE1 = 'WAVE-TAB'`` says.

    Parameters
    ----------
    header : mapping
    hdulist : `~astropy.io.fits.HDUList`
    n_pixel : int
    axis : int, optional

    Returns
    -------
    HeaderAxis or None
        None where the header names none, or the table holds another number of wavelengths.

    References
    ----------
    FITS standard 4.0, section 8.2.
    """
    ctype = str(header.get(f"CTYPE{axis}", "") or "").strip().upper()
    if not ctype.endswith("-TAB"):
        return None
    try:
        table = hdulist[str(header.get(f"PS{axis}_0", "")).strip()]
        wave = np.asarray(table.data[str(header.get(f"PS{axis}_1", "")).strip()], float).reshape(-1)
    except (KeyError, TypeError, ValueError):
        return None
    if len(wave) != n_pixel:
        return None
    return HeaderAxis(wave, _read_unit(header, axis, ctype), "air" if ctype.startswith("AWAV") else None)


def read_header_axis(header, n_pixel, *, axis=1):
    """Read the spectral axis of a header.

    Linear, FITS logarithmic and IRAF or SDSS logarithmic (DC-FLAG 1, LOGLIN, COEFF0 and COEFF1, LOGSCALE) axes, and
    those of FITS paper III. A missing CRPIX is 1, as everybody means it.

    Parameters
    ----------
    header : mapping
    n_pixel : int
    axis : int, optional

    Returns
    -------
    HeaderAxis or None
        None where it describes none.

    Examples
    --------
    >>> from astro_spectok.spectra.loaders._header_axis import read_header_axis
    >>> axis = read_header_axis({"CRVAL1": 3.56, "CDELT1": 1e-4, "DC-FLAG": 1, "CTYPE1": "LINEAR"}, 3)
    >>> print((axis.unit.base**axis.wave).round(2))
    [3630.78 3631.62 3632.45]
    """
    ctype = str(header.get(f"CTYPE{axis}", "") or "").strip().upper()
    if ctype.endswith("-TAB"):
        # the wavelengths of such an axis stand elsewhere
        return None
    if ctype.startswith(_NOT_SPECTRAL) and not (ctype.startswith("PIXEL") and _read_unit(header, axis, "") is not None):
        return None
    if axis == 1 and _number(header, "CRVAL1") is None and _number(header, "W0") and _number(header, "WPC"):
        # IRAF's older cards
        return HeaderAxis(header["W0"] + header["WPC"] * np.arange(n_pixel), _read_unit(header, axis, ctype))
    if axis == 1 and _number(header, "COEFF0") is not None and _number(header, "COEFF1"):
        wave = header["COEFF0"] + header["COEFF1"] * np.arange(n_pixel)
        return HeaderAxis(wave, AxisUnit(u.AA, 10.0))
    start, step = _number(header, f"CRVAL{axis}"), _read_step(header, axis)
    if start is None or not step:
        return None
    reference = _number(header, f"CRPIX{axis}")
    pixel = np.arange(n_pixel) + 1 - (1.0 if reference is None else reference)
    wave = start + step * pixel
    medium = "air" if ctype.startswith("AWAV") else None
    unit = _read_unit(header, axis, ctype)
    if ctype.startswith(_VELOCITY):
        return HeaderAxis(wave, AxisUnit(u.m / u.s) if unit is None else unit)
    if ctype[:4] in _STANDARD and ctype[4:5] == "-":
        if ctype.endswith("LOG") and unit is not None and unit.base is not None:
            return HeaderAxis(wave, unit, medium)
        if ctype.endswith("LOG") and unit is None and 2.9 < start < 5 and abs(step) < 0.01:
            # the logarithm itself, where FITS has the wavelength
            return HeaderAxis(wave, AxisUnit(u.AA, 10.0), medium)
        if ctype.endswith("LOG") and unit is None and 6.5 < start < 11.6 and abs(step) < 1e-3:
            return HeaderAxis(wave, AxisUnit(u.AA, float(np.e)), medium)
        if ctype.endswith("LOG"):
            return HeaderAxis(start * np.exp(step * pixel / start), unit or _standard_unit(ctype, start), medium)
        wave, unit = _evaluate_wcs(header, axis, n_pixel)
        return HeaderAxis(wave, unit, medium)
    logarithmic = _is_logarithmic(header, axis, ctype)
    if logarithmic and 7.5 < start < 12 and step < 0.01:
        return HeaderAxis(wave, AxisUnit(u.AA if unit is None else unit.unit, float(np.e)), medium)
    if logarithmic and start < 7.5:
        return HeaderAxis(wave, AxisUnit(u.AA if unit is None else unit.unit, 10.0), medium)
    if unit is None and ctype[:4] in _STANDARD:
        unit = _standard_unit(ctype, start)
    if unit is None and _is_pixel_unit(header, axis) and not read_wat(header, 1):
        return None
    if unit is not None and unit.base is None and unit.unit == u.AA and wave.max() < 60:
        # a logarithm that nobody announced
        guess = guess_axis_unit(wave)
        if guess is not None and guess.base is not None:
            return HeaderAxis(wave, guess, medium, ["wavelengths are logarithms, by their values"])
    return HeaderAxis(wave, unit, medium)


def _standard_unit(ctype, start):
    """The unit by the FITS standard, if the values are not in Angstrom or nanometres for all that."""
    if ctype[:4] in ("WAVE", "AWAV") and start > 1e-3:
        return None
    return parse_axis_unit(_STANDARD[ctype[:4]]) or AxisUnit(u.Unit(_STANDARD[ctype[:4]].replace("m-1", "1/m")))


def _is_logarithmic(header, axis, ctype):
    flag = str(header.get("DC-FLAG", "")).strip() if axis == 1 else ""
    scale = str(header.get("LOGSCALE", header.get("WFITTYPE", ""))).strip().upper()
    return (
        flag in ("1", "1.0", "T", "True") or ctype.startswith(("LOG", "LNWAVE", "LN")) or ctype.endswith("LOG")
        or scale in ("T", "TRUE", "LOG-LINEAR", "LOG")
    )  # fmt: skip
