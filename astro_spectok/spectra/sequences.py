# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sequences along other axes than that of wavelengths become plain arrays: wavenumbers, times, positions."""

from dataclasses import replace
from typing import Any

import numpy as np
from astropy import units as u

from astro_spectok.spectra.batch import InputFlag, SpectrumBatch, SpectrumInfo
from astro_spectok.spectra.noise import estimate_noise
from astro_spectok.spectra.problems import describe_error, flag_of, make_error
from astro_spectok.spectra.raw import RawSpectra
from astro_spectok.spectra.rows import read_max_pixels
from astro_spectok.spectra.sequence_forms import list_sequences
from astro_spectok.utils.axis import Axis, check_kind

__all__ = ["measure_axis", "to_sequences"]

#: most noise of a sequence without errors, over its standard deviation: what scatters from point to point may be what
#: it has to say
MOST_NOISE = 0.1
#: least, over the median absolute value
LEAST_NOISE = 1e-5
#: most inverse variance over the square of the scale: more would leave float32
MOST_IVAR = 1e30
#: share of the good points that may lie outside the range of an axis without a remark
OUTSIDE_SHARE = 0.02


def to_sequences(
    obj: Any, axis: Axis, *, least: int = 1, on_error: str = "flag", axis_unit: Any = None
) -> SpectrumBatch:
    """Convert sequences of any lengths and samplings to a `SpectrumBatch` along an axis.

    Points that are masked, NaN or infinite, or whose error is not finite and positive, get value and inverse variance
    0, whatever stood there. Axes in any order are sorted, and points at one place are averaged by inverse variance,
    with a flag. Where no errors are given, they are estimated from the scatter from point to point, with a flag, and
    are no greater than a tenth of the standard deviation of the sequence.

    Parameters
    ----------
    obj
        A tuple ``(axis, values[, errors[, mask]])``, with the axis as Quantity, Time or TimeDelta of shape (m,) and
        values of shape (m,) or (n, m); a `~specutils.Spectrum` or another container of specutils; a table or
        dictionary with columns (see below), a `~astropy.timeseries.TimeSeries` for one; a list of these; names of
        files or of a folder. A `SpectrumBatch` along an axis of the same unit.
    axis : `~astro_spectok.network.Axis`
        That of the weights, which is linear.
    least : int, optional
        Fewest good points: a patch of the network.
    on_error : {'flag', 'raise'}, optional
        What becomes of a sequence that cannot be used.
    axis_unit : str or `~astropy.units.Unit`, optional
        Of axes that have none, as those in text files; such are refused if it is not given, unless that of the weights
        has none either.

    Returns
    -------
    SpectrumBatch
        One row for each sequence, in order; ``wavelength`` holds the axis in ``axis.unit``, which increases.

    Raises
    ------
    TypeError
        ``obj`` is none of the forms.
    ValueError
        It is a batch along another axis.

    Notes
    -----
    A time given as `~astropy.time.Time` is the time since the first point of its sequence. Columns are ``axis`` (or
    the kind of the axis, ``time`` for one), ``values``, and where known ``errors``, ``mask``. Columns of arrays hold
    a sequence in each row, named in ``name``; columns of numbers hold one sequence, or with ``id`` one for each id.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.network import Axis
    >>> from astro_spectok.spectra.sequences import to_sequences
    >>> axis = Axis("time", "h", low=0.0, high=48.0, spacing=0.5)
    >>> minutes = np.arange(0, 1440, 30) * u.min
    >>> batch = to_sequences([(minutes, np.sin(np.arange(48.0))), (minutes[:5], np.ones(5))], axis, least=8)
    >>> batch.lengths.tolist(), float(batch.wavelength[1])
    ([48, 0], 0.5)
    >>> batch.info[1].message
    'spectra[1]: sequence must have at least 8 good points (one patch); got 5 of 5'
    """
    if on_error not in ("raise", "flag"):
        msg = f"on_error must be 'raise' or 'flag'; got {on_error!r}"
        raise ValueError(msg)
    if isinstance(obj, SpectrumBatch):
        return _adopt(obj, axis)
    parts, axis_unit = [], "" if axis_unit is None and not axis.unit else axis_unit
    for n, position, reader in list_sequences(obj, axis.kind, axis_unit):
        try:
            part = _convert(reader(), axis, least)
            if on_error == "raise" and (wrong := np.flatnonzero(part.lengths == 0)).size:
                message = part.info[wrong[0]].message
                raise make_error(InputFlag(int(part.flags[wrong[0]])), ValueError, message)
        except Exception as error:  # one sequence never stops the others
            if on_error == "raise":
                raise
            part = _refuse(n, error, axis)
        parts.append(_place(part, position))
    if not parts:
        return replace(_refuse(1, ValueError("none"), axis).take([]), axis=axis)
    return SpectrumBatch.concatenate(parts)


def measure_axis(obj: Any, kind: str, unit: Any = None) -> tuple[Axis, int]:
    """The linear axis that sequences have in common, from their ranges and steps.

    Parameters
    ----------
    obj
        As for `to_sequences`.
    kind : {'wavenumber', 'time', 'position'}
    unit : str or `~astropy.units.Unit`, optional
        Of the axis; also of those that have none. That of the first sequence if not given; positions may have none.

    Returns
    -------
    axis : `~astro_spectok.network.Axis`
        From the first to the last good point of all, with the median over sequences of their median step.
    length : int
        Median number of good points.

    Raises
    ------
    ValueError
        There is no such kind, the unit does not fit it, or no sequence has two good points at different places.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.spectra.sequences import measure_axis
    >>> axis, length = measure_axis([(np.arange(n) * u.cm**-1, np.ones(n)) for n in (40, 60)], "wavenumber")
    >>> axis.high, axis.spacing, axis.unit, length
    (59.0, 1.0, '1 / cm', 50)
    """
    check_kind(kind, "" if kind == "position" and unit is None else u.Unit(unit or {"time": "d"}.get(kind, "cm-1")))
    listed = list_sequences(obj, kind, "" if kind == "position" and unit is None else unit)
    ends, steps, lengths, wrong = [], [], [], f"of {len(listed)}"
    for _, _, reader in listed:
        try:
            raw = reader()
            unit = raw.axis_unit if unit is None else u.Unit(unit)
            place = np.asarray(_to_unit(raw.axis_unit, unit, kind), float) * np.asarray(raw.axis, float)
        except Exception as error:
            wrong = describe_error(error)
            continue
        for good in _find_good(raw):
            own = np.unique(place[good & np.isfinite(place)])
            if len(own) > 1:
                ends.append(own[[0, -1]])
                steps.append(np.median(np.diff(own)))
                lengths.append(len(own))
    if not ends:
        msg = f"data must hold sequences of at least two good points along a {kind} axis; got none ({wrong})"
        raise ValueError(msg)
    text = "" if unit is None else u.Unit(unit).to_string()
    axis = Axis(kind, text, float(np.min(ends)), float(np.max(ends)), float(np.median(steps)))
    return axis, int(np.median(lengths))


def _adopt(batch, axis):
    """A batch that lies along the same kind of axis, in the same unit, as one of these weights."""
    if (batch.axis.kind, batch.axis.unit) != (axis.kind, axis.unit):
        msg = (
            f"spectra must lie along the axis of the weights, {axis.describe()}; got {batch.axis.describe()}; "
            "use weights of that axis"
        )
        raise make_error(InputFlag.BAD_UNITS, ValueError, msg)
    return replace(batch, axis=axis)


def _to_unit(given, unit, kind):
    """Factor from one unit of an axis to another."""
    try:
        return given.to(unit)
    except u.UnitsError as error:
        got = given.to_string() or "no unit"
        wanted = u.Unit(unit).to_string()
        msg = f"axis must be a {kind} in a unit as {wanted!r} is; got {got!r}; convert it, or use weights of that axis"
        raise make_error(InputFlag.BAD_UNITS, u.UnitsError, msg) from error


def _find_good(raw: RawSpectra) -> np.ndarray:
    """Points (n, m) whose value is finite, not masked, and has an error where there are any."""
    good = np.isfinite(raw.flux)
    if raw.uncertainty is not None:
        error = np.asarray(raw.uncertainty, float)
        good &= np.isfinite(error) & (error > 0)
    if raw.mask is not None:
        good &= np.asarray(raw.mask) == 0
    return good


def _find_sigma(raw, good):
    """Standard deviations (n, m) in the unit of the values, and whether they were estimated."""
    if raw.uncertainty is None:
        sigma = np.ones(good.shape)
        for row, own in enumerate(good):
            if own.any():
                values = np.where(own, raw.flux[row], 0).astype(float)
                size = np.abs(values[own])
                level = np.median(size) or size.max() or 1.0
                most = max(MOST_NOISE * values[own].std(), LEAST_NOISE * level)
                sigma[row] = np.clip(estimate_noise(values, own)[0], LEAST_NOISE * level, most)
        return sigma, True
    power = {"std": 1.0, "var": 0.5, "ivar": -0.5}[raw.kind]
    factor = 1.0
    if raw.uncertainty_unit is not None:
        factor = (u.Unit(raw.uncertainty_unit) ** power).to(raw.flux_unit)
    return factor * np.where(good, np.asarray(raw.uncertainty, float), 1.0) ** power, False


def _convert(raw, axis, least):
    """A batch of the n sequences of a `RawSpectra`."""
    factor = _to_unit(raw.axis_unit, u.Unit(axis.unit), axis.kind)
    place, flags = factor * np.asarray(raw.axis, float), 0
    good = _find_good(raw) & np.isfinite(place)
    if place.size > read_max_pixels():
        msg = f"sequence must have at most conf.max_pixels={read_max_pixels()} points; got {place.size}"
        raise make_error(InputFlag.TOO_MANY_PIXELS, ValueError, msg)
    sigma, estimated = _find_sigma(raw, good)
    flags |= int(InputFlag.UNCERTAINTY_ESTIMATED) * estimated
    order = np.flatnonzero(np.isfinite(place))
    step = np.diff(place[order])
    if (step < 0).all():
        order = order[::-1]
    elif not (step > 0).all():
        order = order[np.argsort(place[order], kind="stable")]
        flags |= int(InputFlag.WAVELENGTH_SORTED)
    values = np.where(good, raw.flux, 0).astype(float)[:, order]
    ivar = np.where(good, 1 / np.maximum(sigma, 1e-150) ** 2, 0)[:, order]
    place, values, ivar = _merge(place[order], values, ivar)
    return _pack(raw, axis, least, flags, place, values, ivar)


def _merge(place, values, ivar):
    """Points at the same place averaged by inverse variance."""
    starts = np.flatnonzero(np.concatenate(([True], np.diff(place) > 0)))[: len(place)]
    if len(starts) == len(place):
        return place, values, ivar
    # a common factor keeps the sums of any unit finite
    total = np.add.reduceat(ivar, starts, axis=1)
    mean = np.add.reduceat(values * ivar, starts, axis=1) / np.where(total > 0, total, 1)
    return place[starts], mean, total


def _pack(raw, axis, least, flags, place, values, ivar):
    """Rows on one axis as a batch, those with too little of it without their points."""
    n = len(values)
    good = ivar > 0
    inside = (place >= axis.low - axis.spacing) & (place <= axis.high + axis.spacing)
    count, within = good.sum(1), (good & inside).sum(1)
    size = np.array([np.median(np.abs(v[g])) if g.any() else 0.0 for v, g in zip(values, good, strict=True)])
    size = np.where(size > 0, size, np.abs(values).max(1, initial=0.0))
    scale = np.where(size > 0, np.exp2(np.clip(np.round(np.log2(np.where(size > 0, size, 1))), -500, 500)), 1.0)
    flags = np.full(n, flags, np.int64)
    flags[count - within > OUTSIDE_SHARE * count] |= int(InputFlag.OUTSIDE_TRAINED_RANGE)
    unit = u.Unit(axis.unit)
    infos = []
    for row, name in enumerate(raw.names or ("",) * n):
        message = ""
        if count[row] < least:
            flags[row] |= int(InputFlag.TOO_FEW_PIXELS)
            message = f"sequence must have at least {least} good points (one patch); got {count[row]} of {len(place)}"
        elif within[row] < least:
            flags[row] |= int(InputFlag.WHOLLY_OUTSIDE)
            message = (
                f"sequence must have at least {least} good points from {axis.low:g} to {axis.high:g} {axis.unit}, what "
                f"the weights know; got {place[0]:g} to {place[-1]:g}"
            )
        infos.append(SpectrumInfo(unit, raw.flux_unit, "vacuum", "axis", name=name, message=message))
    kept = np.array([not info.message for info in infos], bool)
    lengths = np.where(kept, len(place), 0)
    flux = (values[kept] / scale[kept, None]).astype(np.float32)
    weight = np.minimum(ivar[kept] * scale[kept, None] ** 2, MOST_IVAR).astype(np.float32)
    lost = ~(np.isfinite(flux) & np.isfinite(weight))
    flux[lost], weight[lost] = 0, 0
    return SpectrumBatch(
        wavelength=place if kept.any() else place[:0], wave_start=np.zeros(n, np.int64), flux=flux.reshape(-1),
        ivar=weight.reshape(-1), offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        scale=np.where(kept, scale, 1.0), flags=flags, info=tuple(infos), axis=axis,
    )  # fmt: skip


def _refuse(n, error, axis):
    """Rows without points, for what cannot be read."""
    one = SpectrumBatch.make_unusable(
        describe_error(error), flag=flag_of(error), name=getattr(error, "spectrum_name", "")
    )
    return SpectrumBatch.concatenate([replace(one, axis=axis)] * n)


def _place(batch, position):
    """The batch with the place of the sequence in the list before each message."""
    if position is None:
        return batch
    info = [replace(one, message=f"spectra[{position}]: {one.message}") if one.message else one for one in batch.info]
    return replace(batch, info=tuple(info))
