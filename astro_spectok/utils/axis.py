# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Axis`: what tokens lie along, wavelengths or anything linear, and the one place where it becomes a coordinate."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u

from astro_spectok.utils.settings import Settings

__all__ = ["KINDS", "LN_WAVELENGTH", "STEP", "Axis"]

#: kinds of axis that are linear, each with its unit where none is given, and one that its units must convert to
KINDS = {"wavenumber": ("cm-1", u.m**-1), "time": ("d", u.s), "position": ("", None)}
#: kind of the axis of the packaged weights
LIGHT = "ln_wavelength"
#: coordinate that the usual spacing of a linear axis becomes: networks are laid out for pixels of about this size
STEP = 4.5e-4
#: where phases are counted from in ln(Angstrom): the middle of the optical, to keep them small
LN_REFERENCE = math.log(5000.0)


@dataclass(frozen=True)
class Axis(Settings):
    """What the tokens of a network lie along.

    All else in the network works on one coordinate: ln(vacuum wavelength / Angstrom) for spectra, or a linear axis,
    with zero in the middle of its range, on which the usual step from point to point is ``STEP``.

    Attributes
    ----------
    kind : {'ln_wavelength', 'wavenumber', 'time', 'position'}
        What it is; all but the first are linear, and have neither redshifts, nor a rest frame, a medium or a resolving
        power.
    unit : str
        Of the values of the axis; a position may have any.
    low, high : float
        Range of a linear axis that a network is trained on, in ``unit``; both are 0 for wavelengths.
    spacing : float
        Usual step from point to point of a linear axis, in ``unit``.

    Raises
    ------
    ValueError
        There is no such kind, the unit does not fit it, or range and spacing are not positive and finite.

    Examples
    --------
    >>> from astro_spectok.network import Axis
    >>> axis = Axis("wavenumber", "cm-1", low=400.0, high=1800.0, spacing=2.0)
    >>> axis.to_coordinate(1100.0), round(axis.to_coordinate(1102.0) / axis.to_coordinate(1104.0), 6)
    (0.0, 0.5)
    >>> axis.describe()
    'wavenumber [cm-1]'
    """

    kind: str = LIGHT
    unit: str = "Angstrom"
    low: float = 0.0
    high: float = 0.0
    spacing: float = 0.0

    def __post_init__(self):
        if self.kind == LIGHT:
            if (self.unit, self.low, self.high, self.spacing) != ("Angstrom", 0.0, 0.0, 0.0):
                msg = f"axis: {LIGHT} is in Angstrom and has no range of its own; leave unit, low, high and spacing out"
                raise ValueError(msg)
            return
        check_kind(self.kind, self.unit)
        numbers = self.low, self.high, self.spacing
        if not (all(map(math.isfinite, numbers)) and self.low < self.high and self.spacing > 0):
            msg = (
                f"axis: low must be below high, spacing above 0 and all finite; got {numbers}; measure them on the data"
            )
            raise ValueError(msg)

    @property
    def is_light(self) -> bool:
        """Whether it is one of wavelengths, so that redshift, medium and resolving power have a meaning: bool."""
        return self.kind == LIGHT

    @property
    def reference(self) -> float:
        """Coordinate from which phases are counted: float."""
        return LN_REFERENCE if self.is_light else 0.0

    def to_coordinate(self, values: Any) -> Any:
        """Coordinate of values of the axis.

        Parameters
        ----------
        values : float, ndarray or float64 tensor
            In ``unit``.

        Returns
        -------
        float, ndarray or tensor
            Of the same type.
        """
        if not self.is_light:
            return (values - 0.5 * (self.low + self.high)) * (STEP / self.spacing)
        if isinstance(values, np.ndarray):
            return np.log(values)
        return values.log() if hasattr(values, "log") else math.log(values)

    def to_native(self, coordinate: Any) -> Any:
        """Values of the axis of a coordinate: the inverse of `to_coordinate`.

        Parameters
        ----------
        coordinate : float or ndarray

        Returns
        -------
        float or ndarray
            In ``unit``.
        """
        if self.is_light:
            return np.exp(coordinate)
        return coordinate * (self.spacing / STEP) + 0.5 * (self.low + self.high)

    def describe(self) -> str:
        """Kind and unit in words, for messages: str."""
        if self.is_light:
            return "wavelength of light"
        return f"{self.kind} [{self.unit}]" if self.unit else f"{self.kind} without a unit"


def check_kind(kind, unit):
    """Refuse a kind of linear axis that there is not, or a unit that does not fit it.

    Parameters
    ----------
    kind, unit : str

    Returns
    -------
    `~astropy.units.Unit`

    Raises
    ------
    ValueError
    """
    if kind not in KINDS:
        msg = f"axis must be one of {', '.join((LIGHT, *KINDS))}; got {kind!r}; what is none of these is a position"
        raise ValueError(msg)
    try:
        made = u.Unit(unit)
    except (TypeError, ValueError) as error:
        msg = (
            f"unit of the axis must be one that astropy knows; got {str(unit)!r}; write it as 'cm-1', 'h' or 'mm', say"
        )
        raise ValueError(msg) from error
    wanted = KINDS[kind][1]
    if wanted is not None and not made.is_equivalent(wanted):
        msg = (
            f"unit of a {kind} axis must be one as {KINDS[kind][0]!r} is; got {str(unit)!r}; give another unit, or axis"
        )
        raise ValueError(msg)
    return made


#: that of spectra, and of all packaged weights
LN_WAVELENGTH = Axis()
