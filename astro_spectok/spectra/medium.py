# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Air or vacuum: find out which, and convert with specutils' own functions."""

import numpy as np
from astropy import units as u
from astropy.io.fits import VerifyError
from specutils.utils.wcs_utils import air_to_vac, vac_to_air

__all__ = ["HEADER_RULES", "convert_to_air", "convert_to_vacuum", "find_medium", "measure_refraction"]

#: below 2000 Angstrom wavelengths are vacuum by convention (air absorbs), and the refraction formula is singular
AIR_MIN = 2000.0

_ATMOSPHERIC = "em.wl;obs.atmos"

#: (keyword, start of its value, medium), in order; the first that fits decides. A rule for what the header says
#: outright stands before those for what a pipeline is known to write.
HEADER_RULES = (
    # SDSS idlspec2d, LAMOST, 2dfdr: "Wavelengths are in vacuum"
    ("VACUUM", "T", "vacuum"),
    ("VACUUM", "F", "air"),
    # Spextool (Cushing+2004)
    ("WAVETYPE", "VAC", "vacuum"),
    ("WAVETYPE", "AIR", "air"),
    # SDSS idlutils, DESI templates
    ("AIRORVAC", "VAC", "vacuum"),
    ("AIRORVAC", "AIR", "air"),
    # FITS Paper III (Greisen+2006): wavelength in air
    ("CTYPE1", "AWAV", "air"),
    ("CTYPE3", "AWAV", "air"),
    # SDSS DR1 onward: https://www.sdss.org/dr18/spectro/spectro_basics/
    ("TELESCOP", "SDSS 2.5-M", "vacuum"),
    # APOGEE data model (apVisit, apStar): "wavelengths are vacuum"; Nidever+2015
    ("TELESCOP", "APO25M", "vacuum"),
    ("TELESCOP", "LCO25M", "vacuum"),
    ("TELESCOP", "APO1M", "vacuum"),
    # LAMOST: Luo+2015, files without the VACUUM keyword
    ("TELESCOP", "LAMOST", "vacuum"),
    # JWST and HST (STIS, COS data handbooks): vacuum
    ("TELESCOP", "JWST", "vacuum"),
    ("TELESCOP", "HST", "vacuum"),
    # GALAH: Buder+2021, wavelengths in air; 2dfdr writes air unless VACUUM says otherwise
    ("INSTRUME", "HERMES", "air"),
    ("INSTRUME", "AAOMEGA", "air"),
    # 6dFGS: Jones+2009, reduced with 2dfdr
    ("INSTRUME", "6DF", "air"),
    # UVES_popler, whatever the instrument: vacuum, heliocentric (Murphy 2018)
    ("ARRAY3", "NORM. EXPECTED", "vacuum"),
    # PypeIt: vacuum unless asked otherwise (Prochaska+2020); MAKEE for HIRES: vacuum
    ("PYP_SPEC", "", "vacuum"),
    ("WV_0_01", "", "vacuum"),
    # msaexp, for NIRSpec
    ("TOMUJY", "", "vacuum"),
    # ESO pipelines: air, but for ESPRESSO and the infrared (ESO Science Data Products Standard, 2020)
    ("INSTRUME", "ESPRESSO", "vacuum"),
    ("INSTRUME", "CRIRES", "vacuum"),
    ("INSTRUME", "KMOS", "vacuum"),
    ("INSTRUME", "SINFONI", "vacuum"),
    ("INSTRUME", "UVES", "air"),
    ("INSTRUME", "HARPS", "air"),
    ("INSTRUME", "HARPN", "air"),
    ("INSTRUME", "FEROS", "air"),
    ("INSTRUME", "XSHOOTER", "air"),
    ("INSTRUME", "GIRAFFE", "air"),
    ("INSTRUME", "FORS", "air"),
    ("INSTRUME", "VIMOS", "air"),
    ("INSTRUME", "MUSE", "air"),
    ("INSTRUME", "EFOSC", "air"),
    # stabilised spectrographs: SOPHIE as HARPS; the others in vacuum
    ("INSTRUME", "SOPHIE", "air"),
    ("INSTRUME", "CARMENES", "vacuum"),
    ("INSTRUME", "SPIROU", "vacuum"),
    ("INSTRUME", "NEID", "vacuum"),
    ("INSTRUME", "NIRPS", "vacuum"),
    ("INSTRUME", "GIANO", "vacuum"),
    ("INSTRUME", "EXPRES", "vacuum"),
    ("INSTRUME", "IGRINS", "vacuum"),
    ("INSTRUME", "MAROON", "vacuum"),
    ("INSTRUME", "HPF", "vacuum"),
    ("INSTRUME", "KPF", "vacuum"),
    ("INSTRUME", "MOSFIRE", "vacuum"),
    ("INSTRUME", "DESI", "vacuum"),
    # in space there is no air; IUE's archive follows the custom of air above 2000 Angstrom
    ("TELESCOP", "IUE", "air"),
    ("TELESCOP", "FUSE", "vacuum"),
    ("TELESCOP", "SPITZER", "vacuum"),
    ("TELESCOP", "EUCLID", "vacuum"),
    # BeSS, the amateurs' database of Be stars: calibrated with lamps in air
    ("BSS_VHEL", "", "air"),
    ("BSS_ITRP", "", "air"),
    # IRAF's lists of lamp lines are in air: what identify, refspectra and dispcor have calibrated
    ("REFSPEC1", "", "air"),
    ("DCLOG1", "", "air"),
)


def _read_header(header):
    """Return the medium stated in a header, or None."""
    if not hasattr(header, "get"):
        return None
    values = {}  # of each keyword once: to look for one takes longer than the rest
    for keyword, start, medium in HEADER_RULES:
        if keyword not in values:
            try:
                values[keyword] = header.get(keyword)
            except VerifyError:  # a card that breaks the rules of FITS
                values[keyword] = None
        value = values[keyword]
        if not isinstance(value, str | int | float | np.bool_ | np.number):
            continue
        if keyword == "VACUUM" and value in (0, 1):
            # booleans too
            value = "FT"[int(value)]
        if str(value).strip().upper().startswith(start):
            return medium
    return None


def find_medium(*, medium=None, physical_types=(), meta=None, is_length=True):
    """Find the medium of wavelengths: keyword, then WCS, then header, then vacuum is assumed.

    Frequencies, energies and wavenumbers do not depend on the medium: vacuum.

    Parameters
    ----------
    medium : {'vacuum', 'air'}, optional
        What the user says; goes before all else.
    physical_types : sequence of str, optional
        ``world_axis_physical_types`` of the WCS; ``em.wl;obs.atmos`` is air.
    meta : dict, optional
        ``meta['medium']`` is believed, then the DESI loader's keys, then ``meta['header']``, see `HEADER_RULES`.
    is_length : bool, optional
        Whether the spectral axis is a wavelength, or a velocity relative to one.

    Returns
    -------
    medium : {'vacuum', 'air'}
    source : {'keyword', 'axis', 'wcs', 'header', 'assumed'}
        Which of these decided.

    Examples
    --------
    >>> from astro_spectok.spectra import find_medium
    >>> find_medium(meta={"header": {"TELESCOP": "LAMOST"}})
    ('vacuum', 'header')
    >>> find_medium(meta={"header": {"TELESCOP": "LAMOST"}}, medium="air")
    ('air', 'keyword')
    >>> find_medium()
    ('vacuum', 'assumed')
    """
    if not is_length:
        return "vacuum", "axis"
    if medium is not None:
        return medium, "keyword"
    if physical_types and _ATMOSPHERIC in physical_types:
        return "air", "wcs"
    meta = meta or {}
    stated = meta.get("medium")
    if isinstance(stated, str) and stated.lower() in ("vacuum", "air"):
        return stated.lower(), "header"
    # DESI: only the first arm has a header, and it does not state the medium; the data model says vacuum
    if "band" in meta and "resolution_data" in meta:
        return "vacuum", "header"
    header = meta.get("header")
    stated = None if header is None else _read_header(header)
    return (stated, "header") if stated else ("vacuum", "assumed")


def _convert(wavelength, converter, **options):
    wavelength = np.asarray(wavelength, dtype=np.float64)
    in_air = wavelength >= AIR_MIN
    if not in_air.any():
        return wavelength
    result = wavelength.copy()
    result[in_air] = converter(wavelength[in_air] * u.AA, **options).to_value(u.AA)
    return result


def convert_to_vacuum(wavelength):
    """Convert wavelengths in air to vacuum.

    Uses `specutils.utils.wcs_utils.air_to_vac` in Piskunov's closed form, the inverse of
    specutils' default refraction (Morton 2000) to 3e-12; the default scheme errs by 5e-8
    (15 m/s). Wavelengths below 2000 Angstrom are vacuum by convention and stay.

    Parameters
    ----------
    wavelength : array_like
        Angstrom in air; finite.

    Returns
    -------
    ndarray of float64
        Angstrom in vacuum.

    References
    ----------
    Morton 2000, ApJS 130, 403, equation 8.

    Examples
    --------
    H-alpha:

    >>> from astro_spectok.spectra import convert_to_vacuum
    >>> print(f"{convert_to_vacuum(6562.80):.2f}")
    6564.61
    """
    return _convert(wavelength, air_to_vac, scheme="Piskunov")


def convert_to_air(wavelength):
    """Convert vacuum wavelengths to air: the inverse of `convert_to_vacuum`.

    Parameters
    ----------
    wavelength : array_like
        Angstrom in vacuum; finite.

    Returns
    -------
    ndarray of float64
        Angstrom in air (below 2000 Angstrom as given).

    References
    ----------
    Morton 2000, ApJS 130, 403, equation 8.

    Examples
    --------
    The doublet of [O III], and Lyman alpha, whose wavelength is given in vacuum by everybody:

    >>> from astro_spectok.spectra import convert_to_air
    >>> print(convert_to_air([1215.67, 4960.30, 5008.24]).round(2))
    [1215.67 4958.92 5006.84]
    """
    return _convert(wavelength, vac_to_air)


def measure_refraction(wavelength):
    """By how much wavelengths in vacuum exceed those in air, as a share: what taking one for the other costs in z.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Vacuum, in Angstrom.

    Returns
    -------
    float
        The median; 0 below 2000 Angstrom, where all is vacuum, and without wavelengths.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.medium import measure_refraction
    >>> print(f"{299792.458 * measure_refraction(np.linspace(4000, 7000, 100)):.1f} km/s")
    83.3 km/s
    """
    if not len(wavelength):
        return 0.0
    some = np.asarray(wavelength, np.float64)[:: max(1, len(wavelength) // 64)]
    return float(np.median(some / convert_to_air(some) - 1))
