# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated observations of transients: real ones, redshifted, in hosts, with noise and errors of calibration."""

from typing import NamedTuple

import numpy as np

__all__ = ["Mixture", "draw_mixtures"]

#: ranges that are drawn from: redshift, share of the light that is the host's, S/N per pixel (even in the logarithm)
SHARE, SNR = (0.0, 0.9), (0.8, 60.0)
NEAR, FAR = 0.005, 0.7
#: instruments as first and last Angstrom and width of a pixel: spectrographs of classification and of surveys
INSTRUMENTS = (
    (3500, 9200, 2.5), (3700, 8900, 1.2), (3200, 10000, 3.0), (3800, 9200, 25.0), (3400, 7400, 2.0), (3650, 9250, 5.0),
    (4000, 8800, 4.0), (3300, 9900, 2.5),
)  # fmt: skip
#: standard deviation of smooth errors of calibration, and how many half waves they have
CALIBRATION, HALF_WAVES = 0.08, 4
#: least share of the ends of a spectrum that must be seen, in ln(wavelength); tries
LEAST, TRIES = 0.35, 20


class Mixture(NamedTuple):
    """One simulated observation.

    Attributes
    ----------
    wavelength, flux, ivar : ndarray, shape (n,)
    row : int
        Of the spectrum of the transient; -1 for none.
    z : float
    share : float
        Of the light, in the median over the pixels, that is the host's.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    row: int
    z: float
    share: float


def draw_mixtures(spectra, hosts, ln_host, n, rng, *, kinds=None):
    """Observations of transients, of all types and objects alike.

    Parameters
    ----------
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
    hosts : ndarray, shape (m, N)
        Flux of galaxies at rest.
    ln_host : ndarray, shape (N,)
        ln(wavelength) of these.
    n : int
    rng : `numpy.random.Generator`
    kinds : sequence of str, optional
        Types that are drawn; all if not given.

    Returns
    -------
    list of Mixture
    """
    by_kind = {}
    for row, one in enumerate(spectra):
        if kinds is None or one.kind in kinds:
            by_kind.setdefault(one.kind, {}).setdefault(one.object, []).append(row)
    names, out = sorted(by_kind), []
    while len(out) < n:
        objects = by_kind[names[rng.integers(len(names))]]
        rows = objects[sorted(objects)[rng.integers(len(objects))]]
        row = int(rows[rng.integers(len(rows))])
        host = hosts[rng.integers(len(hosts))]
        for _ in range(TRIES):
            made = _observe(spectra[row], host, ln_host, rng)
            if made is not None:
                out.append(Mixture(*made[:3], row, *made[3:]))
                break
    return out


def _observe(one, host, ln_host, rng):
    """Wavelength, flux, ivar, redshift and share of the host of one observation; None where too little is seen."""
    z = float(np.exp(rng.uniform(np.log(NEAR), np.log(FAR)))) if rng.random() < 0.5 else float(rng.uniform(NEAR, FAR))
    low, high, pixel = INSTRUMENTS[rng.integers(len(INSTRUMENTS))]
    x = one.ln_wavelength + np.log1p(z)
    first, last = max(low, np.exp(x[0])), min(high, np.exp(x[-1]))
    if last <= first or np.log(last / first) < LEAST:
        return None
    seen = np.arange(first, last, pixel)
    ln_seen = np.log(seen)
    flux = _average(ln_seen, x, one.flux)
    middle = np.median(flux)
    if not middle > 0:
        return None
    known = np.isfinite(host)
    galaxy = _average(ln_seen, ln_host[known] + np.log1p(z), host[known])
    share = rng.uniform(*SHARE) if rng.random() < 0.7 else 0.0
    total = (1 - share) * flux / middle + share * galaxy / np.median(galaxy)
    place = np.linspace(0, np.pi, len(seen))
    waves = np.arange(1, HALF_WAVES + 1)
    total = total * np.exp(CALIBRATION * (rng.normal(0, 1, HALF_WAVES) / waves) @ np.cos(waves[:, None] * place))
    snr = np.exp(rng.uniform(*np.log(SNR)))
    sigma = (np.sqrt(np.clip(total, 0.1, None)) / snr) * (1 + 0.5 * np.cos(place) ** 2)
    return seen, total + rng.normal(0, sigma), sigma**-2.0, z, share


def _average(wanted, x, flux):
    """Flux at places, as means over their pixels where these are wider than those that are known."""
    cumulative = np.concatenate([[0.0], np.cumsum((flux[1:] + flux[:-1]) / 2 * np.diff(x))])
    half = np.gradient(wanted) / 2
    low, high = (np.interp(wanted + side * half, x, cumulative) for side in (-1, 1))
    wide = 2 * half > 2 * np.median(np.diff(x))
    plain = np.interp(wanted, x, flux)
    return np.where(wide, (high - low) / (2 * half), plain)
