# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which spectra of a series differ from the others beyond noise and calibration, and where."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable
from astropy.time import Time

from astro_spectok.embedding import tokenize
from astro_spectok.spectra import SpectrumSeries
from astro_spectok.utils.host import own_state

__all__ = ["Changes", "find_changes"]

#: bins in ln(wavelength), 3000 km/s: what is narrower is averaged
STEP = 0.01
#: Legendre polynomials in ln(wavelength) that calibrations may differ by
CALIBRATION = 4
#: standard deviations beyond which a bin has changed, and how many such bins beside each other
BEYOND, TOGETHER = 4.0, 2
#: relative error that decoding always has
LEAST_ERROR = 0.01
#: fewest bins that two spectra share; rounds without what has changed
LEAST, ROUNDS = 12, 4


@dataclass(frozen=True, eq=False)
class Changes:
    """Differences of the spectra of a series from the mean of the others, made by `find_changes`.

    Attributes
    ----------
    wavelength : `~astropy.units.Quantity`, shape (m,)
        Middles of the bins, as observed, in vacuum.
    difference, error : ndarray, shape (n, m)
        Relative, of each epoch from the mean of the others after a smooth calibration, and standard deviation; NaN
        where not known.
    changed : ndarray of bool, shape (n,)
        Whether two bins beside each other or more differ by more than four standard deviations.
    ranges : tuple of list of (float, float)
        For each epoch where, in Angstrom.
    times : `~astropy.time.Time` or None

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.transients import Changes
    >>> difference, changed = np.array([[0.0, 0.0], [0.5, 0.75]]), np.array([False, True])
    >>> ranges = ([], [(4975.0, 5075.0)])
    >>> found = Changes([5000, 5050] * u.AA, difference, np.full((2, 2), 0.125), changed, ranges, None)
    >>> found
    <Changes: 1 of 2 epochs differ from the others>
    >>> found.to_table()["most"].tolist()
    [0.0, 6.0]
    """

    wavelength: u.Quantity
    difference: np.ndarray
    error: np.ndarray
    changed: np.ndarray
    ranges: tuple[list[tuple[float, float]], ...]
    times: Time | None

    def __repr__(self) -> str:
        n = int(np.count_nonzero(self.changed))
        return f"<Changes: {n} of {len(self.changed)} epochs differ from the others>"

    def to_table(self) -> QTable:
        """A row for each epoch.

        Returns
        -------
        `~astropy.table.QTable`
            ``time`` (MJD in days, NaN where unknown), ``changed``, ``most`` (largest difference in standard
            deviations) and ``ranges``, as text.
        """
        time = np.full(len(self.changed), np.nan) if self.times is None else self.times.mjd
        size = np.abs(self.difference) / self.error
        most = np.max(np.where(np.isfinite(size), size, 0.0), axis=1)
        text = ["; ".join(f"{low:.0f}-{high:.0f}" for low, high in one) for one in self.ranges]
        return QTable(
            {"time": time * u.day, "changed": self.changed, "most": most, "ranges": np.array(text, dtype=str)}
        )

    def plot(self, axes: Any = None) -> Any:
        """Plot the differences with their errors, one above the other; what has changed is filled.

        Parameters
        ----------
        axes : `~matplotlib.axes.Axes`, optional
            A new figure by default.

        Returns
        -------
        `~matplotlib.axes.Axes`
        """
        from matplotlib import pyplot as plt

        axes = plt.subplots(figsize=(7, 1.5 + len(self.changed)))[1] if axes is None else axes
        x = self.wavelength.to_value(u.AA)
        apart = 1.2 * max(float(np.nanmax(np.abs(self.difference))), 6 * float(np.nanmedian(self.error)))
        for k, (values, error) in enumerate(zip(self.difference, self.error, strict=True)):
            axes.axhline(k * apart, color="0.8", lw=0.8)
            axes.errorbar(x, values + k * apart, error, color=f"C{k}", lw=1, elinewidth=0.5)
            for low, high in self.ranges[k]:
                axes.axvspan(low, high, color=f"C{k}", alpha=0.15)
            label = f"epoch {k}" if self.times is None else f"MJD {self.times[k].mjd:.2f}"
            axes.text(x[-1], k * apart, f" {label}", va="center")
        axes.set_xlabel("wavelength in Angstrom")
        axes.set_ylabel("relative difference")
        return axes


@own_state
def find_changes(
    series: SpectrumSeries,
    *,
    weights: str | PathLike[str] | None = None,
    device: str = "auto",
    medium: str | None = None,
    resolution: Any = None,
) -> Changes:
    """Find which spectra of a series differ from the others, beyond noise and calibration errors, and where.

    Each is tokenized and decoded to bins of 3000 km/s, with the error that decoding states; a smooth ratio, which
    errors of calibration or another exposure make, is divided out.

    Parameters
    ----------
    series : `~astro_spectok.spectra.SpectrumSeries`
        Two spectra or more.
    weights, device, medium, resolution
        As for `~astro_spectok.tokenize`.

    Returns
    -------
    Changes

    Raises
    ------
    TypeError
        ``series`` is no `~astro_spectok.spectra.SpectrumSeries`.
    ValueError
        It holds fewer than two spectra that can be used, or they share too little.

    Examples
    --------
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.spectra import SpectrumSeries
    >>> from astro_spectok.transients import find_changes
    >>> find_changes(SpectrumSeries([read_example(), read_example()]), device="cpu").changed.tolist()
    [False, False]
    """
    if not isinstance(series, SpectrumSeries):
        msg = f"series must be a SpectrumSeries; got {type(series).__name__}; write SpectrumSeries(spectra), say"
        raise TypeError(msg)
    batch = series.to_batch(medium=medium, resolution=resolution)
    seen = [_find_range(batch, i) for i in range(len(batch))]
    usable = [one for one in seen if one is not None]
    if len(usable) < 2:
        msg = f"series must hold two spectra that can be used at least; got {len(usable)}"
        raise ValueError(msg)
    low, high = np.log(min(one[0] for one in usable)), np.log(max(one[1] for one in usable))
    edges = np.arange(low, high, STEP)
    flux, error = (np.full((len(batch), max(len(edges) - 1, 1)), np.nan) for _ in range(2))
    for i, tokens in enumerate(tokenize(batch, weights=weights, device=device, progress=False)):
        if seen[i] is not None:
            flux[i], error[i] = _decode(tokens, seen[i], edges)
    difference, sigma = _compare(flux, error)
    if not np.isfinite(difference).any():
        msg = f"series must hold spectra that share {LEAST} bins of 3000 km/s at least; they share fewer"
        raise ValueError(msg)
    ranges = tuple(_find_ranges(one / other, edges) for one, other in zip(difference, sigma, strict=True))
    middle = np.exp((edges[1:] + edges[:-1]) / 2) * u.AA
    return Changes(middle, difference, sigma, np.array([bool(one) for one in ranges]), ranges, series.times)


def _find_range(batch, i):
    """First and last good wavelength of a spectrum; None of one without."""
    good = batch.wavelength[batch.grid(i)][batch.ivar[batch.pixels(i)] > 0]
    return (good[0], good[-1]) if len(good) else None


def _decode(tokens, seen, edges):
    """Decoded flux and its error in bins; NaN where the spectrum is not, or not wholly."""
    inside = (edges[:-1] >= np.log(seen[0])) & (edges[1:] <= np.log(seen[1]))
    flux, error = (np.full(len(edges) - 1, np.nan) for _ in range(2))
    if np.count_nonzero(inside) > 1:
        model = tokens.decode(np.exp((edges[1:] + edges[:-1]) / 2)[inside] * u.AA)
        flux[inside] = model.flux.value
        error[inside] = np.hypot(model.uncertainty.array, LEAST_ERROR * np.abs(model.flux.value))
    return flux, error


def _compare(flux, error):
    """Relative differences of each row from the mean of the others, and their errors: (n, m) each."""
    level = np.nanmedian(np.abs(flux), axis=1, keepdims=True)
    flux, error = flux / level, error / level
    out, sigma = np.full(flux.shape, np.nan), np.full(flux.shape, np.nan)
    for k in range(len(flux)):
        others = np.delete(flux, k, axis=0)
        weight = np.nan_to_num(np.delete(error, k, axis=0) ** -2.0)
        total = weight.sum(axis=0)
        mean = np.nansum(weight * np.nan_to_num(others), axis=0) / np.where(total > 0, total, np.nan)
        own = error[k] ** -2.0
        known = np.isfinite(flux[k]) & np.isfinite(mean) & (mean > 0)
        if np.count_nonzero(known) < LEAST:
            continue
        place = np.linspace(-1, 1, flux.shape[1])
        terms = np.polynomial.legendre.legvander(place, CALIBRATION - 1)[known] * mean[known, None]
        trust = np.ones(np.count_nonzero(known))
        both = np.sqrt(1 / own[known] + 1 / total[known])
        for _ in range(ROUNDS):
            scale = np.sqrt(trust) / both
            found = np.linalg.lstsq(terms * scale[:, None], flux[k][known] * scale, rcond=None)[0]
            off = (flux[k][known] - terms @ found) / both
            trust = 1 / (1 + (off / 2) ** 2)
        smooth = np.maximum(terms @ found, 1e-3)
        out[k, known], sigma[k, known] = flux[k][known] / smooth - 1, both / smooth
    return out, sigma


def _find_ranges(size, edges):
    """Ranges in Angstrom in which bins beside each other differ by more than is likely."""
    beyond = np.nan_to_num(np.abs(size)) > BEYOND
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], beyond.astype(int), [0]])))
    pairs = [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True) if b - a >= TOGETHER]
    return [(float(np.exp(edges[a])), float(np.exp(edges[b]))) for a, b in pairs]
