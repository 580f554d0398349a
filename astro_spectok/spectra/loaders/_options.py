# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options by which a user supplements what a file does not state."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from astro_spectok.spectra.resolution import LEAST, MOST, check_resolution
from astro_spectok.spectra.unit_words import AxisUnit, parse_axis_unit, parse_flux_unit

__all__ = ["OptionError", "ReadOptions", "make_options"]

_COLUMN_KINDS = ("wave", "loglam", "flux", "err", "ivar", "var", "snr", "mask")
#: what a flux is never in; a rate is in 1/s, as frequencies are
_NO_FLUX = (u.AA, u.km / u.s, u.s, u.deg)


class OptionError(ValueError):
    """An option that has a value it cannot have, or not for this file."""


@dataclass(frozen=True)
class ReadOptions:
    """Checked options of `~astro_spectok.read`; None means: find out.

    Attributes
    ----------
    wave_unit : AxisUnit or None
    flux_unit : `~astropy.units.Unit` or None
    columns : dict or None
        Name (or number, from 0) of the column for 'wave', 'loglam', 'flux', 'err', 'ivar', 'var', 'snr', 'mask';
        'error' for an error whose kind follows from its name.
    hdu : int or str or None
    medium : {'vacuum', 'air'} or None
    resolution : float, Quantity or None
    join : bool or None
    spaxel : tuple of int, 'sum', ndarray of bool or None
    """

    wave_unit: AxisUnit | None = None
    flux_unit: u.UnitBase | None = None
    columns: dict | None = None
    hdu: int | str | None = None
    medium: str | None = None
    resolution: object = None
    join: bool | None = None
    spaxel: object = None

    @property
    def restated(self):
        """Whether the user states a unit."""
        return self.wave_unit is not None or self.flux_unit is not None

    @property
    def by_hand(self):
        """Whether the user says where in the file the spectrum stands: then no special layout is looked for."""
        return self.columns is not None or self.hdu is not None


def _check_wave_unit(wave_unit):
    if wave_unit is None or isinstance(wave_unit, AxisUnit):
        return wave_unit
    parsed = AxisUnit(wave_unit) if isinstance(wave_unit, u.UnitBase) else parse_axis_unit(str(wave_unit))
    if parsed is None or not parsed.unit.is_equivalent(u.AA, u.spectral()):
        msg = (
            "wave_unit must be a unit of wavelength, frequency or energy, such as 'nm' or 'log10(Angstrom)'; "
            f"got {wave_unit!r}"
        )
        raise OptionError(msg)
    return parsed


def _check_flux_unit(flux_unit):
    if flux_unit is None:
        return None
    unit, known = parse_flux_unit(flux_unit if isinstance(flux_unit, u.UnitBase) else str(flux_unit))
    if not known or str(flux_unit).strip().replace(".", "").isdigit() or any(map(unit.is_equivalent, _NO_FLUX)):
        msg = f"flux_unit must be a unit of flux, such as 'erg/s/cm2/A', 'Jy' or 'relative'; got {str(flux_unit)!r}"
        raise OptionError(msg)
    return unit


def _check_resolution(resolution):
    """As it is; refused where no spectrum can have it, since in metadata it would not be believed, without a word."""
    check_resolution(resolution)
    values = np.asarray(getattr(resolution, "value", resolution), float) if resolution is not None else np.array(LEAST)
    low, high = (0.0, np.inf) if isinstance(resolution, u.Quantity) else (LEAST, MOST)
    with np.errstate(invalid="ignore"):
        possible = np.isfinite(values) & (values > 0) & (values >= low) & (values <= high)
    if not possible.any():
        msg = (
            f"resolution must be a resolving power between {LEAST:g} and {MOST:.0e}, or a FWHM with a unit; "
            f"got {resolution!r:.60}; leave it out where it is not known"
        )
        raise OptionError(msg)
    return resolution


def _name_or_number(text):
    text = str(text).strip()
    return int(text) - 1 if text.isdigit() and int(text) > 0 else text


def _check_columns(columns):
    """``'WAVE,FLUX,ivar=W'``, a sequence of such, or a dict, as a dict by kind."""
    if columns is None:
        return None
    if isinstance(columns, str):
        columns = columns.split(",")
    if isinstance(columns, int | float | bytes) or not hasattr(columns, "__iter__"):
        columns = [str(columns)]
    if not isinstance(columns, dict):
        parts, found = [str(part).strip() for part in columns], {}
        for place, part in enumerate(parts):
            kind, given, name = part.partition("=")
            if given:
                found[kind.strip().lower()] = _name_or_number(name)
            elif place < 3:
                found[("wave", "flux", "error")[place]] = _name_or_number(part)
            else:
                found["mask"] = _name_or_number(part)
        columns = found
    else:
        columns = {str(kind).lower(): _name_or_number(name) for kind, name in columns.items()}
    unknown = set(columns) - {*_COLUMN_KINDS, "error"}
    if unknown or "flux" not in columns:
        msg = (
            "columns must name wavelengths, flux and perhaps an error, as 'WAVE,FLUX,ERR' or 'wave=L,flux=F,ivar=W' "
            f"(kinds: {', '.join(_COLUMN_KINDS)}); got {columns}"
        )
        raise OptionError(msg)
    if columns["flux"] == columns.get("wave", columns.get("loglam", "")):
        msg = f"columns must name two columns for wavelengths and flux; got {columns['flux']!r} for both"
        raise OptionError(msg)
    return columns


def make_options(**given):
    """Check the options of `~astro_spectok.read`.

    Parameters
    ----------
    **given
        The attributes of `ReadOptions`, as a user writes them.

    Returns
    -------
    ReadOptions

    Raises
    ------
    ValueError
        An option has a value it cannot have.
    """
    medium, hdu, spaxel = given.get("medium"), given.get("hdu"), given.get("spaxel")
    if medium not in (None, "vacuum", "air"):
        msg = f"medium must be 'vacuum', 'air' or None (detected from the file); got {medium!r}"
        raise OptionError(msg)
    if isinstance(hdu, str) and hdu.strip().lstrip("+").isdigit():
        hdu = int(hdu)
    if isinstance(hdu, bool) or (hdu is not None and not isinstance(hdu, int | np.integer | str)):
        msg = f"hdu must be the number or name of an extension; got {hdu!r}"
        raise OptionError(msg)
    join = given.get("join")
    if join is not None and not isinstance(join, bool | np.bool_):
        msg = f"join must be True, False or None (arms that are known to be such); got {join!r}"
        raise OptionError(msg)
    if spaxel is not None and not isinstance(spaxel, np.ndarray) and spaxel != "sum" and np.shape(spaxel) != (2,):
        msg = f"spaxel must be (x, y), 'sum' or a mask with the shape of the image; got {spaxel!r}"
        raise OptionError(msg)
    return ReadOptions(
        wave_unit=_check_wave_unit(given.get("wave_unit")),
        flux_unit=_check_flux_unit(given.get("flux_unit")),
        columns=_check_columns(given.get("columns")),
        hdu=hdu, medium=medium, resolution=_check_resolution(given.get("resolution")), join=join, spaxel=spaxel,
    )  # fmt: skip
