# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Role of a column or extension, by its name: wavelengths, flux, an error of some kind, a mask."""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["ERROR_ROLES", "LEFT_OVER", "Role", "find_role", "pick_roles"]

ERROR_ROLES = ("err", "ivar", "var", "snr")


@dataclass(frozen=True)
class Role:
    """Role of one column.

    Attributes
    ----------
    kind : {'wave', 'flux', 'err', 'var', 'ivar', 'snr', 'mask', 'good', 'time', 'filter', 'resolution'}
    rank : int
        The lower, the more likely the one that is meant.
    base : float or None
        Of a logarithm, for wavelengths.
    unit : str or None
        Unit of the axis that the name implies.
    """

    kind: str
    rank: int = 0
    base: float | None = None
    unit: str | None = None


#: (kind, names in lower case without what is no letter or digit, the likeliest first, what else they imply)
_NAMES: tuple[tuple[str, Any, Any], ...] = (
    (
        "wave",
        "wave wavelength wavelengths wavelenght lambda lam lbda wl wavl wvl wlen wln wav waves lamb "
        "spectralaxis spectral wavevac wavelengthvac vacwave vacuumwavelength wavair waveair wavelengthair "
        "airwave airwavelength awav lambdaair lambdavac optwave boxwave wavelengthobs obswavelength obswave "
        "waveobs wavelengthobserved lambdaobs dispersion wavestitched ws wavegrid wavegridmid wavesol wavemap "
        "waveaxis specwave w x xaxis restwave wavelengthrest restwavelength lambdarest waverest sciwave sciwavl "
        "wavedatavacbary wavedataairbary wavedatavac wavedata waveab wavelengtharray "
        "wavestis waveopt wa",
        {},
    ),
    (
        "wave",
        "wavelengthaa wavelengtha wavea waveang waveangstrom wavelengthangstrom wavelengthang lambdaa "
        "lambdaang lambdaangstrom angstrom angstroms ang aa",
        {"unit": "Angstrom", "start": 20},
    ),
    (
        "wave",
        "wavelengthnm wavenm lambdanm nm",
        {"unit": "nm", "start": 20},
    ),
    (
        "wave",
        "wavelengthum waveum lambdaum wavelengthmicron wavemicron wavelengthmicrons um micron microns",
        {"unit": "um", "start": 20},
    ),
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
        "frequency freq nu",
        {"unit": "Hz", "start": 60},
    ),
    (
        "wave",
        "energy",
        {"unit": "eV", "start": 60},
    ),
    (
        "wave",
        "wavenumber wavenum",
        {"unit": "cm-1", "start": 60},
    ),
    (
        "flux",
        "flux flam fluxcal fluxcalibrated calibflux optflam boxflam spec spectrum specflux specdata "
        "fluxlambda flambda fluxdensity fluxdens fnu fluxnu fx flx fl bflux rflux fluxabs sciflux "
        "fluxstitched data sci signal fluxavg fluxmean meanflux weightedmeanflux fluxzero fluxel fluxreduced "
        "optcounts boxcounts counts count intensity intens extspectra specdensity surfbright sb net value "
        "values val y yaxis f s relflux rel normflux normalizedflux normflx fluxnorm nflux "
        "continuumnormalizedflux normalisedflux fluxnormalized fluxnormalised normalized normalised sigflux "
        "adu electrons photons radiance luminosity lum scidata fluxab apflux aperflux totalflux fluxtot "
        "fluxtotal object fluxes specdividea0v fluxstis fluxopt",
        {},
    ),
    (
        "err",
        "err error fluxerr fluxerror errflux errorflux eflux fluxe fluxunc fluxuncertainty unc uncertainty "
        "uncert uncertainties sigma sig fluxsig sigmaflux fluxsigma std stddev fluxstd stdev dflux df noise "
        "rms staterror staterr errflx ferr efl fluxdev errs errors optflamsig boxflamsig optcountssig "
        "boxcountssig fluxerrors fluxerrs fluxerrstitched errreduced specerr specsigma specunc toterr "
        "toterror errorbar onesigma 1sigma flamerr fluxlambdaerr stderr sd delta deltaflux dfl ef e sdflux "
        "sigf spectrumerr spectrumerror sigmaf fluxerrtot normerr normerror normalizedfluxuncertainty "
        "nfluxerr optflamerr uncertaintyflux errdata errlow fluxplusminus fluxpm fluxuncert scierror scierr "
        "errstis sigmaup er",
        {},
    ),
    (
        "var",
        "var variance fluxvar fluxvariance varflux stat statvar specvar scivar vari fvar varspec fluxvarerr varflam",
        {},
    ),
    (
        "ivar",
        "ivar invvar inversevariance fluxivar ivarflux optflamivar boxflamivar optcountsivar boxcountsivar iv "
        "invar specivar wht weight weights ivarfluxcal invvariance",
        {},
    ),
    (
        "snr",
        "snr sn signaltonoise s2n snperpix snrflux",
        {},
    ),
    (
        "mask",
        "mask andmask dq dqf quality qual flag flags qf bitmask badpix bad bpm maskbits dqflags qualflag "
        "qualflags badpixel badpixels ormask ivarmask pixmask statusmask masked fluxmask crmask intmask msk "
        "qualdata qualityflag",
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
        "resolution",
        "fwhm wdisp lsf resolution res resolvingpower",
        {},
    ),
)


def _make_table():
    """Role by name."""
    roles = {}
    for kind, names, rest in _NAMES:
        for rank, name in enumerate(names.split(), start=rest.get("start", 0)):
            roles.setdefault(name, Role(kind, rank, rest.get("base"), rest.get("unit")))
    return roles


_ROLES = _make_table()
_IN_BRACKETS = re.compile(r"[(\[{](.*?)[)\]}]")


#: how names begin that are none of the above; what such a name may not hold, since it then means something else
_BEGINNINGS = (
    ("err", ("err", "sigma", "noise", "unc", "eflux", "dflux")),
    ("wave", ("wave", "lambda", "wlen", "wvl")),
    ("flux", ("flux", "flam", "fnu")),
)
_FOREIGN = re.compile(
    r"min|max|corr|shift|range|id$|unit|ref|cent|err|sig|unc|var|std|rms|rad|ratio|ew|model|sky|cont|bg"
)
_ENDINGS = {"ivar": ("ivar",), "var": ("var", "variance"), "err": ("err", "error", "sig", "unc", "std")}
_UNLIKELY = 500
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


def find_role(name):
    """Find what a name says.

    Parameters
    ----------
    name : str

    Returns
    -------
    Role or None

    Examples
    --------
    >>> from astro_spectok.spectra.loaders._roles import find_role
    >>> find_role("Wavelength (nm)").unit, find_role("FLUX_IVAR").kind, find_role("loglam").base
    ('nm', 'ivar', 10.0)
    """
    inside = _IN_BRACKETS.search(str(name))
    outside = _IN_BRACKETS.sub("", str(name)).strip() or str(name)
    squeezed = re.sub(r"[^a-z0-9]", "", outside.lower().replace("λ", "lambda").replace("σ", "sigma"))
    role = _ROLES.get(squeezed)
    if role is None and len(squeezed) > 3:
        # flux1, flux_2, spectrum_0
        role = _ROLES.get(squeezed.rstrip("0123456789"))
    if role is None and len(squeezed) > 4:
        role = _find_by_beginning(squeezed)
    if role is not None and role.kind == "wave" and inside and role.unit is None:
        return Role("wave", role.rank, role.base, inside[1])
    return role


def pick_roles(names):
    """Choose among columns: the most likely one for each role.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict
        ``{kind: (name, Role)}``; of errors one of each kind. A name such as ``flux_err`` is never the flux. Beside
        wavelengths the one name that says nothing is the flux, of rank `LEFT_OVER`.
    """
    best = {}
    for name in names:
        role = find_role(name)
        if role is None:
            continue
        if role.kind not in best or role.rank < best[role.kind][1].rank:
            best[role.kind] = (name, role)
    if "wave" in best and "flux" not in best:
        left = [name for name in names if find_role(name) is None]
        if len(left) == 1:
            best["flux"] = (left[0], Role("flux", LEFT_OVER))
    return best
