# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The classes and redshifts that a posterior is spread over, and how a user's choice cuts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy import units as u

from astro_spectok.utils.spectypes import STAR

__all__ = ["GridCut", "RedshiftGrid"]

#: share of a step by which a bin may lie beside its place
TOLERANCE = 0.02


@dataclass(frozen=True)
class RedshiftGrid:
    """Bins of equal width in ln(1 + z), common to all classes, of which each has its own range.

    Attributes
    ----------
    classes : tuple of str
        Names, for instance ``('GALAXY', 'QSO', 'STAR')``.
    step : float
        Width of a bin in ln(1 + z).
    first, size : tuple of int
        For each class its first bin, counted from z = 0, and how many there are.

    Examples
    --------
    >>> from astro_spectok.redshift.grid import RedshiftGrid
    >>> grid = RedshiftGrid(classes=("GALAXY", "STAR"), step=1e-3, first=(0, -2), size=(1000, 5))
    >>> low, high = grid.limits["STAR"]
    >>> print(f"{low:.4f} {high:.4f}")
    -0.0020 0.0020
    >>> grid.cut(z_range=(0, 0.5)).grid.size
    (406, 5)
    """

    classes: tuple
    step: float
    first: tuple
    size: tuple

    @classmethod
    def from_redshifts(cls, redshifts):
        """The grid of given redshifts.

        Parameters
        ----------
        redshifts : dict of str to ndarray, shape (lags,)
            For each class its redshifts, in equal steps of ln(1 + z), increasing.

        Returns
        -------
        RedshiftGrid

        Raises
        ------
        ValueError
            They do not fit on one grid that has a bin at z = 0.
        """
        axes = {name: np.log1p(np.asarray(z, np.float64)) for name, z in redshifts.items()}
        longest = max(axes.values(), key=len, default=np.zeros(0))
        if len(longest) < 2:
            msg = "redshifts must hold a class with at least two bins, which define the step; got none"
            raise ValueError(msg)
        step = (longest[-1] - longest[0]) / (len(longest) - 1)
        first = {name: round(float(x[0] / step)) if len(x) else 0 for name, x in axes.items()}
        for name, x in axes.items():
            # of thousands of bins the last one, too, must lie where it is counted to
            wrong = np.abs(x / step - first[name] - np.arange(len(x)))
            if not (step > 0 and len(x) and wrong.max() < TOLERANCE):
                msg = f"redshifts[{name!r}] must be bins of one grid, in equal steps of ln(1 + z) with one at z = 0"
                raise ValueError(msg)
        return cls(tuple(axes), float(step), tuple(first.values()), tuple(len(x) for x in axes.values()))

    @cached_property
    def ln1pz(self):
        """For each class ln(1 + z) of its bins: dict of str to ndarray."""
        return {
            name: self.step * np.arange(first, first + size)
            for name, first, size in zip(self.classes, self.first, self.size, strict=True)
        }

    @cached_property
    def redshift(self):
        """For each class the redshifts of its bins: dict of str to ndarray."""
        return {name: np.expm1(x) for name, x in self.ln1pz.items()}

    @property
    def limits(self):
        """For each class its lowest and highest redshift: dict of str to (float, float)."""
        return {name: (float(z[0]), float(z[-1])) for name, z in self.redshift.items()}

    def cut(self, z_range=None, classes=None):
        """The part of the grid with a choice of classes and redshifts.

        Parameters
        ----------
        z_range : (float, float) or dict of str to (float, float), optional
            Lowest and highest redshift, of each class or for all but stars, whose radial velocities are left alone
            unless they are the only class.
        classes : str or sequence of str, optional
            All if not given.

        Returns
        -------
        GridCut

        Raises
        ------
        TypeError
            ``z_range`` or ``classes`` is of another form.
        ValueError
            A class or a redshift is not among those there are; the message names these.
        """
        chosen = self._choose_classes(classes)
        ranges = self._assign_ranges(z_range, chosen)
        slices, first = {}, {}
        for name in chosen:
            k = self.classes.index(name)
            start, stop = self.first[k], self.first[k] + self.size[k]
            if ranges[name] is not None:
                # the bins that hold the ends belong to it
                low, high = (round(float(np.log1p(z)) / self.step) for z in ranges[name])
                start, stop = max(start, low), min(stop, high + 1)
            if stop > start:
                slices[name] = slice(start - self.first[k], stop - self.first[k])
                first[name] = start
        sizes = tuple(part.stop - part.start for part in slices.values())
        full = dict(zip(self.classes, self.size, strict=True))
        weights = {name: float(np.log(full[name] / size)) for name, size in zip(slices, sizes, strict=True)}
        return GridCut(RedshiftGrid(tuple(slices), self.step, tuple(first.values()), sizes), slices, weights)

    def _choose_classes(self, classes):
        """The chosen classes in the order of the grid."""
        if classes is None:
            return self.classes
        names = [classes] if isinstance(classes, str) else classes
        if not isinstance(names, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in names):
            msg = f"classes must be names out of {', '.join(self.classes)}; got {classes!r}"
            raise TypeError(msg)
        unknown = [name for name in names if name not in self.classes]
        if unknown or not names:
            msg = f"classes must be names out of {', '.join(self.classes)}; got {', '.join(unknown) or 'none'}"
            raise ValueError(msg)
        return tuple(name for name in self.classes if name in names)

    def _assign_ranges(self, z_range, chosen):
        """The range of each chosen class, None for all of it."""
        if z_range is None:
            return dict.fromkeys(chosen)
        if isinstance(z_range, Mapping):
            unknown = [str(name) for name in z_range if name not in self.classes]
            if unknown:
                msg = f"z_range must name classes out of {', '.join(self.classes)}; got {', '.join(unknown)}"
                raise ValueError(msg)
            given = {name: (pair, (name,)) for name, pair in z_range.items() if name in chosen}
        else:
            held = tuple(name for name in chosen if name != STAR) or chosen
            given = {name: (z_range, held) for name in held}
        return dict.fromkeys(chosen) | {name: self._check_range(pair, held) for name, (pair, held) in given.items()}

    def _check_range(self, pair, held):
        """A range as two floats, if it lies within what the classes ``held`` have together."""
        try:
            low, high = (float(x) for x in u.Quantity(pair, u.dimensionless_unscaled).value)
        except (TypeError, ValueError) as error:
            msg = f"z_range must be (lowest, highest) or a dict of these by class; got {pair!r}"
            raise TypeError(msg) from error
        least, most = (f([self.limits[name][k] for name in held]) for k, f in ((0, min), (1, max)))
        slack = self.step * (1 + most)  # the end that the network was given lies between two bins
        if not (least - slack <= low < high <= most + slack):
            msg = (
                f"z_range must be increasing and lie within {least:.3g} to {most:.3g}, where these weights look for "
                f"{' and '.join(held)}; got {low:g} to {high:g}"
            )
            raise ValueError(msg)
        return low, high


@dataclass(frozen=True)
class GridCut:
    """A part of a grid.

    Attributes
    ----------
    grid : RedshiftGrid
    slices : dict of str to slice
        Where the bins of each class that remains were.
    log_weights : dict of str to float
        What the logarithm of its probabilities is to be raised by, so that a class stays as probable a priori however
        much of its range is gone.
    """

    grid: RedshiftGrid
    slices: dict
    log_weights: dict

    def take(self, log_probability):
        """The part of arrays on the whole grid: dict of str to ndarray of float64."""
        return {
            name: np.asarray(log_probability[name], np.float64)[part] + self.log_weights[name]
            for name, part in self.slices.items()
        }
