# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables by the meaning of their columns: one row per pixel, or one row (or several) of arrays."""

import difflib
import re
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u

from astro_spectok.spectra.column_names import ERROR_ROLES, LEFT_OVER, Role, choose_error, find_role, pick_roles
from astro_spectok.spectra.loaders._column_groups import (
    LEAST_ROWS,
    find_arms,
    find_numbered,
    group_columns,
    runs_down,
    split_objects,
)
from astro_spectok.spectra.loaders._draft import Draft, break_orders, build_spectra
from astro_spectok.spectra.loaders._options import OptionError
from astro_spectok.spectra.unit_words import AxisUnit, parse_axis_unit, parse_flux_unit

__all__ = ["Columns", "is_jwst", "make_drafts", "read_columns", "say_what"]

#: names of columns of magnitudes, with their system; of filters, and how many arms there may be in these
_MAGNITUDES = re.compile(r"^(ab|st)?[_ ]?mags?(?:nitudes?)?[_ (]*(ab|st)?[)]?$")
#: of flux, by the end of a name
_UNITS_BY_NAME = {"jy": "Jy", "mjy": "mJy", "ujy": "uJy", "njy": "nJy", "adu": "adu", "ergscm2hz": "erg/s/cm2/Hz"}
_UNITS_BY_NAME |= {f"ergscm2{one}": "erg/s/cm2/A" for one in ("a", "aa", "ang", "angstrom")}
#: names of columns that may hold anything
_ANYTHING = frozenset({"x", "w", "xaxis", "arg"})
#: resolving powers that a column without a unit may hold
_PLAUSIBLE = (20.0, 5e5)
_FILTERS = re.compile(r"(?:^|_)(?:filter|band|passband)(?:_?name|_?id)?$")
_MOST_ARMS = 4
#: columns that say which order or arm a row of arrays is, and the key of the metadata for it
_PARTS = {"sporder": "order", "order": "order", "orders": "order", "ordernum": "order", "echorder": "order",
          "segment": "arm", "arm": "arm", "detector": "arm", "chip": "arm"}  # fmt: skip
#: words of the Virtual Observatory for what a column is
_UCD_WAVE, _UCD_FLUX = ("em.wl", "em.freq", "em.energy"), ("phot.flux", "phot.count", "arith.ratio;phot.flux")


@dataclass
class Columns:
    """The columns of a table, read when asked for.

    Attributes
    ----------
    names : list of str
    read : callable
        ``read(name)``: ndarray of shape (rows,) or (rows, pixels), or of objects where lengths differ.
    units : dict
        Unit of a column as text, where there is one.
    ucds : dict
        Likewise what the Virtual Observatory calls it.
    header : mapping
    """

    names: list
    read: object
    units: dict = field(default_factory=dict)
    ucds: dict = field(default_factory=dict)
    header: object = None


def say_what(names):
    """Description of a table without wavelengths, for a message."""
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    roles = pick_roles(names)
    if "time" in roles and "wave" not in roles:
        return f"is a light curve or time series ({shown})"
    if "filter" in roles and "flux" not in roles:
        return f"is a filter or response curve ({shown})"
    if "curve" in roles and "wave" in roles:
        return f"is a curve of extinction or another property of a medium ({shown})"
    lowered = {name.lower() for name in names}
    if "channel" in lowered and lowered & {"counts", "rate"}:
        return f"is an X-ray spectrum in channels of its detector ({shown})"
    if {"pixel", "flux"} <= set(roles) and "wave" not in roles:
        return f"counts pixels and has no wavelengths ({shown})"
    if lowered & {"ra", "dec", "source_id", "targetid", "ra_icrs", "alpha_j2000", "raj2000"}:
        return f"is a catalogue ({shown})"
    if "other" in roles and "wave" not in roles and find_role(names[0]) == roles["other"][1]:
        return f"has {roles['other'][0]} in the place of wavelengths ({shown})"
    return f"has no wavelength and flux among its columns ({shown})"


def is_jwst(header):
    """Whether a file is of JWST, of whose data quality only the first bit means that a pixel is not to be used."""
    return hasattr(header, "get") and str(header.get("TELESCOP", "")).strip().upper() == "JWST"


def _refuse_column(name, names):
    """The error for a column that is not there, with those that are like it first."""
    like = difflib.get_close_matches(name.lower(), [own.lower() for own in names], 3, 0.6)
    near = [own for own in names if own.lower() in like]
    hint = f"; did you mean {' or '.join(near)}?" if near else "; by number they count from 1" if name.isdigit() else ""
    rest = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return OptionError(f"columns: {name!r} is none of the columns {rest}{hint}")


def _choose_roles(columns, wanted):
    """``{kind: (name, Role)}``, by the user's word, else by what the Virtual Observatory calls them, else by name."""
    if wanted is not None:
        chosen = {}
        for kind, name in wanted.items():
            if isinstance(name, int):
                name = columns.names[name] if name < len(columns.names) else f"number {name + 1}"
            present = {own.lower(): own for own in columns.names}
            if str(name).lower() not in present:
                raise _refuse_column(str(name), columns.names)
            name = present[str(name).lower()]
            role = find_role(name)
            if kind == "error":
                kind = role.kind if role is not None and role.kind in ERROR_ROLES else "err"
            if kind == "loglam":
                kind, role = "wave", Role("wave", base=10.0)
            if role is None or role.kind != kind:
                role = Role(kind)
            chosen[kind] = (name, role)
        return chosen
    chosen = pick_roles(columns.names)
    for name in columns.names:
        ucd = columns.ucds.get(name, "").lower()
        if ucd.endswith("spectralaxis.value") and "wave" not in chosen:
            chosen["wave"] = (name, Role("wave"))
        elif ucd.endswith("fluxaxis.value") and "flux" not in chosen:
            chosen["flux"] = (name, Role("flux"))
        elif ucd.endswith("fluxaxis.accuracy.staterror") and not set(chosen) & set(ERROR_ROLES):
            chosen["err"] = (name, Role("err"))
        elif ucd.startswith(_UCD_WAVE) and "wave" not in chosen:
            chosen["wave"] = (name, Role("wave"))
        elif ucd.startswith(_UCD_FLUX) and "flux" not in chosen:
            chosen["flux"] = (name, Role("flux"))
        elif ucd.startswith("stat.error;phot.flux") and not set(chosen) & set(ERROR_ROLES):
            chosen["err"] = (name, Role("err"))
    if "wave" not in chosen and "pixel" in chosen:
        name = chosen["pixel"][0]
        unit = parse_axis_unit(columns.units.get(name))
        if unit is not None and unit.unit != u.pix:
            chosen["wave"] = (name, Role("wave"))  # a channel in Angstrom
    return chosen


def _read_unit(columns, name, role):
    """Unit of a column of wavelengths: that of the header, or that in its name, with the logarithm of its name."""
    unit = parse_axis_unit(columns.units.get(name)) or parse_axis_unit(role.unit)
    if role.base is not None:
        return AxisUnit(unit.unit if unit and unit.unit != u.pix else u.AA, role.base)
    return unit


def _read_flux_unit(columns, name, role, guesses):
    """Unit of a column of flux: that of the header, else that in its name, else magnitudes where the name says so."""
    stated = columns.units.get(name) or _UNITS_BY_NAME.get(role.unit)
    found = _MAGNITUDES.match(name.lower())
    if found is None or stated not in (None, "", "mag"):
        return stated
    system = found[1] or found[2] or ""
    if not system:
        guesses.append(f"magnitudes in column {name} are AB")
    return u.STmag if system == "st" else u.ABmag


def _refuse_photometry(columns, source):
    """Refuse a table of filters, one in each row or few."""
    for name in columns.names:
        if not _FILTERS.search(name.lower()):
            continue
        values = np.asarray(columns.read(name))
        if values.ndim == 1 and values.dtype.kind in "OUS" and len(values) >= LEAST_ROWS:
            different = len(set(map(str, values.tolist())))
            if different > _MOST_ARMS and different * LEAST_ROWS > len(values):
                raise source.refuse(f"is photometry: column {name} names filters", "give a spectrum")


def _scale_error(columns, flux_name, error_name, kind):
    """Factor that brings an error to the unit of the flux, where both are known and differ."""
    own, known = parse_flux_unit(columns.units.get(error_name))
    of_flux, flux_known = parse_flux_unit(columns.units.get(flux_name))
    if not (known and flux_known and columns.units.get(error_name) and columns.units.get(flux_name)):
        return 1.0
    if kind in ("snr", "rel"):
        return 1.0
    exponent = {"err": 1, "var": 2, "ivar": -2}[kind]
    try:
        return own.to(of_flux**exponent)
    except (u.UnitsError, AttributeError, TypeError):
        return 1.0


def _is_percent(columns, name, role):
    """Whether a column of errors is in per cent of the flux, by its unit or its name."""
    unit = str(columns.units.get(name) or role.unit or "").strip().lower()
    return "%" in name or unit in ("%", "percent", "per cent")


def _take_flux(column, flux, error, kind, wave, wave_unit, flux_unit, guesses):
    """Flux, error, its kind and the unit, of a column of logarithms, or of flux times wavelength or frequency."""
    name, role = column
    if role.base:
        with np.errstate(over="ignore", invalid="ignore"):
            flux = role.base ** np.asarray(flux, np.float64)
        guesses.append(f"column {name} holds logarithms of the flux")
        # errors are in dex, as the column is
        error = None if error is None or kind != "err" else error * flux * np.log(role.base)
        kind = "err"
    if not role.times_axis or wave.dtype == object:
        return flux, error, kind, flux_unit
    if wave_unit is not None and wave_unit.base is not None:
        with np.errstate(over="ignore"):
            wave = wave_unit.base ** np.asarray(wave, np.float64)
    guesses.append(f"column {name} is the flux times its wavelength or frequency")
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = flux / wave
        power = {"err": 1, "var": 2, "ivar": -2}.get(kind, 0)
        error = error if error is None or not power else error / np.asarray(wave, float) ** power
    unit, known = parse_flux_unit(flux_unit)
    if unit.is_equivalent(u.erg / u.s / u.cm**3):
        unit = unit * u.cm  # taken for a density where the length is missing
    stated = known and wave_unit is not None and unit != u.dimensionless_unscaled
    return flux, error, kind, unit / wave_unit.unit if stated else None


def _take_rows(array, count):
    """One array for each row of a table of arrays."""
    return [np.asarray(array[row]).reshape(-1) for row in range(count)]


def make_drafts(columns, source, options, *, number=None):
    """Drafts of what a table holds.

    Parameters
    ----------
    columns : Columns
    source : Source
    options : ReadOptions
    number : int or str, optional
        Of the extension, for messages.

    Returns
    -------
    list of Draft

    Raises
    ------
    UnreadableFileError
        There are no wavelengths, or no flux, or pixels of different numbers.
    """
    roles = _choose_roles(columns, options.columns)
    if "flux" not in roles or "wave" not in roles:
        raise source.refuse(say_what(columns.names), "name them with columns='WAVE,FLUX,ERR'")
    flux_name, wave_name = roles["flux"][0], roles["wave"][0]
    _refuse_photometry(columns, source)
    guesses = [f"column {flux_name} is the flux: no other is left"] if roles["flux"][1].rank == LEFT_OVER else []
    wave, flux = columns.read(wave_name), columns.read(flux_name)
    if wave_name.lower() in _ANYTHING and wave.ndim == 1 and wave.dtype != object and break_orders(wave) is None:
        raise source.refuse(f"has a column {wave_name} in disorder, which is no axis", "name columns with columns")
    kind = choose_error(roles)
    error = None if kind is None else columns.read(roles[kind][0])
    mask = _read_mask(columns, roles, guesses)
    if runs_down(wave):
        wave, flux, error, mask = (part if np.ndim(part) < 2 else part.T for part in (wave, flux, error, mask))
    if error is not None and kind in ("err", "rel") and _is_percent(columns, *roles[kind]):
        kind, error = "rel", 0.01 * error
    elif error is not None and error.dtype.kind in "fiu":
        factor = _scale_error(columns, flux_name, roles[kind][0], kind)
        error = error if factor == 1 else error * factor
    wave_unit, flux_unit = _read_unit(columns, *roles["wave"]), _read_flux_unit(columns, *roles["flux"], guesses)
    if flux.dtype != object and (roles["flux"][1].base or roles["flux"][1].times_axis):
        flux, error, kind, flux_unit = _take_flux(roles["flux"], flux, error, kind, wave, wave_unit, flux_unit, guesses)
    meta = {"columns": tuple(roles[one][0] for one in roles if one in ("wave", "flux", *ERROR_ROLES))}
    medium = _find_medium(columns, wave_name)
    if medium is not None:
        meta["medium"] = medium
    if "resolution" in roles and (found := _read_resolution(columns, roles["resolution"][0], flux)) is not None:
        meta["resolution"] = found
    make = {
        "wave_unit": wave_unit, "flux_unit": flux_unit, "error_kind": kind or "err", "header": columns.header,
        "sure_kind": kind == "rel",
    }  # fmt: skip
    if flux.dtype != object and flux.ndim == 1 and wave.ndim == 1:
        if len(flux) < LEAST_ROWS:
            raise source.refuse(f"has a table of {len(flux)} rows only", "name its extension with hdu")
        drafts = []
        for name, rows in split_objects(columns, np.asarray(wave)):
            part = [None if values is None else values[rows] for values in (wave, flux, error, mask)]
            own = meta | ({} if name is None else {"object": name, "joinable": False})
            drafts.append(Draft(*part, meta=own, guesses=list(guesses), **make))
        return drafts
    count = len(flux)
    waves = _take_rows(wave, count) if np.ndim(wave) > 1 or wave.dtype == object else [np.asarray(wave)] * count
    rows, parts_of = [], _read_parts(columns, count)
    for row, (one, pixels) in enumerate(zip(waves, _take_rows(flux, count), strict=True)):
        if pixels.size < 2 or one.shape != pixels.shape:
            where = "" if number is None else f" of extension {number}"
            reason = f"has {one.size} wavelengths for {pixels.size} values of flux in a row{where}"
            raise source.refuse(reason, "name the columns with columns='WAVE,FLUX,ERR'")
        parts = [None if part is None else np.asarray(part[row]).reshape(-1) for part in (error, mask)]
        parts = [part if part is not None and part.shape == pixels.shape else None for part in parts]
        own = meta | ({"row": row} | {key: values[row] for key, values in parts_of.items()} if count > 1 else {})
        rows.append(Draft(one, pixels, *parts, meta=own, guesses=list(guesses), **make))
    return _stack(rows)


def _read_parts(columns, count):
    """Which order or arm each row of a table of arrays is, by columns that say so: ``{key: list}``."""
    found = {}
    for name in columns.names:
        key = _PARTS.get(name.lower().replace("_", ""))
        values = np.asarray(columns.read(name)) if key and key not in found else np.zeros(0)
        if values.shape == (count,) and values.dtype.kind in "iuUS":
            found[key] = [
                one.decode(errors="replace").strip() if isinstance(one, bytes) else one for one in values.tolist()
            ]
    return found


def _read_resolution(columns, name, flux):
    """The resolving power of each pixel, or the FWHM where its column has a unit; None where it is not sure."""
    values = np.asarray(columns.read(name))
    if values.shape != flux.shape or values.ndim != 1 or values.dtype.kind not in "fiu":
        return None
    unit = parse_axis_unit(columns.units.get(name))
    if unit is not None and unit.unit.is_equivalent(u.AA):
        return values * unit.unit
    is_power = name.lower().startswith(("res", "specres")) and columns.units.get(name) in (None, "")
    return values if is_power and _PLAUSIBLE[0] <= np.nanmedian(values) <= _PLAUSIBLE[1] else None


def _read_mask(columns, roles, guesses):
    """Bad pixels from the mask columns, or None; guesses are noted."""
    mask = columns.read(roles["mask"][0]) if "mask" in roles else None
    if "good" in roles:
        good = columns.read(roles["good"][0])
        # a column that is nowhere 1 says something else
        if good.dtype.kind == "f" and np.isin(good, (0, 1)).all():
            good = good.astype(np.int64)  # of text, in which there are no other numbers
        if good.dtype != object and good.dtype.kind in "biu" and np.any(good):
            bad = good == 0
            mask = bad if mask is None else (np.asarray(mask) != 0) | bad
    if mask is None or mask.dtype == object:
        return mask
    if mask.dtype.kind not in "biuf":
        return None
    if mask.dtype.kind in "iu" and is_jwst(columns.header):
        mask = mask & 1
    if np.count_nonzero(mask) <= 0.9 * mask.size:
        return mask
    # 1 for good, or bits that say something else: as it stands it would leave nothing
    name = roles.get("mask", roles.get("good"))[0]
    if set(np.unique(mask).tolist()) <= {0, 1}:
        guesses.append(f"column {name} is 1 in good pixels, by its values")
        return mask == 0
    guesses.append(f"column {name} is no mask")
    return None


def _find_medium(columns, wave_name):
    """Medium of the wavelengths by the name and UCD of their column, or None."""
    ucd = columns.ucds.get(wave_name, "")
    if "obs.atmos" in ucd or "air" in wave_name.lower():
        return "air"
    if ucd.startswith("em.wl") and str(getattr(columns.header, "get", {}.get)("VOCLASS", "")).startswith("SPECTRUM"):
        return "vacuum"  # ESO's standard of science data products: air is stated, vacuum is not
    if "MANGAID" in columns.names:
        return "vacuum"  # MaStar
    # also where the other column, in air, is named as such
    others = {name.lower() for name in columns.names} & {"wavelength_air", "wave_air", "lambda_air"}
    return "vacuum" if "vac" in wave_name.lower() or others else None


def _stack(rows):
    """Rows on one axis as one draft."""
    first = rows[0]
    if len(rows) == 1 or not all(np.array_equal(row.wave, first.wave) for row in rows[1:]):
        return rows
    error = None if any(row.error is None for row in rows) else np.stack([row.error for row in rows])
    mask = None if any(row.mask is None for row in rows) else np.stack([row.mask for row in rows])
    meta = {key: value for key, value in first.meta.items() if key != "row"}
    return [
        Draft(first.wave, np.stack([row.flux for row in rows]), error, mask, first.wave_unit, first.flux_unit,
              first.error_kind, first.sure_kind, first.header, meta=meta, guesses=first.guesses)
    ]  # fmt: skip


def read_columns(columns, source, options, *, number=None):
    """Spectra of a table; see `make_drafts` and `build_spectra`."""
    spectra, arms = [], {} if options.columns is not None else find_arms(columns.names)
    for name, own in () if arms or options.columns is not None else find_numbered(columns.names):
        part = Columns(own, columns.read, columns.units, columns.ucds, columns.header)
        for spectrum in read_columns(part, source, options, number=number):
            spectrum.meta |= {"object": name, "joinable": False}
            spectra.append(spectrum)
    if spectra:
        return spectra
    roles = _choose_roles(columns, options.columns)
    groups = arms or ({} if {"wave", "flux"} <= set(roles) else group_columns(columns.names))
    for beginning, own in groups.items():
        described = ({rest: texts[name] for rest, name in own.items() if name in texts}
                     for texts in (columns.units, columns.ucds))  # fmt: skip
        part = Columns(list(own), lambda rest, own=own: columns.read(own[rest]), *described, columns.header)
        for spectrum in read_columns(part, source, options, number=number):
            spectrum.meta["order"] = beginning
            spectra.append(spectrum)
    for draft in () if groups else make_drafts(columns, source, options, number=number):
        spectra += build_spectra(draft, source, options)
    return spectra
