# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Role of a column or extension, by its name: wavelengths, flux, an error of some kind, a mask."""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from astropy import units as u

from astro_spectok.spectra.unit_words import AXIS_WORDS

__all__ = ["ERROR_ROLES", "LEFT_OVER", "Role", "choose_error", "find_role", "pick_roles"]

ERROR_ROLES = ("err", "ivar", "var", "rel", "snr")


@dataclass(frozen=True)
class Role:
    """Role of one column.

    Attributes
    ----------
    kind : {'wave', 'flux', 'err', 'var', 'ivar', 'rel', 'snr', 'mask', 'good', 'time', 'filter', 'curve', 'other',
        'pixel', 'resolution'}
        'curve' is a property of dust or another medium, 'other' an axis of something else than a spectrum.
    rank : int
        The lower, the more likely the one that is meant.
    base : float or None
        Of a logarithm, for wavelengths and fluxes.
    unit : str or None
        Unit that the name implies.
    assumed : bool
        Whether that is only what is usual, as Hz for ``frequency``, and not stated, as in ``wave_nm``.
    times_axis : bool
        Whether it is a flux times its wavelength or frequency, as nu F_nu.
    """

    kind: str
    rank: int = 0
    base: float | None = None
    unit: str | None = None
    assumed: bool = False
    times_axis: bool = False


#: (kind, names in lower case without what is no letter or digit, the likeliest first, what else they imply)
_NAMES: tuple[tuple[str, Any, Any], ...] = (
    (
        "wave",
        "wave wavelength wavelengths wavelenght lambda lam lbda wl wavl wvl wlen wln wav waves lamb "
        "spectralaxis spectral wavevac wavelengthvac vacwave vacuumwavelength wavair waveair wavelengthair "
        "airwave airwavelength awav lambdaair lambdavac optwave boxwave wavelengthobs obswavelength obswave "
        "waveobs wavelengthobserved lambdaobs dispersion wavestitched ws wavegrid wavegridmid wavesol wavemap "
        "waveaxis specwave wavestack w x xaxis restwave wavelengthrest restwavelength lambdarest waverest sciwave "
        "sciwavl lamrest lamobs wlrest wlobs wls wavefreq "
        "wavedatavacbary wavedataairbary wavedatavac wavedata waveab wavelengtharray "
        "wavestis waveopt arg wa "
        "longueurdonde longuerdonde longituddeonda longituddonda comprimentodeonda wellenlange wellenlaenge "
        "lunghezzadonda golflengte",
        {},
    ),
    ("wave", "angstrom angstroms ang aa", {"unit": "Angstrom", "start": 20}),
    ("wave", "nm", {"unit": "nm", "start": 20}),
    ("wave", "um micron microns", {"unit": "um", "start": 20}),
    (
        "wave",
        "loglam loglambda logwave logwavelength log10lam log10wave log10wavelength log10lambda logl logwl lglam",
        {"base": 10.0, "start": 30},
    ),
    (
        "wave",
        "lnlam lnwave lnlambda lnwavelength",
        {"base": 2.718281828459045, "start": 30},
    ),
    (
        "wave",
        "lognu log10nu logfreq logfrequency log10freq log10frequency",
        {"base": 10.0, "unit": "Hz", "start": 65},
    ),
    ("wave", "frequency freq nu", {"unit": "Hz", "start": 60, "assumed": True}),
    ("wave", "energy", {"unit": "eV", "start": 60, "assumed": True}),
    ("wave", "wavenumber wavenum", {"unit": "cm-1", "start": 60, "assumed": True}),
    (
        "flux",
        "flux flam fluxcal fluxcalibrated calibflux optflam boxflam spec spectrum specflux specdata "
        "fluxlambda flambda fluxdensity fluxdens fnu fluxnu fx flx fl bflux rflux fluxabs sciflux "
        "fluxstitched data sci signal fluxavg fluxmean meanflux weightedmeanflux fluxzero fluxel fluxreduced "
        "optcounts boxcounts counts count intensity intens extspectra specdensity surfbright sb net value "
        "values val y yaxis f s relflux rel normflux normalizedflux normflx fluxnorm nflux "
        "continuumnormalizedflux normalisedflux fluxnormalized fluxnormalised normalized normalised sigflux "
        "adu electrons photons radiance luminosity lum scidata fluxab apflux aperflux totalflux fluxtot "
        "fluxtotal object fluxes specdividea0v fluxstis fluxopt fun specificintensity absoluteflux fluxstack sob i "
        "llam llambda lnu stokesi fls source total "
        "flujo fluxo fluss flusso",
        {},
    ),
    ("flux", "logflux log10flux lgflux logflam log10flam logfnu logflambda log10flambda", {"base": 10.0, "start": 300}),
    (
        "flux",
        "lambdaflambda lamflam lambdaflam lflam wflam lamfl nufnu vfv lambdafl lambdaflux",
        {"times_axis": True, "start": 320},
    ),
    (
        "flux",
        "lognufnu logvfv loglambdaflambda loglamflam log10nufnu log10lambdaflambda lognuflux",
        {"base": 10.0, "times_axis": True, "start": 340},
    ),
    (
        "err",
        "fluxerr fluxerror ferr ferror err error errflux errorflux eflux fluxe fluxunc fluxuncertainty unc uncertainty "
        "uncert uncertainties sigma sig fluxsig sigmaflux fluxsigma std stddev fluxstd stdev dflux df noise "
        "rms staterror staterr errflx efl fluxdev errs errors optflamsig boxflamsig optcountssig "
        "boxcountssig fluxerrors fluxerrs fluxerrstitched errreduced specerr specsigma specunc toterr "
        "toterror errorbar onesigma 1sigma flamerr fluxlambdaerr stderr sd delta deltaflux dfl ef e sdflux "
        "espec eflam efnu dspec dflam dfnu sigspec "
        "sigf spectrumerr spectrumerror sigmaf fluxerrtot normerr normerror normalizedfluxuncertainty "
        "nfluxerr optflamerr uncertaintyflux errdata errlow fluxplusminus fluxpm fluxuncert scierror scierr "
        "errstis sigmaup uob di er sigmas stokesierr erreur erro errore fehler incertitude incerteza incertidumbre",
        {},
    ),
    (
        "var",
        "var variance fluxvar fluxvariance varflux stat statvar specvar scivar scivariance vari "
        "fvar varspec fluxvarerr varflam",
        {},
    ),
    (
        "ivar",
        "ivar invvar inversevariance fluxivar ivarflux optflamivar boxflamivar optcountsivar boxcountsivar iv "
        "invar specivar errivar errfluxivar fluxerrivar errivarflux ivarfluxcal invvariance ivarstack "
        "wht weight weights",
        {},
    ),
    ("rel", "relerr relativeerr relativeerror fracerr fractionalerr fractionalerror relunc errrel relsigma", {}),
    (
        "snr",
        "snr sn signaltonoise s2n snperpix snrflux",
        {},
    ),
    (
        "mask",
        "mask andmask dq dqf quality qual flag flags qf bitmask badpix bad bpm maskbits dqflags qualflag "
        "qualflags badpixel badpixels ormask ivarmask pixmask statusmask masked fluxmask crmask intmask msk maskstack "
        "qualdata qualityflag masks",
        {},
    ),
    (
        "good",
        "good goodpix goodpixels dataqual optmask boxmask valid goodmask goodpixel gpm use used",
        {},
    ),
    (
        "time",
        "time mjd jd bjd hjd bjdtdb btjd bkjd hjdutc date timecorr epoch mjdobs jdobs bjdtt phase timebjd",
        {},
    ),
    ("filter", "throughput transmission transmittance response sensitivity efficiency qe passband filter bandpass", {}),
    (
        "curve",
        "extinction extinctioncurve alambda alambdaav alam alamav klambda klam kappa opacity albedo crosssection "
        "emissivity refractiveindex absorptioncoefficient attenuation reddening",
        {},
    ),
    (
        "other",
        "period ramanshift shift velocity vel vlsr vrad vhelio radius redshift lag delay multipole ell baseline "
        "vkms velkms velocitykms dvkms vlsrkms rvkms 2theta twotheta mz ppm position offset slitpos separation "
        "distance depth transitdepth year age mass teff logteff temperature angle theta ra dec raj2000 dej2000 "
        "radeg dedeg decdeg glon glat",
        {},
    ),
    ("pixel", "pixel pixels pix px channel channels chan", {}),
    (
        "resolution",
        "fwhm wdisp lsf resolution res resolvingpower",
        {},
    ),
)


def _is_in_names(word):
    """Whether a word for a unit is one that names of columns end with."""
    return word.isascii() and AXIS_WORDS[word] in (
        u.AA, u.nm, u.um, u.mm, u.Hz, u.GHz, u.THz, u.eV, u.keV, u.MeV, u.GeV
    )  # fmt: skip


def _make_table():
    """Role by name."""
    roles = {}
    for kind, names, rest in _NAMES:
        given = {key: value for key, value in rest.items() if key != "start"}
        for rank, name in enumerate(names.split(), start=rest.get("start", 0)):
            roles.setdefault(name, Role(kind, rank, **given))
    return roles


_ROLES = _make_table()
#: units that stand at the end of names, the longest first, as in ``wave_nm`` or ``LAMBDAANG``
_UNITS_IN_NAMES = tuple(sorted((word for word in AXIS_WORDS if _is_in_names(word)), key=len, reverse=True))
#: HJD-2450000, BJD_TDB, MJD(UTC)
_DATE = re.compile(r"^(?:b|h|m|r|t)?jd(?:tdb|utc|tt|obs|mid|start|hel|\d{4,7})*$")
#: units of flux at the end of names; in brackets, units of axes of no spectrum
_FLUX_UNIT = re.compile(r"(?<=..)(?:[mun]?jy|cgs|adu|ergscm2(?:a|aa|ang|angstrom|hz))$")
_UNITS_OF_OTHERS = re.compile(
    r"[km]?pc|au|arcsec|arcmin|deg|k|[mg]?yr|d|days?|hr?|min|s|sec|km/s(?:ec)?|[mr]sun|h/mpc|1/d", re.IGNORECASE
)
#: of names of errors as VizieR has them: what they are of
_ERROR_OF = re.compile(r"^(?:e|err|sig|sigma|d|unc)_(.+)$")
#: names of what may be an inverse variance, and may be a weight of any kind
_WEIGHTS = re.compile(r"wht|weight")
_IN_BRACKETS = re.compile(r"[(\[{](.*?)[)\]}]")
#: log10(F_lambda), lambda * F_lambda: brackets and signs that belong to the name
_FORMULA = re.compile(
    r"^\s*(?:log_?(?:10)?|lg)\s*[(\[]\s*(f[^)\]]*)[)\]]|^\s*(lambda|lam|nu|v|w)\s*[*·x]\s*(f[a-z_]*)", re.IGNORECASE
)
#: words of other alphabets
_TRANSLATED = {
    "波長": "wavelength", "波长": "wavelength", "длина волны": "wavelength", "длинаволны": "wavelength",
    "フラックス": "flux", "流量": "flux", "通量": "flux", "поток": "flux",
    "誤差": "error", "误差": "error", "ошибка": "error", "погрешность": "error",
    "λ": "lambda", "σ": "sigma", "ν": "nu",
}  # fmt: skip


#: how names begin that are none of the above; what such a name may not hold, since it then means something else
_BEGINNINGS = (
    ("err", ("err", "sigma", "noise", "unc", "eflux", "dflux", "fluxerr", "fluxunc", "fluxsig")),
    ("wave", ("wave", "lambda", "wlen", "wvl")),
    ("flux", ("flux", "flam", "fnu")),
)
_FOREIGN = re.compile(
    r"min|max|corr|shift|range|id$|unit|ref|cent|err|sig|unc|var|std|rms|rad|ratio|ew|model|sky|cont|bg"
)
_ENDINGS = {"ivar": ("ivar",), "var": ("var", "variance"), "err": ("err", "error", "sig", "unc", "std")}
_UNLIKELY = 500
#: what names of errors hold, of whatever they are
_IS_ERROR = re.compile(r"err|unc(?![a-z]*o)|sigma|(?:^|_)e_")
#: rank of a flux whose name says nothing
LEFT_OVER = 1000


def _find_by_beginning(squeezed):
    """The role of a name by its beginning, as ``lambda_subout`` or ``flux_smoothed``; errors of a flux by their end."""
    if squeezed.startswith(("flux", "flam", "fnu", "spec")):
        for kind, endings in _ENDINGS.items():
            if squeezed.endswith(endings):
                return Role(kind, _UNLIKELY)
    for kind, beginnings in _BEGINNINGS:
        for beginning in beginnings:
            if squeezed.startswith(beginning) and not _FOREIGN.search(squeezed[len(beginning) :]):
                return Role(kind, _UNLIKELY)
    return None


def _find_with_unit(squeezed):
    """The role of a name of wavelengths (or of frequencies, energies) that ends with a unit."""
    for word in _UNITS_IN_NAMES:
        base = _ROLES.get(squeezed.removesuffix(word)) if squeezed.endswith(word) else None
        if base is not None and base.kind == "wave" and base.base is None and len(squeezed) - len(word) >= 2:
            return Role("wave", 20 + min(base.rank, 9), unit=word)
    return None


def _spell(name):
    """A name in the letters of English, with logarithms and products as one word."""
    text = str(name)
    if not text.isascii():
        text = text.lower()
        for word, meaning in _TRANSLATED.items():
            text = text.replace(word, meaning)
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    if (found := _FORMULA.match(text)) is not None:
        words = f"log{found[1]}" if found[1] else f"{found[2]}{found[3]}"
        text = re.sub(r"[\s_]", "", words) + text[found.end() :]
    return text


def find_role(name, *, guess=True):
    """Find what a name says.

    Parameters
    ----------
    name : str
    guess : bool
        Whether a single letter counts, and a name that only begins or ends as one that says something.

    Returns
    -------
    Role or None

    Examples
    --------
    >>> from astro_spectok.spectra.column_names import find_role
    >>> find_role("Wavelength (nm)").unit, find_role("FLUX_IVAR").kind, find_role("loglam").base
    ('nm', 'ivar', 10.0)
    """
    name = _spell(name)
    inside = _IN_BRACKETS.search(name)
    outside = _IN_BRACKETS.sub("", name).strip() or name
    squeezed = re.sub(r"[^a-z0-9]", "", outside.lower())
    role = _ROLES.get(squeezed) or _find_with_unit(squeezed) or _ROLES.get(squeezed.removesuffix("1d"))
    if not guess and len(squeezed) < 2:
        return None
    if role is None and _DATE.match(squeezed):
        role = Role("time", _UNLIKELY)
    if role is None and guess and len(squeezed) > 3:
        # flux1, flux_2, spectrum_0
        role = _ROLES.get(squeezed.rstrip("0123456789"))
    if role is None and inside and _UNITS_OF_OTHERS.fullmatch(inside[1].strip()):
        return Role("other")
    if role is None and (ending := _FLUX_UNIT.search(squeezed)):
        # fnu_mJy, flux_cgs
        of = find_role(squeezed[: ending.start()], guess=guess)
        role = None if of is None or of.kind in ("wave", "time", "other") else replace(of, unit=ending[0])
    if role is None and (found := _ERROR_OF.match(outside.lower())):
        # e_fnu, sig_F, as in tables of VizieR
        of = find_role(found[1], guess=guess)
        role = Role("err", _UNLIKELY) if of is not None and of.kind == "flux" else None
    if role is None and guess and len(squeezed) > 4:
        role = _find_by_beginning(squeezed)
    if role is None and "." in outside and (last := outside.rsplit(".", 1)[1]):
        # NGC1234.NOISE, as KMOS names its extensions
        return find_role(last, guess=guess)
    if role is not None and role.kind == "wave" and inside and (role.unit is None or role.assumed):
        return Role("wave", role.rank, role.base, inside[1])
    return role


def pick_roles(names, *, guess=True):
    """Choose among columns: the most likely one for each role.

    Parameters
    ----------
    names : sequence of str
    guess : bool
        As of `find_role`; nor is the one that is left over taken for the flux if not.

    Returns
    -------
    dict
        ``{kind: (name, Role)}``; of errors one of each kind. A name such as ``flux_err`` is never the flux. Beside
        wavelengths the one name that says nothing is the flux, of rank `LEFT_OVER`.
    """
    best = {}
    for name in names:
        role = find_role(name, guess=guess)
        if role is None:
            continue
        if role.kind not in best or role.rank < best[role.kind][1].rank:
            best[role.kind] = (name, role)
    if guess and "wave" in best and "flux" not in best:
        left = [name for name in names if find_role(name) is None and not _IS_ERROR.search(name.lower())]
        if len(left) == 1:
            best["flux"] = (left[0], Role("flux", LEFT_OVER))
    return best


def choose_error(roles):
    """The kind of error to take among those that there are.

    Parameters
    ----------
    roles : mapping
        Names by kind, as of `pick_roles`, or extensions by kind.

    Returns
    -------
    str or None
        One of `ERROR_ROLES`; weights, which may be anything, come after all else but a signal-to-noise ratio.
    """
    present = [kind for kind in ERROR_ROLES if kind in roles]
    if "ivar" in present and "var" in present:
        given = roles["ivar"]
        name = given if isinstance(given, str) else given[0] if isinstance(given, tuple) else given
        name = getattr(name, "name", name)
        if _WEIGHTS.search(str(name).lower()):
            return "err" if "err" in present else "var"
    return present[0] if present else None
