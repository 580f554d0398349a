# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Filters by name or by curve: where they lie, how wide they are, and the flux that a spectrum has through them."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy import units as u

__all__ = ["BANDS", "Filter", "find_filter", "list_filters"]

CURVES = Path(__file__).parents[1] / "data" / "filters.json"
#: sets of filters that surveys have together
BANDS = {
    "grz": ("decamDR1-g", "decamDR1-r", "decamDR1-z"),
    "grzW1W2": ("decamDR1-g", "decamDR1-r", "decamDR1-z", "wise2010-W1", "wise2010-W2"),
    "ugriz": ("sdss2010-u", "sdss2010-g", "sdss2010-r", "sdss2010-i", "sdss2010-z"),
    "ugrizJHK": (
        "sdss2010-u", "sdss2010-g", "sdss2010-r", "sdss2010-i", "sdss2010-z", "twomass-J", "twomass-H", "twomass-Ks",
    ),
}  # fmt: skip
#: known names that a message lists at most
NAMED = 8


@dataclass(frozen=True, eq=False)
class Filter:
    """A filter: its response to photons.

    Parameters
    ----------
    name : str
    wavelength : ndarray of float64, shape (m,)
        Vacuum Angstrom, increasing.
    response : ndarray of float64, shape (m,)
        Share of the photons that are counted, in any normalisation; zero beyond the ends.

    Attributes
    ----------
    effective : float
        Pivot wavelength in Angstrom, at which flux per unit wavelength and per unit frequency convert.
    width : float
        Standard deviation of the response in ln(wavelength).

    References
    ----------
    Koornneef et al. 1986, Highlights of Astronomy 7, 833; Bessell & Murphy 2012, PASP 124, 140 (pivot wavelength).

    Examples
    --------
    >>> from astropy import units as u
    >>> from astro_spectok.align import Filter, find_filter
    >>> band = find_filter("sdss2010-r")
    >>> print(f"{band.effective:.0f} {band.width:.3f}")
    6177 0.056
    >>> own = Filter.from_curve("narrow", [5000, 5010, 5060, 5070] * u.AA, [0, 1, 1, 0])
    >>> print(f"{own.effective:.0f}")
    5035
    """

    name: str
    wavelength: np.ndarray = field(repr=False)
    response: np.ndarray = field(repr=False)

    @classmethod
    def from_curve(cls, name: str, wavelength: Any, response: Any) -> Self:
        """A filter of one's own.

        Parameters
        ----------
        name : str
        wavelength : `~astropy.units.Quantity`, shape (m,)
            In vacuum, increasing or decreasing.
        response : array_like, shape (m,)
            Share of the photons; in any normalisation.

        Returns
        -------
        Filter

        Raises
        ------
        TypeError, ValueError, `~astropy.units.UnitsError`
            It is no curve: the message names the rule.
        """
        if not isinstance(wavelength, u.Quantity):
            msg = f"filters: the curve of {name!r} must have wavelengths with a unit; got none; write [..] * u.AA, say"
            raise TypeError(msg)
        x = wavelength.to_value(u.AA, equivalencies=u.spectral())
        y = np.asarray(u.Quantity(response).to_value(u.dimensionless_unscaled), float)
        if x.ndim == 1 and len(x) > 1 and x[0] > x[-1]:
            x, y = x[::-1], y[::-1]
        sound = x.ndim == 1 and x.shape == y.shape and len(x) > 2 and np.isfinite(x).all() and np.isfinite(y).all()
        if not (sound and (np.diff(x) > 0).all() and x[0] > 0 and (y >= 0).all() and y.any()):
            msg = (
                f"filters: the curve of {name!r} must be two arrays of one length of 3 or more, wavelengths in order "
                f"and responses not negative; got the shapes {x.shape} and {y.shape}; sort it, and cut what is below 0"
            )
            raise ValueError(msg)
        return cls(str(name), np.array(x, float), y)

    @cached_property
    def _fine(self):
        """Wavelengths and responses close enough for the trapezoidal rule."""
        x = np.linspace(self.wavelength[0], self.wavelength[-1], max(400, len(self.wavelength)))
        return x, np.interp(x, self.wavelength, self.response)

    @cached_property
    def effective(self) -> float:
        """Pivot wavelength in Angstrom."""
        x, y = self._fine
        return float(np.sqrt(np.trapezoid(y * x, x) / np.trapezoid(y / x, x)))

    @cached_property
    def width(self) -> float:
        """Standard deviation of the response in ln(wavelength)."""
        x, y = self._fine
        weight, place = y / x, np.log(x)
        total = np.trapezoid(weight, x)
        mean = np.trapezoid(weight * place, x) / total
        return float(np.sqrt(np.trapezoid(weight * (place - mean) ** 2, x) / total))

    def weigh(self, ln_wavelength: np.ndarray) -> np.ndarray:
        """Weights of the bins of a spectrum per unit wavelength, whose sum is its mean flux per unit frequency.

        Parameters
        ----------
        ln_wavelength : ndarray of float64, shape (N,)
            ln(vacuum Angstrom) of the bins, even.

        Returns
        -------
        ndarray of float64, shape (N,)
            In any unit, the same for all filters; zero where the bins do not reach.
        """
        step = ln_wavelength[1] - ln_wavelength[0]
        parts = 16  # of a bin, so that narrow filters are integrated well
        fine = (ln_wavelength[:, None] + step * ((np.arange(parts) + 0.5) / parts - 0.5)).ravel()
        x = np.exp(fine)
        response = np.interp(x, self.wavelength, self.response, left=0, right=0).reshape(-1, parts).mean(1)
        # f_nu = integral of f_lambda T lambda dlambda over that of T dlambda / lambda, but for the speed of light
        total = response.sum()
        return response * np.exp(2 * ln_wavelength) / total if total > 0 else np.zeros(len(ln_wavelength))

    def covers(self, ln_wavelength: np.ndarray) -> bool:
        """Whether 99 per cent of the response lies within some bins.

        Parameters
        ----------
        ln_wavelength : ndarray of float64, shape (N,)
            ln(vacuum Angstrom) of the bins, increasing.

        Returns
        -------
        bool
        """
        x, y = self._fine
        inside = (np.log(x) >= ln_wavelength[0]) & (np.log(x) <= ln_wavelength[-1])
        return bool(y[inside].sum() > 0.99 * y.sum())


@lru_cache(maxsize=1)
def _read_curves():
    """Packaged filters by name."""
    out = {}
    for name, ((low, high), response) in json.loads(CURVES.read_text()).items():
        # a zero at both ends
        step = (high - low) / (len(response) - 1)
        wavelength = np.linspace(low - step, high + step, len(response) + 2)
        out[name] = Filter(name, wavelength, np.concatenate([[0], response, [0]]))
    return out


def list_filters() -> list[str]:
    """List the names of the packaged filters, as speclite names them.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from astro_spectok.align import list_filters
    >>> len(list_filters()), list_filters()[:3]
    (57, ['galex-fuv', 'galex-nuv', 'sdss2010-u'])
    """
    return list(_read_curves())


def find_filter(what: Any) -> Filter:
    """Find a filter by its name, or make one from a curve.

    Parameters
    ----------
    what : str, `Filter` or (`~astropy.units.Quantity`, array_like)
        A name out of `list_filters`, or any that the package speclite knows, where it is installed; or wavelengths and
        responses.

    Returns
    -------
    Filter

    Raises
    ------
    ValueError
        The name is not known; the message has those that are most like it.
    TypeError
        It is none of these.

    Examples
    --------
    >>> from astro_spectok.align import find_filter
    >>> print(f"{find_filter('twomass-J').effective:.0f}")
    12356
    """
    if isinstance(what, Filter):
        return what
    if isinstance(what, str):
        known = _read_curves()
        return known.get(what) or _ask_speclite(what, known)
    if isinstance(what, Sequence) and len(what) == 2 and not isinstance(what[0], str):
        return Filter.from_curve("own", *what)
    msg = f"filters must be names, Filter, or pairs (wavelength, response); got {type(what).__name__}"
    raise TypeError(msg)


def _ask_speclite(name, known):
    """A filter of speclite, or an error that names those that are most like it."""
    found = None
    try:
        from speclite.filters import load_filter
    except ImportError:
        remedy = "or install speclite, which has more"
    else:
        remedy = "or give its curve as (wavelength, response)"
        try:
            found = load_filter(name)
        except ValueError:
            found = None
    if found is not None:
        return Filter.from_curve(name, np.asarray(found.wavelength, float) * u.AA, found.response)
    bands = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), bands, n=NAMED, cutoff=0.3)
    band = name.rsplit("-", 1)[-1].rsplit("_", 1)[-1].lower()
    near += [key for key in bands if key.endswith(f"-{band}") and key not in near]
    words = ", ".join(bands[key] for key in near[:NAMED]) or ", ".join(list(known)[:NAMED])
    msg = f"filters must be names that are known; got {name!r}; the nearest are {words}; see list_filters(), {remedy}"
    raise ValueError(msg)


def choose_filters(filters: Any) -> dict[str, Filter]:
    """Filters by the columns that they belong to, in order.

    Parameters
    ----------
    filters : mapping of str to filter, sequence of filters, or str
        Column (or any name) to what `find_filter` takes; or names alone; or the name of a set out of `BANDS`. A column
        of several fluxes for each object may have a list of filters, or the name of a set; they are ``"name[0]"`` and
        so on.

    Returns
    -------
    dict of str to Filter
    """
    if isinstance(filters, str):
        if filters not in BANDS:
            msg = f"filters must be a set out of {', '.join(BANDS)}, a list of filters, or a dict; got {filters!r}"
            raise ValueError(msg)
        filters = BANDS[filters]
    out: dict[str, Filter] = {}
    if isinstance(filters, Mapping):
        for key, one in filters.items():
            several = BANDS.get(one) if isinstance(one, str) else one
            if isinstance(several, Sequence) and several and all(isinstance(x, str | Filter) for x in several):
                # a column that holds several fluxes for each object
                out |= {f"{key}[{k}]": find_filter(x) for k, x in enumerate(several)}
            else:
                out[str(key)] = find_filter(one)
    elif isinstance(filters, Sequence):
        found = [find_filter(one) for one in filters]
        out = {one.name: one for one in found}
        if len(out) < len(found):
            msg = "filters must have names of their own; got one twice; give a dict of column to filter"
            raise ValueError(msg)
    else:
        msg = f"filters must be a dict of column to filter, or a list; got {type(filters).__name__}"
        raise TypeError(msg)
    if not out:
        msg = "filters must be at least one; got none; give {'FLUX_R': 'decamDR1-r'}, say"
        raise ValueError(msg)
    return out
