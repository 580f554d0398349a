# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectrumSeries`: spectra of one object at several times."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
from astropy import units as u
from astropy.time import Time
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra.batch import SpectrumBatch
from astro_spectok.spectra.convert import to_batch
from astro_spectok.spectra.reading import read

__all__ = ["SpectrumSeries", "find_time"]

#: cards that hold the middle of an exposure, and those that hold its beginning; the format of each
MIDDLE = (
    ("MJD-AVG", "mjd"), ("MJD_MID", "mjd"), ("MJDMID", "mjd"), ("BJD", "jd"), ("HJD", "jd"), ("DATE-AVG", "isot"),
)  # fmt: skip
BEGIN = (
    ("MJD-OBS", "mjd"), ("MJD-BEG", "mjd"), ("MJD_OBS", "mjd"), ("DATE-OBS", "isot"), ("DATE-BEG", "isot"),
    ("DATE_OBS", "isot"), ("JD", "jd"), ("MJD", "mjd"),
)  # fmt: skip
#: cards of the time of day where DATE-OBS has the day alone, and of the length of an exposure in seconds
CLOCK, LENGTH = ("TIME-OBS", "UT", "UTC", "UTSTART", "UT-START"), ("EXPTIME", "XPOSURE", "TEXPTIME")
#: days from which a number is no MJD: SDSS counts seconds in some cards
LATEST_MJD = 1e5


class SpectrumSeries(SpectrumList):
    """Spectra of one object at several times, sorted by time; it is a `~specutils.SpectrumList`.

    `~astro_spectok.estimators.RedshiftEstimator` and `~astro_spectok.estimators.TransientEstimator` give one answer for
    all of it; `~astro_spectok.estimators.StellarParameterEstimator` compares velocities.

    Parameters
    ----------
    spectra : iterable of `~specutils.Spectrum`
        Of one spectrum each, on any axes.
    times : `~astropy.time.Time`, optional
        Of the middle of each exposure; read from the headers in ``meta`` if not given.

    Attributes
    ----------
    times : `~astropy.time.Time` or None
        In order; None where a header gives none, which leaves the spectra in the order they came in.
    order : ndarray of int, shape (n,)
        Where each spectrum stood in what was given.

    Raises
    ------
    TypeError
        ``spectra`` holds something else, or ``times`` is no `~astropy.time.Time`.
    ValueError
        There is no spectrum, one of them holds several, or ``times`` has another shape or is not finite.

    Examples
    --------
    >>> from astropy.time import Time
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.spectra import SpectrumSeries
    >>> series = SpectrumSeries([read_example(), read_example()], Time([60010.0, 60000.0], format="mjd"))
    >>> series.times.mjd.tolist(), series.order.tolist()
    ([60000.0, 60010.0], [1, 0])
    """

    def __init__(self, spectra: Any = (), times: Time | None = None) -> None:
        spectra = list(spectra)
        if not spectra:
            msg = "spectra must hold at least one spectrum; got none"
            raise ValueError(msg)
        for k, one in enumerate(spectra):
            if not isinstance(one, Spectrum):
                msg = f"spectra must hold objects of specutils.Spectrum; number {k} is {type(one).__name__}"
                raise TypeError(msg)
            if one.data.ndim != 1:
                msg = f"spectra must hold one spectrum each; number {k} has the shape {one.data.shape}; take them apart"
                raise ValueError(msg)
        times = _check_times(times, len(spectra)) if times is not None else _read_times(spectra)
        self.order = np.arange(len(spectra)) if times is None else np.argsort(times.mjd, kind="stable")
        self.times = None if times is None else times[self.order]
        super().__init__([spectra[k] for k in self.order])

    @classmethod
    def from_files(cls, paths: Sequence[str | PathLike[str]], **reading: Any) -> Self:
        """Read a series, each epoch from a file, with the times of the headers.

        Parameters
        ----------
        paths : sequence of str or path-like
        **reading
            As for `~astro_spectok.read`.

        Returns
        -------
        SpectrumSeries

        Raises
        ------
        ValueError
            A file holds several spectra.

        Examples
        --------
        >>> from astro_spectok.example import EXAMPLE_PATH
        >>> from astro_spectok.spectra import SpectrumSeries
        >>> len(SpectrumSeries.from_files([EXAMPLE_PATH, EXAMPLE_PATH]))
        2
        """
        spectra = []
        for path in paths:
            found = read(path, **reading)
            if isinstance(found, SpectrumList) and len(found) == 1:
                found = found[0]
            if not isinstance(found, Spectrum) or found.data.ndim != 1:
                msg = f"paths must name files of one spectrum each; {path} holds several: read it and take one"
                raise ValueError(msg)
            spectra.append(found)
        return cls(spectra)

    def to_batch(self, *, medium: str | None = None, resolution: Any = None) -> SpectrumBatch:
        """The spectra as a batch, each for itself: they are never joined as arms of one exposure.

        Parameters
        ----------
        medium, resolution
            As for `~astro_spectok.tokenize`.

        Returns
        -------
        `~astro_spectok.spectra.SpectrumBatch`
        """
        options = {"medium": medium, "resolution": resolution, "on_error": "flag"}
        return SpectrumBatch.concatenate([to_batch([one], **options) for one in self])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.times)


def _check_times(times, n):
    if not isinstance(times, Time):
        msg = f"times must be an astropy.time.Time; got {type(times).__name__}; write Time(values, format='mjd'), say"
        raise TypeError(msg)
    if times.shape != (n,):
        msg = f"times must have the shape ({n},), one for each spectrum; got {times.shape}"
        raise ValueError(msg)
    if not np.isfinite(np.ma.filled(times.mjd, np.nan)).all():
        msg = "times must be finite; leave out the epochs without one, or give no times"
        raise ValueError(msg)
    return times


def _read_times(spectra):
    """Times by the headers, or None where one of them gives none."""
    found = [find_time(one.meta) for one in spectra]
    return None if any(one is None for one in found) else Time([one.utc.mjd for one in found], format="mjd")


def find_time(meta: Mapping[str, Any]) -> Time | None:
    """The middle of an exposure by its header.

    Parameters
    ----------
    meta : mapping
        Of a spectrum; the header under ``header``, or the cards themselves.

    Returns
    -------
    `~astropy.time.Time` or None
        In UTC; None where no card gives one.
    """
    header = meta.get("header", meta)
    cards = {str(key).upper(): header[key] for key in header if isinstance(key, str)}
    for name, form in MIDDLE:
        found = _parse(cards.get(name), form)
        if found is not None:
            return found
    for name, form in BEGIN:
        value = cards.get(name)
        if form == "isot" and isinstance(value, str) and "T" not in value:
            clock = next((cards[one] for one in CLOCK if ":" in str(cards.get(one, ""))), "")
            value = f"{value.strip()}T{str(clock).strip()}" if clock else value.strip()
        found = _parse(value, form)
        if found is not None:
            lengths = (cards.get(one) for one in LENGTH)
            length = next((float(one) for one in lengths if isinstance(one, int | float) and 0 < one < 1e6), 0.0)
            return found + 0.5 * length * u.s
    return None


def _parse(value, form):
    """A time of a card; None of what is none."""
    try:
        if form == "isot":
            return Time(value, scale="utc") if isinstance(value, str) and value.strip() else None
        number = float(value)
        sensible = 0 < number < LATEST_MJD if form == "mjd" else 2.4e6 <= number < 2.4e6 + LATEST_MJD
        return Time(number, format=form, scale="utc") if sensible else None
    except (TypeError, ValueError):
        return None
