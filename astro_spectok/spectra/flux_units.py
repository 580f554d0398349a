# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Flux units as power laws of the wavelength: from any flux density to flux per unit wavelength and back."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from astropy import constants as const
from astropy import units as u

__all__ = ["FluxConversion", "find_flux_conversion", "to_physical_flux"]

_F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA
#: what flux densities become: flux and luminosity per unit wavelength
_TARGETS = (_F_LAMBDA, u.erg / u.s / u.AA)
_PLANCK_TIMES = u.Unit(const.h.si.value * u.J * u.s)
#: denominators such as arcsec2, beam, pixel or spaxel do not depend on wavelength; these look alike but do count
_NEVER_STRIPPED = frozenset({"ct", "count", "ph", "photon", "electron", "adu", "DN", "dn", "chan", "bin", "vox"})


@dataclass(frozen=True)
class FluxConversion:
    """Flux per unit wavelength = ``factor * wavelength**power * flux``, with the wavelength in Angstrom.

    Attributes
    ----------
    factor : float
    power : int
        0 for what is per unit wavelength already, and for what is no flux density at all.
    unit : `~astropy.units.Unit`
        Unit of the result: the unit given, where that is no flux density.
    known : bool
        Whether the unit given is a flux density.
    """

    factor: float
    power: int
    unit: u.UnitBase
    known: bool

    def evaluate(self, wavelength):
        """Return what to multiply the flux with: an array like ``wavelength`` (Angstrom), or a float if constant."""
        return self.factor if self.power == 0 else self.factor * np.asarray(wavelength, float) ** self.power


def _find_sky(unit):
    """What of ``unit`` is a wavelength-independent denominator (sr, beam, spaxel)."""
    rest = u.dimensionless_unscaled
    for base, power in zip(unit.bases, unit.powers, strict=True):
        kind = str(base.physical_type)
        sky = kind in ("angle", "solid angle") or base in (u.pix, u.beam)
        if power < 0 and (sky or (kind == "unknown" and base.name not in _NEVER_STRIPPED)):
            rest = rest * base**power
    return rest


def _strip_sky(unit):
    """Split ``unit`` into a flux density and its wavelength-independent denominator."""
    rest = _find_sky(unit)
    density = unit / rest
    if rest.is_equivalent(u.sr**-1):
        # one unit for all solid angles, so that uncertainties may be given per another
        density, rest = density * rest.to(u.sr**-1), u.sr**-1
    return u.Unit(density), rest


def _measure(unit, target):
    """Return (factor, power) between two units as astropy converts them, or None."""
    try:
        low, high = (unit.to(target, 1.0, equivalencies=u.spectral_density(w * u.AA)) for w in (4096.0, 8192.0))
    except u.UnitsError:
        return None
    power = np.log2(high / low)
    if abs(power - round(power)) > 1e-6:
        return None
    power = round(power)
    return float(low * 4096.0**-power), power


@lru_cache(maxsize=256)
def find_flux_conversion(unit):
    """Find how ``unit`` becomes flux per unit wavelength.

    Whatever `astropy.units.spectral_density` converts is converted (per frequency, photon
    densities, nu F_nu, luminosity and surface brightness densities), as well as densities
    per unit energy and all of them per beam, pixel, spaxel or area on the sky. All these
    are power laws of the wavelength, which is why a factor and a power are enough. Counts,
    dimensionless and unknown units stay as given.

    Parameters
    ----------
    unit : `~astropy.units.Unit`

    Returns
    -------
    FluxConversion
    """
    unit = u.Unit(unit)
    if not isinstance(unit, u.UnrecognizedUnit):
        density, rest = _strip_sky(unit)
        # a density per energy is one per frequency over the Planck constant; what has no unit is none, and finding that
        # out by conversions takes astropy a tenth of a second
        plain = density.is_equivalent(u.dimensionless_unscaled)
        for candidate in () if plain else (density, density * _PLANCK_TIMES):
            for target in _TARGETS:
                measured = _measure(candidate, target)
                if measured is not None:
                    return FluxConversion(*measured, unit=target * rest, known=True)
    return FluxConversion(1.0, 0, unit, known=False)


def to_physical_flux(flux, unit, uncertainty=None, kind=None, uncertainty_unit=None):
    """Turn magnitudes (or dex, dB) into linear flux; other units pass unchanged.

    Without a zero point, as plain ``mag`` has none, the flux is relative.

    Parameters
    ----------
    flux : ndarray
    unit : `~astropy.units.Unit` or `~astropy.units.function.FunctionUnitBase`
    uncertainty : ndarray, optional
    kind : {'std', 'var', 'ivar'}, optional
    uncertainty_unit : `~astropy.units.Unit`, optional
        Beside a logarithmic flux: logarithmic too, or that of the linear flux; as the flux if there is none.

    Returns
    -------
    flux, unit, uncertainty, kind, uncertainty_unit
    """
    step, physical = _split_logarithmic(unit)
    if step is None:
        return flux, unit, uncertainty, kind, uncertainty_unit
    per_dex = step.to(u.dex)
    with np.errstate(over="ignore", invalid="ignore"):
        linear = 10.0 ** (np.asarray(flux, dtype=np.float64) * per_dex)
        if uncertainty is not None:
            exponent = {"std": 1, "var": 2, "ivar": -2}[kind]
            ratio = _compare_logarithmic(uncertainty_unit, unit, step, exponent)
            if ratio is None:
                return linear, physical, uncertainty, kind, uncertainty_unit
            # first order: dF = F ln(10) d(dex); a magnitude is -0.4 dex
            uncertainty = uncertainty * ratio * (np.abs(linear) * np.log(10.0) * abs(per_dex)) ** exponent
    return linear, physical, uncertainty, kind, None


def _split_logarithmic(unit):
    """The step of a logarithmic unit (mag, dex, dB) and the unit of what is counted; (None, None) of any other."""
    if isinstance(unit, u.function.FunctionUnitBase):
        return unit.function_unit, unit.physical_unit
    if isinstance(unit, u.UnrecognizedUnit):
        return None, None
    sky = _find_sky(unit)
    step = u.Unit(unit / sky)
    return (step, sky) if step.is_equivalent(u.mag) else (None, None)


def _compare_logarithmic(own, unit, step, exponent):
    """What turns an uncertainty into steps of a logarithmic ``unit``; None where it is one of linear flux."""
    if own is None or isinstance(own, u.function.FunctionUnitBase) or own == u.dimensionless_unscaled:
        return 1.0
    for whole in (step, unit):  # an error of a magnitude per square arcsecond is written either way
        if not isinstance(whole, u.function.FunctionUnitBase) and own.is_equivalent(whole**exponent):
            return abs(own.to(whole**exponent))
    return None
