# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Transients compared with a library at all redshifts at once: weighted least squares in its components.

A spectrum over its smooth continuum is a template of some strength, as the light of the host dilutes it, components of
galaxies, smooth curves that are nobody's, and noise. What is not a template has a Gaussian prior and is marginalised
over. Sums over the components are made once for each redshift, and the hundreds of templates are compared by their
coefficients alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter1d

from astro_spectok.utils.products import multiply_pieces

__all__ = ["SMOOTH", "Scan", "TemplateSums", "View", "make_waves", "scan_templates", "view_spectrum"]

#: inverse variance, over its median, below which a pixel counts less
NOISY = 0.1
#: continuum, over its median, below which a bin says nothing; limits of the contrast
FAINT, CONTRAST = 0.05, (-1.0, 3.0)
#: how far templates are from any real spectrum, over the continuum
MISFIT = 0.1
#: smooth curves, and the standard deviation of their coefficients
WAVES, SMOOTH = 6, 0.3
#: standard deviation of the coefficients of galaxies, whose components have unit variance
HOST = 1.0
#: limits of the strength of a template
STRENGTH = (0.1, 1.3)
#: bins that weights are averaged over for products, not for what is projected
JOINED = 4
#: fewest bins within the library at a redshift, and fewest of a spectrum
LEAST = 60


@dataclass(frozen=True)
class View:
    """A spectrum on the bins of a library, continued to the red.

    Attributes
    ----------
    first : int
        Place of the first bin among those at rest.
    ratio, weight : ndarray, shape (M,)
        Flux over the continuum, less one, and its inverse variance with the misfit of templates; both 0 in empty bins.
    """

    first: int
    ratio: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Scan:
    """What a library says of a spectrum, for S shifts and T templates.

    Attributes
    ----------
    ln1pz : ndarray, shape (S,)
    gain : ndarray of float32, shape (S, T)
        Half of the fall of chi squared by each template beside galaxies and smooth curves; 0 where too little is seen.
    host : ndarray, shape (S,)
        The same by the galaxies alone.
    strength : ndarray of float32, shape (S, T)
    """

    ln1pz: np.ndarray
    gain: np.ndarray
    host: np.ndarray
    strength: np.ndarray


def view_spectrum(ln_wavelength, flux, ivar, config):
    """A spectrum over its continuum, on the bins of a library.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (n,)
        Increasing, vacuum.
    flux, ivar : ndarray, shape (n,)
        In any unit; pixels with ``ivar`` 0 do not count.
    config : `~astro_spectok.heads.transient.TransientConfig`

    Returns
    -------
    View or None
        None of a spectrum with too few good bins, or without light.
    """
    good = (ivar > 0) & np.isfinite(flux) & np.isfinite(ivar)
    if not good.any():
        return None
    x, flux, ivar = (np.asarray(a, np.float64)[good] for a in (ln_wavelength, flux, ivar))
    place = np.floor((x - np.log(config.low)) / config.step).astype(np.int64)
    first, size = int(place[0]), int(place[-1] - place[0]) + 1
    place -= first
    trust = np.minimum(ivar / (NOISY * np.median(ivar)), 1.0)
    known = np.bincount(place, trust, size)
    there = known > 0
    if np.count_nonzero(there) < LEAST:
        return None
    divisor = np.where(there, known, 1.0)
    mean = np.bincount(place, trust * flux, size) / divisor
    variance = np.bincount(place, trust**2 / ivar, size) / divisor**2
    width = config.continuum / config.step
    total, share = (
        gaussian_filter1d(a, width, mode="constant", truncate=3)
        for a in (np.where(there, mean, 0.0), there.astype(float))
    )
    level = total / np.maximum(share, 1e-6)
    typical = np.median(np.abs(level[there]))
    seen = there & (level > FAINT * typical) & (typical > 0)
    if np.count_nonzero(seen) < LEAST:
        return None
    level = np.where(seen, level, 1.0)
    ratio = np.where(seen, np.clip(mean / level - 1, *CONTRAST), 0.0)
    weight = np.where(seen, 1 / (variance / level**2 + MISFIT**2), 0.0)
    return View(first, ratio, weight)


def make_waves(size):
    """Cosines over the bins of a spectrum, (WAVES, size)."""
    return np.cos(np.pi * np.arange(WAVES)[:, None] * (np.arange(size) + 0.5) / size)


def _multiply_pairs(rows, one, other):
    """Products of pairs of rows in joined bins, (N / `JOINED`, pairs)."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % JOINED)))
    products = padded[one] * padded[other]
    return products.reshape(len(one), -1, JOINED).sum(2).T


class TemplateSums:
    """What is the same for all spectra: products of the rows of a library and of the coefficients of its templates.

    Parameters
    ----------
    library : `~astro_spectok.heads.transient.TransientLibrary`
    """

    def __init__(self, library):
        self.library = library
        templates, size = library.templates, len(library.rows)
        own = templates.shape[1]
        # rows of templates with each other, of galaxies with those of templates, and of galaxies with each other
        one, other = np.triu_indices(own)
        host, template = np.divmod(np.arange((size - own) * own), own)
        first, second = np.triu_indices(size - own)
        pairs = np.concatenate([[one, other], [own + host, template], [own + first, own + second]], axis=1)
        self.products = np.ascontiguousarray(_multiply_pairs(library.rows, *pairs), np.float32)
        self.parts = np.cumsum([len(one), len(host)])
        self.place = np.empty((size - own, size - own), np.int64)
        self.place[first, second] = self.place[second, first] = np.arange(len(first))
        double = np.where(one == other, 1.0, 2.0).astype(np.float32)
        self.squares = np.ascontiguousarray((templates[:, one] * templates[:, other] * double).T)


def scan_templates(view, sums, *, every=1, near=None):
    """Compare a spectrum with all templates at all redshifts.

    Parameters
    ----------
    view : `View`
    sums : `TemplateSums`
    every : int, optional
        Of the redshifts only every so manieth is tried.
    near : float, optional
        ln(1 + z) that is known: it is compared at this and the two next to it alone, which takes a tenth of the time.

    Returns
    -------
    Scan

    Raises
    ------
    ValueError
        The library is not compared at the redshift that is known.
    """
    library = sums.library
    config, rows = library.config, library.rows
    n_own = library.templates.shape[1]
    first, n_lags = config.lags
    lags = slice(0, n_lags, every)
    if near is not None:
        place = round(near / config.step) - first
        if not 0 <= place < n_lags:
            low, high = config.redshifts
            msg = f"near must be ln(1 + z) of a redshift from {low:g} to {high:g}; got {near:g}"
            raise ValueError(msg)
        lags = slice(max(place - 1, 0), min(place + 2, n_lags))
    own, cross, inner, right, number = _sum_all(view, sums, lags)
    # nuisance: galaxies and smooth curves, each with its prior
    hosts = len(rows) - n_own
    inner = inner + np.diag(np.concatenate([np.full(hosts, HOST**-2), np.full(WAVES, SMOOTH**-2)]))
    pull, nuisance = right[:, :n_own], right[:, n_own:, None]  # (S, R), (S, J, 1)
    inverse = np.linalg.inv(inner)  # (S, J, J)
    solved = inverse @ nuisance
    smooth, waves = nuisance[:, hosts:], np.linalg.solve(inner[:, hosts:, hosts:], nuisance[:, hosts:])
    host = 0.5 * ((nuisance * solved).sum(axis=(1, 2)) - (smooth * waves).sum(axis=(1, 2)))
    pull = pull - (np.swapaxes(cross, 1, 2) @ solved)[..., 0]
    overlap = multiply_pieces(pull.astype(np.float32), library.templates.T)  # (S, T)
    # of each template what the nuisance has in common with it, (S, J, T)
    common = multiply_pieces(cross.reshape(-1, n_own).astype(np.float32), library.templates.T)
    common = common.reshape(*cross.shape[:2], -1)
    size = multiply_pieces(own, sums.squares) - (common * (inverse.astype(np.float32) @ common)).sum(axis=1)
    size = np.maximum(size, 1e-6)
    best = np.clip(overlap / size, *STRENGTH)
    gain = best * (overlap - 0.5 * best * size)
    gain[number < LEAST] = 0.0
    ln1pz = config.step * (first + np.arange(n_lags)[lags])
    return Scan(ln1pz, gain, np.where(number < LEAST, 0.0, host), best)


def _sum_all(view, sums, lags):
    """Sums over the bins that are seen at each of S shifts, a slice of all.

    Returns
    -------
    own : ndarray of float32, shape (S, pairs)
        Of products of each two of the R rows of templates.
    cross, inner : ndarray, shape (S, J, R), (S, J, J)
        Of galaxies and smooth curves with the rows of templates, and with each other.
    right : ndarray, shape (S, R + J)
        Of all of them with the spectrum.
    number : ndarray, shape (S,)
        Of bins.
    """
    rows, config = sums.library.rows, sums.library.config
    (first, n_lags), n_rows, bins = config.lags, len(rows), config.bins
    n_own = sums.library.templates.shape[1]
    hosts = n_rows - n_own
    # the bins that lie within the library at one redshift at least
    ratio, weight, *waves = (
        _cut(a, first - view.first, n_lags - 1 + bins)
        for a in (view.ratio, view.weight, *make_waves(len(view.ratio)))
    )  # fmt: skip
    joined = np.convolve(np.pad(weight, (0, JOINED)), np.full(JOINED, 1 / JOINED), mode="valid")
    span = JOINED * (sums.products.shape[0] - 1) + 1
    blocks = sliding_window_view(np.pad(joined, (0, JOINED)).astype(np.float32), span)[lags, ::JOINED]
    products = multiply_pieces(np.ascontiguousarray(blocks), sums.products)  # (S, pairs)
    own, mixed, among = np.split(products, sums.parts, axis=1)
    cross = np.empty((len(blocks), hosts + WAVES, n_own))
    inner = np.empty((len(blocks), hosts + WAVES, hosts + WAVES))
    right = np.empty((len(blocks), n_rows + WAVES))
    cross[:, :hosts] = mixed.reshape(-1, hosts, n_own)
    inner[:, :hosts, :hosts] = among[:, sums.place]
    right[:, :n_rows] = _correlate(weight * ratio, rows, lags)
    for j, wave in enumerate(waves):
        part = _correlate(weight * wave, rows, lags)
        cross[:, hosts + j] = part[:, :n_own]
        inner[:, hosts + j, :hosts] = inner[:, :hosts, hosts + j] = part[:, n_own:]
    # a row for each pair of curves, for each curve and the spectrum, and for the bins themselves
    one, other = np.triu_indices(WAVES)
    curves = np.array(waves)
    single = np.concatenate([curves[one] * curves[other] * weight, curves * (weight * ratio), [weight > 0]])
    found = _sum_windows(single, bins, lags).T  # (S, rows)
    inner[:, hosts + one, hosts + other] = inner[:, hosts + other, hosts + one] = found[:, : len(one)]
    right[:, n_rows:] = found[:, len(one) : -1]
    return own, cross, inner, right, found[:, -1]


def _correlate(values, rows, lags):
    windows = sliding_window_view(values.astype(np.float32), rows.shape[1])[lags]
    return multiply_pieces(np.ascontiguousarray(windows), rows.T)


def _sum_windows(values, width, lags):
    """Sums of rows (K, M) over ``width`` bins, (K, S)."""
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
    return (total[:, width:] - total[:, :-width])[:, lags]


def _cut(values, start, size):
    """Entries ``start`` to ``start + size``, zero where there are none."""
    out = np.zeros(size)
    low, high = max(start, 0), min(start + size, len(values))
    if high > low:
        out[low - start : high - start] = values[low:high]
    return out
