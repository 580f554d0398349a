# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of photometry, in whatever units, as fluxes per unit frequency with errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Row, Table

from astro_spectok.align.filters import Filter, choose_filters
from astro_spectok.align.flags import PhotometryFlag
from astro_spectok.heads.small_numbers import PHOTOMETRY_DOMAIN

__all__ = ["FluxTable", "read_fluxes"]

#: absolute magnitudes beyond which they are a mark for "none"
NO_MAGNITUDE = 90.0
#: signal-to-noise ratio of which one filter at least should be; letters of a message
SEEN, LONGEST = 3.0, 200
#: fluxes that a column may hold for each object; A(V) over E(B-V) of the Milky Way
MOST_BANDS, RATIO = 100, 3.1
#: reddening that is taken as noise around none; greatest that is believed
LEAST_REDDENING, MOST_REDDENING = 0.05, 10.0


@dataclass(frozen=True)
class FluxTable:
    """Fluxes of n objects in F filters.

    Attributes
    ----------
    filters : dict of str to `Filter`
        By column.
    flux, error : ndarray of float64, shape (n, F)
        In microjansky where the unit says so; NaN where missing.
    flags : ndarray of int64, shape (n,)
        Bits of `PhotometryFlag`.
    messages : list of str
        Why an object cannot be used, or what was left out; '' if nothing.
    """

    filters: dict[str, Filter]
    flux: np.ndarray
    error: np.ndarray
    flags: np.ndarray
    messages: list[str]

    def __len__(self):
        return len(self.flux)

    @property
    def usable(self):
        """Objects that can be measured: ndarray of bool, shape (n,)."""
        return (self.flags & PhotometryFlag.UNUSABLE) == 0

    def to_photometry(self):
        """As the tower takes it: `~astro_spectok.heads.photometry_tower.Photometry` of the usable objects."""
        import torch

        from astro_spectok.heads.photometry_tower import Photometry

        flux, error = self.flux[self.usable], self.error[self.usable]
        mask = np.isfinite(flux)
        # any scale will do: one that float32 can hold
        scale = np.max(np.where(mask, np.hypot(flux, error), 0), axis=1, keepdims=True, initial=1e-300)
        places = np.log([[one.effective, one.width] for one in self.filters.values()]).T
        tokens = np.broadcast_to(places[:, None], (2, *flux.shape))
        arrays = np.where(mask, flux / scale, 0), np.where(mask, error / scale, 1), *tokens
        return Photometry(*(torch.from_numpy(x.astype(np.float32)) for x in arrays), torch.from_numpy(mask))


def read_fluxes(
    table: Any,
    filters: Any,
    *,
    errors: Any = None,
    unit: Any = None,
    upper_limits: Any = None,
    limit_sigma: float = 3.0,
    ebv: Any = None,
    wavelength: Sequence[float] = tuple(PHOTOMETRY_DOMAIN["wavelength"]),
) -> FluxTable:
    """Read photometry from a table.

    Parameters
    ----------
    table : `~astropy.table.Table`, mapping of str to column, or `~astropy.table.Row`
        A row for each object.
    filters : mapping of str to filter, sequence of filters, or str
        Which column is of which filter; see `~astro_spectok.align.embed_photometry`.
    errors : mapping of str to str, optional
        Column of the errors of each column; found by its name if not given.
    unit : unit or str, optional
        Of columns without one.
    upper_limits : mapping of str to str, optional
        Columns that are True where the flux is an upper limit, by the columns of fluxes.
    limit_sigma : float, optional
        How many standard deviations a limit is.
    ebv : str, float or array_like, shape (n,), optional
        Reddening E(B-V) of the Milky Way, as a column of the table or numbers, that fluxes are corrected for; none if
        not given.
    wavelength : (float, float), optional
        Angstrom, between which filters must lie, as those in training.

    Returns
    -------
    FluxTable

    Raises
    ------
    TypeError, ValueError, `~astropy.units.UnitsError`
        The message names the argument, the rule and the remedy.
    """
    chosen = choose_filters(filters)
    columns = _read_columns(table)
    named = chosen if isinstance(filters, Mapping) else {}
    n = len(next(iter(columns.values())))
    flux, error = np.full((2, n, len(chosen)), np.nan)
    flags = np.zeros(n, np.int64)
    messages: list[list[str]] = [[] for _ in range(n)]
    limits, reddening = dict(upper_limits or {}), _read_reddening(ebv, columns, n)
    if unknown := [name for name in (*limits, *limits.values(), *(errors or {})) if name not in columns]:
        msg = f"errors and upper_limits must be by columns of table, {', '.join(columns)}; got {unknown[0]!r}"
        raise ValueError(msg)
    for k, (name, band) in enumerate(chosen.items()):
        column = name if name in named else _find_column(name, columns)
        if column not in columns:
            msg = f"filters must be by columns of table, {', '.join(columns)}; got {column!r}; correct its name"
            raise ValueError(msg)
        values, own_unit = _read_values(columns[column], column)
        noise, is_ivar = _find_errors(column, columns, errors)
        noise, noise_unit = _read_values(columns[noise], noise)
        found = _convert(values, noise, own_unit, noise_unit, is_ivar, band, unit, column)
        values, noise, wrong = found
        if reddening is not None:
            brighter = 10 ** (0.4 * reddening * _find_extinction(band))
            values, noise = values * brighter, noise * brighter
        if column in limits:
            limit = np.ma.filled(np.ma.asarray(columns[limits[column]]), 0).astype(bool) & np.isfinite(values)
            noise = np.where(limit, np.abs(values) / limit_sigma, noise)
            values = np.where(limit, 0.0, values)
        outside = not wavelength[0] < band.effective < wavelength[1]
        for bad, flag, what in (
            (wrong, PhotometryFlag.BAD_ERROR, "has an error that is not positive"),
            (np.full(n, outside), PhotometryFlag.OUTSIDE, "is beyond the wavelengths of training"),
        ):
            flags[bad] |= int(flag)
            for i in np.flatnonzero(bad):
                messages[i].append(f"{column} {what}")
        known = np.isfinite(values) & np.isfinite(noise) & (noise > 0) & ~wrong & ~np.full(n, outside)
        flux[:, k], error[:, k] = np.where(known, values, np.nan), np.where(known, noise, np.nan)
    return _conclude(chosen, flux, error, flags, messages)


def _read_reddening(ebv, columns, n):
    """E(B-V) of each object, ndarray (n,), NaN where it is not known; None where no correction is asked for."""
    if ebv is None:
        return None
    if isinstance(ebv, str) and ebv not in columns:
        msg = f"ebv must be numbers or a column of table, {', '.join(columns)}; got {ebv!r}"
        raise ValueError(msg)
    values, _ = _read_values(columns[ebv] if isinstance(ebv, str) else np.atleast_1d(ebv), "ebv")
    if values.shape not in ((1,), (n,)) or (values < -LEAST_REDDENING).any() or (values > MOST_REDDENING).any():
        low, high = (f"{x:g}" for x in (np.nanmin(values, initial=0), np.nanmax(values, initial=0)))
        msg = (
            f"ebv must be one number, or one for each of the {n} rows, from 0 to {MOST_REDDENING:g} mag; got "
            f"{len(values)} from {low} to {high}"
        )
        raise ValueError(msg)
    return np.broadcast_to(values, n)


def _find_extinction(band):
    """A(lambda) over E(B-V) of the Milky Way at the pivot wavelength of a filter."""
    import torch

    from astro_spectok.simulate.dust import CURVES, compute_curves

    curves = compute_curves(torch.tensor([band.effective], dtype=torch.float64))
    return RATIO * float(curves[CURVES.index("milky way"), 0])


def _conclude(chosen, flux, error, flags, messages):
    """Flags of what an object has."""
    number = np.isfinite(flux).sum(1)
    flags[number < 2] |= int(PhotometryFlag.UNUSABLE)
    flags[number == 2] |= int(PhotometryFlag.FEW_BANDS)
    for i in np.flatnonzero(number < 2):
        messages[i].insert(0, f"{number[i]} of {len(chosen)} filters have a flux with an error; two are needed")
    ratio = np.where(np.isfinite(flux), flux, 0) / np.where(np.isfinite(error), error, 1)
    flags[(number >= 2) & (ratio.max(1, initial=0) < SEEN)] |= int(PhotometryFlag.FAINT)
    texts = ["; ".join(parts)[:LONGEST] for parts in messages]
    return FluxTable(chosen, flux, error, flags, texts)


def _read_columns(table):
    """Columns of a table by name, each with a row for each object."""
    if isinstance(table, Row):
        table = Table(table)
    if isinstance(table, Table):
        columns = {name: table[name] for name in table.colnames}
    elif isinstance(table, Mapping):
        columns = {str(name): _to_column(values) for name, values in table.items()}
    elif hasattr(table, "columns") and hasattr(table, "iloc"):
        columns = {str(name): table[name].to_numpy() for name in table.columns}
    else:
        msg = f"table must be an astropy Table, a dict of columns, or a data frame; got {type(table).__name__}"
        raise TypeError(msg)
    flat = {}
    for name, column in columns.items():
        if np.ndim(column) == 1:
            flat[name] = column
        elif np.ndim(column) == 2 and np.shape(column)[1] <= MOST_BANDS:
            flat |= {f"{name}[{k}]": column[:, k] for k in range(np.shape(column)[1])}
    columns = flat
    if not columns or len({len(column) for column in columns.values()}) > 1:
        msg = "table must have columns of one number for each object, all of one length; got none, or several lengths"
        raise ValueError(msg)
    return columns


def _to_column(values):
    """A value of a dict as a column."""
    if isinstance(values, list | tuple) and values and np.ndim(values) == 2:
        return np.asarray(values)
    return values if np.ndim(values) else np.atleast_1d(values)


def _read_values(column, name):
    """Numbers of a column, NaN where masked, and its unit or None."""
    unit = getattr(column, "unit", None)
    values = getattr(column, "value", column)
    mask = np.ma.getmaskarray(np.ma.asarray(values)) if np.ma.isMaskedArray(values) else getattr(values, "mask", None)
    values = np.ma.getdata(getattr(values, "unmasked", values))
    try:
        values = np.array(values, float)
    except (TypeError, ValueError) as error:
        msg = f"table must have numbers in {name!r}; got {values[0]!r} first; convert the column"
        raise TypeError(msg) from error
    if mask is not None:
        values[np.asarray(mask)] = np.nan
    return values, unit


def _find_column(name, columns):
    """The column of a filter that is given by its name alone."""
    band = name.rsplit("-", 1)[-1].lower()
    lower = {one.lower(): one for one in columns}
    for guess in (name.lower(), band, f"flux_{band}", f"mag_{band}", f"{band}mag"):
        if guess in lower:
            return lower[guess]
    msg = (
        f"filters: table must have a column {name!r}, {band!r}, 'flux_{band}' or 'mag_{band}' for this filter; got "
        f"{', '.join(columns)}; give a dict of column to filter"
    )
    raise ValueError(msg)


def _find_errors(column, columns, errors):
    """Column of the errors of a column, and whether it holds inverse variances."""
    if errors is not None and column in errors:
        if errors[column] not in columns:
            msg = f"errors must name columns of table, {', '.join(columns)}; got {errors[column]!r}"
            raise ValueError(msg)
        return errors[column], "ivar" in errors[column].lower()
    lower = {one.lower(): one for one in columns}
    for guess in _guess_errors(column.lower()):
        if guess in lower and lower[guess] != column:
            return lower[guess], "ivar" in guess
    msg = (
        f"errors must be given: table has none for {column!r}, such as {column}_err; got the columns "
        f"{', '.join(columns)}; name them, errors={{{column!r}: 'its error'}}"
    )
    raise ValueError(msg)


def _guess_errors(column):
    """Names that the errors of a column may have, in lower case."""
    column, bracket, number = column.partition("[")
    head, _, band = column.rpartition("_")
    out = [f"{column}_err", f"{column}_error", f"{column}err", f"e_{column}", f"err_{column}", f"sigma_{column}"]
    out += [f"{column}_ivar", f"ivar_{column}", f"{head}_err_{band}", f"{head}_ivar_{band}", f"{head}err_{band}"]
    for word in ("flux", "mag"):  # FLUXERR_AUTO, MAGERR_AUTO_G, MODELFLUX_IVAR_G
        for kind in ("err", "_err", "_ivar", "_error"):
            out.append(column.replace(word, word + kind, 1))
    return [guess + bracket + number for guess in out]


def _read_unit(given, fallback, column):
    """The unit of a column; words for nanomaggies are known."""
    given = fallback if given is None or str(given) == "" else given
    if given is None:
        msg = (
            f"unit must be given: {column!r} has none; write unit=u.nmgy for nanomaggies, unit=u.Jy, or unit=u.ABmag, "
            "or give the column a unit"
        )
        raise u.UnitsError(msg)
    if str(given).lower().replace("ies", "y").endswith("nanomaggy"):
        return u.nmgy
    try:
        return u.Unit(given)
    except (TypeError, ValueError) as error:
        msg = f"unit of {column!r} must be one that astropy knows, such as u.nmgy, u.Jy or u.ABmag; got {given!r}"
        raise u.UnitsError(msg) from error


def _convert(values, noise, own_unit, noise_unit, is_ivar, band, fallback, column):
    """Flux and error in microjansky, and where the error is not positive."""
    unit = _read_unit(own_unit, fallback, column)
    if is_ivar:
        wrong = noise < 0
        noise = np.power(noise, -0.5, where=noise > 0, out=np.full(len(noise), np.nan))
        noise_unit = _take_root(noise_unit)
    else:
        wrong = noise <= 0
    if isinstance(unit, u.MagUnit) or unit == u.mag:
        return *_convert_magnitudes(values, noise, unit, noise_unit, band, fallback, column), wrong & np.isfinite(
            values
        )
    equivalencies = [*u.spectral_density(band.effective * u.AA), *u.zero_point_flux((1 * u.AB).to(u.Jy))]
    factors = []
    for one, what in ((unit, "unit"), (noise_unit, "unit of the errors")):
        try:
            one = unit if one is None or str(one) == "" else _read_unit(one, None, column)
            factors.append(float((1 * one).to_value(u.uJy, equivalencies)))
        except (u.UnitConversionError, TypeError) as error:
            msg = f"{what} of {column!r} must be a flux density or a magnitude; got {one}; give unit=u.nmgy, say"
            raise u.UnitsError(msg) from error
    return values * factors[0], noise * factors[1], wrong & np.isfinite(values)


def _convert_magnitudes(values, noise, unit, noise_unit, band, fallback, column):
    """Flux and error in microjansky of magnitudes."""
    if unit == u.mag and fallback is not None:
        unit = _read_unit(None, fallback, column)
    if not isinstance(unit, u.MagUnit):
        msg = f"unit of {column!r} must have a zero point, as u.ABmag and u.STmag; got {unit}; give unit=u.ABmag"
        raise u.UnitsError(msg)
    if not (noise_unit is None or str(noise_unit) == "" or "mag" in str(noise_unit)):
        msg = f"unit of the errors of {column!r} must be mag, as it holds magnitudes; got {noise_unit}"
        raise u.UnitsError(msg)
    values = np.where(np.abs(values) < NO_MAGNITUDE, values, np.nan)
    linear = (values * unit).to_value(u.uJy, u.spectral_density(band.effective * u.AA))
    return linear, 0.4 * np.log(10) * linear * noise


def _take_root(unit):
    """The unit of errors whose inverse variances have a unit; None where that says nothing."""
    if unit is None or str(unit) == "":
        return None
    text = str(unit).lower()
    if "nanomagg" in text:
        return u.nmgy
    try:
        return u.Unit(unit) ** -0.5
    except (TypeError, ValueError):
        return None
