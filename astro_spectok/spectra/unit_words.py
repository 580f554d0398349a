# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Units as people spell them: 'ergs s-1 cm-2 A-1', '1E-17 erg/cm^2/s/Ang', 'ANGSTROM', 'MICRON', 'DU/PIXEL'."""

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache

from astropy import units as u

__all__ = ["AXIS_WORDS", "AxisUnit", "parse_axis_unit", "parse_flux_unit"]

_F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA
_F_NU = u.erg / u.s / u.cm**2 / u.Hz


@dataclass(frozen=True)
class AxisUnit:
    """A unit of a spectral axis.

    Attributes
    ----------
    unit : `~astropy.units.Unit`
        Of length, frequency, energy, wavenumber or velocity; `~astropy.units.pix` for no unit of a spectrum at all.
    base : float or None
        10 or e where the axis holds logarithms of values in this unit.
    """

    unit: u.UnitBase
    base: float | None = None


#: unit of a spectral axis, by its name in lower case without blanks, brackets and signs of multiplication
AXIS_WORDS = {
    **dict.fromkeys(("a", "aa", "ang", "angs", "angstrom", "angstroms", "angstroem", "angstroems", "angström", "å",
                     "ångström", "ångstrom", "ångströms", "angtroms", "angstr", "01nm"), u.AA),
    **dict.fromkeys(("nm", "nms", "nanometer", "nanometers", "nanometre", "nanometres"), u.nm),
    **dict.fromkeys(("um", "µm", "μm", "mum", "micron", "microns", "micrometer", "micrometers", "micrometre",
                     "micrometres", "mu"), u.um),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), u.mm),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), u.cm),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), u.m),
    **dict.fromkeys(("hz", "hertz"), u.Hz), "khz": u.kHz, "mhz": u.MHz, "ghz": u.GHz, "thz": u.THz,
    "ev": u.eV, "kev": u.keV, "mev": u.MeV, "gev": u.GeV, "tev": u.TeV,
    **dict.fromkeys(("1cm", "cm1", "cm-1", "kayser", "wavenumber"), u.cm**-1), "1um": u.um**-1, "1m": u.m**-1,
    **dict.fromkeys(("kms", "kms-1", "kms1", "kmpers", "kmsec"), u.km / u.s),
    **dict.fromkeys(("ms", "ms-1", "ms1"), u.m / u.s),
    **dict.fromkeys(("pixel", "pixels", "pix", "px", "channel", "channels", "none"), u.pix),
}  # fmt: skip
_LOG = re.compile(r"^(log10|log|dex|ln|loge)[\s(\[{]*(.*?)[\s)\]}]*$")


@lru_cache(maxsize=256)
def parse_axis_unit(text):
    """Parse the unit of a spectral axis.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    AxisUnit or None
        None where nothing is said, or nothing known.

    Examples
    --------
    >>> from astro_spectok.spectra.unit_words import parse_axis_unit
    >>> [str(parse_axis_unit(text).unit) for text in ("ANGSTROMS", "microns", "[Ang]", "1/cm")]
    ['Angstrom', 'um', 'Angstrom', '1 / cm']
    >>> parse_axis_unit("log(Angstrom)").base
    10.0
    """
    if not isinstance(text, str):
        return None
    word = text.strip().strip("'\"").lower()
    if "pix" not in word and "/" not in word and (found := _LOG.match(word)) and (word != "log"):
        inner = parse_axis_unit(found[2]) or AxisUnit(u.AA)
        return AxisUnit(inner.unit, 2.718281828459045 if found[1] in ("ln", "loge") else 10.0)
    word = re.sub(r"\((?:air|vac|vacuum|rest|obs)[^)]*\)|\b(?:in|air|vac|vacuum)\b", "", word)
    word = word.replace("**", "").replace("^", "").replace("per", "/")
    squeezed = re.sub(r"[\s()\[\]{}.*/_]", "", word)
    for candidate in (squeezed, squeezed.replace("-", "")):
        if candidate in AXIS_WORDS:
            return AxisUnit(AXIS_WORDS[candidate])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unit = u.Unit(text.strip())
    except (ValueError, TypeError):
        return None
    scaled = unit.is_equivalent(u.AA) or unit.is_equivalent(u.Hz) or unit.is_equivalent(u.cm**-1)
    return AxisUnit(unit) if scaled and unit != u.dimensionless_unscaled else None


_COUNT = {
    **dict.fromkeys(("adu", "adus", "du"), u.adu), **dict.fromkeys(("dn", "dns"), u.DN),
    **dict.fromkeys(("ct", "cts", "count", "counts"), u.ct),
    **dict.fromkeys(("electron", "electrons", "elec", "e-", "e"), u.electron),
    **dict.fromkeys(("photon", "photons", "phot", "ph"), u.ph),
}  # fmt: skip
#: name in lower case: unit. Only single words; what binds them is parsed
_WORDS = {
    **dict.fromkeys(("erg", "ergs"), u.erg), **dict.fromkeys(("w", "watt", "watts"), u.W),
    **dict.fromkeys(("kw",), u.kW), **dict.fromkeys(("j", "joule"), u.J), "ev": u.eV, "kev": u.keV,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), u.s), **dict.fromkeys(("hr", "h", "hour"), u.h),
    **dict.fromkeys(("a", "aa", "ang", "angs", "angstr", "angstrom", "angstroms", "angstroem", "å", "ångström",
                     "angst"), u.AA),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), u.nm),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "mum", "mu"), u.um),
    **dict.fromkeys(("cm", "centimeter"), u.cm), **dict.fromkeys(("m", "meter", "metre"), u.m), "mm": u.mm,
    **dict.fromkeys(("hz", "hertz"), u.Hz), "jy": u.Jy, "jansky": u.Jy, "mjy": u.mJy, "ujy": u.uJy, "µjy": u.uJy,
    "μjy": u.uJy, "mujy": u.uJy, "njy": u.nJy, "megajy": u.MJy,
    **dict.fromkeys(("sr", "steradian", "ster"), u.sr), "arcsec": u.arcsec, "asec": u.arcsec,
    **dict.fromkeys(("pix", "pixel", "pixels", "spaxel", "spax", "spaxels", "px"), u.pix), "beam": u.beam,
    "fiber": u.pix, "fibre": u.pix, "bin": u.pix,
    "flam": _F_LAMBDA, "flambda": _F_LAMBDA, "fnu": _F_NU, "photlam": u.ph / u.s / u.cm**2 / u.AA,
    "photnu": u.ph / u.s / u.cm**2 / u.Hz, **_COUNT,
}  # fmt: skip
_MAGNITUDES = {
    **dict.fromkeys(("abmag", "ab mag", "mag(ab)", "mag ab", "mag (ab)"), u.ABmag),
    **dict.fromkeys(("stmag", "st mag", "mag(st)"), u.STmag),
}
#: what people write where there is no unit
_UNITLESS = re.compile(
    r"^(|none|null|n/?a|-+|unitless|dimensionless.*|relative.*|rel\.?|arb.*|arbitrary.*|a\.?u\.?|norm.*|continuum.*|"
    r"uncalibrated|unknown|unkn|flux|relflux|1|1\.0|ratio|fraction.*|intensity)$"
)
_FACTOR = re.compile(
    r"^\(?\s*(?:x\s*|\*\s*|×\s*)?(?:(\d+(?:\.\d*)?)\s*e\s*([-+]?\d+)|(\d+(?:\.\d*)?\s*[x*×]\s*)?10\s*\^?\s*\(?\s*([-+]\d+)\s*\)?"
    r"|1e?)\s*\)?\s*(?=[\s*×xa-zµμå(\[])[\s*×x]*",
)
_HIGHEST_POWER = 6
#: Keck's FLAM16: in 1e-16 erg/s/cm2/Angstrom
_FLAM = re.compile(r"^flam(\d\d)$")
_NAMES = "|".join(sorted((re.escape(name) for name in _WORDS), key=len, reverse=True))
_TOKEN = re.compile(rf"\s*(?:(?P<op>[/*.·])|(?P<open>[(\[{{])|(?P<close>[)\]}}])|(?P<name>{_NAMES})"
                    rf"(?:\s*\^?\s*(?:\(\s*(?P<inner>[-+]?\d)\s*\)|(?P<exp>[-+]?\d)(?!\d)))?)")  # fmt: skip


def _parse_product(text, at=0, depth=0):
    """Parse ``text`` from ``at`` to the closing bracket; returns (unit, end), or None where a word is not known."""
    unit, divide, sticky = u.dimensionless_unscaled, False, False
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            return (unit, at) if not text[at:].strip() else None
        at = found.end()
        if found["op"]:
            divide = found["op"] == "/" or (divide and sticky)
            continue
        if found["close"]:
            return (unit, at) if depth else None
        if found["open"]:
            inner = _parse_product(text, at, depth + 1)
            if inner is None or depth > 8:
                return None
            part, at = inner
            found = re.compile(r"\s*\^?\s*\(?([-+]?\d+)\)?").match(text, at)
            if found and found.end() > at:
                part, at = part ** int(found[1]), found.end()
        else:
            part = _WORDS[found["name"]] ** int(found["inner"] or found["exp"] or 1)
        unit = unit / part if divide else unit * part
        divide = False
    return (unit, at) if depth == 0 else None


@lru_cache(maxsize=256)
def parse_flux_unit(text):
    """Parse a flux unit.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    unit : `~astropy.units.Unit`
        Dimensionless where nothing is said, or nothing known.
    known : bool
        Whether the text was understood; what says that there is no unit, or nothing, is.

    Examples
    --------
    >>> from astro_spectok.spectra.unit_words import parse_flux_unit
    >>> for text in ("1E-17 erg/cm^2/s/Ang", "ergs s-1 cm-2 A-1", "ADU", "Relative Flux", "DU/PIXEL"):
    ...     print(parse_flux_unit(text)[0].to_string())
    1e-17 erg / (Angstrom s cm2)
    erg / (Angstrom s cm2)
    adu
    <BLANKLINE>
    adu / pix
    """
    if text is None:
        return u.dimensionless_unscaled, True
    if isinstance(text, u.UnitBase) and not isinstance(text, u.UnrecognizedUnit):
        return text, True
    raw = str(text).strip().strip("'\"").strip()
    word = raw.lower().replace("**", "^").replace("⁻¹", "-1").replace("⁻²", "-2").replace("²", "2")
    if "\\" in word or "$" in word:
        word = re.sub(r"\\(?:mathrm|rm|text|[,;: ])?|\$|_", " ", word)
        word = re.sub(r"\^?\s*\{\s*([-+]?\d+)\s*\}", r"^\1", word).replace("{", "(").replace("}", ")")
    if _UNITLESS.match(re.sub(r"^[\[(](.*)[\])]$", r"\1", word).strip()):
        return u.dimensionless_unscaled, True
    if word in _MAGNITUDES:
        return _MAGNITUDES[word], True
    # 1d-17 of Fortran, E-17 of whom it is plain to
    word = re.sub(r"^e(?=[-+]\d)", "1e", re.sub(r"(?<=\d)d(?=[-+]?\d)", "e", word))
    # capital and small m differ by 1e9 here, and only here
    word = re.sub(r"^mjy", "megajy", word) if raw.startswith("MJy") else word
    if (found := _FLAM.match(word)) is not None:
        return u.Unit(10.0 ** -int(found[1]) * _F_LAMBDA), True
    factor = 1.0
    bare = re.sub(r"^f(?:lux(?: density)?)?[\s_]*(?:lambda|lam|nu)?\s*[(\[](.*)[)\]]$", r"\1", word)
    found = _FACTOR.match(bare)
    if found and found.end():
        if found[1]:
            factor = float(found[1]) * 10.0 ** int(found[2])
        elif found[4]:
            factor = float((found[3] or "1").strip(" x*×")) * 10.0 ** int(found[4])
        bare = bare[found.end() :]
    bare = re.sub(r"\s*\bper\b\s*", "/", bare)
    for candidate in (bare, re.sub(r"\bergs-1", "erg s-1", bare)):
        parsed = _parse_product(candidate)
        if parsed is not None and (parsed[0].is_equivalent(_F_LAMBDA) or candidate is not bare or "ergs-1" not in bare):
            unit = _mend(parsed[0])
            return (unit if factor == 1 else u.Unit(factor * unit)), True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unit = u.Unit(raw)
    except (ValueError, TypeError):
        return u.dimensionless_unscaled, False
    # no flux has a higher power of anything
    known = all(abs(power) <= _HIGHEST_POWER for power in unit.powers)
    return (unit, True) if known else (u.dimensionless_unscaled, False)


def _mend(unit):
    """SDSS writes '1.0E-17 erg/cm/s/Ang' for a flux per square centimetre."""
    return unit / u.cm if (unit / u.cm).is_equivalent(_F_LAMBDA) and unit.is_equivalent(_F_LAMBDA * u.cm) else unit
