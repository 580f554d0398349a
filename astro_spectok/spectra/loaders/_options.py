# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options by which a user supplements what a file does not state."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from astro_spectok.spectra.unit_words import AxisUnit, parse_axis_unit, parse_flux_unit

__all__ = ["OptionError", "ReadOptions", "make_options"]

_COLUMN_KINDS = ("wave", "loglam", "flux", "err", "ivar", "var", "snr", "mask")


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
    if isinstance(wave_unit, u.UnitBase):
        return AxisUnit(wave_unit)
    parsed = parse_axis_unit(str(wave_unit))
    if parsed is None or parsed.unit == u.pix:
        msg = (
            "wave_unit must be a unit of wavelength, frequency or energy, such as 'nm' or 'log10(Angstrom)'; "
            f"got {wave_unit!r}"
        )
        raise OptionError(msg)
    return parsed


def _check_flux_unit(flux_unit):
    if flux_unit is None:
        return None
    unit, known = parse_flux_unit(flux_unit)
    if not known:
        msg = f"flux_unit must be a unit, such as 'erg/s/cm2/A', 'Jy' or 'relative'; got {flux_unit!r}"
        raise OptionError(msg)
    return unit


def _name_or_number(text):
    text = str(text).strip()
    return int(text) - 1 if text.isdigit() and int(text) > 0 else text


def _check_columns(columns):
    """``'WAVE,FLUX,ivar=W'``, a sequence of such, or a dict, as a dict by kind."""
    if columns is None:
        return None
    if isinstance(columns, str):
        columns = columns.split(",")
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
    if hdu is not None and not isinstance(hdu, int | np.integer | str):
        msg = f"hdu must be the number or name of an extension; got {hdu!r}"
        raise OptionError(msg)
    if spaxel is not None and not isinstance(spaxel, np.ndarray) and spaxel != "sum" and np.shape(spaxel) != (2,):
        msg = f"spaxel must be (x, y), 'sum' or a mask with the shape of the image; got {spaxel!r}"
        raise OptionError(msg)
    return ReadOptions(
        wave_unit=_check_wave_unit(given.get("wave_unit")),
        flux_unit=_check_flux_unit(given.get("flux_unit")),
        columns=_check_columns(given.get("columns")),
        hdu=hdu, medium=medium, resolution=given.get("resolution"), join=given.get("join"), spaxel=spaxel,
    )  # fmt: skip
