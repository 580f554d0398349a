# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which spectra of a series differ from the others beyond noise and calibration, and where."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable
from astropy.time import Time
from scipy.ndimage import median_filter

from astro_spectok.spectra import SpectrumSeries
from astro_spectok.utils.constants import SIGMA_PER_MAD
from astro_spectok.utils.host import own_state

__all__ = ["Changes", "find_changes"]

#: least width of a bin in ln(wavelength), 3000 km/s, and the parts of it whose median is taken, so that cosmic rays and
#: narrow lines count for nothing; a part is at least so many pixels of the coarsest spectrum wide
STEP, PARTS, PIXELS = 0.01, 10, 1.2
#: share of the parts of a bin that two spectra must share
SHARED = 0.6
#: bins of the running median that is taken for calibration; bins at either end, where it is worst, that are left out
CALIBRATION, ENDS = 17, 3
#: standard deviations beyond which a bin has changed, and how many such bins beside each other, with one sign
BEYOND, TOGETHER = 4.0, 2
#: relative error that each spectrum always has
LEAST_ERROR = 0.01
#: fewest bins that two spectra share
LEAST = 12
#: bands of water and oxygen in the Earth's atmosphere, whose correction is never exact; vacuum Angstrom
TELLURIC = ((6860.0, 6960.0), (7160.0, 7340.0), (7580.0, 7710.0), (8120.0, 8350.0), (8940.0, 9800.0))


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
def find_changes(series: SpectrumSeries, *, medium: str | None = None) -> Changes:
    """Find which spectra of a series differ from the others, beyond noise and calibration errors, and where.

    Spectra are averaged in bins of 3000 km/s, by a median that cosmic rays and narrow lines do not move, and compared
    with the mean of the others. What is smooth over 17 bins is divided out: errors of calibration, another exposure, or
    a continuum that varies. What is left is compared with the noise, with 1 % of the flux, and with its own scatter
    around. Bands of the atmosphere are left out, and three bins at either end, where calibration is worst.

    Parameters
    ----------
    series : `~astro_spectok.spectra.SpectrumSeries`
        Two spectra or more, in the observer's frame.
    medium : {'air', 'vacuum'}, optional
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
    >>> find_changes(SpectrumSeries([read_example(), read_example()])).changed.tolist()
    [False, False]
    """
    if not isinstance(series, SpectrumSeries):
        msg = f"series must be a SpectrumSeries; got {type(series).__name__}; write SpectrumSeries(spectra), say"
        raise TypeError(msg)
    batch = series.to_batch(medium=medium)
    spectra = [(batch.wavelength[batch.grid(i)], batch.flux[batch.pixels(i)], batch.ivar[batch.pixels(i)])
               for i in range(len(batch))]  # fmt: skip
    usable = [wavelength[ivar > 0] for wavelength, _, ivar in spectra if np.count_nonzero(ivar > 0) > 1]
    if len(usable) < 2:
        msg = f"series must hold two spectra that can be used at least; got {len(usable)}"
        raise ValueError(msg)
    part = max(STEP / PARTS, PIXELS * max(float(np.median(np.diff(np.log(one)))) for one in usable))
    parts = max(1, int(STEP / part))
    first, last = (np.log(limit(one[place] for one in usable)) for limit, place in ((min, 0), (max, -1)))
    bins = max(1, int(np.ceil((last - first) / (part * parts))))
    edges = first + part * parts * np.arange(bins + 1)
    flux, variance = (np.array(x) for x in zip(*(_bin(*one, edges, parts) for one in spectra), strict=True))
    difference, error = _compare(flux, variance, np.exp((edges[1:] + edges[:-1]) / 2))
    if not np.isfinite(difference).any():
        msg = f"series must hold spectra that share {LEAST} bins of 3000 km/s at least; they share fewer"
        raise ValueError(msg)
    ranges = tuple(_find_ranges(one / other, edges) for one, other in zip(difference, error, strict=True))
    middle = np.exp((edges[1:] + edges[:-1]) / 2) * u.AA
    return Changes(middle, difference, error, np.array([bool(one) for one in ranges]), ranges, series.times)


def _bin(wavelength, flux, ivar, edges, parts):
    """Means by inverse variance, and their variances, in the parts of bins: (m, parts) each, NaN without a pixel."""
    n = (len(edges) - 1) * parts
    good = (ivar > 0) & np.isfinite(flux)
    place = np.floor((np.log(wavelength[good]) - edges[0]) / (edges[1] - edges[0]) * parts).astype(int)
    inside = (place >= 0) & (place < n)
    weight, value = ivar[good][inside].astype(float), flux[good][inside].astype(float)
    total, summed = (np.bincount(place[inside], x, n) for x in (weight, weight * value))
    seen = total > 0
    mean, variance = (np.divide(x, total, out=np.full(n, np.nan), where=seen) for x in (summed, np.ones(n)))
    return mean.reshape(-1, parts), variance.reshape(-1, parts)


def _compare(flux, variance, middle):
    """Relative differences of each spectrum from the mean of the others, and their errors: (n, m) each."""
    out, sigma = (np.full((len(flux), len(middle)), np.nan) for _ in range(2))
    with warnings.catch_warnings():
        # bins without a pixel
        warnings.simplefilter("ignore", RuntimeWarning)
        level = np.nanmedian(np.abs(flux), axis=(1, 2), keepdims=True)
        level = np.where(level > 0, level, np.nan)
        flux, variance = flux / level, variance / level**2
        for k in range(len(flux)):
            weight = np.nan_to_num(1 / np.delete(variance, k, axis=0))
            total = weight.sum(axis=0)
            mean = (weight * np.nan_to_num(np.delete(flux, k, axis=0))).sum(axis=0) / np.where(total > 0, total, np.nan)
            out[k], sigma[k] = _compare_pair(flux[k], variance[k], mean, 1 / total, middle)
    return out, sigma


def _compare_pair(flux, variance, mean, mean_variance, middle):
    """Relative difference of a spectrum from a mean, both in parts of bins (m, parts), and its error: (m,) each."""
    both = np.isfinite(flux) & np.isfinite(mean)
    flux, mean = np.where(both, flux, np.nan), np.where(both, mean, np.nan)
    height = np.nanmedian(mean, axis=1)
    scale = np.nanmedian(np.nanmedian(flux, axis=1) / np.where(height > 0, height, np.nan))
    ratio = scale + np.nanmedian(flux - scale * mean, axis=1) / height
    number = both.sum(axis=1)
    # the median of n values has a variance of pi / 2 over n
    noise = np.nansum(np.where(both, variance + scale**2 * mean_variance, 0), axis=1) * np.pi / 2
    noise = np.sqrt(noise) / np.maximum(number, 1) / height
    known = (number >= SHARED * flux.shape[1]) & (height > 0) & (ratio > 0) & np.isfinite(noise)
    for low, high in TELLURIC:
        known &= (middle < low) | (middle > high)
    out, error = np.full(len(middle), np.nan), np.full(len(middle), np.nan)
    if np.count_nonzero(known) < LEAST:
        return out, error
    smooth = median_filter(ratio[known], CALIBRATION, mode="reflect")
    out[known] = ratio[known] / smooth - 1
    around = SIGMA_PER_MAD * median_filter(np.abs(out[known]), 2 * CALIBRATION + 1, mode="reflect")
    error[known] = np.maximum(np.hypot(noise[known] / smooth, np.sqrt(2) * LEAST_ERROR), around)
    place = np.flatnonzero(known)
    out[np.r_[place[:ENDS], place[-ENDS:]]] = np.nan
    return out, error


def _find_ranges(size, edges):
    """Ranges in Angstrom in which bins beside each other differ, in one direction, by more than is likely."""
    pairs = []
    for beyond in (np.nan_to_num(size) > BEYOND, np.nan_to_num(size) < -BEYOND):
        bounds = np.flatnonzero(np.diff(np.concatenate([[0], beyond.astype(int), [0]])))
        pairs += [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True) if b - a >= TOGETHER]
    return [(float(np.exp(edges[a])), float(np.exp(edges[b]))) for a, b in sorted(pairs)]
