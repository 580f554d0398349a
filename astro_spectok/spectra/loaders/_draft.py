# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Arrays as a file holds them become a `~specutils.Spectrum`, and what had to be guessed is remembered."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from astropy import units as u
from astropy.io.fits import VerifyError
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from specutils import Spectrum

from astro_spectok.spectra.loaders._error_kind import KIND_NAMES, judge_error_kind, to_deviation
from astro_spectok.spectra.loaders._line_lists import is_line_list
from astro_spectok.spectra.unit_words import AxisUnit, parse_axis_unit, parse_flux_unit

__all__ = [
    "Draft", "break_orders", "build_spectra", "check_axis_range", "check_axis_unit", "guess_axis_unit", "is_pixel_axis",
]  # fmt: skip

_UNCERTAINTY = {"err": StdDevUncertainty, "var": VarianceUncertainty, "ivar": InverseVariance}
#: more breaks than this in a wavelength column are no orders one after the other but disorder
_MAX_ORDERS = 200
#: words in the place of a flux unit that say that there is no flux
_CURVES = frozenset({"transmission", "transmittance", "throughput", "efficiency", "response", "quantum efficiency"})
_LEAST_ORDER = 16
#: WCS and axis of the last spectrum: those of a survey have one axis, and to make the WCS of one takes 1 ms
_LAST: list = []
#: longest wavelength in nm that spectra without a unit have, which may be one in Angstrom; instruments that have nm
_LONGEST_NM = 2700.0
_IN_NM = frozenset({"SPIROU", "NIRPS", "GIANO", "GIANO-B", "CRIRES", "XSHOOTER"})
#: and those whose spectra in nm reach further, and which see none of the blue
_INFRARED, _LONGEST_INFRARED = "CRIRES", 5600.0
#: shorter and longer than this in Angstrom are X-rays, and what radio telescopes and Herschel's SPIRE see
_X_RAYS, _RADIO = 90.0, 1.9e6
#: no logarithm of a wavelength is larger
_LARGEST_LOGARITHM = 30.0


@dataclass
class Draft:
    """One spectrum, or n on one axis, before units and kinds are sure.

    Attributes
    ----------
    wave : ndarray, shape (m,)
    flux, error, mask : ndarray, shape (m,) or (n, m)
        ``mask`` is True (or not 0) in bad pixels.
    wave_unit : str, `~astropy.units.Unit`, AxisUnit or None
        None: found from the values.
    flux_unit : str, `~astropy.units.Unit` or None
    error_kind : {'err', 'var', 'ivar', 'snr', 'rel'}
    sure_kind : bool
        Whether the kind of error is laid down by the format, and not to be judged.
    header : mapping, optional
    name : str
    meta : dict
    guesses : list of str
        What was guessed, in words.
    """

    wave: np.ndarray
    flux: np.ndarray
    error: np.ndarray | None = None
    mask: np.ndarray | None = None
    wave_unit: object = None
    flux_unit: object = None
    error_kind: str = "err"
    sure_kind: bool = False
    header: object = None
    name: str = ""
    meta: dict = field(default_factory=dict)
    guesses: list = field(default_factory=list)


def _native(array, dtype=None):
    array = np.ma.getdata(array) if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
    return np.ascontiguousarray(array, dtype=dtype or array.dtype.newbyteorder("="))


def is_pixel_axis(wave):
    """Whether values are the numbers of pixels: 0, 1, 2, ... or 1, 2, 3, ..."""
    wave = np.asarray(wave, float)
    return len(wave) > 2 and wave[0] in (0.0, 0.5, 1.0) and bool(np.allclose(np.diff(wave), 1.0, atol=1e-6))


def guess_axis_unit(wave):
    """The unit that wavelengths without one must have, by their size.

    Parameters
    ----------
    wave : ndarray

    Returns
    -------
    AxisUnit or None
        None where no unit makes them a spectrum from 90 Angstrom to 1 mm.
    """
    wave = np.asarray(wave, float)
    wave = wave[np.isfinite(wave) & (wave > 0)]
    if not wave.size:
        return None
    low, high = float(wave.min()), float(wave.max())
    steps = np.diff(wave)
    if low > 2.95 and high < 5.0 and high - low < 1.3 and len(wave) > 32:
        # log10 of Angstrom in even steps as surveys have them, rather than 3 to 5 micron
        even = np.ptp(steps) < 0.6 * abs(np.median(steps))
        if even and 1e-6 < abs(np.median(steps)) < 3e-4:
            return AxisUnit(u.AA, 10.0)
    fine = len(wave) > 32 and 1e-6 < abs(np.median(steps)) < 1e-3
    if low > 6.5 and high < 11.6 and high - low < 3 and fine and np.ptp(steps) < 1e-6:
        # and its natural logarithm, rather than 6 to 12 micron
        return AxisUnit(u.AA, float(np.e))
    if high < 1e-3 and low > 1e-9:
        return AxisUnit(u.m)
    if high < 60 and low > 0.05:
        return AxisUnit(u.um)
    if high < 300:
        # Angstrom of the extreme ultraviolet, nm of the far ultraviolet, micron or GHz
        return None
    if low < 900 and high < 2600 and low > 90:
        # spectra below 900 Angstrom are rare, those in nanometres begin there
        return AxisUnit(u.nm)
    if (low >= 90 and high < 1e7) or (low > 1 and 1e5 < high < 1e10):
        # also templates from X-rays to the radio
        return AxisUnit(u.AA)
    if high > 1e11:
        return AxisUnit(u.Hz)
    return None


def _find_longest_nm(header):
    """Values below which an axis without a unit is in nm: 0 unless the light went through air, as none below 3000 A."""
    get = getattr(header, "get", {}.get)
    try:
        instrument = str(get("INSTRUME", "")).strip().upper()
        if instrument == _INFRARED:
            return _LONGEST_INFRARED
        return _LONGEST_NM if instrument in _IN_NM or float(get("AIRMASS", get("AIRMASS1", 0.0))) >= 1.0 else 0.0
    except (TypeError, ValueError, VerifyError):
        return 0.0


def _settle_axis(draft, forced):
    """Wavelengths as values in one unit, no logarithms: (values, unit), or None where there is no unit."""
    wave = _native(draft.wave, np.float64)
    stated = forced if forced is not None else draft.wave_unit
    if isinstance(stated, u.UnitBase):
        stated = AxisUnit(stated)
    if not isinstance(stated, AxisUnit | None):
        stated = parse_axis_unit(str(stated))
    if forced is not None and forced.base is None and (base := _find_stated_base(draft.wave_unit)) is not None:
        # logarithms remain such, whatever the user says of their unit
        stated = AxisUnit(forced.unit, base if np.nanmax(wave, initial=-np.inf) < _LARGEST_LOGARITHM else None)
    if stated is not None and stated.unit == u.pix and forced is None:
        stated = None
    if stated is None:
        stated = guess_axis_unit(wave)
        if stated is None:
            return None
        if stated == AxisUnit(u.AA) and np.nanmax(wave, initial=0) < _find_longest_nm(draft.header):
            stated = AxisUnit(u.nm)
        what = {10.0: "log10 of ", None: ""}.get(stated.base, "ln of ")
        draft.guesses.append(f"wavelengths are {what}{stated.unit}, by their values")
    if stated.base is not None:
        with np.errstate(over="ignore"):
            wave = stated.base**wave
    return wave, stated.unit


def _find_stated_base(stated):
    """Base of the logarithms that an axis is stated to hold, or None."""
    stated = stated if isinstance(stated, AxisUnit) else parse_axis_unit(str(stated)) if stated is not None else None
    return None if stated is None else stated.base


def _settle_flux_unit(draft, forced):
    unit, known = parse_flux_unit(forced if forced is not None else draft.flux_unit)
    if not known:
        draft.guesses.append(f"flux unit {str(draft.flux_unit)[:40]!r} is not known: taken as relative")
    return unit


def _settle_error(draft, flux, error):
    """The uncertainty as specutils has it, or None."""
    kind = draft.error_kind
    if not draft.sure_kind:
        one = (flux, error) if flux.ndim == 1 else (flux[len(flux) // 2], error[len(error) // 2])
        found = judge_error_kind(*one, stated=kind)
        if found != kind:
            draft.guesses.append(f"errors are taken as {KIND_NAMES[found]}: as {KIND_NAMES[kind]} they are absurd")
        kind = found
    if kind in ("rel", "snr"):
        error, kind = to_deviation(error, kind, flux), "err"
    return kind, error


def break_orders(wave):
    """Slices of a column that holds several orders one after the other; one slice where it does not."""
    step = np.sign(np.diff(wave))
    direction = 1.0 if np.count_nonzero(step > 0) >= np.count_nonzero(step < 0) else -1.0
    breaks = np.flatnonzero(step == -direction) + 1
    edges = np.concatenate(([0], breaks, [len(wave)]))
    if len(breaks) > _MAX_ORDERS or (len(breaks) and np.diff(edges).min() < _LEAST_ORDER):
        return None
    return [slice(a, b) for a, b in pairwise(edges)]


def build_spectra(draft, source, options):
    """Make spectra of a draft: one, or one for each order where its wavelengths start again.

    Parameters
    ----------
    draft : Draft
    source : Source
        For messages.
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`

    Raises
    ------
    UnreadableFileError
        The axis counts pixels, or is in no unit of a spectrum.
    """
    if str(draft.flux_unit).strip().lower() in _CURVES:
        raise source.refuse(f"is a curve of {str(draft.flux_unit).strip().lower()}, not a spectrum", "give a spectrum")
    wave, unit = _check_axis(draft, source, options)
    flux_unit = _settle_flux_unit(draft, options.flux_unit)
    flux = _native(draft.flux)
    if flux.dtype.kind not in "fiu":
        flux = flux.astype(np.float64)
    mask = None if draft.mask is None else np.broadcast_to(_native(draft.mask) != 0, flux.shape)
    if isinstance(draft.flux, np.ma.MaskedArray) and np.ma.is_masked(draft.flux):
        mask = np.ma.getmaskarray(draft.flux) | (mask if mask is not None else False)
    error, kind, believed = None, draft.error_kind, False
    if draft.error is not None and _says_nothing(draft):
        draft.guesses.append("the error of all pixels is missing or 0: taken as not known")
    elif draft.error is not None:
        error = np.broadcast_to(_native(draft.error), flux.shape)
        said = len(draft.guesses)
        kind, error = _settle_error(draft, flux, np.asarray(error, np.float64))
        believed = kind == "err" and len(draft.guesses) == said
    if isinstance(flux_unit, u.function.FunctionUnitBase):
        flux, error, kind, flux_unit = _take_from_magnitudes(flux, error, kind, flux_unit)
    usable = np.flatnonzero(np.isfinite(wave) & (wave > 0))
    orders = break_orders(wave[usable])
    if orders is None:
        usable = usable[np.argsort(wave[usable], kind="stable")]
        orders = [slice(None)]
        draft.guesses.append("wavelengths are in disorder: sorted")
    if (
        options.columns is None
        and len(orders) == 1
        and flux.ndim == 1
        and (is_line_list(wave[usable], flux[usable], error[usable] if believed else None))
    ):
        raise source.refuse("is a list of lines, at irregular wavelengths, not a spectrum", "give a spectrum")
    meta = _make_meta(draft)
    resolution = meta.get("resolution")
    spectra = []
    for number, order in enumerate(orders):
        index = usable[order]
        own = meta | ({"order": number} if len(orders) > 1 else {})
        if np.ndim(resolution) == 1 and len(resolution) == len(wave):
            own["resolution"] = resolution[index]
        parts = (None if array is None else array[..., index] for array in (flux, error, mask))
        spectra.append(_make_spectrum(wave[index] * unit, *parts, flux_unit, kind, own))
    return spectra


def _take_from_magnitudes(flux, error, kind, unit):
    """Flux, its standard deviation, kind and unit of magnitudes, of which no container keeps errors."""
    values = (np.asarray(flux, np.float64) * unit).physical
    if error is not None:
        error, kind = values.value * np.log(10) / 2.5 * to_deviation(error, kind, flux), "err"
    return values.value, error, kind, values.unit


def _says_nothing(draft):
    """Whether errors are nowhere positive: not known, rather than bad pixels alone, which an inverse variance says."""
    values = np.asarray(np.ma.getdata(draft.error), np.float64)
    with np.errstate(invalid="ignore"):
        return draft.error_kind != "ivar" and not np.any((values > 0) & np.isfinite(values))


def _check_axis(draft, source, options):
    """Values and unit of the axis, refused unless they are those of a spectrum."""
    give = "give the unit with wave_unit, or wavelengths"
    stated = draft.wave_unit.unit if isinstance(draft.wave_unit, AxisUnit) else draft.wave_unit
    # IRAF gives them Angstrom all the same
    counts = stated is None or stated == u.AA or str(stated).strip().lower().startswith("ang")
    if options.wave_unit is None and counts and is_pixel_axis(draft.wave):
        raise source.refuse("has an axis that counts pixels: no wavelengths", "calibrate it, or give arrays with units")
    settled = _settle_axis(draft, options.wave_unit)
    if settled is None:
        ends = np.asarray(draft.wave, float)[[0, -1]]
        raise source.refuse(f"has an axis from {ends[0]:.6g} to {ends[1]:.6g} without a unit that fits", give)
    wave, unit = settled
    check_axis_unit(unit, source)
    if options.wave_unit is None:
        check_axis_range(wave, unit, source)
    if options.wave_unit is not None and options.wave_unit.base is not None and not (wave < 1e30).any():
        ends = np.asarray(draft.wave, float)[[0, -1]]
        raise source.refuse(f"has an axis from {ends[0]:.6g} to {ends[1]:.6g}: no logarithms", "give another wave_unit")
    if len(wave) > 2 and np.all(wave == wave[0]):
        raise source.refuse(f"has an axis on which all values are {wave[0]:.6g} {unit}: no spectrum", give)
    if not np.any(np.isfinite(wave) & (wave > 0)):
        raise source.refuse("has no wavelength that is finite and positive", give)
    return wave, unit


def check_axis_range(wave, unit, source):
    """Refuse a file whose axis lies wholly among X-rays or radio waves, which need other analyses.

    Parameters
    ----------
    wave : ndarray
        Values of the axis.
    unit : `~astropy.units.Unit`
    source : Source

    Raises
    ------
    UnreadableFileError
        All of it is shorter than 90 Angstrom, or longer than 190 micron.
    """
    good = wave[np.isfinite(wave) & (wave > 0)]
    if not good.size:
        return
    ends = np.array([good.min(), good.max()])
    low, high = np.sort(unit.to(u.AA, ends, u.spectral()))
    if high < _X_RAYS or low > _RADIO:
        what = "an X-ray or gamma-ray" if high < _X_RAYS else "a radio or submillimetre"
        reason = f"is {what} spectrum ({ends[0]:.5g} to {ends[1]:.5g} {unit})"
        raise source.refuse(reason, "give an optical or infrared one, or wave_unit if this is one")


def check_axis_unit(unit, source):
    """Refuse a file whose axis is in a unit that is none of wavelength."""
    if unit.is_equivalent(u.km / u.s):
        raise source.refuse(f"has an axis of velocities ({unit}), as radio spectra have", "give one of wavelengths")
    if not any(unit.is_equivalent(one) for one in (u.AA, u.Hz, u.eV, u.cm**-1)):
        raise source.refuse(f"has an axis in {unit}, which is no unit of a spectrum", "give it with wave_unit")


def _make_meta(draft):
    """Metadata of all spectra of a draft."""
    meta = dict(draft.meta)
    if draft.header is not None:
        meta.setdefault("header", draft.header)
    if draft.name:
        meta.setdefault("name", draft.name)
    if draft.guesses:
        meta["guesses"] = tuple(dict.fromkeys(draft.guesses))
    if meta.get("resolution") is None and (stated := _find_resolving_power(meta.get("header"))):
        meta["resolution"] = stated
    return meta


def _make_spectrum(axis, flux, error, mask, unit, kind, meta):
    """A Spectrum whose bad pixels are masked."""
    uncertainty = None
    if error is not None:
        uncertainty = _UNCERTAINTY[kind](error, unit=unit ** {"err": 1, "var": 2, "ivar": -2}[kind])
    bad, wcs = _find_bad(flux, error, mask), None
    for known, last in _LAST[:] if flux.ndim == 1 else ():  # a copy: other threads read files as well
        if last.unit == axis.unit and np.array_equal(last.value, axis.value):
            wcs = known
    made = Spectrum(flux=flux * unit, spectral_axis=axis, wcs=wcs, uncertainty=uncertainty, mask=bad, meta=meta)
    if flux.ndim == 1 and wcs is None:
        _LAST[:] = [(made.wcs, axis)]
    return made


#: keywords for the resolving power: ESO, BeSS, Spextool
_RESOLVING_POWER = ("SPEC_RES", "SPE_RPOW", "BSS_ITRP", "RP")


def _find_resolving_power(header):
    """R where a header gives a plausible one, or None."""
    for key in _RESOLVING_POWER if hasattr(header, "get") else ():
        try:
            value = float(header.get(key))
        except (TypeError, ValueError, VerifyError):
            continue
        if 20 <= value <= 5e5:
            return value
    return None


def _find_bad(flux, error, mask):
    bad = ~np.isfinite(flux)
    if error is not None:
        with np.errstate(invalid="ignore"):
            bad |= ~(error > 0) | ~np.isfinite(error)
    return bad if mask is None else bad | mask
